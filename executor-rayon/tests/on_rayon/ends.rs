//! Shutdowns and last drops: what becomes of the jobs, of a pool of the executor's own, and of one that is not.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
};

use executor_core::{
    Executor as _, Future as _, LocalExecutorExt as _, Outcome, Reason, Shutdown, State, TaskFuture,
};
use executor_rayon::RayonExecutor;
use rayon::prelude::*;

use crate::support::{Flag, Guest, KINDS, Kind, LIMIT, Latch, must_end, pool, until};

/// A worker that is busy until the latch is opened, and a few jobs behind it.
fn busy(executor: &RayonExecutor, workers: usize) -> (Latch, Vec<TaskFuture<()>>) {
    let end = Latch::new("the end of the jobs that keep all workers busy");
    let (began, begins) = mpsc::channel();
    let mut futures = Vec::new();
    for _ in 0..workers {
        let (end, began) = (end.clone(), began.clone());
        let job = executor.spawn(move || {
            began.send(()).unwrap();
            end.wait();
        });
        futures.push(job.unwrap());
    }
    for _ in 0..workers {
        begins.recv_timeout(LIMIT).expect("a worker");
    }
    futures.extend((0..5).map(|_| executor.spawn(|| ()).unwrap()));
    (end, futures)
}

/// Asserts that all futures are done without waiting for them, which could be what runs them.
#[track_caller]
fn all_succeeded(futures: &[TaskFuture<()>]) {
    for future in futures {
        until("a job of an executor that drains", || future.is_done());
        assert_eq!(future.state(), State::Done(Outcome::Succeeded));
    }
}

/// How many threads of this program have this name.
#[cfg(target_os = "linux")]
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        // A thread may end while it is looked at.
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.starts_with(name))
        .count()
}

/// What another system cannot tell is not looked at there.
#[cfg(not(target_os = "linux"))]
fn threads_named(_: &str) -> usize {
    0
}

/// The name is cut off after 15 bytes, and the index follows it.
fn own(name: &str) -> RayonExecutor {
    assert!(name.len() < 14);
    let builder = RayonExecutor::builder().max_workers(2).thread_name(name);
    let executor = builder.build().unwrap();
    // A thread has its name once it runs.
    executor.spawn(|| ()).unwrap().result().unwrap();
    assert!(cfg!(not(target_os = "linux")) || threads_named(name) > 0);
    executor
}

#[test]
fn a_pool_that_is_not_its_own_lives_on() {
    for kind in [Kind::Shared(2), Kind::Global] {
        kind.must_end(move || {
            let Guest { executor, .. } = kind.guest();
            executor.spawn(|| ()).unwrap().result().unwrap();
            executor.shutdown(Shutdown::Drain).unwrap();
            executor.join(None).unwrap();
            let refused = executor.spawn(|| ()).unwrap_err();
            assert!(matches!(refused.reason(), Reason::ShutDown));
            drop(executor);

            let guest = kind.guest();
            let sum = guest.outside_of_jobs(|| (1..=100_u32).into_par_iter().sum::<u32>());
            assert_eq!(sum, 5050);
            assert_eq!(guest.executor.spawn(|| 6).unwrap().result().unwrap(), 6);
        });
    }
}

#[test]
fn the_threads_of_an_own_pool_are_gone_after_join() {
    must_end("the threads", || {
        let executor = own("after-join");
        let end = executor.spawn(|| ()).unwrap();
        executor.shutdown(Shutdown::Drain).unwrap();
        executor.join(None).unwrap();
        assert!(end.is_done());
        // They have been joined; that the system has struck them off takes a moment more.
        until("no thread", || threads_named("after-join") == 0);
        // The handle can still be asked.
        executor.join(None).unwrap();
        assert!(executor.wait_idle(None));
    });
}

#[test]
fn the_threads_of_an_own_pool_are_gone_after_the_last_drop() {
    must_end("the threads", || {
        let executor = own("after-drop");
        let (end, futures) = busy(&executor, 2);
        end.open();
        drop(executor);
        assert!(futures.iter().all(TaskFuture::is_done), "the drop drains");
        all_succeeded(&futures);
        until("no thread", || threads_named("after-drop") == 0);
    });
}

#[test]
fn the_last_handle_goes_inside_of_a_job() {
    for kind in KINDS {
        kind.must_end(move || {
            let Guest { executor, .. } = kind.guest();
            let gone = Latch::new("all other handles to be gone");
            let (last, wait) = (executor.clone(), gone.clone());
            let job = executor.spawn(move || {
                wait.wait();
                // More work for the executor, whose end begins here.
                let child = last.spawn(|| ()).unwrap();
                drop(last);
                child
            });
            drop(executor);
            gone.open();
            let job = job.unwrap();
            until("the job", || job.is_done());
            all_succeeded(&[job.result().unwrap()]);
        });
    }
}

#[test]
fn an_own_pool_ends_after_the_job_that_has_the_last_handle() {
    must_end("the threads", || {
        let executor = own("with-its-job");
        let (end, futures) = busy(&executor, 2);
        let last = executor.clone();
        let job = executor.spawn(move || drop(last)).unwrap();
        drop(executor);
        end.open();
        all_succeeded(&[job]);
        all_succeeded(&futures);
        until("no thread", || threads_named("with-its-job") == 0);
    });
}

#[test]
fn the_last_handle_goes_on_a_thread_of_the_pool() {
    must_end("the jobs", || {
        let pool = pool(1);
        let executor = RayonExecutor::with_pool(Arc::clone(&pool));
        let futures = pool.install(move || {
            let futures: Vec<_> = (0..5).map(|_| executor.spawn(|| ()).unwrap()).collect();
            // The only thread that could run them is this one, so this must not wait for them.
            drop(executor);
            futures
        });
        all_succeeded(&futures);
    });
}

#[test]
fn the_last_handle_goes_on_a_thread_of_another_pool() {
    must_end("the jobs", || {
        for own in [true, false] {
            let executor = if own {
                RayonExecutor::new(1).unwrap()
            } else {
                RayonExecutor::with_pool(pool(1))
            };
            let (end, futures) = busy(&executor, 1);
            end.open();
            pool(1).install(move || drop(executor));
            assert!(futures.iter().all(TaskFuture::is_done), "the drop drains");
            all_succeeded(&futures);
        }
    });
}

#[test]
fn the_last_handle_goes_in_a_panic() {
    for kind in KINDS {
        kind.must_end(move || {
            let Guest {
                executor, threads, ..
            } = kind.guest();
            let (end, futures) = busy(&executor, threads);
            end.open();
            let panicked = catch_unwind(AssertUnwindSafe(move || {
                let _executor = executor;
                panic!("a panic while an executor is held");
            }));
            assert!(panicked.is_err());
            all_succeeded(&futures);
        });
    }
}

#[test]
fn the_last_handle_goes_while_the_queue_is_full() {
    for kind in KINDS {
        kind.must_end(move || {
            let Guest {
                executor, threads, ..
            } = kind.guest_with(|builder| builder.queue(5));
            let (end, futures) = busy(&executor, threads);
            assert!(executor.try_spawn(|| ()).is_err(), "the queue is full");
            end.open();
            drop(executor);
            all_succeeded(&futures);
        });
    }
}

#[test]
fn cancel_pending_cancels_what_is_queued_at_once() {
    for kind in KINDS {
        kind.must_end(move || {
            let Guest {
                executor, threads, ..
            } = kind.guest();
            let (end, mut futures) = busy(&executor, threads);
            executor.shutdown(Shutdown::Drain).unwrap();
            assert!(!futures.iter().any(TaskFuture::is_done));
            executor.shutdown(Shutdown::CancelPending).unwrap();
            let queued = futures.split_off(threads);
            assert!(queued.iter().all(TaskFuture::is_cancelled));
            assert!(!futures.iter().any(TaskFuture::is_done), "these run");
            // Weaker: it changes nothing.
            executor.shutdown(Shutdown::Drain).unwrap();
            end.open();
            executor.join(None).unwrap();
            all_succeeded(&futures);
            let stats = executor.stats();
            assert_eq!(stats.cancelled, 5);
            assert_eq!(stats.succeeded, u64::try_from(threads).unwrap());
        });
    }
}

#[test]
fn children_are_refused_once_the_end_has_begun_and_may_be_run_by_their_parents() {
    for kind in KINDS {
        kind.must_end(move || {
            let Guest { executor, .. } = kind.guest();
            let (is_closed, has_closed) = (Latch::new("the shutdown"), Flag::default());
            let (own, closed, ran) = (executor.clone(), is_closed.clone(), has_closed.clone());
            let job = executor.spawn(move || {
                closed.wait();
                // A scope runs what is not accepted.
                own.scope(|scope| drop(scope.spawn(|| ran.set())));
                own.spawn(|| ()).map(drop).unwrap_err().to_string()
            });
            executor.shutdown(Shutdown::Drain).unwrap();
            is_closed.open();
            let text = job.unwrap().result().unwrap();
            assert!(text.contains("shut down"), "{text}");
            assert!(has_closed.is_set());
            executor.join(None).unwrap();
        });
    }
}
