//! A pool of one thread.
//!
//! A pool that works while it is counted would give another figure each time. So the client is counted while the worker
//! stands still in front of a gate, and the worker while the client waits for it.

use std::{hint::black_box, sync::mpsc};

use executor_core::{ExecutorExt as _, Future as _, LocalExecutorExt as _, TaskFuture};
use executor_threads::ThreadPoolExecutor;

use crate::{OPERATIONS, calls::same, meter::Meter};

/// Into the queue, beside a worker that is busy.
pub(crate) fn submit(meter: Meter) {
    let pool = pool();
    let gate = Gate::close(&pool);
    let mut futures = Vec::with_capacity(OPERATIONS as usize);
    meter.count(|| {
        for n in 0..OPERATIONS {
            futures.push(pool.submit(same::task(black_box(n))).expect("accepted"));
        }
    });
    gate.open();
    for (n, future) in (0..).zip(futures) {
        assert_eq!(future.result().expect("it succeeded"), n);
    }
}

/// The results of tasks that a worker has done.
pub(crate) fn take(meter: Meter) {
    let pool = pool();
    let gate = Gate::close(&pool);
    let futures: Vec<_> = (0..OPERATIONS)
        .map(|n| pool.submit(same::task(n)).expect("accepted"))
        .collect();
    gate.open();
    // The only worker takes them in their order, and this last.
    let last = pool.spawn(|| ()).expect("accepted");
    last.result().expect("it succeeded");
    meter.count(|| {
        for future in futures {
            black_box(future.result().expect("it succeeded"));
        }
    });
}

/// A task that submits another to its own pool and waits for it: into the queue, taken back, run, taken.
pub(crate) fn nested(meter: Meter) {
    inside(move |pool| {
        meter.count(|| {
            for n in 0..OPERATIONS {
                let future = pool.spawn(move || black_box(n)).expect("accepted");
                black_box(future.result().expect("it succeeded"));
            }
        });
    });
}

/// A fork that nobody else takes.
pub(crate) fn join(meter: Meter) {
    inside(move |pool| {
        meter.count(|| {
            for n in 0..OPERATIONS {
                black_box(executor_core::join(pool, || black_box(n), || black_box(n)));
            }
        });
    });
}

fn pool() -> ThreadPoolExecutor {
    ThreadPoolExecutor::new(1).expect("a thread can be started")
}

/// Calls `f` on the only worker of a pool, with that pool.
fn inside(f: impl FnOnce(&ThreadPoolExecutor) + Send + 'static) {
    let pool = pool();
    let inner = pool.clone();
    let done = pool.spawn(move || f(&inner)).expect("accepted");
    done.result().expect("it succeeded");
}

/// A task that keeps the only worker busy.
struct Gate {
    key: mpsc::Sender<()>,
    task: TaskFuture<()>,
}

impl Gate {
    fn close(pool: &ThreadPoolExecutor) -> Self {
        let (key, lock) = mpsc::channel();
        let (enter, entered) = mpsc::channel();
        let wait = move || {
            enter.send(()).expect("the path waits for it");
            lock.recv().expect("the gate is opened before it is gone");
        };
        let task = pool.spawn(wait).expect("accepted");
        entered.recv().expect("the worker comes to the gate");
        Self { key, task }
    }

    fn open(self) {
        self.key.send(()).expect("the worker waits");
        self.task.result().expect("it succeeded");
    }
}
