//! What a task knows of itself is known while it is polled, and at no other time.

use std::{
    future::{pending, poll_fn},
    sync::{Arc, Mutex},
    task::Poll,
};

use executor_core::{
    ExecutorExt as _, Future as _, LocalExecutorExt as _, PortableTask, StopLevel, TaskOptions,
    context, testing::ManualExecutor,
};
use executor_macros::task;

use super::support::{Gate, Shelf, lock};

/// What the context said, each time that it was asked.
type Notes = Arc<Mutex<Vec<(bool, Option<String>)>>>;

fn note(notes: &Notes) {
    lock(notes).push((context::is_task(), context::task_name()));
}

fn noted(notes: &Notes) -> Vec<(bool, Option<String>)> {
    std::mem::take(&mut *lock(notes))
}

fn assert_outside() {
    assert!(!context::is_task());
    assert_eq!(context::task_name(), None);
    assert!(!context::stop_requested());
    assert!(context::check().is_ok());
}

#[task(crate = "executor_core")]
async fn names() -> Vec<Option<String>> {
    let mut names = Vec::new();
    for _ in 0..2 {
        names.push(context::task_name());
        let mut has_slept = false;
        poll_fn(|_| {
            if std::mem::replace(&mut has_slept, true) {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
    names
}

#[test]
fn each_poll_knows_its_task() {
    let shelf = Shelf::new();
    let plain = shelf.submit(names::task()).unwrap();
    let options = TaskOptions::new().with_name("mine");
    let named = shelf.submit_with(options, names::task()).unwrap();
    let mut jobs = [shelf.take(), shelf.take()];
    // In turns on one thread, as a runtime polls them.
    for _ in 0..2 {
        for job in &mut jobs {
            assert!(job.poll().is_pending());
            assert_outside();
        }
    }
    for job in &mut jobs {
        assert!(job.poll().is_ready());
        assert_outside();
    }
    let own = Some(names::NAME.to_owned());
    assert_eq!(plain.result().unwrap(), [own.clone(), own]);
    let given = Some("mine".to_owned());
    assert_eq!(named.result().unwrap(), [given.clone(), given]);
}

#[test]
fn a_future_is_named_after_its_type() {
    let shelf = Shelf::new();
    let future = shelf.spawn_future(async { context::task_name() }).unwrap();
    assert!(shelf.take().poll().is_ready());
    let name = future.result().unwrap().expect("it runs in a task");
    assert!(name.contains("a_future_is_named_after_its_type"), "{name}");
}

#[test]
fn a_panic_ends_the_context_too() {
    let shelf = Shelf::new();
    let _future = shelf
        .spawn_future(async {
            assert!(!context::is_task(), "inside");
        })
        .unwrap();
    assert!(shelf.take().poll().is_ready());
    assert_outside();
}

#[test]
fn the_task_around_the_poll_comes_back() {
    let (shelf, manual) = (Shelf::new(), ManualExecutor::new());
    let notes = Notes::default();
    let inner = Arc::clone(&notes);
    let _future = shelf
        .spawn_future(async move {
            note(&inner);
            pending::<()>().await;
        })
        .unwrap();
    let mut job = shelf.take();
    let outer = Arc::clone(&notes);
    // A worker that is a task itself polls another one.
    let polled = manual
        .spawn_with(TaskOptions::new().with_name("outer"), move || {
            note(&outer);
            let is_pending = job.poll().is_pending();
            note(&outer);
            (is_pending, job)
        })
        .unwrap();
    assert!(manual.run_one());
    assert!(polled.result().unwrap().0);
    assert_outside();

    let noted = noted(&notes);
    let outer = Some("outer".to_owned());
    assert_eq!(
        (noted[0].1.as_ref(), noted[2].1.as_ref()),
        (outer.as_ref(), outer.as_ref())
    );
    assert!(noted.iter().all(|(is_task, _)| *is_task));
    assert_ne!(noted[1].1, outer);
}

#[test]
fn a_stopped_task_is_dropped_inside_of_its_context() {
    struct Notice(Notes);
    impl Drop for Notice {
        fn drop(&mut self) {
            note(&self.0);
        }
    }
    let (shelf, notes) = (Shelf::new(), Notes::default());
    let notice = Notice(Arc::clone(&notes));
    let future = shelf
        .spawn_future(async move {
            let _notice = notice;
            pending::<()>().await;
        })
        .unwrap();
    let mut job = shelf.take();
    assert!(job.poll().is_pending());
    future.stop(StopLevel::Signal).unwrap();
    assert!(noted(&notes).is_empty());
    assert!(job.poll().is_ready());
    assert!(noted(&notes)[0].0);
    assert_outside();
}

#[test]
fn a_driven_task_has_the_same_context() {
    let (shelf, gate) = (Shelf::new(), Gate::new());
    let inner = gate.clone();
    let future = shelf
        .spawn_future(async move {
            let before = context::is_task();
            inner.pass().await;
            (before, context::is_task())
        })
        .unwrap();
    let job = shelf.take_job();
    gate.open();
    let _ran = job.run();
    assert_eq!(future.result().unwrap(), (true, true));
    assert_outside();
}
