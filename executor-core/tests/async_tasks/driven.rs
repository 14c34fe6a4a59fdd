//! Where no runtime is, the thread that runs the job drives the future.

use std::{
    future::pending,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    thread,
};

use executor_core::{
    ExecutorExt as _, Future as _, LocalExecutorExt as _, Outcome, Ran, StopLevel,
    testing::{InlineExecutor, ManualExecutor},
};
use executor_macros::task;

use super::support::{Drops, Gate, Shelf};

#[test]
fn it_sleeps_until_it_is_woken() {
    let (shelf, gate, asleep) = (Shelf::new(), Gate::new(), Gate::new());
    let (inner, latch) = (gate.clone(), asleep.clone());
    let future = shelf
        .spawn_future(async move {
            latch.open();
            inner.pass().await;
            5
        })
        .unwrap();
    let job = shelf.take_job();
    thread::scope(|scope| {
        let worker = scope.spawn(|| job.run());
        asleep.wait();
        assert!(!future.cancel());
        gate.open();
        assert_eq!(worker.join().unwrap(), Ran::Here(Outcome::Succeeded));
    });
    assert_eq!(future.result().unwrap(), 5);
}

#[test]
fn a_stop_from_another_thread_ends_it() {
    // Again and again, since the stop may come before the worker sleeps, or when it does.
    for _ in 0..100 {
        let (shelf, asleep, drops) = (Shelf::new(), Gate::new(), Drops::new());
        let (latch, token) = (asleep.clone(), drops.token());
        let future = shelf
            .spawn_future(async move {
                let _token = token;
                latch.open();
                pending::<()>().await;
            })
            .unwrap();
        let job = shelf.take_job();
        thread::scope(|scope| {
            let worker = scope.spawn(|| job.run());
            asleep.wait();
            future.stop(StopLevel::Signal).unwrap();
            assert_eq!(worker.join().unwrap(), Ran::Here(Outcome::Failed));
        });
        assert_eq!(drops.count(), 1);
        assert!(future.result().unwrap_err().is_stopped());
    }
}

#[test]
fn a_claimed_job_is_driven_too() {
    let shelf = Shelf::new();
    let future = shelf.spawn_future(async { 3 }).unwrap();
    let started = shelf.take_job().claim().expect("nobody else has");
    assert_eq!(started.run(), Outcome::Succeeded);
    assert_eq!(future.result().unwrap(), 3);
}

#[test]
fn it_runs_unobserved() {
    let (shelf, gate, drops) = (Shelf::new(), Gate::new(), Drops::new());
    for panics in [false, true] {
        let (inner, token, output) = (gate.clone(), drops.token(), drops.token());
        drop(shelf.spawn_future(async move {
            let _token = token;
            inner.open();
            inner.pass().await;
            assert!(!panics, "nobody hears it");
            output
        }));
    }
    assert_eq!(shelf.take_job().run(), Ran::Here(Outcome::Succeeded));
    assert_eq!(shelf.take_job().run(), Ran::Here(Outcome::Failed));
    assert_eq!((drops.count(), gate.polls()), (4, 2));
}

#[test]
fn tasks_of_one_executor_await_each_other() {
    let inline = InlineExecutor::new();
    let inner = inline.clone();
    let future = inline
        .spawn_future(async move { inner.spawn_future(async { 1 }).unwrap().await.unwrap() + 1 })
        .unwrap();
    assert_eq!(future.result().unwrap(), 2);

    // There the inner task is queued, and its waiter is the only one who can run it.
    let manual = ManualExecutor::new();
    let inner = manual.clone();
    let future = manual
        .spawn_future(async move { inner.spawn_future(async { 1 }).unwrap().await.unwrap() + 1 })
        .unwrap();
    assert_eq!(future.result().unwrap(), 2);
    assert_eq!(manual.run_all(), 2, "what is left are shells");
}

#[test]
fn polled_tasks_of_one_executor_await_each_other() {
    let shelf = Shelf::new();
    let inner = shelf.clone();
    let future = shelf
        .spawn_future(async move { inner.spawn_future(async { 1 }).unwrap().await.unwrap() + 1 })
        .unwrap();
    let mut outer = shelf.take();
    assert!(outer.poll().is_pending());
    let mut inner = shelf.take();
    assert_eq!(outer.woken(), 0);
    assert!(inner.poll().is_ready());
    assert_eq!(outer.woken(), 1);
    assert!(outer.poll().is_ready());
    assert_eq!(future.result().unwrap(), 2);
}

#[test]
fn a_lost_inner_task_is_an_error_of_the_outer_one() {
    let shelf = Shelf::new();
    let inner = shelf.clone();
    let future = shelf
        .spawn_future(async move { inner.spawn_future(async { 1 }).unwrap().await })
        .unwrap();
    let mut outer = shelf.take();
    assert!(outer.poll().is_pending());
    drop(shelf.take());
    assert!(outer.poll().is_ready());
    assert!(future.result().unwrap().unwrap_err().is_lost());
}

/// The library with a runtime that breaks.
mod broken {
    pub(crate) use executor_core::{PortableTask, Task, TaskError, codec, private, register};

    pub(crate) mod tokio {
        use super::super::{AtomicUsize, Context, Ordering, Waker, pin};

        pub(crate) static BROKEN: AtomicUsize = AtomicUsize::new(0);

        /// Polls once, and gives up.
        pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
            let mut context = Context::from_waker(Waker::noop());
            let polled = pin!(future).poll(&mut context);
            BROKEN.fetch_add(1, Ordering::Relaxed);
            drop(polled);
            panic!("the runtime broke");
        }
    }
}

#[task(crate = "crate::driven::broken", runtime = "tokio")]
async fn sleeper(sleeps: bool) -> u64 {
    if sleeps {
        pending::<()>().await;
    }
    6
}

#[test]
fn a_runtime_that_breaks_fails_the_task() {
    let shelf = Shelf::new();
    let future = shelf.submit(sleeper::task(true)).unwrap();
    assert_eq!(shelf.take_job().run(), Ran::Here(Outcome::Failed));
    let error = future.result().unwrap_err();
    assert_eq!(error.panic_report().unwrap().message(), "the runtime broke");

    // Unless the task had come to its end.
    let future = shelf.submit(sleeper::task(false)).unwrap();
    assert_eq!(shelf.take_job().run(), Ran::Here(Outcome::Succeeded));
    assert_eq!(future.result().unwrap(), 6);
    assert_eq!(broken::tokio::BROKEN.load(Ordering::Relaxed), 2);
}

#[test]
fn many_driven_at_once_are_each_woken() {
    const TASKS: usize = 8;
    let (shelf, gate) = (Shelf::new(), Gate::new());
    let done = Arc::new(AtomicUsize::new(0));
    // Each opens the next one's gate, the last one first.
    let mut next = gate.clone();
    let futures: Vec<_> = (0..TASKS)
        .map(|_| {
            let (mine, theirs, done) = (Gate::new(), next.clone(), Arc::clone(&done));
            next = mine.clone();
            let future = shelf.spawn_future(async move {
                mine.pass().await;
                done.fetch_add(1, Ordering::Relaxed);
                theirs.open();
            });
            future.unwrap()
        })
        .collect();
    thread::scope(|scope| {
        for _ in 0..TASKS {
            let job = shelf.take_job();
            scope.spawn(|| job.run());
        }
        next.open();
        for future in futures {
            future.result().unwrap();
        }
    });
    gate.wait();
    assert_eq!(done.load(Ordering::Relaxed), TASKS);
}
