//! Figures that are exact once all is done, whoever has run the jobs.

use std::sync::{Arc, Barrier};

use executor_core::{Executor as _, Future as _, LocalExecutorExt as _, Stats};
use executor_rayon::{OnFull, RayonExecutor};
use rayon::prelude::*;

use crate::support::{Guest, KINDS, Kind, Latch, must_end};

#[track_caller]
fn idle(executor: &RayonExecutor) -> Stats {
    assert!(executor.wait_idle(None));
    let stats = executor.stats();
    assert_eq!((stats.workers, stats.queued, stats.running), (0, 0, 0));
    stats
}

#[track_caller]
fn counted(executor: &RayonExecutor, succeeded: u64, failed: u64, cancelled: u64) {
    let stats = idle(executor);
    assert_eq!(
        (stats.succeeded, stats.failed, stats.cancelled),
        (succeeded, failed, cancelled)
    );
}

#[test]
fn jobs_that_waiters_have_run_outside_of_jobs() {
    for kind in KINDS {
        for bounded in [false, true] {
            kind.must_end(move || {
                let guest = kind.guest_with(|b| if bounded { b.queue(10_000) } else { b });
                let executor = guest.executor.clone();
                guest.outside_of_jobs(move || {
                    (0..200_u32).into_par_iter().for_each(|i| {
                        let job = executor.spawn(move || assert!(i % 4 != 0, "one in four"));
                        assert_eq!(job.unwrap().result().is_err(), i % 4 == 0);
                    });
                });
                // On an own pool, one job more brings the closure there.
                let one_more = u64::from(matches!(kind, Kind::Own(_)));
                counted(&guest.executor, 150 + one_more, 50, 0);
            });
        }
    }
}

#[test]
fn jobs_that_bodies_of_jobs_have_run_on_all_threads() {
    for kind in KINDS {
        kind.must_end(move || {
            let guest = kind.guest();
            let jobs: Vec<_> = (0..20)
                .map(|_| {
                    let executor = guest.executor.clone();
                    let job = guest.executor.spawn(move || {
                        (0..20).into_par_iter().for_each(|_| {
                            let first = executor.spawn(|| ()).unwrap();
                            let second = executor.spawn(|| ()).unwrap();
                            // The shell of the second one lies above the first, or was taken.
                            second.result().unwrap();
                            first.result().unwrap();
                        });
                    });
                    job.unwrap()
                })
                .collect();
            for job in jobs {
                job.result().unwrap();
            }
            counted(&guest.executor, 20 + 20 * 20 * 2, 0, 0);
        });
    }
}

#[test]
fn children_that_were_cancelled_or_run_elsewhere_before_their_parent_comes_to_them() {
    must_end("a job with children", || {
        let Guest { executor, .. } = Kind::Own(2).guest();
        let own = executor.clone();
        let job = executor.spawn(move || {
            let first = own.spawn(|| ()).unwrap();
            let run_elsewhere = own.spawn(|| ()).unwrap();
            let cancelled = own.spawn(|| ()).unwrap();
            assert!(cancelled.cancel() || cancelled.is_done());
            let met = Barrier::new(2);
            rayon::join(
                || met.wait(),
                || {
                    // On the other thread.
                    met.wait();
                    run_elsewhere.result().unwrap();
                },
            );
            first.result().unwrap();
            cancelled.is_cancelled()
        });
        let was_cancelled = u64::from(job.unwrap().result().unwrap());
        counted(&executor, 4 - was_cancelled, 0, was_cancelled);
    });
}

#[test]
fn jobs_that_a_full_queue_has_made_room_of() {
    for kind in [Kind::Own(1), Kind::Shared(1)] {
        kind.must_end(move || {
            let guest = kind.guest_with(|b| b.queue(2).on_full(OnFull::CallerRuns));
            let (end, both) = (Latch::new("the end of a job"), Arc::new(Barrier::new(2)));
            let (ends, begins) = (end.clone(), Arc::clone(&both));
            let busy = guest.executor.spawn(move || {
                begins.wait();
                ends.wait();
            });
            both.wait();
            // Each of them takes the room of one that was cancelled.
            let mut live = Vec::new();
            for _ in 0..10 {
                let queued = guest.executor.spawn(|| ()).unwrap();
                if live.is_empty() {
                    live.push(guest.executor.spawn(|| ()).unwrap());
                }
                assert!(queued.cancel());
            }
            live.push(guest.executor.spawn(|| ()).unwrap());
            let by_caller = guest
                .executor
                .spawn(|| panic!("a job that the submitter runs"));
            assert!(by_caller.unwrap().result().is_err());
            end.open();
            busy.unwrap().result().unwrap();
            for job in live {
                job.result().unwrap();
            }
            counted(&guest.executor, 3, 1, 10);
        });
    }
}

#[test]
fn what_runs_and_what_waits_shows() {
    for kind in KINDS {
        kind.must_end(move || {
            let Guest {
                executor, threads, ..
            } = kind.guest();
            let (end, all_run) = (Latch::new("the end"), Arc::new(Barrier::new(threads + 1)));
            let mut jobs = Vec::new();
            for _ in 0..threads {
                let (end, all_run) = (end.clone(), Arc::clone(&all_run));
                let job = executor.spawn(move || {
                    all_run.wait();
                    end.wait();
                });
                jobs.push(job.unwrap());
            }
            all_run.wait();
            jobs.extend((0..5).map(|_| executor.spawn(|| ()).unwrap()));
            let stats = executor.stats();
            assert_eq!((stats.running, stats.queued), (threads, 5));
            assert_eq!(stats.workers, threads);
            end.open();
            for job in jobs {
                job.result().unwrap();
            }
            counted(&executor, u64::try_from(threads + 5).unwrap(), 0, 0);
        });
    }
}
