//! Async tasks, polled by hand: what a runtime pays for one beyond its own.

use std::{
    future::poll_fn,
    hint::black_box,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use executor_core::{AsyncJob, ExecutorExt as _, Future as _, TaskFuture};
use executor_macros::task;

use crate::{OPERATIONS, meter::Meter, shelf::Shelf};

#[task(crate = "executor_core")]
async fn same(x: u64) -> u64 {
    x
}

/// Is ready when it is polled for the second time.
#[task(crate = "executor_core")]
async fn late(x: u64) -> u64 {
    let mut is_late = false;
    let pause = poll_fn(move |_| {
        if std::mem::replace(&mut is_late, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    pause.await;
    x
}

/// Into the cell, and to a backend that does nothing.
pub(crate) fn submit(meter: Meter) {
    let shelf = Shelf::local();
    let mut futures = Vec::with_capacity(OPERATIONS as usize);
    meter.count(|| {
        for n in 0..OPERATIONS {
            futures.push(shelf.submit(same::task(black_box(n))).expect("accepted"));
        }
    });
    drop(shelf.take());
}

/// The first poll, which is the last: claimed, polled and settled.
pub(crate) fn ready(meter: Meter) {
    let (futures, mut jobs) = submitted();
    meter.count(|| {
        for job in &mut jobs {
            assert!(poll(job).is_ready());
        }
    });
    check(futures);
}

/// The first poll of a task that waits for something.
pub(crate) fn pending(meter: Meter) {
    let shelf = Shelf::local();
    let submit = |n| shelf.submit(late::task(n)).expect("accepted");
    let futures: Vec<_> = (0..OPERATIONS).map(submit).collect();
    let mut jobs = to_be_polled(&shelf);
    meter.count(|| {
        for job in &mut jobs {
            assert!(poll(job).is_pending());
        }
    });
    for job in &mut jobs {
        assert!(poll(job).is_ready());
    }
    check(futures);
}

/// The result of a task that is done.
pub(crate) fn take(meter: Meter) {
    let (futures, mut jobs) = submitted();
    for job in &mut jobs {
        assert!(poll(job).is_ready());
    }
    drop(jobs);
    meter.count(|| {
        for future in futures {
            black_box(future.result().expect("it succeeded"));
        }
    });
}

fn submitted() -> (Vec<TaskFuture<u64>>, Vec<AsyncJob>) {
    let shelf = Shelf::local();
    let submit = |n| shelf.submit(same::task(n)).expect("accepted");
    let futures = (0..OPERATIONS).map(submit).collect();
    (futures, to_be_polled(&shelf))
}

fn to_be_polled(shelf: &Shelf) -> Vec<AsyncJob> {
    let jobs = shelf.take().into_iter();
    jobs.map(|job| job.into_async().expect("its task is a future"))
        .collect()
}

fn poll(job: &mut AsyncJob) -> Poll<()> {
    let mut context = Context::from_waker(Waker::noop());
    std::future::Future::poll(Pin::new(job), &mut context).map(|ran| {
        black_box(&ran);
    })
}

fn check(futures: Vec<TaskFuture<u64>>) {
    for (n, future) in (0..).zip(futures) {
        assert_eq!(future.result().expect("it succeeded"), n);
    }
}
