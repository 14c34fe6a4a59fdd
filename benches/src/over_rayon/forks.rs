//! Fibonacci numbers by tasks that wait for tasks. Each gives nanoseconds a fork.

use std::{hint, sync::OnceLock};

use executor_core::{ExecutorExt, Future as _};
use executor_macros::task;
use executor_rayon::RayonExecutor;
use oneshot::TryRecvError;

use super::started;
use crate::{
    harness::{Scale, workers},
    threads::{
        forks::{self, per_fork},
        peers::rayon_pool,
    },
};

/// One `spawn` and one `result` for each fork, on a worker.
pub(super) fn by_spawn(scale: Scale) -> f64 {
    per_fork(scale, |n| forks::fibonacci_by_spawn(executor(), n))
}

/// One `submit` of a `#[task]` and one `result` for each fork, on a worker.
pub(super) fn by_submit(scale: Scale) -> f64 {
    #[task(crate = "executor_core")]
    fn fibonacci(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let b = ExecutorExt::submit(executor(), fibonacci::task(n - 2))
            .expect("the executor is open, and its queue has no bound");
        let a = fibonacci(n - 1);
        a + b.result().expect("no task of the benchmarks fails")
    }
    let pool = executor();
    per_fork(scale, |n| {
        let future = ExecutorExt::submit(pool, fibonacci::task(n))
            .expect("the executor is open, and its queue has no bound");
        future.result().expect("no task of the benchmarks fails")
    })
}

/// Our `join`, on a worker.
pub(super) fn by_join(scale: Scale) -> f64 {
    per_fork(scale, |n| forks::fibonacci_by_join(executor(), n))
}

/// `rayon::join`, on a worker.
pub(super) fn by_rayon_join(scale: Scale) -> f64 {
    let pool = rayon_pool(workers());
    per_fork(scale, |n| forks::fibonacci_by_rayon(&pool, n))
}

/// One `rayon::scope` with one spawn for each fork, on a worker.
pub(super) fn by_rayon_scope(scale: Scale) -> f64 {
    fn fibonacci(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let mut b = 0;
        let a = rayon::scope(|scope| {
            scope.spawn(|_| b = fibonacci(n - 2));
            fibonacci(n - 1)
        });
        a + b
    }
    let pool = rayon_pool(workers());
    per_fork(scale, |n| pool.install(|| fibonacci(n)))
}

/// One `rayon::spawn` and one `oneshot` for each fork, on a worker. It must not block on that, so it does what
/// else there is to do until the result is there.
pub(super) fn by_yielding(scale: Scale) -> f64 {
    fn fibonacci(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let (sender, receiver) = oneshot::channel();
        rayon::spawn(move || drop(sender.send(fibonacci(n - 2))));
        let a = fibonacci(n - 1);
        loop {
            match receiver.try_recv() {
                Ok(b) => return a + b,
                Err(TryRecvError::Empty) => {
                    if rayon::yield_now() != Some(rayon::Yield::Executed) {
                        hint::spin_loop();
                    }
                }
                Err(TryRecvError::Disconnected) => unreachable!("no task of the benchmarks fails"),
            }
        }
    }
    let pool = rayon_pool(workers());
    per_fork(scale, |n| pool.install(|| fibonacci(n)))
}

/// The one executor of this process, which is never dropped: so no subject pays for counting handles.
fn executor() -> &'static RayonExecutor {
    static EXECUTOR: OnceLock<RayonExecutor> = OnceLock::new();
    EXECUTOR.get_or_init(started)
}
