//! Rayon's other work, and other executors over the same pool, get their turn in the middle of a long queue.

use std::{
    hint::spin_loop,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use executor_core::{Future as _, LocalExecutorExt as _};
use executor_rayon::RayonExecutor;

use crate::support::{Flag, Latch, must_end, pool, until};

/// Jobs that take so long each that a thousand of them are many turns.
fn work() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(50) {
        spin_loop();
    }
}

const JOBS: usize = 1000;

#[test]
fn a_plain_closure_runs_before_a_long_queue_is_done() {
    must_end("the queue", || {
        let pool = pool(1);
        let executor = RayonExecutor::with_pool(Arc::clone(&pool));
        let is_filled = Latch::new("a queue that is full of jobs");
        let starts = is_filled.clone();
        let first = executor.spawn(move || starts.wait()).unwrap();

        let done = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<_> = (0..JOBS)
            .map(|_| {
                let done = Arc::clone(&done);
                let job = executor.spawn(move || {
                    work();
                    done.fetch_add(1, Ordering::SeqCst);
                });
                job.unwrap()
            })
            .collect();
        let seen = Arc::new(AtomicUsize::new(usize::MAX));
        let (sees, counts) = (Arc::clone(&seen), Arc::clone(&done));
        pool.spawn(move || sees.store(counts.load(Ordering::SeqCst), Ordering::SeqCst));
        is_filled.open();
        first.result().unwrap();
        for job in jobs {
            job.result().unwrap();
        }
        let seen = seen.load(Ordering::SeqCst);
        assert!(seen < JOBS, "it had to wait for all {JOBS} jobs: {seen}");
    });
}

#[test]
fn another_executors_job_runs_before_a_long_queue_is_done() {
    must_end("both queues", || {
        let pool = pool(1);
        let long = RayonExecutor::with_pool(Arc::clone(&pool));
        let short = RayonExecutor::with_pool(Arc::clone(&pool));
        let is_filled = Latch::new("a queue that is full of jobs");
        let starts = is_filled.clone();
        let first = long.spawn(move || starts.wait()).unwrap();

        let done = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<_> = (0..JOBS)
            .map(|_| {
                let done = Arc::clone(&done);
                let job = long.spawn(move || {
                    work();
                    done.fetch_add(1, Ordering::SeqCst);
                });
                job.unwrap()
            })
            .collect();
        let counts = Arc::clone(&done);
        let seen = short.spawn(move || counts.load(Ordering::SeqCst)).unwrap();
        is_filled.open();
        first.result().unwrap();
        for job in jobs {
            job.result().unwrap();
        }
        until("the other executor's job", || seen.is_done());
        let seen = seen.result().unwrap();
        assert!(seen < JOBS, "it had to wait for all {JOBS} jobs: {seen}");
    });
}

/// Rayon's work may block until all jobs have run, as long as another thread is there to run them: a runner that
/// lets it have its turn keeps none back.
#[test]
fn rayons_work_may_wait_for_the_queue() {
    must_end("the queue", || {
        let pool = pool(2);
        let executor = RayonExecutor::with_pool(Arc::clone(&pool));
        for _ in 0..10 {
            let both_run = Arc::new(Barrier::new(2));
            let done = Arc::new(AtomicUsize::new(0));
            let has_waited = Flag::default();
            let (waits, counts) = (has_waited.clone(), Arc::clone(&done));
            let mut waiter = Some(move || {
                until("the end of the queue", || {
                    counts.load(Ordering::SeqCst) == 2 + JOBS / 10
                });
                waits.set();
            });
            let mut jobs = Vec::new();
            for _ in 0..2 {
                let (both_run, done, waiter) =
                    (Arc::clone(&both_run), Arc::clone(&done), waiter.take());
                let job = executor.spawn(move || {
                    both_run.wait();
                    // Nobody is idle: whoever gives rayon a turn first runs this.
                    waiter.into_iter().for_each(rayon::spawn);
                    done.fetch_add(1, Ordering::SeqCst);
                });
                jobs.push(job.unwrap());
            }
            for _ in 0..JOBS / 10 {
                let done = Arc::clone(&done);
                let job = executor.spawn(move || {
                    work();
                    done.fetch_add(1, Ordering::SeqCst);
                });
                jobs.push(job.unwrap());
            }
            for job in jobs {
                job.result().unwrap();
            }
            until("the closure", || has_waited.is_set());
        }
    });
}

/// A runner that lets rayon have its turn is not given a second one of its own executor on top: together they would
/// take the places of two threads, and the other thread would have none.
#[test]
fn a_runner_is_never_on_top_of_another_one_of_its_executor() {
    must_end("two jobs that need two threads", || {
        let pool = pool(2);
        let executor = RayonExecutor::with_pool(Arc::clone(&pool));
        for _ in 0..20 {
            let [is_taken, is_free] = ["the other thread", "its end"].map(Latch::new);
            let (takes, frees) = (is_taken.clone(), is_free.clone());
            pool.spawn(move || {
                takes.open();
                frees.wait();
            });
            is_taken.wait();
            // Long enough that the only runner lets rayon have its turn, which has one more runner.
            let mut jobs: Vec<_> = (0..60).map(|_| executor.spawn(work).unwrap()).collect();
            let both_run = Arc::new(Barrier::new(2));
            for _ in 0..2 {
                let (both_run, is_free) = (Arc::clone(&both_run), is_free.clone());
                let job = executor.spawn(move || {
                    is_free.open();
                    both_run.wait();
                });
                jobs.push(job.unwrap());
            }
            for job in jobs {
                job.result().unwrap();
            }
        }
    });
}
