//! Who may join, and for how long.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use executor_core::{
    Executor as _, Future as _, JoinErrorKind, LocalExecutorExt as _, Shutdown, TaskFuture,
};
use executor_rayon::{OnFull, RayonExecutor};

use crate::support::{Flag, Guest, KINDS, LIMIT, Latch, must_end, pool, until};

fn soon() -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(20))
}

#[test]
fn a_deadline_ends_a_join_and_nothing_else() {
    for kind in KINDS {
        kind.must_end(move || {
            let Guest { executor, .. } = kind.guest();
            assert!(
                executor.join(soon()).unwrap_err().is_still_running(),
                "it is open"
            );
            let end = Latch::new("the end of the job");
            let ends = end.clone();
            let job = executor.spawn(move || ends.wait()).unwrap();
            executor.shutdown(Shutdown::Drain).unwrap();
            assert!(executor.join(soon()).unwrap_err().is_still_running());
            assert!(!executor.wait_idle(Some(Duration::from_millis(1))));
            assert!(!job.is_done());
            end.open();
            executor.join(Instant::now().checked_add(LIMIT)).unwrap();
            assert!(job.is_done());
        });
    }
}

#[test]
fn an_own_pool_is_not_waited_for_beyond_the_deadline() {
    must_end("a join with a deadline", || {
        let executor = RayonExecutor::new(1).unwrap();
        let end = Latch::new("the end of rayon's work");
        let ends = end.clone();
        let job = executor.spawn(move || rayon::spawn(move || ends.wait()));
        job.unwrap().result().unwrap();
        executor.shutdown(Shutdown::Drain).unwrap();
        // All jobs are done, and the pool's thread is not.
        for _ in 0..2 {
            let error = executor.join(soon()).unwrap_err();
            assert_eq!(error.kind(), JoinErrorKind::StillRunning { workers: 1 });
        }
        end.open();
        executor.join(None).unwrap();
    });
}

#[test]
fn a_join_waits_for_a_shutdown() {
    for kind in KINDS {
        kind.must_end(move || {
            let Guest { executor, .. } = kind.guest();
            let joins = executor.clone();
            let joined = Flag::default();
            let is_joined = joined.clone();
            let thread = thread::spawn(move || {
                joins.join(None).unwrap();
                is_joined.set();
            });
            executor.spawn(|| ()).unwrap().result().unwrap();
            assert!(!joined.is_set());
            executor.shutdown(Shutdown::Drain).unwrap();
            thread.join().unwrap();
        });
    }
}

#[test]
fn a_job_cannot_join_nor_wait_until_all_is_idle() {
    for kind in KINDS {
        kind.must_end(move || {
            let Guest { executor, .. } = kind.guest();
            let own = executor.clone();
            let job = executor.spawn(move || {
                own.shutdown(Shutdown::Drain).unwrap();
                (own.join(None).unwrap_err().kind(), own.wait_idle(None))
            });
            let (kind, was_idle) = job.unwrap().result().unwrap();
            assert_eq!(kind, JoinErrorKind::WouldDeadlock);
            assert!(!was_idle);
            executor.join(None).unwrap();
        });
    }
}

#[test]
fn neither_can_other_work_on_the_pools_threads() {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            let own = guest.executor.clone();
            let (kind, was_idle) = guest.outside_of_jobs(move || {
                own.shutdown(Shutdown::Drain).unwrap();
                (own.join(None).unwrap_err().kind(), own.wait_idle(None))
            });
            assert_eq!(kind, JoinErrorKind::WouldDeadlock);
            assert!(!was_idle);
            guest.executor.join(None).unwrap();
        });
    }
}

#[test]
fn what_a_job_has_left_on_an_own_pool_cannot_join_it_while_it_ends() {
    for drops in [false, true] {
        must_end(format!("drops: {drops}"), move || {
            let executor = RayonExecutor::new(1).unwrap();
            let last = executor.clone();
            let (may_join, has_joined) = (Latch::new("the end of the pool"), Flag::default());
            let (wait, joined) = (may_join.clone(), has_joined.clone());
            let job = executor.spawn(move || {
                rayon::spawn(move || {
                    wait.wait();
                    // The jobs are done, and the pool only waits for this.
                    if !drops {
                        let error = last.join(None).unwrap_err();
                        assert_eq!(error.kind(), JoinErrorKind::WouldDeadlock);
                    }
                    drop(last);
                    joined.set();
                });
            });
            job.unwrap().result().unwrap();
            executor.shutdown(Shutdown::Drain).unwrap();
            assert!(executor.join(soon()).unwrap_err().is_still_running());
            if drops {
                drop(executor);
                may_join.open();
            } else {
                may_join.open();
                executor.join(None).unwrap();
            }
            until("the closure", || has_joined.is_set());
        });
    }
}

#[test]
fn a_thread_of_another_pool_may_join() {
    must_end("a join on another pool", || {
        for own in [true, false] {
            let executor = if own {
                RayonExecutor::new(1).unwrap()
            } else {
                RayonExecutor::with_pool(pool(1))
            };
            let job = executor.spawn(|| ()).unwrap();
            pool(1).install(|| {
                executor.shutdown(Shutdown::Drain).unwrap();
                executor.join(None).unwrap();
            });
            assert!(job.is_done());
        }
    });
}

/// Whoever is refused is inside for a moment, and a join that looks just then must look again.
#[test]
fn submissions_that_are_refused_do_not_hold_up_a_join() {
    must_end("a join", || {
        let executor = RayonExecutor::with_pool(pool(1));
        executor.shutdown(Shutdown::Drain).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let submitters: Vec<_> = (0..2)
            .map(|_| {
                let (executor, is_over) = (executor.clone(), Arc::clone(&is_over));
                thread::spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        assert!(executor.try_spawn(|| ()).is_err());
                    }
                })
            })
            .collect();
        let joined = (0..20_000).all(|_| executor.join(None).is_ok());
        is_over.store(true, Ordering::Relaxed);
        for submitter in submitters {
            submitter.join().unwrap();
        }
        assert!(joined);
    });
}

/// A job that its submitter runs is accepted like any other: once a join is over it is done, or was refused.
#[test]
fn a_join_waits_for_jobs_that_their_submitters_run() {
    must_end("a join", || {
        let pool = pool(1);
        let end = Latch::new("the end of this test");
        let ends = end.clone();
        // Nothing is ever taken from the queues.
        pool.spawn(move || ends.wait());
        for _ in 0..300 {
            let builder = RayonExecutor::builder().pool(Arc::clone(&pool));
            let executor = builder
                .queue(1)
                .on_full(OnFull::CallerRuns)
                .build()
                .unwrap();
            let queued = executor.spawn(|| ()).unwrap();
            let (both, own) = (Arc::new(Barrier::new(2)), executor.clone());
            let together = Arc::clone(&both);
            let is_running = Flag::default();
            let runs = is_running.clone();
            let submitter = thread::spawn(move || {
                together.wait();
                let ran = own.spawn(move || {
                    runs.set();
                    thread::yield_now();
                });
                ran.ok().as_ref().is_none_or(TaskFuture::is_done)
            });
            both.wait();
            executor.shutdown(Shutdown::CancelPending).unwrap();
            executor.join(None).unwrap();
            let had_begun = is_running.is_set();
            assert!(submitter.join().unwrap());
            assert_eq!(had_begun, is_running.is_set(), "it began after the join");
            assert!(queued.is_cancelled());
        }
        end.open();
    });
}
