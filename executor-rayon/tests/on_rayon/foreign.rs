//! Waits on threads of rayon that are in no job of ours: nothing marks them as workers.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use executor_core::{
    Future as _, LocalExecutor, LocalExecutorExt as _, Outcome, Reason, ReturnWhen, State,
    TaskFuture, as_completed, block_on, first_ok, join, join_all, wait,
};
use executor_rayon::{OnFull, RayonExecutor};
use rayon::prelude::*;

use crate::support::{Guest, KINDS, Kind, LIMIT, must_end, pool};

/// Runs `body` outside of jobs, on each kind of pool.
fn on_all(body: fn(&RayonExecutor)) {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            for _ in 0..20 {
                let executor = guest.executor.clone();
                guest.outside_of_jobs(move || body(&executor));
            }
        });
    }
}

fn some(executor: &RayonExecutor) -> Vec<TaskFuture<u64>> {
    let spawn = |i| executor.spawn(move || i).unwrap();
    (0..5).map(spawn).collect()
}

#[test]
fn every_kind_of_wait() {
    on_all(|executor| {
        assert_eq!(executor.spawn(|| 1).unwrap().result().unwrap(), 1);
        let future = executor.spawn(|| 1).unwrap();
        future.wait();
        assert_eq!(future.state(), State::Done(Outcome::Succeeded));
        assert!(executor.spawn(|| 1).unwrap().wait_timeout(LIMIT));
        assert!(executor.spawn(|| 1).unwrap().error().is_none());
        assert_eq!(block_on(executor.spawn(|| 1).unwrap()).unwrap(), 1);

        assert_eq!(as_completed(some(executor)).count(), 5);
        let waited = wait(some(executor), ReturnWhen::AllCompleted, None);
        assert_eq!((waited.done.len(), waited.not_done.len()), (5, 0));
        let values: Result<Vec<_>, _> = join_all(some(executor)).into_iter().collect();
        assert_eq!(values.unwrap(), [0, 1, 2, 3, 4]);
        assert!(first_ok(some(executor)).unwrap() < 5);
    });
}

#[test]
fn a_second_step_is_waited_for_too() {
    on_all(|executor| {
        let own = executor.clone();
        let chain = executor.spawn(|| 20).unwrap();
        let chain = chain.then(move |x| own.spawn(move || x + 1).unwrap());
        assert_eq!(chain.map(|x| 2 * x).result().unwrap(), 42);
    });
}

#[test]
fn a_look_runs_nothing() {
    must_end("a look", || {
        let guest = Kind::Shared(1).guest();
        let executor = guest.executor.clone();
        guest.outside_of_jobs(move || {
            let future = executor.spawn(|| ()).unwrap();
            // The only thread is this one.
            assert!(!future.wait_timeout(Duration::ZERO));
            assert_eq!(future.state(), State::Pending);
            assert!(future.cancel());
            assert!(future.is_done(), "a cancelled future is done at once");
        });
    });
}

#[test]
fn a_parallel_loop_over_futures() {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            for _ in 0..50 {
                let futures: Vec<_> = (0..100_u64)
                    .map(|i| guest.executor.spawn(move || i).unwrap())
                    .collect();
                let sum: u64 = guest.outside_of_jobs(|| {
                    let values = futures.into_par_iter().map(|future| future.result());
                    values.map(Result::unwrap).sum()
                });
                assert_eq!(sum, 4950);
            }
        });
    }
}

#[test]
fn closures_in_rayons_queue_that_wait() {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            let (send, results) = mpsc::channel();
            let executor = guest.executor.clone();
            guest.outside_of_jobs(move || {
                for i in 0..200_u64 {
                    let (send, executor) = (send.clone(), executor.clone());
                    rayon::spawn(move || {
                        let future = executor.spawn(move || i).unwrap();
                        send.send(future.result().unwrap()).unwrap();
                    });
                }
            });
            assert_eq!(results.into_iter().sum::<u64>(), 19_900);
        });
    }
}

#[test]
fn a_scope_that_borrows() {
    on_all(|executor| {
        let text = String::from("rayon");
        let mut lengths = [0; 8];
        executor.scope(|scope| {
            for length in &mut lengths {
                drop(scope.spawn(|| *length = text.len()));
            }
        });
        assert_eq!(lengths, [5; 8]);
    });
}

#[test]
fn a_scope_in_each_body_of_a_loop() {
    on_all(|executor| {
        let sums = (0..8_u64).into_par_iter().map(|i| {
            let mut parts = [0; 4];
            executor.scope(|scope| {
                for part in &mut parts {
                    drop(scope.spawn(move || *part = i));
                }
            });
            parts.iter().sum::<u64>()
        });
        assert_eq!(sums.sum::<u64>(), 112);
    });
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
fn forks_and_maps() {
    on_all(|executor| {
        assert_eq!(fibonacci(executor, 14), 377);
        let squares = executor.map_fn(0..50_u64, |x| x * x);
        assert_eq!(squares.map(Result::unwrap).sum::<u64>(), 40_425);
        let squares = executor.map_fn(0..50_u64, |x| x * x).unordered().window(3);
        assert_eq!(squares.map(Result::unwrap).sum::<u64>(), 40_425);
    });
}

#[test]
fn there_and_back_between_two_executors_of_one_pool() {
    fn bounce(from: &RayonExecutor, to: &RayonExecutor, left: u32) -> u32 {
        if left == 0 {
            return 0;
        }
        let (a, b) = (from.clone(), to.clone());
        let job = to.spawn(move || bounce(&b, &a, left - 1)).unwrap();
        1 + job.result().unwrap()
    }
    for threads in [1, 2] {
        must_end(format!("{threads} threads"), move || {
            let pool = pool(threads);
            let a = RayonExecutor::with_pool(Arc::clone(&pool));
            let b = RayonExecutor::with_pool(Arc::clone(&pool));
            for _ in 0..100 {
                assert_eq!(pool.install(|| bounce(&a, &b, 10)), 10);
                assert_eq!(bounce(&a, &b, 10), 10);
            }
        });
    }
}

/// With a queue that has room for one job, which is taken, and with nobody else to run that.
fn with_full_queue(on_full: OnFull, body: fn(&RayonExecutor)) {
    must_end(format!("{on_full:?}"), move || {
        let guest: Guest = Kind::Shared(1).guest_with(|b| b.queue(1).on_full(on_full));
        let executor = guest.executor.clone();
        guest.outside_of_jobs(move || {
            let queued = executor.spawn(|| 1).unwrap();
            body(&executor);
            assert_eq!(queued.result().unwrap(), 1);
        });
    });
}

#[test]
fn a_full_queue_is_not_waited_for_by_those_who_would_have_to_empty_it() {
    with_full_queue(OnFull::Block, |executor| {
        let refused = executor.spawn(|| 2).unwrap_err();
        assert!(matches!(refused.reason(), Reason::WouldDeadlock));
        let refused = executor.try_spawn(|| 2).unwrap_err();
        assert!(matches!(refused.reason(), Reason::Full { bound: 1 }));
        let refused = executor.spawn_within(Duration::from_millis(1), || 2);
        assert!(matches!(
            refused.unwrap_err().reason(),
            Reason::TimedOut { .. }
        ));
    });
    with_full_queue(OnFull::Reject, |executor| {
        let refused = executor.spawn(|| 2).unwrap_err();
        assert!(matches!(refused.reason(), Reason::Full { bound: 1 }));
    });
    with_full_queue(OnFull::CallerRuns, |executor| {
        let ran = executor.spawn(rayon::current_thread_index).unwrap();
        assert!(ran.is_done());
        assert_eq!(ran.result().unwrap(), Some(0));
    });
}
