//! `stop(Signal)` ends a task at its next `.await`.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    task::Poll,
};

use executor_core::{
    ExecutorExt as _, Feature, Future as _, LocalExecutorExt as _, Outcome, Ran, State, StopLevel,
    TaskErrorKind, TaskFuture, context,
};
use executor_macros::task;

use super::support::{Bomb, Drops, Gate, Shelf, TestWaker, lock, reported};

const STOPPED: Poll<Ran> = Poll::Ready(Ran::Here(Outcome::Failed));

#[test]
fn a_pending_task_is_cancelled() {
    let (shelf, drops) = (Shelf::new(), Drops::new());
    let token = drops.token();
    let future = shelf.spawn_future(async move { drop(token) }).unwrap();
    let mut job = shelf.take();
    future.stop(StopLevel::Signal).unwrap();
    assert!(future.is_cancelled());
    assert_eq!(drops.count(), 1);
    assert_eq!(job.poll(), Poll::Ready(Ran::Cancelled));
}

#[test]
fn a_sleeping_task_is_woken_and_ends() {
    let (shelf, gate, drops) = (Shelf::new(), Gate::new(), Drops::new());
    let (inner, token) = (gate.clone(), drops.token());
    let future = shelf
        .spawn_future(async move {
            inner.pass().await;
            drop(token);
        })
        .unwrap();
    let mut job = shelf.take();
    assert!(job.poll().is_pending());

    future.stop(StopLevel::Signal).unwrap();
    assert_eq!(job.woken(), 1);
    // The thread that asks does not touch the future: it belongs to the one who polls.
    assert_eq!((future.state(), drops.count()), (State::Running, 0));

    assert_eq!(job.poll(), STOPPED);
    assert_eq!((drops.count(), gate.polls()), (1, 1));
    let error = future.peek_error().expect("it has failed");
    assert!(matches!(error.kind(), TaskErrorKind::Stopped));
    assert!(error.is_stopped() && error.may_have_run());

    // Then there is nothing left to stop, and nobody to wake.
    future.stop(StopLevel::Signal).unwrap();
    assert_eq!(job.woken(), 0);
    assert!(future.result().unwrap_err().is_stopped());
}

#[test]
fn a_woken_task_that_is_stopped_ends_too() {
    let (shelf, gate) = (Shelf::new(), Gate::new());
    let inner = gate.clone();
    let future = shelf
        .spawn_future(async move { inner.pass().await })
        .unwrap();
    let mut job = shelf.take();
    assert!(job.poll().is_pending());
    gate.open();
    future.stop(StopLevel::Signal).unwrap();
    assert_eq!(job.poll(), STOPPED);
    assert!(future.result().unwrap_err().is_stopped());
    assert_eq!(gate.polls(), 1, "it ended where it slept");
}

#[test]
fn a_second_stop_wakes_nobody() {
    let shelf = Shelf::new();
    let future = shelf.spawn_future(pending::<()>()).unwrap();
    let mut job = shelf.take();
    assert!(job.poll().is_pending());
    future.stop(StopLevel::Signal).unwrap();
    future.stop(StopLevel::Signal).unwrap();
    assert_eq!(job.woken(), 1);
    assert_eq!(job.poll(), STOPPED);
}

#[test]
fn the_waker_of_the_latest_poll_is_woken() {
    let shelf = Shelf::new();
    let future = shelf.spawn_future(pending::<()>()).unwrap();
    let mut job = shelf.take();
    let first = TestWaker::new();
    assert!(first.poll(&mut job.job).is_pending());
    assert!(job.poll().is_pending());
    future.stop(StopLevel::Signal).unwrap();
    assert_eq!((first.woken(), job.woken()), (0, 1));
}

#[test]
fn force_is_refused() {
    let shelf = Shelf::new();
    let future = shelf.spawn_future(pending::<()>()).unwrap();
    let mut job = shelf.take();
    assert!(job.poll().is_pending());
    let unsupported = future.stop(StopLevel::Kill).unwrap_err();
    assert_eq!(unsupported.feature(), Feature::Kill);
    assert_eq!((job.woken(), future.state()), (0, State::Running));
}

/// Where a task finds its own future.
type Own = Arc<Mutex<Option<TaskFuture<u64>>>>;

fn stop(own: &Own) {
    let own = lock(own);
    let own = own.as_ref().expect("it was put there");
    own.stop(StopLevel::Signal).expect("signals are supported");
}

#[test]
fn a_stop_during_a_poll_ends_it_at_that_await() {
    let (shelf, gate, drops) = (Shelf::new(), Gate::new(), Drops::new());
    let own = Own::default();
    let (inner, inner_own, token) = (gate.clone(), Arc::clone(&own), drops.token());
    let future = shelf
        .spawn_future(async move {
            let _token = token;
            assert!(!context::stop_requested());
            stop(&inner_own);
            assert!(context::stop_requested());
            inner.pass().await;
            0
        })
        .unwrap();
    *lock(&own) = Some(future);
    let mut job = shelf.take();
    assert_eq!(job.poll(), STOPPED);
    assert_eq!((gate.polls(), drops.count()), (1, 1));
    let future = lock(&own).take().unwrap();
    assert!(future.result().unwrap_err().is_stopped());
}

#[test]
fn a_stop_after_the_last_await_changes_nothing() {
    let (shelf, own) = (Shelf::new(), Own::default());
    let inner_own = Arc::clone(&own);
    let future = shelf
        .spawn_future(async move {
            stop(&inner_own);
            7
        })
        .unwrap();
    *lock(&own) = Some(future);
    let mut job = shelf.take();
    assert_eq!(job.poll(), Poll::Ready(Ran::Here(Outcome::Succeeded)));
    let future = lock(&own).take().unwrap();
    assert_eq!(future.result().unwrap(), 7);
}

#[test]
fn a_panic_in_the_drop_of_a_stopped_task_goes_to_the_hook() {
    const MESSAGE: &str = "dropped while it was stopped";
    assert_eq!(reported(MESSAGE), 0);
    let (shelf, drops) = (Shelf::new(), Drops::new());
    let token = drops.token();
    let future = shelf
        .spawn_future(async move {
            let (_bomb, _token) = (Bomb(MESSAGE), token);
            pending::<()>().await;
        })
        .unwrap();
    let mut job = shelf.take();
    assert!(job.poll().is_pending());
    future.stop(StopLevel::Signal).unwrap();
    assert_eq!(job.poll(), STOPPED);
    assert!(future.result().unwrap_err().is_stopped());
    assert_eq!((reported(MESSAGE), drops.count()), (1, 1));
}

#[task(crate = "executor_core")]
async fn for_ever() {
    pending::<()>().await;
}

#[test]
fn a_map_that_is_dropped_stops_its_chunks() {
    let shelf = Shelf::new();
    let map = shelf.map((0..4).map(|_| for_ever::task())).chunk(2).start();
    let (mut running, mut queued) = (shelf.take(), shelf.take());
    assert!(running.poll().is_pending());
    drop(map);
    assert_eq!(queued.poll(), Poll::Ready(Ran::Cancelled));
    assert_eq!(running.woken(), 1);
    assert_eq!(running.poll(), STOPPED);
}
