//! Who gets to poll a task, and what its future hears of it.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use executor_core::{
    ExecutorExt as _, Future as _, FutureTask, Home, JobKind, LocalExecutorExt as _, Outcome,
    PortableTask, Ran, State, Task as _, TaskErrorKind, TaskOptions, Timeout,
};
use executor_macros::task;

use super::support::{Drops, Gate, Room, Shelf, TestWaker};

#[task(crate = "executor_core", derive(Debug, PartialEq))]
async fn double(x: u64) -> u64 {
    ready(x * 2).await
}

#[test]
fn the_first_poll_claims() {
    let (shelf, gate) = (Shelf::new(), Gate::new());
    let inner = gate.clone();
    let future = shelf
        .spawn_future(async move {
            inner.pass().await;
            42
        })
        .unwrap();
    let mut job = shelf.take();
    assert_eq!(future.state(), State::Pending);
    assert!(!job.job.is_started());

    assert_eq!(job.poll(), Poll::Pending);
    assert_eq!(future.state(), State::Running);
    assert!(job.job.is_started());
    assert!(!future.cancel());
    assert_eq!((future.state(), job.woken()), (State::Running, 0));

    gate.open();
    assert_eq!(job.woken(), 1);
    assert_eq!(job.poll(), Poll::Ready(Ran::Here(Outcome::Succeeded)));
    assert_eq!(future.state(), State::Done(Outcome::Succeeded));
    assert_eq!(future.result().unwrap(), 42);
    assert_eq!(gate.polls(), 2);
}

#[test]
fn whoever_waits_is_told() {
    let (shelf, gate) = (Shelf::new(), Gate::new());
    let inner = gate.clone();
    let mut future = shelf
        .spawn_future(async move { inner.pass().await })
        .unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let callback = Arc::clone(&told);
    future.on_done(move |outcome| {
        assert_eq!(outcome, Outcome::Succeeded);
        callback.fetch_add(1, Ordering::Relaxed);
    });
    let waiter = TestWaker::new();
    assert!(waiter.poll(&mut future).is_pending());

    let mut job = shelf.take();
    assert!(job.poll().is_pending());
    assert_eq!((waiter.woken(), told.load(Ordering::Relaxed)), (0, 0));
    gate.open();
    assert!(job.poll().is_ready());
    assert_eq!((waiter.woken(), told.load(Ordering::Relaxed)), (1, 1));
    assert!(matches!(waiter.poll(&mut future), Poll::Ready(Ok(()))));
}

#[test]
fn a_thread_that_waits_is_told() {
    let (shelf, gate) = (Shelf::new(), Gate::new());
    let inner = gate.clone();
    let future = shelf
        .spawn_future(async move {
            inner.pass().await;
            7
        })
        .unwrap();
    let mut job = shelf.take();
    assert!(job.poll().is_pending());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| future.result().unwrap());
        gate.open();
        assert!(job.poll().is_ready());
        assert_eq!(waiter.join().unwrap(), 7);
    });
}

#[test]
fn a_task_that_is_cancelled_first_is_never_polled() {
    let (shelf, gate, drops) = (Shelf::new(), Gate::new(), Drops::new());
    let (inner, token) = (gate.clone(), drops.token());
    let future = shelf
        .spawn_future(async move {
            inner.pass().await;
            drop(token);
        })
        .unwrap();
    let mut job = shelf.take();
    assert!(future.cancel());
    assert_eq!(drops.count(), 1);
    assert_eq!(job.poll(), Poll::Ready(Ran::Cancelled));
    drop(job);
    assert!(future.result().unwrap_err().is_cancelled());
    assert_eq!((gate.polls(), drops.count()), (0, 1));
}

#[test]
fn the_owner_can_cancel_what_is_not_started() {
    let (shelf, gate, drops) = (Shelf::new(), Gate::new(), Drops::new());
    let spawn = || {
        let (inner, token) = (gate.clone(), drops.token());
        let future = shelf.spawn_future(async move {
            inner.pass().await;
            drop(token);
        });
        (future.unwrap(), shelf.take())
    };
    let (future, mut job) = spawn();
    job.job.cancel();
    assert!(future.is_cancelled());
    assert_eq!(drops.count(), 1);
    assert!(!job.job.is_started());
    assert_eq!(job.poll(), Poll::Ready(Ran::Cancelled));

    let (future, mut job) = spawn();
    assert!(job.poll().is_pending());
    job.job.cancel();
    assert_eq!((future.state(), drops.count()), (State::Running, 1));
    gate.open();
    assert_eq!(job.poll(), Poll::Ready(Ran::Here(Outcome::Succeeded)));
    job.job.cancel();
    assert!(future.result().is_ok());
}

#[test]
fn a_panic_is_the_result() {
    for at_once in [true, false] {
        let (shelf, gate, drops) = (Shelf::new(), Gate::new(), Drops::new());
        let (inner, token) = (gate.clone(), drops.token());
        let future = shelf
            .spawn_future(async move {
                let _token = token;
                assert!(!at_once, "sooner");
                inner.pass().await;
                panic!("later");
            })
            .unwrap();
        let mut job = shelf.take();
        if !at_once {
            assert!(job.poll().is_pending());
            gate.open();
        }
        assert_eq!(drops.count(), 0);
        assert_eq!(job.poll(), Poll::Ready(Ran::Here(Outcome::Failed)));
        assert_eq!(drops.count(), 1);

        let error = future.result().unwrap_err();
        let report = error.panic_report().expect("it panicked");
        assert_eq!(report.message(), if at_once { "sooner" } else { "later" });
        let location = report.location().expect("it was seen");
        assert!(location.contains("claim.rs"), "{location}");
    }
}

#[test]
fn an_overdue_task_is_not_polled() {
    let shelf = Shelf::new();
    let overdue = TaskOptions::new().with_queue_timeout(Duration::ZERO);
    let future = shelf.submit_with(overdue.clone(), double::task(1)).unwrap();
    let mut job = shelf.take();
    assert_eq!(job.poll(), Poll::Ready(Ran::Here(Outcome::Failed)));
    let error = future.result().unwrap_err();
    assert!(matches!(
        error.kind(),
        TaskErrorKind::TimedOut(Timeout::Queue)
    ));

    // A waiter may come to it first.
    let future = shelf.submit_with(overdue, double::task(1)).unwrap();
    let mut job = shelf.take();
    assert!(future.result().unwrap_err().is_timed_out());
    assert_eq!(job.poll(), Poll::Ready(Ran::Elsewhere));

    let in_time = TaskOptions::new().with_queue_timeout(Duration::from_secs(3600));
    let future = shelf.submit_with(in_time, double::task(4)).unwrap();
    assert!(shelf.take().poll().is_ready());
    assert_eq!(future.result().unwrap(), 8);
}

#[test]
fn a_refused_future_comes_back() {
    let (shelf, gate, drops) = (Shelf::bounded(0, Room::Tells), Gate::new(), Drops::new());
    let (inner, token) = (gate.clone(), drops.token());
    let error = shelf
        .spawn_future(async move {
            inner.pass().await;
            token
        })
        .unwrap_err();
    assert!(error.is_full());
    assert_eq!((drops.count(), gate.polls()), (0, 0));
    gate.open();
    let task: FutureTask<_> = error.into_task();
    drop(task.run());
    assert_eq!((drops.count(), gate.polls()), (1, 1));

    let error = shelf.submit(double::task(3)).unwrap_err();
    assert_eq!(error.into_task(), double::task(3));
}

#[test]
fn only_futures_can_be_polled() {
    let shelf = Shelf::new();
    let future = shelf.spawn(|| 1).unwrap();
    let job = shelf.take_job();
    assert_eq!(job.kind(), JobKind::Call);
    let job = job.into_async().expect_err("a closure is no future");
    assert_eq!(job.run(), Ran::Here(Outcome::Succeeded));
    assert_eq!(future.result().unwrap(), 1);

    let future = shelf.submit(double::task(1)).unwrap();
    let job = shelf.take_job();
    assert_eq!(job.kind(), JobKind::Future);
    assert!(job.is_portable());
    assert_eq!(job.task_name(), double::NAME);
    assert_eq!(job.run(), Ran::Here(Outcome::Succeeded));
    assert_eq!(future.result().unwrap(), 2);
}

#[test]
fn a_waiter_may_have_run_it() {
    let shelf = Shelf::new();
    let future = shelf.submit(double::task(1)).unwrap();
    let job = shelf.take_job();
    job.bind(Home::anywhere());
    let mut job = job.into_async().unwrap();
    assert_eq!(future.result().unwrap(), 2);
    let waker = TestWaker::new();
    assert_eq!(waker.poll(&mut job), Poll::Ready(Ran::Elsewhere));
}

#[test]
fn a_waiter_may_be_running_it() {
    let (shelf, gate, started) = (Shelf::new(), Gate::new(), Gate::new());
    let (inner, latch) = (gate.clone(), started.clone());
    let future = shelf
        .spawn_future(async move {
            latch.open();
            inner.pass().await;
            3
        })
        .unwrap();
    let job = shelf.take_job();
    job.bind(Home::anywhere());
    let mut job = job.into_async().unwrap();
    let waker = TestWaker::new();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| future.result().unwrap());
        started.wait();
        assert_eq!(waker.poll(&mut job), Poll::Pending);
        // A poll for no reason changes nothing.
        assert_eq!(waker.poll(&mut job), Poll::Pending);
        gate.open();
        assert_eq!(waiter.join().unwrap(), 3);
    });
    assert_eq!(waker.woken(), 1);
    assert_eq!(waker.poll(&mut job), Poll::Ready(Ran::Elsewhere));
}

#[test]
#[should_panic(expected = "polled after it was over")]
fn nothing_comes_after_the_end() {
    let shelf = Shelf::new();
    let _future = shelf.submit(double::task(1)).unwrap();
    let mut job = shelf.take();
    assert!(job.poll().is_ready());
    let _ran = job.poll();
}

#[test]
fn an_async_task_can_leave_the_process_until_it_is_claimed() {
    let shelf = Shelf::new();
    let future = shelf.submit(double::task(5)).unwrap();
    let mut job = shelf.take_job();
    let mut sent = Vec::new();
    let mut received = Vec::new();
    let call = job.encode(&mut sent).expect("it is pending").unwrap();
    executor_core::Registry::global()
        .run(&call, &mut received)
        .unwrap();
    let started = job.claim().expect("nobody else has");
    assert_eq!(future.state(), State::Running);
    started.complete(received.into());
    assert_eq!(future.result().unwrap(), 10);
}
