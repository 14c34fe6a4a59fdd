//! Law 17, the results of `map`: one for each item, in order, whatever fails.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use executor_core::{ExecutorExt as _, LocalExecutorExt as _};

use super::{ANY, BACKGROUND, LOCAL, Laws, value};
use crate::{
    guard::{self, step},
    latch::{Gate, Meeting},
    planned,
    script::script,
    tasks::{add, panics_if_odd},
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law17_map_gives_one_result_per_item")
        .case("in_order", ANY, |bench| {
            let executor = bench.executor();
            step("a map");
            let sums: Vec<u64> = executor
                .map((0..500).map(|n| add::task(n, 1)))
                .map(Result::unwrap)
                .collect();
            assert_eq!(sums, (1..501).collect::<Vec<_>>());
        })
        .case(
            "in_order_though_later_items_are_done_first",
            BACKGROUND.local(),
            |bench| {
                let (pool, gate) = (bench.local(2), Gate::new("the first item"));
                let closed = gate.clone();
                let results = pool.map_fn(0..10, move |n| {
                    match n {
                        0 => closed.wait(),
                        9 => gate.open(),
                        _ => {}
                    }
                    n
                });
                step("a map whose first item is the last to be done");
                let all: Vec<_> = results.window(10).chunk(1).map(Result::unwrap).collect();
                assert_eq!(all, (0..10).collect::<Vec<_>>());
            },
        )
        .case("unordered", ANY, |bench| {
            let executor = bench.executor();
            let sums = executor.map((0..500).map(|n| add::task(n, 0))).unordered();
            let mut sums: Vec<u64> = sums.map(Result::unwrap).collect();
            sums.sort_unstable();
            assert_eq!(sums, (0..500).collect::<Vec<_>>());
        })
        .case(
            "unordered_gives_what_is_done_first",
            BACKGROUND.local(),
            |bench| {
                let (pool, gate) = (bench.local(2), Gate::new("the slow item"));
                let closed = gate.clone();
                let mut results = pool
                    .map_fn(0..2, move |n| {
                        if n == 0 {
                            closed.wait();
                        }
                        n
                    })
                    .window(2)
                    .unordered();
                step("the quick item");
                assert_eq!(results.next().unwrap().unwrap(), 1);
                gate.open();
                assert_eq!(results.next().unwrap().unwrap(), 0);
                assert!(results.next().is_none());
            },
        )
        .case("nothing_of_nothing", ANY, |bench| {
            let executor = bench.executor();
            let mut results = executor.map(Vec::<add>::new());
            assert_eq!(results.len(), 0);
            assert!(results.next().is_none() && results.next().is_none());
        })
        .case(
            "one_failure_neither_ends_it_nor_spoils_its_chunk",
            ANY,
            |bench| {
                let executor = bench.executor();
                for chunk in [1, 3, 100] {
                    let results = executor.map((0..30).map(panics_if_odd::task)).chunk(chunk);
                    for (n, result) in (0..30).zip(results) {
                        assert_eq!(result.is_ok(), n % 2 == 0, "item {n} in chunks of {chunk}");
                        if let Err(error) = result {
                            let message = error.panic_report().unwrap().message().to_owned();
                            assert!(message.contains(&format!("{n} is odd")), "{message}");
                        }
                    }
                }
            },
        )
        .case("failures_everywhere", LOCAL, |bench| {
            let pool = bench.local(2);
            let results = pool.map_fn(0..200, |_| planned::boom());
            let failed = results
                .filter(|result: &Result<(), _>| result.is_err())
                .count();
            assert_eq!(failed, 200);
        })
        .case("failures_unordered", ANY, |bench| {
            let executor = bench.executor();
            let results = executor.map((0..100).map(panics_if_odd::task)).unordered();
            assert_eq!(results.filter(Result::is_ok).count(), 50);
        })
        .case("each_item_runs_once", LOCAL, |bench| {
            let (pool, runs) = (bench.local(2), Arc::new(Mutex::new(vec![0; 5000])));
            let inside = Arc::clone(&runs);
            let results = pool.map_fn(0..5000, move |n: usize| inside.lock().unwrap()[n] += 1);
            assert_eq!(results.filter(Result::is_ok).count(), 5000);
            assert!(runs.lock().unwrap().iter().all(|runs| *runs == 1));
        })
        .case(
            "each_item_runs_once_though_chunks_are_split",
            LOCAL,
            |bench| {
                // Cheap items first, so that chunks grow, then dear ones in the middle of large chunks.
                let (pool, runs) = (bench.local(2), Arc::new(Mutex::new(vec![0; 4000])));
                let inside = Arc::clone(&runs);
                let results = pool.map_fn(0..4000, move |n: usize| {
                    if n % 500 == 499 {
                        guard::pass(Duration::from_millis(3));
                    }
                    inside.lock().unwrap()[n] += 1;
                    n
                });
                let all: Vec<_> = results.map(Result::unwrap).collect();
                assert_eq!(all, (0..4000).collect::<Vec<_>>());
                assert!(runs.lock().unwrap().iter().all(|runs| *runs == 1));
            },
        )
        .case(
            "a_panic_of_the_input_comes_up_once_and_ends_it",
            ANY,
            |bench| {
                let executor = bench.executor();
                let input = (0..10).map(|n| {
                    if n == 7 {
                        planned::boom_any(n)
                    } else {
                        add::task(n, 0)
                    }
                });
                let mut results = executor.map(input);
                step("the items before the panic");
                for n in 0..7 {
                    assert_eq!(results.next().unwrap().unwrap(), n);
                }
                let payload =
                    catch_unwind(AssertUnwindSafe(|| results.next().is_some())).unwrap_err();
                assert_eq!(payload.downcast_ref(), Some(&planned::Planned(7)));
                assert!(results.next().is_none() && results.next().is_none());
                assert_eq!(value(executor.submit(add::task(1, 1)).unwrap()), 2);
            },
        )
        .case("a_panic_of_the_input_unordered", ANY, |bench| {
            let executor = bench.executor();
            let input = (0..10).map(|n| {
                if n == 7 {
                    planned::boom_any(n)
                } else {
                    add::task(n, 0)
                }
            });
            let mut results = executor.map(input).unordered();
            let mut given = 0;
            let ended = catch_unwind(AssertUnwindSafe(|| {
                while results.next().is_some() {
                    given += 1;
                }
            }));
            assert!(ended.is_err());
            assert_eq!(given, 7);
            assert!(results.next().is_none());
        })
        .case("its_size_is_exact", ANY, |bench| {
            let executor = bench.executor();
            let tasks: Vec<_> = (0..20).map(|n| add::task(n, 0)).collect();
            let mut results = executor.map(tasks);
            for left in (0..=20).rev() {
                assert_eq!(
                    (results.len(), results.size_hint()),
                    (left, (left, Some(left)))
                );
                assert_eq!(results.next().is_some(), left > 0);
            }
        })
        .case("an_endless_input", LOCAL, |bench| {
            let pool = bench.local(2);
            let first: Vec<u64> = pool
                .map_fn(0_u64.., |n| n)
                .take(100)
                .map(Result::unwrap)
                .collect();
            assert_eq!(first, (0..100).collect::<Vec<_>>());
        })
        .case("inside_a_worker", LOCAL, |bench| {
            for workers in [1, 2] {
                let pool = bench.local(workers);
                let own = pool.clone();
                let sum = move || {
                    own.map_fn(0..500_u64, |n| n)
                        .map(Result::unwrap)
                        .sum::<u64>()
                };
                assert_eq!(value(pool.spawn(sum).unwrap()), 124_750);
            }
        })
        .case("inside_a_map", LOCAL, |bench| {
            let pool = bench.local(1);
            let own = pool.clone();
            let sums = pool.map_fn(0..10_u64, move |n| {
                own.map_fn(0..n, |n| n).map(Result::unwrap).sum::<u64>()
            });
            assert_eq!(sums.map(Result::unwrap).sum::<u64>(), 120);
        })
        .case("two_at_once", LOCAL, |bench| {
            let pool = bench.local(2);
            let (a, b) = (pool.map_fn(0..100, |n| n), pool.map_fn(0..100, |n| n + 1));
            assert!(a.zip(b).all(|(a, b)| a.unwrap() + 1 == b.unwrap()));
        })
        .case("slow_items_are_never_merged", BACKGROUND.local(), |bench| {
            let (pool, meeting) = (bench.local(2), Meeting::of(2));
            let results = pool.map_fn(0..2, move |_| meeting.arrive());
            step("two items that wait for each other");
            assert_eq!(results.filter(Result::is_ok).count(), 2);
        })
        .case("slow_calls_are_never_merged", BACKGROUND, |bench| {
            let (pool, meeting) = (bench.pool(2), bench.meeting(2));
            let calls = (0..2).map(|_| script().meet(&meeting).task());
            step("two calls that wait for each other");
            assert_eq!(pool.map(calls).filter(Result::is_ok).count(), 2);
        })
        .case(
            "calls_in_order_though_later_ones_are_done_first",
            BACKGROUND,
            |bench| {
                let (pool, gate) = (bench.pool(2), bench.gate("the first call"));
                let calls = (0..10).map(|n| match n {
                    0 => script().wait(&gate).gives(n).task(),
                    9 => script().open(&gate).gives(n).task(),
                    _ => script().gives(n).task(),
                });
                step("a map whose first call is the last to be done");
                let results = pool.map(calls).window(10).chunk(1);
                let all: Vec<_> = results.map(Result::unwrap).collect();
                assert_eq!(all, (0..10).collect::<Vec<_>>());
            },
        )
        .case(
            "unordered_calls_give_what_is_done_first",
            BACKGROUND,
            |bench| {
                let (pool, gate) = (bench.pool(2), bench.gate("the slow call"));
                let calls = [script().wait(&gate).gives(0), script().gives(1)];
                let calls = calls.map(|call| call.task());
                let mut results = pool.map(calls).window(2).chunk(1).unordered();
                step("the quick call");
                assert_eq!(results.next().unwrap().unwrap(), 1);
                gate.open();
                assert_eq!(results.next().unwrap().unwrap(), 0);
                assert!(results.next().is_none());
            },
        )
        .case("each_call_runs_once", ANY, |bench| {
            let (pool, notes) = (bench.pool(2), bench.notes());
            let calls = (0..500).map(|n| script().note(&notes, n).task());
            assert_eq!(pool.map(calls).filter(Result::is_ok).count(), 500);
            assert_eq!(notes.sorted(), (0..500).collect::<Vec<_>>());
        })
        .case("each_call_runs_once_in_chunks", ANY, |bench| {
            for chunk in [1, 7, 64] {
                let (pool, notes) = (bench.pool(2), bench.notes());
                let calls = (0..300).map(|n| script().note(&notes, n).task());
                assert_eq!(
                    pool.map(calls).chunk(chunk).filter(Result::is_ok).count(),
                    300
                );
                assert_eq!(notes.sorted(), (0..300).collect::<Vec<_>>());
            }
        })
        .case(
            "slow_items_behind_cheap_ones_still_meet",
            BACKGROUND.local(),
            |bench| {
                let (pool, meeting) = (bench.local(2), Meeting::of(2));
                // The first item of the pair holds up its chunk: what is behind it in the chunk must not
                // be the only one to free it. Fixed chunks of one say so.
                let results = pool.map_fn(0..100, move |n| {
                    if n >= 98 {
                        meeting.arrive();
                    }
                });
                step("two items at the end that wait for each other");
                assert_eq!(results.chunk(1).filter(Result::is_ok).count(), 100);
            },
        );
}
