//! Back-pressure: where there is no room, in async code and outside of it.

use std::{
    collections::HashSet,
    future::{Future as _, pending},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use executor_core::{
    Executor as _, ExecutorExt as _, Future as _, JobKind, LocalExecutorExt as _, Reason,
    StopLevel, SubmitError, Task, TaskFuture,
};
use executor_macros::task;
use executor_tokio::{OnFull, TokioBuilder, TokioExecutor};
use tokio::{runtime::Handle, task::JoinSet};

use crate::support::{
    KINDS, Kind, LIMIT, Latch, Site, current_thread, multi_thread, must_end, until,
};

/// A worker that is busy until the latch opens.
fn busy(executor: &TokioExecutor) -> (Latch, TaskFuture<()>) {
    let [begun, end] = ["the busy worker", "its end"].map(Latch::new);
    let (begins, ends) = (begun.clone(), end.clone());
    let call = executor.spawn(move || {
        begins.open();
        ends.wait();
    });
    begun.wait();
    (end, call.unwrap())
}

#[track_caller]
fn refused<F, T: Task>(submitted: Result<F, SubmitError<T>>) -> Reason {
    match submitted {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error.into_parts().1,
    }
}

#[test]
fn a_full_queue_in_async_code() {
    for on_full in [OnFull::Block, OnFull::Reject, OnFull::CallerRuns] {
        must_end(format!("{on_full:?}"), move || {
            let runtime = multi_thread(1);
            let builder = TokioExecutor::builder().handle(runtime.handle().clone());
            let builder = builder.max_workers(1).queue(1).on_full(on_full);
            let executor = builder.build().unwrap();
            let (end, call) = busy(&executor);
            let queued = executor.spawn(|| 1).unwrap();
            runtime.block_on(async {
                let reason = refused(executor.spawn(|| 2));
                match on_full {
                    // To run it here would take the thread as well.
                    OnFull::Block | OnFull::CallerRuns => {
                        assert!(matches!(reason, Reason::BlockingInAsync), "{reason}");
                    }
                    _ => assert!(matches!(reason, Reason::Full { bound: 1 }), "{reason}"),
                }
                let reason = refused(executor.try_spawn(|| 2));
                assert!(matches!(reason, Reason::Full { bound: 1 }));
                let reason = refused(executor.spawn_within(LIMIT, || 2));
                assert!(matches!(reason, Reason::BlockingInAsync), "{reason}");
                assert!(reason.to_string().contains("submit_async"), "{reason}");
                // What was refused can be submitted again, in a way that waits.
                let task = executor.spawn(|| 3).unwrap_err().into_parts().0;
                let mut submission = pin!(executor.spawn_async(task));
                let mut context = Context::from_waker(Waker::noop());
                assert!(submission.as_mut().poll(&mut context).is_pending());
                end.open();
                assert_eq!(submission.await.unwrap().await.unwrap(), 3);
                assert_eq!(queued.await.unwrap(), 1);
                call.await.unwrap();
            });
        });
    }
}

/// Many submitters on one thread, with room for one call at a time. Some give up.
#[test]
fn many_async_submitters_and_a_queue_of_one() {
    for runtime in [current_thread as fn() -> _, || multi_thread(2)] {
        must_end("the submitters", move || {
            let runtime = runtime();
            let ran = Arc::new(Mutex::new(HashSet::new()));
            runtime.block_on(async {
                let builder = TokioExecutor::builder().handle(Handle::current());
                let executor = builder.max_workers(1).queue(1).build().unwrap();
                let mut submitters = JoinSet::new();
                for i in 0..300 {
                    let (executor, ran) = (executor.clone(), Arc::clone(&ran));
                    submitters.spawn(async move {
                        let again = Arc::clone(&ran);
                        let submission = executor.spawn_async(move || {
                            assert!(again.lock().unwrap().insert(i), "it ran twice");
                            i
                        });
                        // Every third one has no patience.
                        let submitted = if i % 3 == 0 {
                            tokio::select! {
                                biased;
                                submitted = submission => submitted,
                                () = tokio::task::yield_now() => return None,
                            }
                        } else {
                            submission.await
                        };
                        Some(submitted.unwrap().await.unwrap())
                    });
                }
                let answers = submitters.join_all().await;
                let done: HashSet<_> = answers.into_iter().flatten().collect();
                assert_eq!(*ran.lock().unwrap(), done, "what is given up is not run");
                assert!((0..300).all(|i| i % 3 == 0 || done.contains(&i)));
            });
        });
    }
}

#[test]
fn async_submitters_with_a_timeout() {
    must_end("the submitters", || {
        let Site { executor, runtime } = Kind::MultiThread(1).site_with(|b| b.queue(1));
        let (end, call) = busy(&executor);
        let queued = executor.spawn(|| ()).unwrap();
        let ran = Arc::new(AtomicUsize::new(0));
        let handle = &runtime.as_ref().unwrap().handle;
        handle.block_on(async {
            for _ in 0..20 {
                let runs = Arc::clone(&ran);
                let submission = executor.spawn_async(move || runs.fetch_add(1, Ordering::SeqCst));
                let timed = tokio::time::timeout(Duration::from_millis(1), submission);
                assert!(timed.await.is_err(), "there was no room");
            }
        });
        end.open();
        call.result().unwrap();
        queued.result().unwrap();
        // The wakers that they left are of no harm to the next one.
        let last = handle.block_on(executor.spawn_async(|| 7)).unwrap();
        assert_eq!(last.result().unwrap(), 7);
        assert!(executor.wait_idle(None));
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_queued_call_that_is_cancelled_gives_its_place_back() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let site = kind.site_with(|b| b.queue(1).on_full(OnFull::Reject));
            let executor = &site.executor;
            let (end, call) = busy(executor);
            for _ in 0..5 {
                let queued = executor.spawn(|| ()).unwrap();
                assert!(matches!(
                    refused(executor.spawn(|| ())),
                    Reason::Full { bound: 1 }
                ));
                assert!(queued.cancel());
                assert!(queued.is_done(), "a cancelled call is done at once");
            }
            let last = executor.spawn(|| 7).unwrap();
            end.open();
            call.result().unwrap();
            assert_eq!(last.result().unwrap(), 7);
            assert!(executor.wait_idle(None));
            let stats = executor.stats();
            assert_eq!((stats.succeeded, stats.cancelled), (2, 5));
        });
    }
}

/// With room for one future, which is taken.
fn with_one_future(kind: Kind, adjust: fn(TokioBuilder) -> TokioBuilder) -> (Site, TaskFuture<()>) {
    let site = kind.site_with(|builder| adjust(builder.max_async(1)));
    let future = site.executor.spawn_future(pending()).unwrap();
    (site, future)
}

#[test]
fn no_room_for_a_future_and_a_submitter_that_waits() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let (site, first) = with_one_future(kind, |builder| builder);
            let executor = site.executor.clone();
            let (sent, second) = mpsc::channel();
            let submitter = thread::spawn(move || {
                let second = executor.spawn_future(async { 2 });
                sent.send(second.unwrap()).unwrap();
            });
            let nothing = second.recv_timeout(Duration::from_millis(20));
            assert!(nothing.is_err(), "there was no room");
            first.stop(StopLevel::Signal).unwrap();
            let second = second.recv_timeout(LIMIT).expect("there is room");
            assert_eq!(second.result().unwrap(), 2);
            submitter.join().unwrap();

            // A worker must not wait: what it waits for may need it.
            let third = site.executor.spawn_future(pending::<()>()).unwrap();
            let own = site.executor.clone();
            let call = site
                .executor
                .spawn(move || refused(own.spawn_future(async {})));
            let reason = call.unwrap().result().unwrap();
            assert!(matches!(reason, Reason::WouldDeadlock), "{reason}");
            // Nor must async code.
            if let Some(runtime) = &site.runtime {
                let submitted = runtime
                    .handle
                    .block_on(async { site.executor.spawn_future(async {}) });
                let reason = refused(submitted);
                assert!(matches!(reason, Reason::BlockingInAsync), "{reason}");
            }
            third.stop(StopLevel::Signal).unwrap();
        });
    }
}

#[test]
fn no_room_for_a_future_and_a_submitter_that_is_told() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let (site, first) = with_one_future(kind, |builder| builder.on_full(OnFull::Reject));
            let reason = refused(site.executor.spawn_future(async {}));
            assert!(matches!(reason, Reason::Full { bound: 1 }));
            first.stop(StopLevel::Signal).unwrap();
            first.wait();
            // The place comes back a moment after the result.
            until("room", || site.executor.spawn_future(async {}).is_ok());
        });
    }
}

#[test]
fn no_room_for_a_future_and_a_submitter_that_runs_it() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let (site, first) = with_one_future(kind, |b| b.on_full(OnFull::CallerRuns));
            // With the runtime's timers, and not elsewhere.
            let me = thread::current().id();
            let ran = site.executor.spawn_future(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                tokio::spawn(async { 1 }).await.unwrap();
                thread::current().id() == me
            });
            let ran = ran.unwrap();
            assert!(ran.is_done());
            assert!(ran.result().unwrap());
            let failed = site.executor.spawn_future(async { panic!("planned") });
            assert!(failed.unwrap().result().unwrap_err().is_panicked());
            // From a worker: there, too.
            let own = site.executor.clone();
            let call = site.executor.spawn(move || {
                let ran = own.spawn_future(tokio::task::yield_now()).unwrap();
                ran.is_done()
            });
            assert!(call.unwrap().result().unwrap());
            // In async code it would take the thread that the runtime needs.
            if let Some(runtime) = &site.runtime {
                let sleeps = async { tokio::time::sleep(Duration::from_millis(1)).await };
                let submitted = runtime
                    .handle
                    .block_on(async { site.executor.spawn_future(sleeps) });
                let reason = refused(submitted);
                assert!(matches!(reason, Reason::BlockingInAsync), "{reason}");
            }
            first.stop(StopLevel::Signal).unwrap();
            assert!(site.executor.wait_idle(None));
            let stats = site.executor.stats();
            assert_eq!((stats.succeeded, stats.failed), (3, 2));
        });
    }
}

mod tasks {
    use super::task;

    #[task(crate = "executor_core")]
    pub(crate) async fn double(x: u64) -> u64 {
        tokio::task::yield_now().await;
        2 * x
    }
}
use tasks::double;

#[test]
fn no_room_for_an_async_task_within_a_time_and_now() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let (site, first) = with_one_future(kind, |builder| builder);
            let executor = &site.executor;
            let reason = refused(executor.try_submit(double::task(1)));
            assert!(matches!(reason, Reason::Full { bound: 1 }), "{reason}");
            let short = Duration::from_millis(5);
            let reason = refused(executor.submit_within(short, double::task(1)));
            assert!(
                matches!(reason, Reason::TimedOut { waited } if waited == short),
                "{reason}"
            );
            let other = executor.clone();
            let waits = thread::spawn(move || other.submit_within(LIMIT, double::task(4)).unwrap());
            first.stop(StopLevel::Signal).unwrap();
            assert_eq!(waits.join().unwrap().result().unwrap(), 8);
        });
    }
}

#[test]
fn many_async_submitters_of_async_tasks_with_room_for_one() {
    for runtime in [current_thread as fn() -> _, || multi_thread(2)] {
        must_end("the submitters", move || {
            runtime().block_on(async {
                let builder = TokioExecutor::builder().handle(Handle::current());
                let executor = builder.max_async(1).build().unwrap();
                let mut submitters = JoinSet::new();
                for i in 0..200 {
                    let executor = executor.clone();
                    submitters.spawn(async move {
                        let submission = executor.submit_async(double::task(i));
                        let submitted = if i % 3 == 0 {
                            tokio::select! {
                                biased;
                                submitted = submission => submitted,
                                () = tokio::task::yield_now() => return None,
                            }
                        } else {
                            submission.await
                        };
                        Some(submitted.unwrap().await.unwrap())
                    });
                }
                let answers = submitters.join_all().await;
                let done: HashSet<_> = answers.into_iter().flatten().collect();
                assert!((0..200).all(|i| i % 3 == 0 || done.contains(&(2 * i))));
            });
        });
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn wakers_are_woken_once_when_there_is_room_for_their_kind() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let site = kind.site_with(|builder| builder.queue(1).max_async(1));
            let executor = &site.executor;
            let counts = [(); 2].map(|()| Arc::<Count>::default());
            let [for_call, for_future] = [0, 1].map(|i| Waker::from(Arc::clone(&counts[i])));
            let woken = |i: usize| counts[i].0.load(Ordering::SeqCst);
            // Room for both: nothing is kept.
            assert!(!executor.when_room(JobKind::Call, &for_call));
            assert!(!executor.when_room(JobKind::Future, &for_future));

            let (end, call) = busy(executor);
            let queued = executor.spawn(|| ()).unwrap();
            let future = executor.spawn_future(pending::<()>()).unwrap();
            for _ in 0..2 {
                assert!(executor.when_room(JobKind::Call, &for_call));
                assert!(executor.when_room(JobKind::Future, &for_future));
            }
            future.stop(StopLevel::Signal).unwrap();
            until("room for a future", || woken(1) == 1);
            assert_eq!(woken(0), 0, "there is none for a call");
            end.open();
            until("room for a call", || woken(0) == 1);
            call.result().unwrap();
            queued.result().unwrap();
            assert!(executor.wait_idle(None));
            assert_eq!((woken(0), woken(1)), (1, 1));
            drop((for_call, for_future));
            assert!(counts.iter().all(|count| Arc::strong_count(count) == 1));
        });
    }
}

/// A submission that is dropped in the middle of its wait leaves nothing to be done.
#[test]
fn a_dropped_submission_submits_nothing() {
    must_end("the drop", || {
        let Site { executor, runtime } = Kind::CurrentThread.site_with(|b| b.queue(1));
        let (end, call) = busy(&executor);
        let queued = executor.spawn(|| ()).unwrap();
        let owned = Arc::new(());
        let kept = Arc::clone(&owned);
        let mut submission = Box::pin(executor.spawn_async(move || drop(kept)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(
            submission.as_mut().poll(&mut context),
            Poll::Pending
        ));
        assert_eq!(Arc::strong_count(&owned), 2);
        drop(submission);
        assert_eq!(Arc::strong_count(&owned), 1);
        end.open();
        call.result().unwrap();
        queued.result().unwrap();
        assert!(executor.wait_idle(None));
        assert_eq!(executor.stats().succeeded, 2);
        drop(runtime);
    });
}
