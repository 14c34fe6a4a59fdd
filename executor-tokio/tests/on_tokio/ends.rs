//! Shutdowns and last drops: inside and outside of the runtime, whoever's it is.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use executor_core::{
    Executor as _, Future as _, JoinErrorKind, LocalExecutorExt as _, Outcome, Shutdown, State,
    StopLevel, TaskFuture,
};
use executor_tokio::TokioExecutor;

use crate::support::{
    HOUR, KINDS, Kind, LIMIT, Latch, Site, current_thread, multi_thread, must_end, threads_named,
    until,
};

fn soon() -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(20))
}

/// Asserts that all futures come to be done, without waiting for them.
#[track_caller]
fn all_succeed(futures: &[TaskFuture<()>]) {
    for future in futures {
        until("a task of an executor that drains", || future.is_done());
        assert_eq!(future.state(), State::Done(Outcome::Succeeded));
    }
}

/// A few calls and futures.
fn some(executor: &TokioExecutor) -> Vec<TaskFuture<()>> {
    let mut futures = Vec::new();
    for _ in 0..5 {
        futures.push(executor.spawn(thread::yield_now).unwrap());
        let future = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        futures.push(executor.spawn_future(future).unwrap());
    }
    futures
}

/// With a runtime of its own, whose threads have this name.
fn own(name: &str) -> TokioExecutor {
    let builder = TokioExecutor::builder().max_workers(2).thread_name(name);
    let executor = builder.build().unwrap();
    all_succeed(&[executor.spawn(|| ()).unwrap()]);
    assert!(cfg!(not(target_os = "linux")) || threads_named(name) > 0);
    executor
}

#[test]
fn the_last_drop_drains() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let futures = some(&executor);
            drop(executor);
            if kind != Kind::CurrentThread {
                assert!(futures.iter().all(TaskFuture::is_done));
            }
            all_succeed(&futures);
            drop(runtime);
        });
    }
}

#[test]
fn the_threads_of_an_own_runtime_are_gone_after_join() {
    must_end("the threads", || {
        let executor = own("t-after-join");
        let futures = some(&executor);
        executor.shutdown(Shutdown::Drain).unwrap();
        let (other, name) = (executor.clone(), "t-after-join");
        // Two at once: each waits for the threads.
        let joins = thread::spawn(move || {
            other.join(None).unwrap();
            until("no thread", || threads_named(name) == 0);
        });
        executor.join(None).unwrap();
        until("no thread", || threads_named(name) == 0);
        joins.join().unwrap();
        all_succeed(&futures);
        executor.join(None).unwrap();
        let refused = executor.spawn_future(async {}).map(drop).unwrap_err();
        assert!(refused.to_string().contains("shut down"), "{refused}");
    });
}

#[test]
fn the_last_handle_goes_in_async_code() {
    for runtime in [current_thread as fn() -> _, || multi_thread(1)] {
        must_end("the tasks", move || {
            runtime().block_on(async {
                let executor = TokioExecutor::current().unwrap();
                let futures = some(&executor);
                drop(executor);
                for future in futures {
                    future.await.unwrap();
                }
                let executor = own("t-in-async");
                let futures = some(&executor);
                drop(executor);
                for future in futures {
                    future.await.unwrap();
                }
            });
            until("no thread of the own runtime", || {
                threads_named("t-in-async") == 0
            });
        });
    }
}

#[test]
fn the_last_handle_goes_on_a_blocking_thread() {
    must_end("the tasks", || {
        let runtime = multi_thread(1);
        let closure = runtime.spawn_blocking(|| {
            let executor = TokioExecutor::current().unwrap();
            let futures = some(&executor);
            drop(executor);
            assert!(futures.iter().all(TaskFuture::is_done), "it may wait here");
            all_succeed(&futures);

            let executor = own("t-on-blocking");
            let futures = some(&executor);
            drop(executor);
            assert!(futures.iter().all(TaskFuture::is_done), "it may wait here");
            until("no thread of the own runtime", || {
                threads_named("t-on-blocking") == 0
            });
        });
        runtime.block_on(closure).unwrap();
    });
}

#[test]
fn the_last_handle_goes_in_a_call() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let (gone, last) = (Latch::new("all other handles to be gone"), executor.clone());
            let is_gone = gone.clone();
            let call = executor.spawn(move || {
                is_gone.wait();
                let children = some(&last);
                drop(last);
                children
            });
            let behind = some(&executor);
            drop(executor);
            gone.open();
            all_succeed(&call.unwrap().result().unwrap());
            all_succeed(&behind);
            drop(runtime);
        });
    }
}

#[test]
fn the_last_handle_goes_with_the_last_future() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let last = executor.clone();
            let future = executor.spawn_future(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let child = last.spawn(|| ()).unwrap();
                drop(last);
                [child]
            });
            drop(executor);
            all_succeed(&future.unwrap().result().unwrap());

            // And with one that is stopped, and one that is never polled.
            let Site {
                executor,
                runtime: other,
            } = kind.site();
            let last = executor.clone();
            let future = executor.spawn_future(async move {
                tokio::time::sleep(HOUR).await;
                drop(last);
            });
            let future = future.unwrap();
            drop(executor);
            future.stop(StopLevel::Signal).unwrap();
            assert!(future.result().is_err());
            drop((runtime, other));
        });
    }
}

#[test]
fn an_own_runtime_ends_after_the_task_that_has_the_last_handle() {
    must_end("the threads", || {
        let executor = own("t-with-call");
        let last = executor.clone();
        let gone = Latch::new("all other handles to be gone");
        let is_gone = gone.clone();
        let call = executor.spawn(move || {
            is_gone.wait();
            drop(last);
        });
        drop(executor);
        gone.open();
        call.unwrap().result().unwrap();
        until("no thread", || threads_named("t-with-call") == 0);

        let executor = own("t-with-future");
        let last = executor.clone();
        let future = executor.spawn_future(async move { drop(last) });
        drop(executor);
        future.unwrap().result().unwrap();
        until("no thread", || threads_named("t-with-future") == 0);

        // On a thread of the runtime that is in no task of ours.
        let executor = own("t-with-other");
        let last = executor.clone();
        let (send, started) = mpsc::channel();
        let future = executor.spawn_future(async move {
            let closure = move || {
                started.recv_timeout(LIMIT).unwrap();
                let error = last.join(None).unwrap_err();
                assert_eq!(error.kind(), JoinErrorKind::WouldDeadlock);
                drop(last);
            };
            tokio::task::spawn_blocking(closure);
        });
        future.unwrap().result().unwrap();
        drop(executor);
        send.send(()).unwrap();
        until("no thread", || threads_named("t-with-other") == 0);
    });
}

#[test]
fn a_deadline_ends_a_join_and_nothing_else() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            assert!(
                executor.join(soon()).unwrap_err().is_still_running(),
                "it is open"
            );
            let end = Latch::new("the end of the call");
            let ends = end.clone();
            let call = executor.spawn(move || ends.wait()).unwrap();
            let sleeps = async { tokio::time::sleep(HOUR).await };
            let future = executor.spawn_future(sleeps).unwrap();
            executor.shutdown(Shutdown::Drain).unwrap();
            assert!(executor.join(soon()).unwrap_err().is_still_running());
            assert!(!executor.wait_idle(Some(Duration::from_millis(1))));
            end.open();
            call.result().unwrap();
            assert!(executor.join(soon()).unwrap_err().is_still_running());
            future.stop(StopLevel::Signal).unwrap();
            executor.join(Instant::now().checked_add(LIMIT)).unwrap();
            assert!(future.is_done());
            drop(runtime);
        });
    }
}

#[test]
fn what_tasks_have_left_on_an_own_runtime_is_not_waited_for_beyond_the_deadline() {
    must_end("a join with a deadline", || {
        let executor = TokioExecutor::new(1).unwrap();
        let end = Latch::new("the end of somebody else's work");
        let ends = end.clone();
        let future = executor.spawn_future(async move {
            tokio::task::spawn_blocking(move || ends.wait());
        });
        future.unwrap().result().unwrap();
        executor.shutdown(Shutdown::Drain).unwrap();
        for _ in 0..2 {
            assert!(executor.join(soon()).unwrap_err().is_still_running());
        }
        end.open();
        executor.join(None).unwrap();
    });
}

#[test]
fn a_join_on_a_blocking_thread_of_another_runtime_waits() {
    must_end("the threads", || {
        let executor = own("t-elsewhere");
        let futures = some(&executor);
        let other = multi_thread(1);
        let closure = other.spawn_blocking(move || {
            executor.shutdown(Shutdown::Drain).unwrap();
            executor.join(None).unwrap();
            until("no thread", || threads_named("t-elsewhere") == 0);
        });
        other.block_on(closure).unwrap();
        all_succeed(&futures);
    });
}

#[test]
fn cancel_pending_cancels_what_has_not_begun() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let [begun, end] = ["the call", "its end"].map(Latch::new);
            let (begins, ends) = (begun.clone(), end.clone());
            let call = executor.spawn(move || {
                begins.open();
                ends.wait();
            });
            begun.wait();
            let queued: Vec<_> = (0..5).map(|_| executor.spawn(|| ()).unwrap()).collect();
            // All threads for futures are in the middle of a poll.
            let threads = if kind == Kind::MultiThread(2) { 2 } else { 1 };
            let resume = Latch::new("the end of the polls");
            let (polled, polls) = mpsc::channel();
            let running: Vec<_> = (0..threads)
                .map(|_| {
                    let (polled, resumes) = (polled.clone(), resume.clone());
                    let future = executor.spawn_future(async move {
                        polled.send(()).unwrap();
                        resumes.wait();
                        tokio::task::yield_now().await;
                    });
                    polls.recv_timeout(LIMIT).expect("a poll");
                    future.unwrap()
                })
                .collect();
            let unpolled = executor.spawn_future(async {}).unwrap();
            executor.shutdown(Shutdown::CancelPending).unwrap();
            assert!(queued.iter().all(TaskFuture::is_cancelled));
            resume.open();
            end.open();
            executor.join(None).unwrap();
            all_succeed(&running);
            all_succeed(&[call.unwrap()]);
            assert!(unpolled.is_cancelled());
            drop(runtime);
        });
    }
}
