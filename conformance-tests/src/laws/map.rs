//! Law 17: `map` is lazy within a window, gives one result per item, and survives failures.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use executor_core::{ExecutorExt as _, LocalExecutorExt as _, TaskErrorKind, Timeout, context};

use super::{ANY, BACKGROUND, LOCAL, Laws, PENDING, value};
use crate::{
    guard::{self, step, unit},
    latch::{Gate, Meeting, Tally, eventually},
    planned,
    tasks::{add, panics_if_odd},
};

pub(crate) fn laws(laws: &mut Laws) {
    result_laws(laws);
    lazy_laws(laws);
    laws.law("law17_a_map_that_is_dropped_cancels_what_has_not_started")
        .case("items_that_are_queued_never_run", PENDING, |bench| {
            let (jam, ran) = (bench.jam(), Tally::new());
            let inside = ran.clone();
            drop(jam.pool.map_fn(0..10, move |_| inside.add()).window(6).start());
            drop(jam);
            assert_eq!(ran.get(), 0);
        })
        .case("what_runs_is_signalled", BACKGROUND, |bench| {
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

fn result_laws(laws: &mut Laws) {
    laws.law("law17_map_gives_one_result_per_item")
        .case("in_order", ANY, |bench| {
            let executor = bench.executor();
            step("a map");
            let sums: Vec<u64> =
                executor.map((0..500).map(|n| add::task(n, 1))).map(Result::unwrap).collect();
            assert_eq!(sums, (1..501).collect::<Vec<_>>());
        })
        .case("in_order_though_later_items_are_done_first", BACKGROUND, |bench| {
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
        })
        .case("unordered", ANY, |bench| {
            let executor = bench.executor();
            let sums = executor.map((0..500).map(|n| add::task(n, 0))).unordered();
            let mut sums: Vec<u64> = sums.map(Result::unwrap).collect();
            sums.sort_unstable();
            assert_eq!(sums, (0..500).collect::<Vec<_>>());
        })
        .case("unordered_gives_what_is_done_first", BACKGROUND, |bench| {
            let (pool, gate) = (bench.local(2), Gate::new("the slow item"));
            let closed = gate.clone();
            let mut results = pool
                .map_fn(0..2, move |n| { if n == 0 { closed.wait(); } n })
                .window(2)
                .unordered();
            step("the quick item");
            assert_eq!(results.next().unwrap().unwrap(), 1);
            gate.open();
            assert_eq!(results.next().unwrap().unwrap(), 0);
            assert!(results.next().is_none());
        })
        .case("nothing_of_nothing", ANY, |bench| {
            let executor = bench.executor();
            let mut results = executor.map(Vec::<add>::new());
            assert_eq!(results.len(), 0);
            assert!(results.next().is_none() && results.next().is_none());
        })
        .case("one_failure_neither_ends_it_nor_spoils_its_chunk", ANY, |bench| {
            let executor = bench.executor();
            for chunk in [1, 3, 100] {
                let results = executor.map((0..30).map(|n| panics_if_odd::task(n))).chunk(chunk);
                for (n, result) in (0..30).zip(results) {
                    assert_eq!(result.is_ok(), n % 2 == 0, "item {n} in chunks of {chunk}");
                    if let Err(error) = result {
                        let message = error.panic_report().unwrap().message().to_owned();
                        assert!(message.contains(&format!("{n} is odd")), "{message}");
                    }
                }
            }
        })
        .case("failures_everywhere", LOCAL, |bench| {
            let pool = bench.local(2);
            let results = pool.map_fn(0..200, |_| planned::boom());
            let failed = results.filter(|result: &Result<(), _>| result.is_err()).count();
            assert_eq!(failed, 200);
        })
        .case("failures_unordered", ANY, |bench| {
            let executor = bench.executor();
            let results = executor.map((0..100).map(|n| panics_if_odd::task(n))).unordered();
            assert_eq!(results.filter(Result::is_ok).count(), 50);
        })
        .case("each_item_runs_once", LOCAL, |bench| {
            let (pool, runs) = (bench.local(2), Arc::new(Mutex::new(vec![0; 5000])));
            let inside = Arc::clone(&runs);
            let results = pool.map_fn(0..5000, move |n: usize| inside.lock().unwrap()[n] += 1);
            assert_eq!(results.filter(Result::is_ok).count(), 5000);
            assert!(runs.lock().unwrap().iter().all(|runs| *runs == 1));
        })
        .case("each_item_runs_once_though_chunks_are_split", LOCAL, |bench| {
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
        })
        .case("a_panic_of_the_input_comes_up_once_and_ends_it", ANY, |bench| {
            let executor = bench.executor();
            let input = (0..10).map(|n| if n == 7 { planned::boom_any(n) } else { add::task(n, 0) });
            let mut results = executor.map(input);
            step("the items before the panic");
            for n in 0..7 {
                assert_eq!(results.next().unwrap().unwrap(), n);
            }
            let payload = catch_unwind(AssertUnwindSafe(|| results.next().is_some())).unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&planned::Planned(7)));
            assert!(results.next().is_none() && results.next().is_none());
            assert_eq!(value(executor.submit(add::task(1, 1)).unwrap()), 2);
        })
        .case("a_panic_of_the_input_unordered", ANY, |bench| {
            let executor = bench.executor();
            let input = (0..10).map(|n| if n == 7 { planned::boom_any(n) } else { add::task(n, 0) });
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
                assert_eq!((results.len(), results.size_hint()), (left, (left, Some(left))));
                assert_eq!(results.next().is_some(), left > 0);
            }
        })
        .case("an_endless_input", LOCAL, |bench| {
            let pool = bench.local(2);
            let first: Vec<u64> = pool.map_fn(0_u64.., |n| n).take(100).map(Result::unwrap).collect();
            assert_eq!(first, (0..100).collect::<Vec<_>>());
        })
        .case("inside_a_worker", LOCAL, |bench| {
            for workers in [1, 2] {
                let pool = bench.local(workers);
                let own = pool.clone();
                let sum = move || own.map_fn(0..500_u64, |n| n).map(Result::unwrap).sum::<u64>();
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
        .case("slow_items_are_never_merged", BACKGROUND, |bench| {
            let (pool, meeting) = (bench.local(2), Meeting::of(2));
            let results = pool.map_fn(0..2, move |_| meeting.arrive());
            step("two items that wait for each other");
            assert_eq!(results.filter(Result::is_ok).count(), 2);
        })
        .case("slow_items_behind_cheap_ones_still_meet", BACKGROUND, |bench| {
            let (pool, meeting) = (bench.local(2), Meeting::of(2));
            // The first item of the pair holds up its chunk: what is behind it in the chunk must not
            // be the only one to free it. Fixed chunks of one say so.
            let results = pool.map_fn(0..100, move |n| if n >= 98 { meeting.arrive(); });
            step("two items at the end that wait for each other");
            assert_eq!(results.chunk(1).filter(Result::is_ok).count(), 100);
        });
}

fn lazy_laws(laws: &mut Laws) {
    laws.law("law17_map_pulls_its_input_lazily_within_a_window")
        .case("nothing_is_pulled_before_the_first_next", ANY, |bench| {
            let (executor, pulled) = (bench.executor(), Tally::new());
            let map = executor.map((0..10).map(|n| { pulled.add(); add::task(n, 0) }));
            assert_eq!(pulled.get(), 0);
            drop(map);
            assert_eq!(pulled.get(), 0);
        })
        .case("never_more_than_the_window_ahead", ANY, |bench| {
            for window in [1, 2, 7] {
                let (executor, pulled) = (bench.executor(), Tally::new());
                let input = (0..100).map(|n| { pulled.add(); add::task(n, 0) });
                let mut given = 0;
                for result in executor.map(input).window(window) {
                    result.unwrap();
                    let ahead = pulled.get() - given;
                    assert!(ahead <= window, "{ahead} items ahead in a window of {window}");
                    given += 1;
                }
                assert_eq!((given, pulled.get()), (100, 100));
            }
        })
        .case("the_default_window_is_a_few_items_for_each_worker", PENDING, |bench| {
            let (jam, pulled) = (bench.jam(), Tally::new());
            let counted = pulled.clone();
            let map = jam.pool.map_fn((0..100_000).inspect(move |_| drop(counted.add())), |n| n).start();
            assert!((1..=64).contains(&pulled.get()), "{} items were pulled", pulled.get());
            drop(map);
        })
        .case("start_fills_the_window", PENDING, |bench| {
            let (jam, pulled) = (bench.jam(), Tally::new());
            let counted = pulled.clone();
            let input = (0..100).inspect(move |_| drop(counted.add()));
            let mut map = jam.pool.map_fn(input, |n| n).window(5).start();
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
            let input = (0..300).map(|n| { pulled.add(); add::task(n, 0) });
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
            assert!(threads.chunks(10).all(|chunk| chunk.iter().all(|id| *id == chunk[0])));
        })
        .case("a_chunk_larger_than_the_window", ANY, |bench| {
            let executor = bench.executor();
            step("a map with a chunk that does not fit its window");
            let sums = executor.map((0..20).map(|n| add::task(n, 0))).window(3).chunk(100);
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
        .case("timeout_gives_an_error_for_each_item_left", BACKGROUND, |bench| {
            let jam = bench.jam();
            let results: Vec<_> = jam.pool.map_fn(0..20, |n| n).window(4).timeout(unit()).collect();
            assert_eq!(results.len(), 20);
            for result in results {
                let error = result.unwrap_err();
                let kind = error.kind();
                assert!(matches!(kind, TaskErrorKind::TimedOut(Timeout::Wait)), "{error}");
            }
        })
        .case("timeout_unordered", BACKGROUND, |bench| {
            let jam = bench.jam();
            let map = jam.pool.map_fn(0..20, |n| n).window(4).unordered().timeout(unit());
            let timed_out = |result: &Result<i32, executor_core::TaskError>| {
                result.as_ref().is_err_and(executor_core::TaskError::is_timed_out)
            };
            assert_eq!(map.filter(timed_out).count(), 20);
        })
        .case("timeout_keeps_what_is_done", BACKGROUND, |bench| {
            let (pool, gate) = (bench.local(2), Gate::new("the slow item"));
            let closed = gate.clone();
            let slow = move |n| { if n == 1 { closed.wait(); } n };
            let results = pool.map_fn(0..3, slow).window(3).chunk(1).timeout(5 * unit());
            let results: Vec<_> = results.map(Result::ok).collect();
            gate.open();
            assert_eq!(results[..2], [Some(0), None]);
        })
        .case("timeout_cancels_what_has_not_started", BACKGROUND, |bench| {
            let (jam, ran) = (bench.jam(), Tally::new());
            let inside = ran.clone();
            let map = jam.pool.map_fn(0..20, move |_| inside.add()).window(4).timeout(unit());
            assert_eq!(map.filter(Result::is_err).count(), 20);
            drop(jam);
            assert_eq!(ran.get(), 0);
        })
        .case("a_timeout_that_is_not_needed", ANY, |bench| {
            let executor = bench.executor();
            let sums = executor.map((0..20).map(|n| add::task(n, 0))).timeout(Duration::MAX);
            assert_eq!(sums.map(Result::unwrap).sum::<u64>(), 190);
        })
        .case("unordered_with_chunks_and_a_window", ANY, |bench| {
            let executor = bench.executor();
            let sums = executor.map((0..50).map(|n| add::task(n, 0))).window(8).chunk(4).unordered();
            assert_eq!(sums.map(Result::unwrap).sum::<u64>(), 1225);
        });
}

fn refusal(call: impl FnOnce()) -> String {
    // The text of this panic is no planned one; it is printed, and does no harm.
    let payload = catch_unwind(AssertUnwindSafe(call)).expect_err("it must be refused");
    guard::text(&*payload)
}
