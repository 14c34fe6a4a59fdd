//! Async tasks among others: waited for (law 13), mapped (law 17), and awaited by one another (law 14).

use std::{collections::VecDeque, future::Future as StdFuture, pin::Pin, thread, time::Duration};

use executor_core::{
    ExecutorExt as _, Future, LocalExecutor, LocalExecutorExt as _, Outcome, ReturnWhen,
    TaskFuture, as_completed, first_ok, join_all, wait,
};

use super::{ANY, BACKGROUND, LOCAL, Laws, number_on, value};
use crate::{
    async_tasks::yields_then_panics_if_odd,
    block_on::yields,
    guard::{step, unit},
    latch::{Gate, Tally},
    planned,
    script::script,
};

type Pool = Box<dyn LocalExecutor>;
type Boxed<T> = Pin<Box<dyn StdFuture<Output = T> + Send>>;

/// An async task that awaits others.
type Awaits = fn(Pool) -> Boxed<u64>;

/// Ways to await tasks that give 1 and 2; each gives their sum.
const AWAITS: [(&str, Awaits); 9] = [
    ("a_call", |pool| {
        Box::pin(
            async move { number_on(&pool, 1).await.unwrap() + number_on(&pool, 2).await.unwrap() },
        )
    }),
    ("an_async_task", |pool| {
        Box::pin(async move {
            let task = || script().yields(2).gives(1).async_task();
            let first = pool.submit(task()).unwrap();
            first.await.unwrap() + pool.submit(task()).unwrap().await.unwrap() + 1
        })
    }),
    ("a_block", |pool| {
        Box::pin(async move {
            yields(1).await;
            let sum = async {
                yields(2).await;
                3
            };
            pool.spawn_future(sum).unwrap().await.unwrap()
        })
    }),
    ("the_newer_first", |pool| {
        Box::pin(async move {
            let (a, b) = (number_on(&pool, 1), number_on(&pool, 2));
            b.await.unwrap() + a.await.unwrap()
        })
    }),
    ("two_levels_down", |pool| {
        Box::pin(async move {
            let own = pool.clone();
            let outer = async move {
                yields(1).await;
                own.spawn(|| 3).unwrap().await.unwrap()
            };
            pool.spawn_future(outer).unwrap().await.unwrap()
        })
    }),
    ("then", |pool| {
        Box::pin(async move {
            let next = pool.clone();
            let chain = number_on(&pool, 1).then(move |n| number_on(&next, n + 2));
            chain.await.unwrap()
        })
    }),
    ("future_map", |pool| {
        Box::pin(async move {
            let mapped = Future::map(number_on(&pool, 1), |n| n + 2);
            mapped.await.unwrap()
        })
    }),
    ("shared", |pool| {
        Box::pin(async move {
            let shared = number_on(&pool, 3).shared();
            assert_eq!(shared.clone().await.unwrap(), 3);
            shared.await.unwrap()
        })
    }),
    ("submit_async", |pool| {
        Box::pin(async move {
            let task = script().yields(1).gives(1).async_task();
            let first = pool.submit_async(task).await.unwrap();
            let second = pool.spawn_async(|| 2).await.unwrap();
            first.await.unwrap() + second.await.unwrap()
        })
    }),
];

pub(crate) fn laws(laws: &mut Laws) {
    wait_laws(laws);
    map_laws(laws);
    laws.law("law14_an_async_task_that_awaits_others_of_its_pool_never_deadlocks");
    for (name, awaits) in AWAITS {
        for workers in [1, 2] {
            laws.case(
                format!("{name}_in_a_pool_of_{workers}"),
                LOCAL,
                move |bench| {
                    let pool = bench.local(workers);
                    // More tasks that await than workers, so that nobody is free to help.
                    let futures: Vec<_> = (0..4)
                        .map(|_| pool.spawn_future(awaits(pool.clone())).unwrap())
                        .collect();
                    for future in futures {
                        step(name);
                        assert_eq!(value(future), 3);
                    }
                },
            );
        }
    }
    laws.case("many_levels_deep", LOCAL, |bench| {
        let pool = bench.local(1);
        let future = pool.spawn_future(deep(pool.clone(), 20)).unwrap();
        assert_eq!(value(future), 20);
    })
    .case(
        "one_that_another_worker_runs",
        BACKGROUND.local(),
        |bench| {
            let (jam, asleep) = bench.asleep(2);
            let gate = jam.gate.clone();
            let awaits = jam.local().spawn_future(async move {
                yields(1).await;
                gate.open();
                asleep.await.unwrap() + 4
            });
            assert_eq!(value(awaits.unwrap()), 4);
        },
    )
    .case(
        "there_and_back_between_two_pools",
        BACKGROUND.local(),
        |bench| {
            let (a, b) = (bench.local(2), bench.local(1));
            let back = a.clone();
            let there = async move {
                let again = async move { number_on(&back, 5).await.unwrap() };
                b.spawn_future(again).unwrap().await.unwrap()
            };
            assert_eq!(value(a.spawn_future(there).unwrap()), 5);
        },
    )
    .case("a_call_that_waits_for_an_async_task", LOCAL, |bench| {
        let pool = bench.local(1);
        let own = pool.clone();
        let waits = move || {
            let sum = async {
                yields(3).await;
                3
            };
            value(own.spawn_future(sum).unwrap())
        };
        assert_eq!(value(pool.spawn(waits).unwrap()), 3);
    })
    .case("a_panic_in_the_awaited_task_is_its_own", LOCAL, |bench| {
        let pool = bench.local(1);
        let own = pool.clone();
        let outer = pool.spawn_future(async move {
            let inner: TaskFuture<()> = own
                .spawn_future(async {
                    yields(1).await;
                    planned::boom()
                })
                .unwrap();
            inner.await.is_err_and(|error| error.is_panicked())
        });
        assert!(value(outer.unwrap()));
    });
}

fn wait_laws(laws: &mut Laws) {
    laws.law("law13_async_tasks_are_waited_for_like_all")
        .case("wait_for_all", ANY, |bench| {
            let pool = bench.pool(2);
            let futures: Vec<_> = (0..9)
                .map(|n| pool.start_async(script().yields(3).gives(n)))
                .collect();
            step("wait for all");
            let waited = wait(futures, ReturnWhen::AllCompleted, None);
            assert!(waited.not_done.is_empty());
            let values: Vec<u64> = waited.done.into_iter().map(value).collect();
            assert_eq!(values, (0..9).collect::<Vec<_>>(), "in the order given");
        })
        .case("wait_for_the_first", BACKGROUND, |bench| {
            let (jam, slow) = bench.asleep(2);
            let fast = jam.pool.start_async(script().yields(1).gives(2));
            step("wait for the first");
            let waited = wait([slow, fast], ReturnWhen::FirstCompleted, None);
            assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1));
            jam.open();
            assert_eq!(waited.done.into_iter().map(value).sum::<u64>(), 2);
            assert_eq!(waited.not_done.into_iter().map(value).sum::<u64>(), 0);
        })
        .case("as_completed", ANY, |bench| {
            let pool = bench.pool(2);
            let futures = (0..30).map(|n| pool.start_async(script().yields(2).gives(n)));
            step("as_completed");
            let mut values: Vec<u64> = as_completed(futures).map(value).collect();
            values.sort_unstable();
            assert_eq!(values, (0..30).collect::<Vec<_>>());
        })
        .case(
            "as_completed_in_the_order_of_completion",
            BACKGROUND,
            |bench| {
                let pool = bench.pool(3);
                let gates = [(); 3].map(|()| bench.gate("one of three"));
                let futures = (0..)
                    .zip(&gates)
                    .map(|(n, gate)| pool.start_async(script().awaits(gate).yields(1).gives(n)));
                let mut all = as_completed(futures.collect::<Vec<_>>());
                for n in [1, 2, 0] {
                    gates[n].open();
                    step("the next that is done");
                    assert_eq!(value(all.next().unwrap()), n as u64);
                }
                assert!(all.next().is_none());
            },
        )
        .case("join_all_and_first_ok", ANY, |bench| {
            let pool = bench.pool(2);
            let task = |n| pool.start_async(script().yields(2).gives(n));
            let bad = || pool.start_async(script().yields(1).panic());
            let shown: Vec<_> = join_all([task(1), bad(), task(2)])
                .into_iter()
                .map(Result::ok)
                .collect();
            assert_eq!(shown, [Some(1), None, Some(2)]);
            assert_eq!(first_ok([bad(), task(3)]).unwrap(), 3);
        })
        .case("among_calls", ANY, |bench| {
            let pool = bench.pool(2);
            let futures = (0..20).map(|n| match n % 2 {
                0 => pool.number(n),
                _ => pool.start_async(script().yields(1).gives(n)),
            });
            assert_eq!(as_completed(futures).map(value).sum::<u64>(), 190);
        })
        .case("a_timeout_gives_the_future_back", BACKGROUND, |bench| {
            let (jam, future) = bench.asleep(1);
            let future = future.result_timeout(unit()).expect_err("it sleeps");
            assert!(!future.wait_timeout(Duration::from_millis(1)));
            jam.open();
            assert_eq!(value(future), 0, "the task went on");
        })
        .case("callbacks", BACKGROUND, |bench| {
            let (jam, future) = bench.asleep(1);
            let (order, all) = (Tally::new(), Gate::new("the last callback"));
            for n in 0..3 {
                let (order, all) = (order.clone(), all.clone());
                future.on_done(move |outcome| {
                    assert_eq!((order.add(), outcome), (n, Outcome::Succeeded));
                    if n == 2 {
                        all.open();
                    }
                });
            }
            assert_eq!(order.get(), 0, "called too early");
            jam.open();
            all.wait();
            assert_eq!((order.get(), value(future)), (3, 0));
        })
        .case("map_then_and_shared", ANY, |bench| {
            let pool = bench.pool(2);
            let task = |n| script().yields(2).gives(n);
            assert_eq!(value(Future::map(pool.start_async(task(1)), |n| n + 1)), 2);
            let next = pool.clone();
            let chain = pool.start_async(task(1));
            let chain = chain.then(move |n| next.start_async(task(n + 2)));
            assert_eq!(value(chain), 3);
            let shared = pool.start_async(task(4)).shared();
            assert_eq!((value(shared.clone()), value(shared)), (4, 4));
        })
        .case("from_many_threads", BACKGROUND, |bench| {
            let (jam, future) = bench.asleep(1);
            let shared = future.shared();
            thread::scope(|scope| {
                let waiters: Vec<_> = (0..3)
                    .map(|_| {
                        let future = shared.clone();
                        scope.spawn(|| value(future))
                    })
                    .collect();
                jam.open();
                for waiter in waiters {
                    assert_eq!(waiter.join().unwrap(), 0);
                }
            });
        });
}

fn map_laws(laws: &mut Laws) {
    laws.law("law17_map_of_async_tasks_gives_one_result_per_item")
        .case("in_order", ANY, |bench| {
            let pool = bench.pool(2);
            let items = (0..300).map(|n| script().yields(n % 3).gives(n.into()).async_task());
            step("a map");
            let values: Vec<u64> = pool.map(items).map(Result::unwrap).collect();
            assert_eq!(values, (0..300).collect::<Vec<_>>());
        })
        .case("unordered", ANY, |bench| {
            let pool = bench.pool(2);
            let items = (0..300).map(|n| script().yields(1).gives(n).async_task());
            let mut values: Vec<u64> = pool.map(items).unordered().map(Result::unwrap).collect();
            values.sort_unstable();
            assert_eq!(values, (0..300).collect::<Vec<_>>());
        })
        .case(
            "in_order_though_later_items_are_done_first",
            BACKGROUND,
            |bench| {
                let (pool, gate) = (bench.pool(2), bench.gate("the first item"));
                let items = (0..10).map(|n| match n {
                    0 => script().awaits(&gate).gives(n).async_task(),
                    9 => script().yields(1).open(&gate).gives(n).async_task(),
                    _ => script().yields(1).gives(n).async_task(),
                });
                step("a map whose first item is the last to be done");
                let results = pool.map(items).window(10).chunk(1);
                let values: Vec<u64> = results.map(Result::unwrap).collect();
                assert_eq!(values, (0..10).collect::<Vec<_>>());
            },
        )
        .case(
            "one_panic_neither_ends_it_nor_spoils_its_chunk",
            ANY,
            |bench| {
                let executor = bench.executor();
                for chunk in [1, 3, 100] {
                    let items = (0..30).map(yields_then_panics_if_odd::task);
                    for (n, result) in (0..30).zip(executor.map(items).chunk(chunk)) {
                        assert_eq!(result.is_ok(), n % 2 == 0, "item {n} in chunks of {chunk}");
                        if let Err(error) = result {
                            let message = error.panic_report().unwrap().message().to_owned();
                            assert!(message.contains(&format!("{n} is odd")), "{message}");
                        }
                    }
                }
            },
        )
        .case("each_item_runs_once_in_chunks", ANY, |bench| {
            for chunk in [1, 7, 64] {
                let (pool, notes) = (bench.pool(2), bench.notes());
                let items = (0..200).map(|n| script().yields(1).note(&notes, n).async_task());
                let results = pool.map(items).chunk(chunk);
                assert_eq!(results.filter(Result::is_ok).count(), 200);
                assert_eq!(notes.sorted(), (0..200).collect::<Vec<_>>());
            }
        })
        .case("items_that_sleep_beside_each_other", BACKGROUND, |bench| {
            let (pool, meeting) = (
                bench.pool(2),
                [(); 2].map(|()| bench.gate("the other item")),
            );
            let mut turns = VecDeque::from([(0, 1), (1, 0)]);
            let items = std::iter::from_fn(|| {
                let (own, other) = turns.pop_front()?;
                let item = script().open(&meeting[own]).awaits(&meeting[other]);
                Some(item.async_task())
            });
            step("two items that wait for each other");
            assert_eq!(pool.map(items).filter(Result::is_ok).count(), 2);
        })
        .case("after_a_shutdown", ANY, |bench| {
            let executor = bench.executor();
            executor_core::Executor::shutdown(&*executor, executor_core::Shutdown::Drain).unwrap();
            let items = (0..3).map(yields_then_panics_if_odd::task);
            let results: Vec<_> = executor.map(items).collect();
            assert!(results.iter().all(Result::is_err) && results.len() == 3);
        });
}

fn deep(pool: Pool, levels: u64) -> Boxed<u64> {
    Box::pin(async move {
        if levels == 0 {
            return 0;
        }
        let next = pool.spawn_future(deep(pool.clone(), levels - 1)).unwrap();
        yields(1).await;
        1 + next.await.unwrap()
    })
}
