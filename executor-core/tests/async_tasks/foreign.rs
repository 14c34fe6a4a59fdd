//! Wakers that come from elsewhere, and may do anything when they are woken or dropped.

use std::{
    future::{Future as _, pending},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use executor_core::{AsyncJob, ExecutorExt as _, Future as _, LocalExecutorExt as _, context};
use executor_macros::task;

use super::support::{Gate, Shelf, lock};

/// Panics when it is dropped.
struct Bad;

impl Wake for Bad {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Bad {
    fn drop(&mut self) {
        assert!(
            thread::panicking(),
            "a waker that panics when it is dropped"
        );
    }
}

/// A job that sleeps for ever, and was polled with a bad waker, of which the job has the last clone.
fn asleep_with_bad_waker() -> (AsyncJob, executor_core::TaskFuture<()>) {
    let shelf = Shelf::new();
    let future = shelf
        .spawn_future(pending::<()>())
        .expect("a shelf takes all");
    let mut job = shelf.take_job().into_async().expect("it is a future");
    let waker = Waker::from(Arc::new(Bad));
    let polled = Pin::new(&mut job).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    (job, future)
}

#[test]
fn an_old_waker_that_panics_when_it_is_replaced_hurts_nobody() {
    let (mut job, future) = asleep_with_bad_waker();
    let polled = Pin::new(&mut job).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    assert!(!context::is_task());
    drop(job);
    assert_eq!(context::task_name(), None);
    assert!(future.result().unwrap_err().is_lost());
}

#[test]
fn a_last_waker_that_panics_hurts_nobody() {
    let (job, future) = asleep_with_bad_waker();
    drop(job);
    drop(future);
}

#[test]
fn no_waker_is_kept_once_the_task_is_over() {
    struct Nothing;
    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }
    let (shelf, gate) = (Shelf::new(), Gate::new());
    let inner = gate.clone();
    let future = shelf.spawn_future(async move { inner.pass().await });
    let mut job = shelf.take_job().into_async().unwrap();
    let nothing = Arc::new(Nothing);
    let waker = Waker::from(Arc::clone(&nothing));
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut job).poll(&mut context).is_pending());
    gate.open();
    assert!(Pin::new(&mut job).poll(&mut context).is_ready());
    drop((job, waker));
    assert_eq!(Arc::strong_count(&nothing), 1, "the result is still there");
    future.unwrap().result().unwrap();
}

#[test]
fn what_a_dropped_job_drops_is_still_the_task_s() {
    struct Note(Arc<Mutex<Option<bool>>>);
    impl Drop for Note {
        fn drop(&mut self) {
            *lock(&self.0) = Some(context::is_task());
        }
    }
    let (shelf, noted) = (Shelf::new(), Arc::default());
    let note = Note(Arc::clone(&noted));
    let future = shelf.spawn_future(async move {
        let _note = note;
        pending::<()>().await;
    });
    let mut job = shelf.take();
    assert!(job.poll().is_pending());
    drop(job);
    assert_eq!(*lock(&noted), Some(true));
    assert!(future.unwrap().result().unwrap_err().is_lost());
}

#[task(crate = "executor_core")]
async fn sleeper(sleeps: bool) {
    if sleeps {
        pending::<()>().await;
    }
}

/// Polls the job as soon as it is woken, as a runtime with another thread may do.
struct Eager(Mutex<Option<AsyncJob>>);

impl Wake for Eager {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let mut job = lock(&self.0);
        let mut context = Context::from_waker(&waker);
        if job
            .as_mut()
            .is_some_and(|job| Pin::new(job).poll(&mut context).is_ready())
        {
            *job = None;
        }
    }
}

#[test]
fn a_map_that_is_out_of_time_says_so_however_quickly_its_chunks_end() {
    let shelf = Shelf::new();
    let mut map = shelf
        .map([false, true].map(sleeper::task))
        .chunk(2)
        .timeout(Duration::from_millis(5))
        .start();
    let eager = Eager(Mutex::new(Some(shelf.take_job().into_async().unwrap())));
    Arc::new(eager).wake();
    for _ in 0..2 {
        assert!(map.next().unwrap().unwrap_err().is_timed_out());
    }
    assert!(map.next().is_none());
}
