//! A runtime that ends before its executor: whatever was accepted settles, and nothing hangs.

use std::{
    future::pending,
    sync::{Arc, Barrier, mpsc},
    thread,
    time::Duration,
};

use executor_core::{
    Executor as _, Future as _, LocalExecutorExt as _, Outcome, Shutdown, State, TaskError,
    TaskFuture,
};
use executor_tokio::{OnFull, TokioExecutor};
use tokio::runtime::{Builder, Runtime};

use crate::support::{HOUR, LIMIT, Latch, Live, current_thread, multi_thread, must_end, until};

type NewRuntime = fn() -> Runtime;

const RUNTIMES: [NewRuntime; 3] = [current_thread, || multi_thread(1), || multi_thread(2)];

/// The executor gave it up; nobody knows what it would have been.
#[track_caller]
fn is_given_up(error: &TaskError) {
    assert!(error.is_lost() || error.is_broken(), "{error}");
}

#[track_caller]
fn are_given_up<T>(futures: Vec<TaskFuture<T>>) {
    for future in futures {
        until("a future whose runtime is gone", || future.is_done());
        assert_eq!(future.state(), State::Done(Outcome::Failed));
        is_given_up(&future.peek_error().expect("an error"));
        is_given_up(&future.result().map(drop).unwrap_err());
    }
}

/// What is submitted now is refused, or settles.
#[track_caller]
fn accepts_nothing(executor: &TokioExecutor) {
    // One that has begun before the end goes on until it finds nothing.
    until("no runner", || executor.stats().workers == 0);
    for _ in 0..2 {
        if let Ok(future) = executor.spawn(|| ()) {
            are_given_up(vec![future]);
        }
        if let Ok(future) = executor.spawn_future(async {}) {
            are_given_up(vec![future]);
        }
    }
    let broken = executor.spawn(|| ()).unwrap_err().to_string();
    assert!(
        broken.contains("the pool whose threads run the tasks"),
        "{broken}"
    );
    executor.shutdown(Shutdown::Drain).unwrap();
    executor.join(None).unwrap();
    assert!(executor.wait_idle(None));
}

#[test]
fn futures_that_are_pending_asleep_or_were_never_polled() {
    for runtime in RUNTIMES {
        must_end("the futures", move || {
            let runtime = runtime();
            let live = Live::default();
            let (executor, mut futures) = runtime.block_on(async {
                let executor = TokioExecutor::current().unwrap();
                let mut futures = Vec::new();
                for _ in 0..3 {
                    let token = live.token();
                    let sleeps = async move {
                        tokio::time::sleep(HOUR).await;
                        drop(token);
                    };
                    futures.push(executor.spawn_future(sleeps).unwrap());
                    let token = live.token();
                    let waits = async move {
                        pending::<()>().await;
                        drop(token);
                    };
                    futures.push(executor.spawn_future(waits).unwrap());
                }
                tokio::task::yield_now().await;
                (executor, futures)
            });
            // Nobody polls these, unless the runtime has threads.
            let token = live.token();
            let waits = async move {
                pending::<()>().await;
                drop(token);
            };
            futures.push(executor.spawn_future(waits).unwrap());
            let (told, tells) = mpsc::channel();
            for future in &futures {
                let told = told.clone();
                future.on_done(move |outcome| told.send(outcome).unwrap());
            }
            drop((runtime, told));
            let outcomes: Vec<_> = tells.iter().collect();
            assert_eq!(outcomes, [Outcome::Failed; 7]);
            are_given_up(futures);
            assert_eq!(live.count(), 0, "what they owned is gone with them");
            accepts_nothing(&executor);
            let stats = executor.stats();
            assert_eq!((stats.queued, stats.running), (0, 0));
        });
    }
}

#[test]
fn a_future_in_the_middle_of_a_poll() {
    must_end("the future", || {
        let runtime = multi_thread(1);
        let executor = TokioExecutor::with_handle(runtime.handle().clone());
        let [begun, end] = ["the poll", "its end"].map(Latch::new);
        let (begins, ends) = (begun.clone(), end.clone());
        let polled = executor.spawn_future(async move {
            begins.open();
            ends.wait();
            tokio::task::yield_now().await;
        });
        let returns = executor.spawn_future(async { 1 }).unwrap();
        begun.wait();
        let ender = thread::spawn(move || drop(runtime));
        end.open();
        ender.join().unwrap();
        // It may have come to its end; to be sure, neither is pending.
        for done in [polled.unwrap().map(|()| 1).result(), returns.result()] {
            if let Err(error) = done {
                is_given_up(&error);
            }
        }
        accepts_nothing(&executor);
    });
}

#[test]
fn calls_that_are_queued_behind_somebody_elses_work() {
    must_end("the calls", || {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).max_blocking_threads(1);
        let runtime = builder.build().unwrap();
        let end = Latch::new("the end of somebody else's work");
        let [began, ends] = [Latch::new("its begin"), end.clone()];
        let begins = began.clone();
        runtime.spawn_blocking(move || {
            begins.open();
            ends.wait();
        });
        began.wait();
        let executor = TokioExecutor::with_handle(runtime.handle().clone());
        let live = Live::default();
        let calls: Vec<_> = (0..5)
            .map(|_| {
                let token = live.token();
                executor.spawn(move || drop(token)).unwrap()
            })
            .collect();
        assert!(!calls.iter().any(TaskFuture::is_done));
        runtime.shutdown_background();
        end.open();
        // Tokio may still begin what it had queued; whatever it does, they settle.
        for call in calls {
            until("a call whose runtime is gone", || call.is_done());
            if let Err(error) = call.result() {
                is_given_up(&error);
            }
        }
        assert_eq!(live.count(), 0);
        accepts_nothing(&executor);
    });
}

#[test]
fn calls_that_run_end_as_they_would_and_may_see_futures_go() {
    for runtime in RUNTIMES {
        must_end("the calls", move || {
            let runtime = runtime();
            let handle = runtime.handle().clone();
            let builder = TokioExecutor::builder().handle(handle).max_workers(1);
            let executor = builder.build().unwrap();
            let begun = Latch::new("the call");
            let (begins, inner) = (begun.clone(), executor.clone());
            let call = executor.spawn(move || {
                let future = inner.spawn_future(pending::<()>()).unwrap();
                begins.open();
                // Blocks until the runtime drops it.
                future.result().unwrap_err()
            });
            let queued: Vec<_> = (0..5).map(|i| executor.spawn(move || i).unwrap()).collect();
            begun.wait();
            drop(runtime);
            is_given_up(&call.unwrap().result().unwrap());
            // Their runner was there already.
            for (i, call) in queued.into_iter().enumerate() {
                match call.result() {
                    Ok(value) => assert_eq!(value, i),
                    Err(error) => is_given_up(&error),
                }
            }
            accepts_nothing(&executor);
        });
    }
}

#[test]
fn submitters_that_wait_for_room_are_let_go() {
    must_end("the submitters", || {
        let runtime = multi_thread(1);
        let builder = TokioExecutor::builder().handle(runtime.handle().clone());
        let builder = builder
            .max_workers(1)
            .queue(1)
            .max_async(1)
            .on_full(OnFull::Block);
        let executor = builder.build().unwrap();
        let (end, all_wait) = (Latch::new("the end of the call"), Arc::new(Barrier::new(4)));
        let [began, ends] = [Latch::new("the call"), end.clone()];
        let begins = began.clone();
        let busy = executor.spawn(move || {
            begins.open();
            ends.wait();
        });
        began.wait();
        let queued = executor.spawn(|| ()).unwrap();
        let future = executor.spawn_future(pending::<()>()).unwrap();
        let submitters: Vec<_> = (0..3)
            .map(|i| {
                let (executor, all_wait) = (executor.clone(), Arc::clone(&all_wait));
                thread::spawn(move || {
                    all_wait.wait();
                    match i {
                        0 => executor.spawn(|| ()).map(TaskFuture::result).is_ok(),
                        1 => executor
                            .spawn_future(async {})
                            .map(TaskFuture::result)
                            .is_ok(),
                        _ => executor_core::block_on(executor.spawn_async(|| ()))
                            .map(TaskFuture::result)
                            .is_ok(),
                    }
                })
            })
            .collect();
        all_wait.wait();
        runtime.shutdown_timeout(Duration::from_millis(1));
        are_given_up(vec![future]);
        end.open();
        busy.unwrap().result().unwrap();
        drop(queued.result());
        for submitter in submitters {
            // Accepted or not, it is over.
            let _was_accepted = submitter.join().unwrap();
        }
        accepts_nothing(&executor);
    });
}

#[test]
fn futures_that_own_the_last_handle() {
    for runtime in RUNTIMES {
        must_end("the end of the runtime", move || {
            let runtime = runtime();
            let futures = runtime.block_on(async {
                let executor = TokioExecutor::current().unwrap();
                let own = executor.clone();
                let future = executor.spawn_future(async move {
                    pending::<()>().await;
                    drop(own);
                });
                tokio::task::yield_now().await;
                vec![future.unwrap()]
            });
            drop(runtime);
            are_given_up(futures);
        });
    }
}

#[test]
fn other_tasks_that_own_the_last_handle() {
    for runtime in RUNTIMES {
        for with_call in [false, true] {
            must_end(
                format!("the end of the runtime, call: {with_call}"),
                move || {
                    let runtime = runtime();
                    let (began, begins) = mpsc::channel();
                    let futures = runtime.block_on(async {
                        let executor = TokioExecutor::current().unwrap();
                        let mut futures = Vec::new();
                        for _ in 0..5 {
                            futures.push(executor.spawn_future(pending::<()>()).unwrap());
                        }
                        let (never, channel) = mpsc::channel::<()>();
                        // Dropped after, or before, what the next one waits for.
                        let holder = async move {
                            let _never = never;
                            pending::<()>().await;
                        };
                        tokio::spawn(holder);
                        if with_call {
                            let call = executor.spawn(move || {
                                began.send(()).unwrap();
                                assert!(channel.recv().is_err());
                            });
                            begins.recv_timeout(LIMIT).unwrap();
                            drop(call);
                        }
                        tokio::spawn(async move {
                            let future = executor.spawn_future(pending::<()>()).unwrap();
                            drop(future.await);
                            drop(executor);
                        });
                        for _ in 0..10 {
                            tokio::task::yield_now().await;
                        }
                        futures
                    });
                    drop(runtime);
                    are_given_up(futures);
                },
            );
        }
    }
}

/// Explicit waits in such a place are refused, or nothing is left to be waited for.
#[test]
fn destructors_that_wait_while_the_runtime_ends() {
    struct Waits(TokioExecutor);
    impl Drop for Waits {
        fn drop(&mut self) {
            self.0.shutdown(Shutdown::Drain).unwrap();
            let _joined = self.0.join(None);
            let _was_idle = self.0.wait_idle(None);
        }
    }
    for runtime in RUNTIMES {
        must_end("the end of the runtime", move || {
            let runtime = runtime();
            let futures = runtime.block_on(async {
                let executor = TokioExecutor::current().unwrap();
                let spawn = |_| {
                    let waits = Waits(executor.clone());
                    let future = executor.spawn_future(async move {
                        pending::<()>().await;
                        drop(waits);
                    });
                    future.unwrap()
                };
                let futures: Vec<_> = (0..5).map(spawn).collect();
                tokio::task::yield_now().await;
                futures
            });
            drop(runtime);
            are_given_up(futures);
        });
    }
}

#[test]
fn an_end_in_the_middle_of_many_submissions() {
    for round in 0..60 {
        let runtime = RUNTIMES[round % 3];
        must_end("the submissions", move || {
            let runtime = runtime();
            let builder = TokioExecutor::builder().handle(runtime.handle().clone());
            let executor = builder
                .max_workers(1 + round % 2)
                .queue(10)
                .build()
                .unwrap();
            let all = Arc::new(Barrier::new(4));
            let submitters: Vec<_> = (0..3)
                .map(|i| {
                    let (executor, all) = (executor.clone(), Arc::clone(&all));
                    thread::spawn(move || {
                        all.wait();
                        let mut futures = Vec::new();
                        for _ in 0..200 {
                            let future = match i {
                                0 => executor.spawn(|| ()).ok(),
                                1 => executor.try_spawn(|| ()).ok(),
                                _ => executor.spawn_future(tokio::task::yield_now()).ok(),
                            };
                            futures.extend(future);
                        }
                        for future in futures {
                            if let Err(error) = future.result() {
                                is_given_up(&error);
                            }
                        }
                    })
                })
                .collect();
            all.wait();
            for _ in 0..round {
                thread::yield_now();
            }
            drop(runtime);
            for submitter in submitters {
                submitter.join().unwrap();
            }
            accepts_nothing(&executor);
            let stats = executor.stats();
            assert_eq!((stats.queued, stats.running, stats.workers), (0, 0, 0));
        });
    }
}

#[test]
fn an_executor_that_outlives_its_runtime_goes_without_a_wait() {
    for runtime in RUNTIMES {
        must_end("the drop", move || {
            let runtime = runtime();
            let executor = TokioExecutor::with_handle(runtime.handle().clone());
            let future = executor.spawn_future(pending::<()>()).unwrap();
            drop(runtime);
            drop(executor);
            are_given_up(vec![future]);
        });
    }
}
