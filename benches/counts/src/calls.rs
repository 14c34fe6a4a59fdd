//! The way of a task through its cell, without a thread.

use std::hint::black_box;

use executor_core::{
    ExecutorExt as _, Future as _, Job, Outcome, Ran, TaskFuture, testing::InlineExecutor,
};
use executor_macros::task;

use crate::{OPERATIONS, meter::Meter, shelf::Shelf};

#[task(crate = "executor_core")]
pub(crate) fn same(x: u64) -> u64 {
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

/// From a queued job to a settled cell, which nobody waits for yet.
pub(crate) fn run(meter: Meter) {
    let (futures, jobs) = submitted();
    meter.count(|| {
        for job in jobs {
            black_box(&job.run());
        }
    });
    check(futures);
}

/// The result of a task that is done, and the end of its cell.
pub(crate) fn take(meter: Meter) {
    let (futures, jobs) = submitted();
    for job in jobs {
        assert!(matches!(job.run(), Ran::Here(Outcome::Succeeded)));
    }
    meter.count(|| {
        for future in futures {
            black_box(future.result().expect("it succeeded"));
        }
    });
}

/// A pending task is cancelled.
pub(crate) fn cancel(meter: Meter) {
    let (futures, jobs) = submitted();
    meter.count(|| {
        for future in &futures {
            assert!(future.cancel());
        }
    });
    drop(jobs);
}

/// A job that is dropped settles as lost.
pub(crate) fn lose(meter: Meter) {
    let (futures, jobs) = submitted();
    meter.count(|| drop(jobs));
    for future in futures {
        assert!(future.result().is_err_and(|error| error.is_lost()));
    }
}

/// A callback is left, and called when the task is done.
pub(crate) fn callback(meter: Meter) {
    let (futures, jobs) = submitted();
    meter.count(|| {
        for (future, job) in futures.iter().zip(jobs) {
            future.on_done(|outcome| {
                black_box(outcome);
            });
            black_box(&job.run());
        }
    });
    check(futures);
}

/// All of it in one call: what any executor pays for a task beyond its queue.
pub(crate) fn inline(meter: Meter) {
    let executor = InlineExecutor::new();
    meter.count(|| {
        for n in 0..OPERATIONS {
            let future = executor.submit(same::task(black_box(n)));
            black_box(future.expect("accepted").result().expect("it succeeded"));
        }
    });
}

/// Items of a map, in chunks of a hundred: it would choose the size by the clock.
pub(crate) fn map(meter: Meter) {
    let executor = InlineExecutor::new();
    meter.count(|| {
        for value in executor.map((0..OPERATIONS).map(same::task)).chunk(100) {
            black_box(value.expect("it succeeded"));
        }
    });
}

fn submitted() -> (Vec<TaskFuture<u64>>, Vec<Job>) {
    let shelf = Shelf::local();
    let submit = |n| shelf.submit(same::task(n)).expect("accepted");
    let futures = (0..OPERATIONS).map(submit).collect();
    (futures, shelf.take())
}

fn check(futures: Vec<TaskFuture<u64>>) {
    for (n, future) in (0..).zip(futures) {
        assert_eq!(future.result().expect("it succeeded"), n);
    }
}
