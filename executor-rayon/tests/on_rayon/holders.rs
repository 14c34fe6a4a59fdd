//! A job that waits inside of rayon lends its stack to whatever rayon has next. None of that may be a job of ours:
//! it could need a lock that the waiter holds. What is kept off one thread must not be forgotten.

use std::{
    sync::{
        Arc, Barrier, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, ThreadId},
};

use executor_core::{Future as _, LocalExecutorExt as _, testing::InlineExecutor};
use executor_rayon::{OnFull, RayonExecutor};
use rayon::prelude::*;

use crate::support::{Flag, Kind, Latch, must_end, pool, until, yield_until_idle};

/// A lock that says so when a thread wants it twice, where any other one would hang.
#[derive(Clone, Default)]
struct Lock {
    lock: Arc<Mutex<()>>,
    holder: Arc<Mutex<Option<ThreadId>>>,
    on_top: Flag,
}

impl Lock {
    fn hold(&self, body: impl FnOnce()) {
        let me = Some(thread::current().id());
        if self.holder() == me {
            return self.on_top.set();
        }
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        *self.holder.lock().unwrap() = me;
        body();
        *self.holder.lock().unwrap() = None;
    }

    fn holder(&self) -> Option<ThreadId> {
        *self.holder.lock().unwrap()
    }

    #[track_caller]
    fn check(&self) {
        let on_top = self.on_top.is_set();
        assert!(!on_top, "a job ran on top of another one that holds a lock");
    }
}

/// The thread of the holder waits for the other one, and is shown a runner there before anything else.
fn shown_a_runner(kind: Kind) {
    kind.must_end(move || {
        let guest = kind.guest();
        for _ in 0..50 {
            let lock = Lock::default();
            let (own, executor) = (lock.clone(), guest.executor.clone());
            let (send, waits) = mpsc::channel();
            let holder = guest.executor.spawn(move || {
                let other = Latch::new("the other side of the fork");
                own.hold(|| {
                    let contender = own.clone();
                    rayon::join(
                        || other.wait(),
                        || {
                            other.open();
                            let job = executor.spawn(move || contender.hold(|| ())).unwrap();
                            // What rayon is given now it takes after the runner of that job.
                            let seen = Latch::new("a thread that waits, and takes what there is");
                            let sees = seen.clone();
                            rayon::spawn(move || sees.open());
                            seen.wait();
                            send.send(job).unwrap();
                        },
                    );
                });
            });
            holder.unwrap().result().unwrap();
            waits.recv().unwrap().result().unwrap();
            lock.check();
        }
    });
}

#[test]
fn no_job_is_run_on_top_of_one_that_waits_in_a_fork() {
    shown_a_runner(Kind::Own(2));
    shown_a_runner(Kind::Shared(2));
}

#[test]
fn many_jobs_that_wait_in_loops_under_the_same_lock() {
    for kind in [
        Kind::Own(1),
        Kind::Own(2),
        Kind::Own(4),
        Kind::Shared(2),
        Kind::Global,
    ] {
        kind.must_end(move || {
            let guest = kind.guest();
            let lock = Lock::default();
            let ran = Arc::new(AtomicUsize::new(0));
            let jobs: Vec<_> = (0..200)
                .map(|_| {
                    let (lock, ran) = (lock.clone(), Arc::clone(&ran));
                    let job = guest.executor.spawn(move || {
                        lock.hold(|| {
                            let sum: usize = (0..64).into_par_iter().map(|_| 1).sum();
                            rayon::join(yield_until_idle, thread::yield_now);
                            ran.fetch_add(sum, Ordering::SeqCst);
                        });
                    });
                    job.unwrap()
                })
                .collect();
            for job in jobs {
                job.result().unwrap();
            }
            lock.check();
            assert_eq!(ran.load(Ordering::SeqCst), 200 * 64);
        });
    }
}

#[test]
fn the_only_thread_runs_the_other_executors_job_after_its_own() {
    must_end("the job of the other executor", || {
        let pool = pool(1);
        let a = RayonExecutor::with_pool(Arc::clone(&pool));
        let b = RayonExecutor::with_pool(Arc::clone(&pool));
        for _ in 0..100 {
            let other = b.clone();
            let has_run = Flag::default();
            let (runs, saw) = (has_run.clone(), has_run.clone());
            let job = a.spawn(move || {
                let later = other.spawn(move || runs.set()).unwrap();
                yield_until_idle();
                (later, saw.is_set())
            });
            let (later, was_on_top) = job.unwrap().result().unwrap();
            assert!(!was_on_top, "it ran on top of another executor's job");
            // Not by this thread, which would help if it were one of the pool's.
            until("a job whose runner was refused", || later.is_done());
            assert!(has_run.is_set());
        }
    });
}

#[test]
fn the_other_thread_gets_what_the_first_was_kept_from() {
    must_end("the job of the other executor", || {
        let pool = pool(2);
        let a = RayonExecutor::with_pool(Arc::clone(&pool));
        let b = RayonExecutor::with_pool(Arc::clone(&pool));
        for _ in 0..100 {
            // The other thread is busy with something else until the first one has been kept from the job.
            let (is_taken, is_free) = (Latch::new("the other thread"), Latch::new("its end"));
            let (takes, frees) = (is_taken.clone(), is_free.clone());
            let other = b.clone();
            let job = a.spawn(move || {
                rayon::spawn(move || {
                    takes.open();
                    frees.wait();
                });
                is_taken.wait();
                let needed = other.spawn(|| ()).unwrap();
                yield_until_idle();
                assert!(!needed.is_done(), "it ran on top of another executor's job");
                is_free.open();
                until("a job that this one needs", || {
                    yield_until_idle();
                    needed.is_done()
                });
            });
            job.unwrap().result().unwrap();
        }
    });
}

#[test]
fn a_thread_that_is_free_sooner_gets_what_both_were_kept_from() {
    must_end("the job of the other executor", || {
        let pool = pool(2);
        let a = RayonExecutor::with_pool(Arc::clone(&pool));
        let b = RayonExecutor::with_pool(Arc::clone(&pool));
        for _ in 0..100 {
            let both = Arc::new(Barrier::new(2));
            let refused = Latch::new("the first thread that is kept from the job");
            let (own_both, refuses, other) = (Arc::clone(&both), refused.clone(), b.clone());
            let longer = a.spawn(move || {
                own_both.wait();
                let needed = other.spawn(|| ()).unwrap();
                yield_until_idle();
                refuses.open();
                until("a job that this one needs", || {
                    yield_until_idle();
                    needed.is_done()
                });
            });
            let shorter = a.spawn(move || {
                both.wait();
                refused.wait();
                // It is offered the job here, in the middle of another one.
                yield_until_idle();
            });
            shorter.unwrap().result().unwrap();
            longer.unwrap().result().unwrap();
        }
    });
}

#[test]
fn a_job_that_a_waiter_runs_is_a_job_too() {
    must_end("a job whose runner was refused", || {
        let guest = Kind::Shared(1).guest();
        for _ in 0..100 {
            let executor = guest.executor.clone();
            let has_run = Flag::default();
            let (runs, saw) = (has_run.clone(), has_run.clone());
            let later = guest.outside_of_jobs(move || {
                // A thread that is no worker waits for this one, and so runs it.
                let job = executor.spawn(move || {
                    yield_until_idle();
                    saw.is_set()
                });
                let later = executor.spawn(move || runs.set()).unwrap();
                let was_on_top = job.unwrap().result().unwrap();
                assert!(!was_on_top, "it ran on top of a job");
                later
            });
            until("a job whose runner was refused", || later.is_done());
        }
    });
}

#[test]
fn what_is_refused_under_a_job_run_by_its_submitter_is_asked_for_after_that() {
    must_end("a job whose runner was refused", || {
        let guest = Kind::Shared(1).guest_with(|b| b.queue(1).on_full(OnFull::CallerRuns));
        for _ in 0..100 {
            let executor = guest.executor.clone();
            let queued = guest.outside_of_jobs(move || {
                let queued = executor.spawn(|| ()).unwrap();
                let ran = executor.spawn(yield_until_idle).unwrap();
                assert!(ran.is_done(), "the submitter was to run it");
                assert!(!queued.is_done(), "it ran on top of a job");
                queued
            });
            until("a job whose runner was refused", || queued.is_done());
        }
    });
}

#[test]
fn a_job_of_an_executor_without_threads_does_not_swallow_runners() {
    must_end("the job in the queue", || {
        let guest = Kind::Shared(1).guest();
        for _ in 0..100 {
            let executor = guest.executor.clone();
            let queued = guest.outside_of_jobs(move || {
                let queued = executor.spawn(|| ()).unwrap();
                // It is a task, and the thread is rayon's; but nobody would ask again after it.
                let inline = InlineExecutor::new().spawn(yield_until_idle);
                inline.unwrap().result().unwrap();
                queued
            });
            until("the job in the queue", || queued.is_done());
        }
    });
}

#[test]
fn many_executors_on_one_thread_all_get_their_turn() {
    must_end("the jobs of all executors", || {
        let pool = pool(1);
        let all: Vec<_> = (0..10)
            .map(|_| RayonExecutor::with_pool(Arc::clone(&pool)))
            .collect();
        let others = all.clone();
        let job = all[0].spawn(move || {
            let mut futures = Vec::new();
            for _ in 0..20 {
                for other in &others {
                    futures.push(other.spawn(yield_until_idle).unwrap());
                    yield_until_idle();
                }
            }
            futures
        });
        let futures = job.unwrap().result().unwrap();
        assert_eq!(futures.len(), 200);
        for future in futures {
            until("a job whose runner was refused", || future.is_done());
        }
    });
}
