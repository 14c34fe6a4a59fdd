//! Jobs that use rayon, and the bodies of whose loops use the executor again.

use std::sync::{Arc, Barrier};

use executor_core::{Future as _, LocalExecutor, LocalExecutorExt as _, join};
use executor_rayon::RayonExecutor;
use rayon::prelude::*;

use crate::support::{KINDS, Kind};

#[test]
fn a_job_may_use_all_of_rayon() {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            let job = guest.executor.spawn(|| {
                let sum = (1..=10_000_u64).into_par_iter().sum::<u64>();
                let (low, high) = rayon::join(|| sum / 2, || sum - sum / 2);
                let mut numbers = vec![high, low, 1];
                let mut doubled = Vec::new();
                rayon::scope(|scope| {
                    scope.spawn(|_| numbers.par_sort_unstable());
                    scope.spawn(|_| doubled.push(2 * sum));
                });
                (numbers, doubled, rayon::current_num_threads())
            });
            let (numbers, doubled, threads) = job.unwrap().result().unwrap();
            assert_eq!(numbers, [1, 25_002_500, 25_002_500]);
            assert_eq!(doubled, [100_010_000]);
            assert_eq!(
                threads, guest.threads,
                "it was not the pool of the executor"
            );
        });
    }
}

/// A job whose loop's bodies submit to the same executor, and wait there.
fn loops(executor: &RayonExecutor, size: u64) -> u64 {
    let bodies = (0..size).into_par_iter().map(|i| {
        let child = executor.spawn(move || 2 * i).unwrap();
        child.result().unwrap()
    });
    bodies.sum()
}

fn bodies_submit_and_wait(kind: Kind, rounds: usize) {
    kind.must_end(move || {
        let guest = kind.guest();
        for _ in 0..rounds {
            // One on each thread, all at the same time.
            let all_run = Arc::new(Barrier::new(guest.threads));
            let jobs: Vec<_> = (0..guest.threads)
                .map(|_| {
                    let (executor, all_run) = (guest.executor.clone(), Arc::clone(&all_run));
                    let job = guest.executor.spawn(move || {
                        all_run.wait();
                        loops(&executor, 8)
                    });
                    job.unwrap()
                })
                .collect();
            for job in jobs {
                assert_eq!(job.result().unwrap(), 56);
            }
        }
    });
}

#[test]
fn bodies_submit_and_wait_on_one_thread() {
    bodies_submit_and_wait(Kind::Own(1), 300);
    bodies_submit_and_wait(Kind::Shared(1), 300);
}

#[test]
fn bodies_submit_and_wait_on_all_threads_at_once() {
    bodies_submit_and_wait(Kind::Own(2), 300);
    bodies_submit_and_wait(Kind::Shared(2), 300);
}

/// The forks of this tree are rayon's, its nodes are jobs, and each side of a fork waits for the job that it has
/// submitted itself.
fn forks(executor: &RayonExecutor, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let side = |n: u64| {
        let own = executor.clone();
        let job = executor.spawn(move || forks(&own, n)).unwrap();
        job.result().unwrap()
    };
    let (a, b) = rayon::join(|| side(n - 1), || side(n - 2));
    a + b
}

#[test]
fn a_tree_of_jobs_and_forks() {
    for kind in [Kind::Own(1), Kind::Own(2), Kind::Own(4), Kind::Shared(2)] {
        kind.must_end(move || {
            let guest = kind.guest();
            for _ in 0..5 {
                let executor = guest.executor.clone();
                let job = guest.executor.spawn(move || forks(&executor, 12));
                assert_eq!(job.unwrap().result().unwrap(), 144);
            }
        });
    }
}

fn deep(executor: &RayonExecutor, depth: u32) -> u64 {
    if depth == 0 {
        return 1;
    }
    let bodies = (0..3).into_par_iter().map(|_| {
        let own = executor.clone();
        let job = executor.spawn(move || deep(&own, depth - 1)).unwrap();
        job.result().unwrap()
    });
    bodies.sum()
}

#[test]
fn loops_in_jobs_in_loops_in_jobs() {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            for _ in 0..5 {
                let executor = guest.executor.clone();
                let job = guest.executor.spawn(move || deep(&executor, 5)).unwrap();
                assert_eq!(job.result().unwrap(), 243);
            }
        });
    }
}

fn fibonacci(executor: &impl LocalExecutor, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = join(
        executor,
        || fibonacci(executor, n - 1),
        || fibonacci(executor, n - 2),
    );
    a + b
}

#[test]
fn bodies_may_use_scopes_forks_and_maps() {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            for _ in 0..20 {
                let executor = guest.executor.clone();
                let job = guest.executor.spawn(move || {
                    let bodies = (0..6_u64).into_par_iter().map(|i| {
                        let mut parts = [0; 3];
                        executor.scope(|scope| {
                            for part in &mut parts {
                                drop(scope.spawn(move || *part = i));
                            }
                        });
                        let mapped = executor.map_fn(0..4_u64, move |x| x + i);
                        let mapped: u64 = mapped.map(Result::unwrap).sum();
                        parts.iter().sum::<u64>() + mapped + fibonacci(&executor, 9)
                    });
                    bodies.sum::<u64>()
                });
                // 3 * 15 + (6 * 6 + 4 * 15) + 6 * 34
                assert_eq!(job.unwrap().result().unwrap(), 345);
            }
        });
    }
}
