//! Blocking waits: refused in async code, allowed wherever tokio lets a thread block.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use executor_core::{
    Executor as _, Future as _, JoinErrorKind, LocalExecutorExt as _, ReturnWhen, Shutdown,
    StopLevel, TaskErrorKind, as_completed, join, join_all, wait,
};
use executor_tokio::TokioExecutor;
use tokio::{
    runtime::Handle,
    task::{LocalSet, block_in_place},
};

use crate::support::{KINDS, Kind, LIMIT, Latch, Site, current_thread, multi_thread, must_end};

/// Each wait on this thread is refused, for calls and for futures, and what was to be waited for goes on.
fn all_waits_are_refused(executor: &TokioExecutor) {
    assert_eq!(executor.capabilities().workers, 1);
    let end = Latch::new("the end of what is waited for");
    let ends = end.clone();
    let _opens = end.opens_on_drop();
    let call = executor.spawn(move || ends.wait()).unwrap();
    let future = executor.spawn_future(pending::<()>()).unwrap();
    for waited in [&call, &future] {
        waited.wait();
        assert!(!waited.is_done());
        assert!(!waited.wait_timeout(LIMIT), "it waited");
    }
    let mut completed = as_completed([call, future]);
    assert!(completed.next().is_none());
    let waited = wait(completed.remaining(), ReturnWhen::FirstCompleted, None);
    assert_eq!((waited.done.len(), waited.not_done.len()), (0, 2));
    let shared: Vec<_> = waited.not_done.into_iter().map(|f| f.shared()).collect();
    for result in join_all(shared.iter().cloned()) {
        let error = result.unwrap_err();
        assert!(matches!(error.kind(), TaskErrorKind::BlockingInAsync));
        let text = error.to_string();
        assert!(text.contains("`.await`"), "it must say what to do: {text}");
    }
    let mapped: Vec<_> = executor.map_fn([1], |x| x).collect();
    assert!(mapped.iter().all(Result::is_err), "it waited: {mapped:?}");

    assert!(!executor.wait_idle(None));
    let error = executor.join(None).unwrap_err();
    assert_eq!(error.kind(), JoinErrorKind::WouldDeadlock);
    for future in &shared {
        future.stop(StopLevel::Signal).unwrap();
    }
}

/// Each wait on this thread is allowed.
fn all_waits_are_allowed(executor: &TokioExecutor) {
    assert_eq!(executor.spawn(|| 1).unwrap().result().unwrap(), 1);
    let future = executor.spawn_future(async { 1 }).unwrap();
    assert!(future.wait_timeout(LIMIT));
    assert_eq!(future.result().unwrap(), 1);
    let futures = (0..5).map(|i| executor.spawn(move || i).unwrap());
    assert_eq!(as_completed(futures).count(), 5);
    let futures = (0..5).map(|i| executor.spawn_future(async move { i }).unwrap());
    assert_eq!(
        join_all(futures).into_iter().filter(Result::is_ok).count(),
        5
    );
    let mapped: Result<Vec<_>, _> = executor.map_fn(0..5, |x| 2 * x).collect();
    assert_eq!(mapped.unwrap(), [0, 2, 4, 6, 8]);
}

#[test]
fn in_async_code() {
    for runtime in [current_thread as fn() -> _, || multi_thread(1)] {
        for own in [false, true] {
            must_end(format!("own: {own}"), move || {
                runtime().block_on(async {
                    let builder = TokioExecutor::builder().max_workers(1);
                    let builder = if own {
                        builder
                    } else {
                        builder.handle(Handle::current())
                    };
                    let executor = builder.build().unwrap();
                    all_waits_are_refused(&executor);
                    let inner = executor.clone();
                    let task = async move { all_waits_are_refused(&inner) };
                    tokio::spawn(task).await.unwrap();
                    let inner = executor.clone();
                    let task = executor.spawn_future(async move { all_waits_are_refused(&inner) });
                    task.unwrap().await.unwrap();
                });
            });
        }
    }
}

#[test]
fn in_a_local_set() {
    must_end("a local set", || {
        let runtime = current_thread();
        LocalSet::new().block_on(&runtime, async {
            let builder = TokioExecutor::builder().handle(Handle::current());
            let executor = builder.max_workers(1).build().unwrap();
            all_waits_are_refused(&executor);
            let inner = executor.clone();
            let local = tokio::task::spawn_local(async move {
                all_waits_are_refused(&inner);
                let call = inner.spawn(|| 1).unwrap();
                let future = inner.spawn_future(async { 2 }).unwrap();
                call.await.unwrap() + future.await.unwrap()
            });
            assert_eq!(local.await.unwrap(), 3);
        });
    });
}

#[test]
fn on_blocking_threads_and_in_calls() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            if let Some(runtime) = &runtime {
                let inner = executor.clone();
                let closure = runtime
                    .handle
                    .spawn_blocking(move || all_waits_are_allowed(&inner));
                runtime.handle.block_on(closure).unwrap();
            }
            // From the only worker, which runs what it waits for.
            let inner = executor.clone();
            let call = executor.spawn(move || all_waits_are_allowed(&inner));
            call.unwrap().result().unwrap();
        });
    }
}

#[test]
fn where_a_task_says_that_it_blocks() {
    must_end("block_in_place", || {
        let Site { executor, runtime } = Kind::MultiThread(2).site();
        let handle = &runtime.as_ref().unwrap().handle;
        let inner = executor.clone();
        let task = handle.spawn(async move {
            block_in_place(|| all_waits_are_allowed(&inner));
            // And not any more.
            all_waits_are_refused(&inner);
        });
        handle.block_on(task).unwrap();
        let inner = executor.clone();
        let future = executor.spawn_future(async move {
            block_in_place(|| all_waits_are_allowed(&inner));
        });
        future.unwrap().result().unwrap();
    });
}

#[test]
fn on_a_thread_that_has_only_entered_the_runtime() {
    must_end("a plain thread", || {
        let Site { executor, runtime } = Kind::MultiThread(1).site();
        let _entered = runtime.as_ref().unwrap().handle.enter();
        all_waits_are_allowed(&executor);
    });
}

/// A scope has borrowed its caller's stack, and cannot say no: it holds up the thread until its closures are done,
/// which run elsewhere.
#[test]
fn a_scope_in_async_code_blocks() {
    for runtime in [current_thread as fn() -> _, || multi_thread(1)] {
        must_end("a scope", move || {
            runtime().block_on(async {
                let executor = TokioExecutor::current().unwrap();
                let mut names = [None, None];
                executor.scope(|scope| {
                    for name in &mut names {
                        drop(scope.spawn(|| *name = Some(thread::current().id())));
                    }
                });
                let me = thread::current().id();
                assert!(
                    names
                        .into_iter()
                        .all(|name| name.is_some_and(|name| name != me))
                );
            });
        });
    }
}

/// So does a fork: what it has lent to a worker it must have back.
#[test]
fn a_fork_in_async_code_blocks() {
    for panics in [false, true] {
        for runtime in [current_thread as fn() -> _, || multi_thread(1)] {
            must_end(format!("a fork, panics: {panics}"), move || {
                runtime().block_on(async move {
                    let executor = TokioExecutor::current().unwrap();
                    let [begun, ended] = ["the worker's side", "its end"].map(Latch::new);
                    let (begins, ends) = (begun.clone(), ended.clone());
                    let forked = catch_unwind(AssertUnwindSafe(|| {
                        join(
                            &executor,
                            || {
                                begun.wait();
                                assert!(!panics, "the caller's side panics");
                                1
                            },
                            // Owns what it uses, lest a fork that is over too soon takes it away.
                            move || {
                                begins.open();
                                (0..1000).for_each(|_| thread::yield_now());
                                ends.open();
                                2
                            },
                        )
                    }));
                    assert!(ended.is_open(), "the fork was over before its other side");
                    assert_eq!(forked.ok(), (!panics).then_some((1, 2)));
                });
            });
        }
    }
}

#[test]
fn the_executor_can_be_shut_down_in_async_code_and_joined_outside() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let inner = executor.clone();
            let future = executor.spawn_future(async move {
                inner.shutdown(Shutdown::Drain).unwrap();
                inner.join(None).unwrap_err().kind()
            });
            assert_eq!(
                future.unwrap().result().unwrap(),
                JoinErrorKind::WouldDeadlock
            );
            executor.join(None).unwrap();
            drop(runtime);
        });
    }
}
