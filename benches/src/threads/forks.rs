//! Tasks that make tasks: fork-join, and trees of spawns.

use std::hint::black_box;

use executor_core::{Future as _, join};
use executor_threads::ThreadPoolExecutor;

use crate::measure::tally::Tally;
use crate::threads::peers::Subject;

/// Fibonacci by `join`, on a worker of the pool.
pub(crate) fn fibonacci_by_join(pool: &'static ThreadPoolExecutor, n: u64) -> u64 {
    fn fibonacci(pool: &ThreadPoolExecutor, n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let (a, b) = join(pool, || fibonacci(pool, n - 1), || fibonacci(pool, n - 2));
        a + b
    }
    let n = black_box(n);
    ThreadPoolExecutor::take(pool.submit(move || fibonacci(pool, n)))
}

/// Fibonacci by one `spawn` and one `result` for each fork, on a worker of the pool.
pub(crate) fn fibonacci_by_spawn(pool: &'static ThreadPoolExecutor, n: u64) -> u64 {
    fn fibonacci(pool: &'static ThreadPoolExecutor, n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let b = pool.submit(move || fibonacci(pool, n - 2));
        let a = fibonacci(pool, n - 1);
        a + b.result().expect("no task of the benchmarks fails")
    }
    let n = black_box(n);
    ThreadPoolExecutor::take(pool.submit(move || fibonacci(pool, n)))
}

/// Fibonacci by `rayon::join`, on a worker of the pool.
pub(crate) fn fibonacci_by_rayon(pool: &rayon::ThreadPool, n: u64) -> u64 {
    fn fibonacci(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let (a, b) = rayon::join(|| fibonacci(n - 1), || fibonacci(n - 2));
        a + b
    }
    let n = black_box(n);
    pool.install(|| fibonacci(n))
}

/// Fibonacci by chili's `join`, which forks only when another thread asks for work.
pub(crate) fn fibonacci_by_chili(pool: &chili::ThreadPool, n: u64) -> u64 {
    fn fibonacci(scope: &mut chili::Scope<'_>, n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let (a, b) = scope.join(
            |scope| fibonacci(scope, n - 1),
            |scope| fibonacci(scope, n - 2),
        );
        a + b
    }
    fibonacci(&mut pool.scope(), black_box(n))
}

/// Fibonacci without a fork.
pub(crate) fn fibonacci_serially(n: u64) -> u64 {
    fn fibonacci(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        black_box(fibonacci(n - 1)) + fibonacci(n - 2)
    }
    fibonacci(black_box(n))
}

/// A binary tree of that many tasks: each spawns its children, and nobody waits for any of them, but
/// for all.
///
/// The tasks refer to a pool that is never dropped, so that no subject pays for counting handles.
pub(crate) fn tree<S: Subject>(pool: &'static S, tasks: u64) {
    fn node<S: Subject>(pool: &'static S, tally: &'static Tally, tasks: u64) {
        let left = (tasks - 1) / 2;
        for child in [left, tasks - 1 - left] {
            if child > 0 {
                pool.fire(move || node(pool, tally, child));
            }
        }
        tally.count();
    }
    let tally = Tally::leak();
    pool.fire(move || node(pool, tally, tasks));
    tally.wait_for(tasks);
}
