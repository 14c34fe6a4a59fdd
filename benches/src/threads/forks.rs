//! Tasks that make tasks: fork-join, and trees of spawns.

use std::hint::black_box;

use executor_core::{LocalExecutor, join};

use crate::{
    harness::Scale,
    measure::{
        clock::{median, nanoseconds},
        tally::Tally,
    },
    threads::peers::Subject,
};

/// What a fork takes, in nanoseconds. The function gives the Fibonacci number of this index, by a fork for each addition.
pub(crate) fn per_fork(scale: Scale, fibonacci: impl Fn(u64) -> u64) -> f64 {
    let (n, result, forks) = match scale {
        Scale::Full => (27, 196_418, 317_810.0),
        Scale::Quick => (22, 17_711, 28_656.0),
        Scale::Tiny => (10, 55, 88.0),
    };
    let run = || assert_eq!(fibonacci(black_box(n)), result, "a wrong result");
    run();
    median(scale.of(8), || nanoseconds(run) / forks)
}

/// Fibonacci by `join`, on a worker of the pool.
pub(crate) fn fibonacci_by_join<E: LocalExecutor + Subject>(pool: &'static E, n: u64) -> u64 {
    fn fibonacci(pool: &impl LocalExecutor, n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let (a, b) = join(pool, || fibonacci(pool, n - 1), || fibonacci(pool, n - 2));
        a + b
    }
    E::take(pool.submit(move || fibonacci(pool, n)))
}

/// Fibonacci by one `spawn` and one `result` for each fork, on a worker of the pool.
pub(crate) fn fibonacci_by_spawn<S: Subject>(pool: &'static S, n: u64) -> u64 {
    fn fibonacci<S: Subject>(pool: &'static S, n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let b = pool.submit(move || fibonacci(pool, n - 2));
        let a = fibonacci(pool, n - 1);
        a + S::take(b)
    }
    S::take(pool.submit(move || fibonacci(pool, n)))
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
    fibonacci(&mut pool.scope(), n)
}

/// Fibonacci without a fork.
pub(crate) fn fibonacci_serially(n: u64) -> u64 {
    fn fibonacci(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        black_box(fibonacci(n - 1)) + fibonacci(n - 2)
    }
    fibonacci(n)
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
