//! Futures that are stopped or cancelled, wherever they are.

use std::{future::pending, time::Duration};

use executor_core::{
    Executor as _, Future as _, LocalExecutorExt as _, Outcome, Shutdown, State, StopLevel,
    TaskFuture, context,
};
use executor_tokio::TokioExecutor;
use tokio::sync::{Notify, mpsc as async_mpsc};

use crate::support::{
    Driven, HOUR, KINDS, LIMIT, Latch, Live, Site, current_thread, multi_thread, must_end, until,
};

/// Stops a future that is under way, and asserts that nothing is left of it once it is done.
#[track_caller]
fn is_stopped(future: TaskFuture<()>, live: &Live) {
    until("the future to be polled", || future.is_running());
    future.stop(StopLevel::Signal).unwrap();
    assert!(future.wait_timeout(LIMIT), "it sleeps on");
    assert_eq!(live.count(), 0, "it is done, and still owns something");
    assert_eq!(future.state(), State::Done(Outcome::Failed));
    // Once more does nothing.
    future.stop(StopLevel::Signal).unwrap();
    assert!(!future.cancel());
    assert!(future.result().unwrap_err().is_stopped());
}

#[test]
fn a_future_that_sleeps() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let live = Live::default();

            let token = live.token();
            let future = executor.spawn_future(async move {
                tokio::time::sleep(HOUR).await;
                drop(token);
            });
            is_stopped(future.unwrap(), &live);

            let (token, other) = (live.token(), live.token());
            let future = executor.spawn_future(async move {
                let (_never, mut never) = async_mpsc::channel::<()>(1);
                let notify = Notify::new();
                tokio::select! {
                    _ = never.recv() => drop(token),
                    () = notify.notified() => drop(other),
                    () = tokio::time::sleep(HOUR) => {}
                }
            });
            is_stopped(future.unwrap(), &live);

            // Not even what it calls can keep it from that: there is no shield.
            let token = live.token();
            let future = executor.spawn_future(async move {
                let inner = async {
                    loop {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        assert!(!context::stop_requested(), "it was polled once more");
                    }
                };
                let _never = tokio::time::timeout(HOUR, inner).await;
                drop(token);
            });
            is_stopped(future.unwrap(), &live);

            let token = live.token();
            let future = executor.spawn_future(async move {
                pending::<()>().await;
                drop(token);
            });
            is_stopped(future.unwrap(), &live);
            assert!(executor.wait_idle(None));
            assert_eq!(executor.stats().failed, 4);
            drop(runtime);
        });
    }
}

#[test]
fn what_a_stopped_future_has_spawned_with_tokio_goes_on() {
    must_end("the spawned task", || {
        let Site { executor, runtime } = crate::support::Kind::MultiThread(1).site();
        let (sent, mut receives) = async_mpsc::channel(1);
        let go = std::sync::Arc::new(Notify::new());
        let goes = std::sync::Arc::clone(&go);
        let begun = Latch::new("the spawned task");
        let begins = begun.clone();
        let future = executor.spawn_future(async move {
            let inner = tokio::spawn(async move {
                goes.notified().await;
                sent.send(7).await
            });
            begins.open();
            drop(inner.await);
        });
        begun.wait();
        is_stopped(future.unwrap(), &Live::default());
        go.notify_one();
        let handle = &runtime.as_ref().unwrap().handle;
        assert_eq!(handle.block_on(receives.recv()), Some(7));
    });
}

#[test]
fn a_call_sees_the_signal_and_ends_when_it_likes() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let call = executor.spawn(|| until("the signal", context::stop_requested));
            let call = call.unwrap();
            until("the call to run", || call.is_running());
            call.stop(StopLevel::Signal).unwrap();
            call.result().unwrap();
            let future = executor.spawn_future(pending::<()>()).unwrap();
            let kill = future.stop(StopLevel::Kill).unwrap_err();
            assert!(kill.to_string().contains("kill"), "{kill}");
            future.stop(StopLevel::Signal).unwrap();
            drop(runtime);
        });
    }
}

#[test]
fn futures_that_nobody_has_polled() {
    must_end("a runtime that nobody drives", || {
        let runtime = current_thread();
        let executor = TokioExecutor::with_handle(runtime.handle().clone());
        let live = Live::default();
        let spawn = || {
            let token = live.token();
            executor.spawn_future(async move { drop(token) }).unwrap()
        };
        let (cancelled, stopped, dropped, kept) = (spawn(), spawn(), spawn(), spawn());
        assert!(cancelled.cancel());
        stopped.stop(StopLevel::Signal).unwrap();
        drop(dropped);
        for future in [cancelled, stopped] {
            assert!(future.is_cancelled(), "it is done at once");
            assert!(future.result().unwrap_err().is_cancelled());
        }
        assert_eq!(live.count(), 2, "what they owned is gone at once");
        assert_eq!(kept.state(), State::Pending);
        assert_eq!(
            executor.stats().queued,
            4,
            "their places come back at their turn"
        );
        executor.shutdown(Shutdown::Drain).unwrap();

        let _driven = Driven::new(runtime);
        executor.join(None).unwrap();
        kept.result().unwrap();
        assert_eq!(live.count(), 0);
        let stats = executor.stats();
        assert_eq!((stats.succeeded, stats.cancelled), (2, 2));
    });
}

#[test]
fn futures_behind_one_that_blocks_the_only_thread() {
    must_end("a runtime whose thread is blocked", || {
        for runtime in [current_thread as fn() -> _, || multi_thread(1)] {
            let driven = Driven::new(runtime());
            let executor = TokioExecutor::with_handle(driven.handle.clone());
            let [blocked, resume] = ["the poll", "its end"].map(Latch::new);
            let (blocks, resumes) = (blocked.clone(), resume.clone());
            driven.handle.spawn(async move {
                blocks.open();
                resumes.wait();
            });
            blocked.wait();
            let live = Live::default();
            let token = live.token();
            let cancelled = executor.spawn_future(async move { drop(token) }).unwrap();
            let behind = executor.spawn_future(async { 7 }).unwrap();
            // Blocking threads are others: calls run.
            assert_eq!(executor.spawn(|| 1).unwrap().result().unwrap(), 1);
            assert!(cancelled.cancel());
            assert!(cancelled.is_done());
            assert_eq!(live.count(), 0);
            assert!(!behind.wait_timeout(Duration::from_millis(5)));
            executor.shutdown(Shutdown::CancelPending).unwrap();
            assert!(executor.join(Some(std::time::Instant::now())).is_err());
            resume.open();
            executor.join(None).unwrap();
            assert!(behind.is_cancelled());
        }
    });
}

#[test]
fn ten_thousand_that_sleep_end_together() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let live = Live::default();
            let futures: Vec<_> = (0..10_000)
                .map(|_| {
                    let token = live.token();
                    let future = executor.spawn_future(async move {
                        tokio::time::sleep(HOUR).await;
                        drop(token);
                    });
                    future.unwrap()
                })
                .collect();
            until("all of them to sleep", || {
                executor.stats().running == 10_000
            });
            assert_eq!(executor.stats().queued, 0);
            executor.shutdown(Shutdown::Drain).unwrap();
            let now = std::time::Instant::now();
            assert!(executor.join(Some(now)).unwrap_err().is_still_running());
            for future in &futures {
                future.stop(StopLevel::Signal).unwrap();
            }
            executor.join(None).unwrap();
            assert!(futures.iter().all(TaskFuture::is_done));
            assert_eq!(live.count(), 0);
            let stats = executor.stats();
            assert_eq!((stats.running, stats.queued, stats.failed), (0, 0, 10_000));
            drop(runtime);
        });
    }
}
