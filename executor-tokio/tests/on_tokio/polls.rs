//! Futures of tasks as futures of Rust: polled again and again, by one waker and then another, and dropped.

use std::{
    future::{Future as _, pending},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use executor_core::{Future as _, LocalExecutorExt as _, StopLevel, as_completed};
use tokio::task::{JoinSet, LocalSet};

use crate::support::{KINDS, Kind, Latch, Site, current_thread, must_end, until};

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn selected_in_a_loop_that_has_other_things_to_do() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let end = Latch::new("the end of the call");
            let (ends, opens) = (end.clone(), end.opens_on_drop());
            let mut call = executor.spawn(move || {
                ends.wait();
                1
            });
            let inner = executor;
            let outer = executor_tokio::block_on(async move {
                let call = call.as_mut().unwrap();
                let mut future = inner
                    .spawn_future(async {
                        for _ in 0..50 {
                            tokio::task::yield_now().await;
                        }
                        2
                    })
                    .unwrap();
                let mut ticks = tokio::time::interval(Duration::from_millis(1));
                let mut opens = Some(opens);
                let (mut sum, mut left, mut ticked) = (0, 2, 0);
                let (mut is_called, mut is_awaited) = (false, false);
                while left > 0 {
                    tokio::select! {
                        _ = ticks.tick() => {
                            ticked += 1;
                            if ticked == 10 {
                                drop(opens.take());
                            }
                        }
                        value = &mut *call, if !is_called => {
                            is_called = true;
                            left -= 1;
                            sum += value.unwrap();
                        }
                        value = &mut future, if !is_awaited => {
                            is_awaited = true;
                            left -= 1;
                            sum += value.unwrap();
                        }
                    }
                }
                sum
            });
            assert_eq!(outer, 3);
            drop(runtime);
        });
    }
}

#[test]
fn polled_by_one_waker_after_the_other() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            for is_call in [true, false] {
                let end = Latch::new("the end of the call");
                let ends = end.clone();
                let mut future = if is_call {
                    executor.spawn(move || ends.wait()).unwrap()
                } else {
                    executor.spawn_future(pending::<()>()).unwrap()
                };
                let counts = [(); 3].map(|()| Arc::<Count>::default());
                for count in &counts {
                    let waker = Waker::from(Arc::clone(count));
                    for _ in 0..2 {
                        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
                        assert!(polled.is_pending());
                    }
                }
                until("the task to begin", || future.is_running());
                end.open();
                if !is_call {
                    future.stop(StopLevel::Signal).unwrap();
                }
                until("the future", || future.is_done());
                let woken = || {
                    counts
                        .each_ref()
                        .map(|count| count.0.load(Ordering::SeqCst))
                };
                until("the last waker", || woken()[2] > 0);
                assert_eq!(woken(), [0, 0, 1], "whoever polls last is woken, once");
                let mut context = Context::from_waker(Waker::noop());
                let polled = Pin::new(&mut future).poll(&mut context);
                assert!(matches!(polled, Poll::Ready(result) if result.is_ok() == is_call));
                drop(future);
                assert!(counts.iter().all(|count| Arc::strong_count(count) == 1));
            }
            drop(runtime);
        });
    }
}

#[test]
fn dropped_while_it_is_pending() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let end = Latch::new("the end of the call");
            let ends = end.clone();
            let mut future = executor.spawn(move || ends.wait()).unwrap();
            let count = Arc::<Count>::default();
            let waker = Waker::from(Arc::clone(&count));
            let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            drop((future, waker));
            end.open();
            assert!(executor.wait_idle(None));
            // Nobody wants to know any more; the waker may have been woken nevertheless, but is not kept.
            assert_eq!(Arc::strong_count(&count), 1);
            assert_eq!(executor_count(&executor), 1, "the task went on");
            drop(runtime);
        });
    }
}

fn executor_count(executor: &impl executor_core::Executor) -> u64 {
    executor.stats().succeeded
}

#[test]
fn given_from_task_to_task() {
    must_end("the tasks", || {
        let Site { executor, runtime } = Kind::MultiThread(2).site();
        let handle = &runtime.as_ref().unwrap().handle;
        handle.block_on(async {
            for _ in 0..50 {
                let end = Latch::new("the end of the call");
                let ends = end.clone();
                let mut future = executor.spawn(move || ends.wait()).unwrap();
                for _ in 0..5 {
                    let task = tokio::spawn(async move {
                        tokio::select! {
                            biased;
                            _ = &mut future => unreachable!("it cannot be done"),
                            () = tokio::task::yield_now() => Some(future),
                        }
                    });
                    future = task.await.unwrap().unwrap();
                }
                let last = tokio::spawn(future);
                end.open();
                last.await.unwrap().unwrap();
            }
        });
    });
}

#[test]
fn in_a_local_set_beside_what_is_not_send() {
    must_end("a local set", || {
        let runtime = current_thread();
        LocalSet::new().block_on(&runtime, async {
            let executor = executor_tokio::TokioExecutor::current().unwrap();
            let sum = std::rc::Rc::new(std::cell::Cell::new(0));
            let mut tasks = JoinSet::new();
            for i in 0..50 {
                let (executor, sum) = (executor.clone(), std::rc::Rc::clone(&sum));
                tasks.spawn_local(async move {
                    let call = executor.spawn(move || i).unwrap();
                    let future = executor.spawn_future(async move { i }).unwrap();
                    let both = call.await.unwrap() + future.await.unwrap();
                    sum.set(sum.get() + both);
                });
            }
            tasks.join_all().await;
            assert_eq!(sum.get(), 2 * 1225);
        });
    });
}

#[test]
fn waited_for_together_outside_of_async_code() {
    for kind in KINDS {
        must_end(format!("{kind:?}"), move || {
            let Site { executor, runtime } = kind.site();
            let calls = (0..50).map(|i| executor.spawn(move || i).unwrap());
            let futures = (0..50).map(|i| {
                let future = executor.spawn_future(async move {
                    tokio::task::yield_now().await;
                    i
                });
                future.unwrap()
            });
            let sum: i32 = as_completed(calls.chain(futures))
                .map(|future| future.result().unwrap())
                .sum();
            assert_eq!(sum, 2 * 1225);
            drop(runtime);
        });
    }
}
