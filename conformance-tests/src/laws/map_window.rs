//! Law 17, the input of `map`: pulled lazily, within a window; what a dropped map does; its options.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use executor_core::{ExecutorExt as _, LocalExecutorExt as _, TaskErrorKind, Timeout, context};

use super::{ANY, BACKGROUND, LOCAL, Laws, PENDING};
use crate::{
    guard::{self, step, unit},
    latch::{Gate, Tally, eventually},
    planned,
    script::{facts, script},
    tasks::add,
};

pub(crate) fn laws(laws: &mut Laws) {
    lazy_laws(laws);
    laws.law("law17_a_map_that_is_dropped_cancels_what_has_not_started")
        .case(
            "items_that_are_queued_never_run",
            PENDING.local(),
            |bench| {
                let (jam, ran) = (bench.jam(), Tally::new());
                let inside = ran.clone();
                drop(
                    jam.local()
                        .map_fn(0..10, move |_| inside.add())
                        .window(6)
                        .start(),
                );
                drop(jam);
                assert_eq!(ran.get(), 0);
            },
        )
        .case("what_runs_is_signalled", BACKGROUND.local(), |bench| {
            let pool = bench.local(1);
            let (started, ended) = (Gate::new("an item of the map"), Gate::new("its end"));
            let (inside, end) = (started.clone(), ended.clone());
            let map = pool.map_fn(0..1, move |_| {
                inside.open();
                eventually("the signal", context::stop_requested);
                end.open();
            });
            let map = map.start();
            started.wait();
            drop(map);
            ended.wait();
        })
        .case("calls_that_are_queued_never_run", PENDING, |bench| {
            let (jam, ran) = (bench.jam(), bench.tally());
            let calls = (0..10).map(|_| script().bump(&ran).task());
            drop(jam.pool.map(calls).window(6).start());
            drop(jam);
            assert_eq!(ran.get(), 0);
        })
        .case(
            "calls_that_are_queued_never_run_in_chunks_either",
            PENDING,
            |bench| {
                let (jam, ran) = (bench.jam(), bench.tally());
                let calls = (0..20).map(|_| script().bump(&ran).task());
                drop(jam.pool.map(calls).window(12).chunk(4).start());
                drop(jam);
                assert_eq!(ran.get(), 0);
            },
        )
        .case(
            "a_call_that_runs_is_signalled",
            BACKGROUND.when(|can| can.signal),
            |bench| {
                let pool = bench.pool(1);
                let (started, ended) = (bench.gate("an item of the map"), bench.gate("its end"));
                let call = script().open(&started).until_stopped().open(&ended);
                let map = pool.map([call.task()]).start();
                started.wait();
                drop(map);
                ended.wait();
            },
        )
        .case("half_way_through_calls", ANY, |bench| {
            let (pool, ran) = (bench.pool(2), bench.tally());
            let calls = (0..1000).map(|_| script().bump(&ran).task());
            let mut map = pool.map(calls).window(10);
            assert_eq!(map.by_ref().take(20).filter(Result::is_ok).count(), 20);
            drop(map);
            drop(pool);
            assert!((20..=40).contains(&ran.get()), "{} items ran", ran.get());
        })
        .case("half_way", LOCAL, |bench| {
            let (pool, ran) = (bench.local(2), Tally::new());
            let inside = ran.clone();
            let mut map = pool.map_fn(0..1000, move |_| inside.add()).window(10);
            assert_eq!(map.by_ref().take(20).count(), 20);
            drop(map);
            drop(pool);
            assert!((20..=40).contains(&ran.get()), "{} items ran", ran.get());
        });
    option_laws(laws);
}

fn lazy_laws(laws: &mut Laws) {
    laws.law("law17_map_pulls_its_input_lazily_within_a_window")
        .case("nothing_is_pulled_before_the_first_next", ANY, |bench| {
            let (executor, pulled) = (bench.executor(), Tally::new());
            let map = executor.map((0..10).map(|n| {
                pulled.add();
                add::task(n, 0)
            }));
            assert_eq!(pulled.get(), 0);
            drop(map);
            assert_eq!(pulled.get(), 0);
        })
        .case("never_more_than_the_window_ahead", ANY, |bench| {
            for window in [1, 2, 7] {
                let (executor, pulled) = (bench.executor(), Tally::new());
                let input = (0..100).map(|n| {
                    pulled.add();
                    add::task(n, 0)
                });
                let mut given = 0;
                for result in executor.map(input).window(window) {
                    result.unwrap();
                    let ahead = pulled.get() - given;
                    assert!(
                        ahead <= window,
                        "{ahead} items ahead in a window of {window}"
                    );
                    given += 1;
                }
                assert_eq!((given, pulled.get()), (100, 100));
            }
        })
        .case(
            "the_default_window_is_a_few_items_for_each_worker",
            PENDING,
            |bench| {
                let (jam, pulled) = (bench.jam(), Tally::new());
                let counted = pulled.clone();
                let input = (0..100_000).inspect(move |_| counted.bump());
                let map = jam.pool.map(input.map(|n| add::task(n, n))).start();
                assert!(
                    (1..=64).contains(&pulled.get()),
                    "{} items were pulled",
                    pulled.get()
                );
                drop(map);
            },
        )
        .case("start_fills_the_window", PENDING, |bench| {
            let (jam, pulled) = (bench.jam(), Tally::new());
            let counted = pulled.clone();
            let input = (0..100).inspect(move |_| counted.bump());
            let calls = input.map(|n| add::task(n, 0));
            let mut map = jam.pool.map(calls).window(5).start();
            assert_eq!(pulled.get(), 5);
            jam.open();
            assert_eq!(map.next().unwrap().unwrap(), 0);
        })
        .case("on_the_thread_that_iterates", LOCAL, |bench| {
            let (pool, here) = (bench.local(2), thread::current().id());
            let input = (0..50).inspect(move |_| assert_eq!(thread::current().id(), here));
            assert_eq!(pool.map_fn(input, |n| n).filter(Result::is_ok).count(), 50);
        })
        .case("each_item_is_pulled_once", ANY, |bench| {
            let (executor, pulled) = (bench.executor(), Tally::new());
            let input = (0..300).map(|n| {
                pulled.add();
                add::task(n, 0)
            });
            assert_eq!(executor.map(input).count(), 300);
            assert_eq!(pulled.get(), 300);
        })
        .case("the_input_is_not_asked_again_after_its_end", ANY, |bench| {
            let (executor, asked) = (bench.executor(), Tally::new());
            let mut left = 5;
            let input = std::iter::from_fn(|| {
                assert!(asked.get() == 0, "asked again after the end");
                if left == 0 {
                    asked.add();
                    return None;
                }
                left -= 1;
                Some(add::task(left, 0))
            });
            let mut results = executor.map(input);
            assert_eq!(results.by_ref().count(), 5);
            assert!(results.next().is_none());
        });
}

fn option_laws(laws: &mut Laws) {
    laws.law("law17_map_has_options")
        .case("chunk_packs_items_into_one_job", LOCAL, |bench| {
            let pool = bench.local(2);
            let threads = pool.map_fn(0..40, |_| thread::current().id()).chunk(10);
            let threads: Vec<_> = threads.map(Result::unwrap).collect();
            assert!(
                threads
                    .chunks(10)
                    .all(|chunk| chunk.iter().all(|id| *id == chunk[0]))
            );
        })
        .case("a_chunk_of_calls_runs_on_one_worker", BACKGROUND, |bench| {
            let pool = bench.pool(2);
            let facts = pool.map((0..40).map(|_| facts::task(None))).chunk(10);
            let workers: Vec<_> = facts.map(|facts| facts.unwrap().index).collect();
            assert!(
                workers
                    .chunks(10)
                    .all(|chunk| chunk.iter().all(|index| *index == chunk[0]))
            );
        })
        .case("a_chunk_larger_than_the_window", ANY, |bench| {
            let executor = bench.executor();
            step("a map with a chunk that does not fit its window");
            let sums = executor
                .map((0..20).map(|n| add::task(n, 0)))
                .window(3)
                .chunk(100);
            assert_eq!(sums.filter(Result::is_ok).count(), 20);
        })
        .case("a_window_of_one", ANY, |bench| {
            let executor = bench.executor();
            let sums = executor.map((0..20).map(|n| add::task(n, 0))).window(1);
            assert_eq!(sums.map(Result::unwrap).sum::<u64>(), 190);
        })
        .case("a_window_of_none_is_refused", ANY, |bench| {
            let executor = bench.executor();
            let none = || drop(executor.map([add::task(1, 1)]).window(0));
            assert!(refusal(none).contains("0 items"));
            let none = || drop(executor.map([add::task(1, 1)]).chunk(0));
            assert!(refusal(none).contains("0 items"));
        })
        .case("progress", ANY, |bench| {
            let executor = bench.executor();
            let seen = Arc::new(Mutex::new(Vec::new()));
            let notes = Arc::clone(&seen);
            let tasks: Vec<_> = (0..10).map(|n| add::task(n, 0)).collect();
            let results = executor.map(tasks).progress(move |progress| {
                notes.lock().unwrap().push((progress.done, progress.total));
            });
            assert_eq!(results.count(), 10);
            let expected: Vec<_> = (1..11).map(|done| (done, Some(10))).collect();
            assert_eq!(*seen.lock().unwrap(), expected);
        })
        .case(
            "timeout_gives_an_error_for_each_item_left",
            BACKGROUND,
            |bench| {
                let jam = bench.jam();
                let calls = (0..20).map(|n| add::task(n, n));
                let results: Vec<_> = jam.pool.map(calls).window(4).timeout(unit()).collect();
                assert_eq!(results.len(), 20);
                for result in results {
                    let error = result.unwrap_err();
                    let kind = error.kind();
                    assert!(
                        matches!(kind, TaskErrorKind::TimedOut(Timeout::Wait)),
                        "{error}"
                    );
                }
            },
        )
        .case("timeout_unordered", BACKGROUND, |bench| {
            let jam = bench.jam();
            let calls = (0..20).map(|n| add::task(n, n));
            let map = jam.pool.map(calls).window(4).unordered().timeout(unit());
            let timed_out = |result: &Result<u64, executor_core::TaskError>| {
                result
                    .as_ref()
                    .is_err_and(executor_core::TaskError::is_timed_out)
            };
            assert_eq!(map.filter(timed_out).count(), 20);
        })
        .case("timeout_keeps_what_is_done", BACKGROUND.local(), |bench| {
            let (pool, gate) = (bench.local(2), Gate::new("the slow item"));
            let closed = gate.clone();
            let slow = move |n| {
                if n == 1 {
                    closed.wait();
                }
                n
            };
            let results = pool
                .map_fn(0..3, slow)
                .window(3)
                .chunk(1)
                .timeout(5 * unit());
            let results: Vec<_> = results.map(Result::ok).collect();
            gate.open();
            assert_eq!(results[..2], [Some(0), None]);
        })
        .case(
            "timeout_cancels_what_has_not_started",
            BACKGROUND,
            |bench| {
                let (jam, ran) = (bench.jam(), bench.tally());
                let calls = (0..20).map(|_| script().bump(&ran).task());
                let map = jam.pool.map(calls).window(4).timeout(unit());
                assert_eq!(map.filter(Result::is_err).count(), 20);
                drop(jam);
                assert_eq!(ran.get(), 0);
            },
        )
        .case("a_timeout_that_is_not_needed", ANY, |bench| {
            let executor = bench.executor();
            let sums = executor
                .map((0..20).map(|n| add::task(n, 0)))
                .timeout(Duration::MAX);
            assert_eq!(sums.map(Result::unwrap).sum::<u64>(), 190);
        })
        .case("unordered_with_chunks_and_a_window", ANY, |bench| {
            let executor = bench.executor();
            let sums = executor
                .map((0..50).map(|n| add::task(n, 0)))
                .window(8)
                .chunk(4)
                .unordered();
            assert_eq!(sums.map(Result::unwrap).sum::<u64>(), 1225);
        });
}

fn refusal(call: impl FnOnce()) -> String {
    guard::text(&*planned::expected(call).expect_err("it must be refused"))
}
