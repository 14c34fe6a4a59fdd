//! Law 13: waiting for many.

use std::{
    thread,
    time::{Duration, Instant},
};

use executor_core::{
    ExecutorExt as _, Future, ReturnWhen, TaskFuture, as_completed, first_ok, join_all, wait,
};

use super::{ANY, BACKGROUND, Laws, PENDING, value};
use crate::{
    guard::{pass, step, unit},
    script::{Script, script},
    tasks::{add, panics},
};

pub(crate) fn laws(laws: &mut Laws) {
    wait_laws(laws);
    as_completed_laws(laws);
    laws.law("law13_join_all_and_first_ok")
        .case("join_all_keeps_the_order", ANY, |bench| {
            let executor = bench.executor();
            let futures = (0..20).map(|n| executor.submit(add::task(n, 1)).unwrap());
            let results: Vec<u64> = join_all(futures).into_iter().map(Result::unwrap).collect();
            assert_eq!(results, (1..21).collect::<Vec<_>>());
        })
        .case("join_all_gives_one_result_each", ANY, |bench| {
            let executor = bench.executor();
            let results = join_all([
                executor.submit(add::task(1, 1)).unwrap(),
                executor.submit(panics::task(1)).unwrap(),
                executor.submit(add::task(2, 2)).unwrap(),
            ]);
            let shown: Vec<_> = results.into_iter().map(Result::ok).collect();
            assert_eq!(shown, [Some(2), None, Some(4)]);
        })
        .case("join_all_of_nothing", ANY, |_| {
            assert!(join_all(Vec::<TaskFuture<u64>>::new()).is_empty());
        })
        .case("first_ok_passes_errors_by", ANY, |bench| {
            let executor = bench.executor();
            let futures = [
                executor.submit(panics::task(1)).unwrap(),
                executor.submit(add::task(1, 1)).unwrap(),
            ];
            assert_eq!(first_ok(futures).unwrap(), 2);
        })
        .case("first_ok_gives_all_errors", ANY, |bench| {
            let executor = bench.executor();
            let futures = (0..3).map(|n| executor.submit(panics::task(n)).unwrap());
            let errors = first_ok(futures).unwrap_err();
            assert_eq!(errors.iter().filter(|error| error.is_panicked()).count(), 3);
        })
        .case("first_ok_of_nothing", ANY, |_| {
            assert!(
                first_ok(Vec::<TaskFuture<u64>>::new())
                    .unwrap_err()
                    .is_empty()
            );
        })
        .case("first_ok_cancels_the_others", BACKGROUND, |bench| {
            let pool = bench.pool(1);
            let (gate, ran) = (bench.gate("the first that is ok"), bench.tally());
            // After the first one has ended the only worker is jammed until the others are cancelled.
            let hold = bench.gate("first_ok has returned");
            let start = |script: Script| pool.start(script.task()).unwrap();
            let first = start(script().wait(&gate).gives(1));
            let jam = start(script().wait(&hold));
            let late = start(script().bump(&ran).gives(2));
            gate.open();
            step("first_ok");
            assert_eq!(first_ok([late, first]).unwrap(), 1);
            hold.open();
            assert_eq!(value(jam), 0);
            drop(pool);
            assert_eq!(ran.get(), 0, "the other was cancelled");
        });
}

fn wait_laws(laws: &mut Laws) {
    laws.law("law13_wait_returns_sets_and_a_timeout_is_no_error")
        .case("all_completed", ANY, |bench| {
            let executor = bench.executor();
            let futures: Vec<_> = (0..9)
                .map(|n| executor.submit(add::task(n, n)).unwrap())
                .collect();
            step("wait for all");
            let waited = wait(futures, ReturnWhen::AllCompleted, None);
            assert!(waited.not_done.is_empty());
            let values: Vec<u64> = waited.done.into_iter().map(value).collect();
            assert_eq!(
                values,
                (0..9).map(|n| 2 * n).collect::<Vec<_>>(),
                "in the order given"
            );
        })
        .case("nothing", ANY, |_| {
            for when in [
                ReturnWhen::AllCompleted,
                ReturnWhen::FirstCompleted,
                ReturnWhen::FirstException,
            ] {
                let waited = wait(Vec::<TaskFuture<()>>::new(), when, None);
                assert!(waited.done.is_empty() && waited.not_done.is_empty());
            }
        })
        .case("by_reference", ANY, |bench| {
            let future = bench.executor().submit(add::task(1, 1)).unwrap().shared();
            step("wait for clones");
            assert_eq!(
                wait(
                    [future.clone(), future.clone()],
                    ReturnWhen::AllCompleted,
                    None
                )
                .done
                .len(),
                2
            );
            assert_eq!(value(future), 2);
        })
        .case("first_completed", BACKGROUND, |bench| {
            let pool = bench.pool(2);
            let gate = bench.gate("the slow task");
            let slow = pool.start(script().wait(&gate).gives(1).task()).unwrap();
            let fast = pool.number(2);
            step("wait for the first");
            let waited = wait([slow, fast], ReturnWhen::FirstCompleted, None);
            assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1));
            gate.open();
            assert_eq!(waited.done.into_iter().map(value).sum::<u64>(), 2);
            assert_eq!(waited.not_done.into_iter().map(value).sum::<u64>(), 1);
        })
        .case(
            "first_completed_counts_failures_and_cancellations",
            PENDING,
            |bench| {
                let jam = bench.jam();
                let (a, b) = (jam.number(1), jam.number(2));
                b.cancel();
                let waited = wait([a, b], ReturnWhen::FirstCompleted, Some(Duration::ZERO));
                assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1));
                assert!(waited.done[0].is_cancelled());
            },
        )
        .case("first_exception", BACKGROUND, |bench| {
            let pool = bench.pool(2);
            let gate = bench.gate("the slow task");
            let slow = pool.start(script().wait(&gate).gives(1).task()).unwrap();
            let good = pool.number(2);
            let bad = pool.start(script().panic().task()).unwrap();
            step("wait for the first failure");
            let waited = wait([slow, good, bad], ReturnWhen::FirstException, None);
            gate.open();
            assert!(!waited.not_done.is_empty(), "the slow one");
            assert_eq!(waited.done.iter().filter_map(Future::peek_error).count(), 1);
        })
        .case(
            "first_exception_without_one_is_all_completed",
            ANY,
            |bench| {
                let executor = bench.executor();
                let futures: Vec<_> = (0..5)
                    .map(|n| executor.submit(add::task(n, n)).unwrap())
                    .collect();
                step("wait for a failure that never comes");
                assert_eq!(
                    wait(futures, ReturnWhen::FirstException, None).done.len(),
                    5
                );
            },
        )
        .case(
            "first_exception_does_not_count_cancellations",
            BACKGROUND,
            |bench| {
                let jam = bench.jam();
                let (a, b) = (jam.number(1), jam.number(2));
                b.cancel();
                let waited = wait([a, b], ReturnWhen::FirstException, Some(unit()));
                assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1));
            },
        )
        .case("timeout", BACKGROUND, |bench| {
            let jam = bench.jam();
            let (a, b) = (jam.number(1), jam.number(2));
            let start = Instant::now();
            let waited = wait([a, b], ReturnWhen::AllCompleted, Some(unit()));
            assert!(
                start.elapsed() >= unit(),
                "it waits as long as it was told to"
            );
            assert_eq!((waited.done.len(), waited.not_done.len()), (0, 2));
            jam.open();
            assert_eq!(
                waited.not_done.into_iter().map(value).collect::<Vec<_>>(),
                [1, 2]
            );
        })
        .case("timeout_of_zero_is_a_look", PENDING, |bench| {
            let jam = bench.jam();
            let (a, b, c) = (jam.number(1), jam.number(2), jam.number(3));
            b.cancel();
            let waited = wait([a, b, c], ReturnWhen::AllCompleted, Some(Duration::ZERO));
            assert_eq!((waited.done.len(), waited.not_done.len()), (1, 2));
        })
        .case("timeout_beyond_the_clock_is_none", ANY, |bench| {
            let future = bench.executor().submit(add::task(1, 1)).unwrap();
            step("wait with an endless timeout");
            assert_eq!(
                wait([future], ReturnWhen::AllCompleted, Some(Duration::MAX))
                    .done
                    .len(),
                1
            );
        })
        .case("from_two_threads", BACKGROUND, |bench| {
            let jam = bench.jam();
            let future = jam.number(7).shared();
            thread::scope(|scope| {
                let waiters: Vec<_> = (0..3)
                    .map(|_| {
                        let future = future.clone();
                        scope.spawn(|| wait([future], ReturnWhen::AllCompleted, None).done.len())
                    })
                    .collect();
                jam.open();
                for waiter in waiters {
                    assert_eq!(waiter.join().unwrap(), 1);
                }
            });
        });
}

fn as_completed_laws(laws: &mut Laws) {
    laws.law("law13_as_completed_yields_each_future_once")
        .case("each_once", ANY, |bench| {
            let executor = bench.executor();
            let futures = (0..30).map(|n| executor.submit(add::task(n, 0)).unwrap());
            step("as_completed");
            let mut values: Vec<u64> = as_completed(futures).map(value).collect();
            values.sort_unstable();
            assert_eq!(values, (0..30).collect::<Vec<_>>());
        })
        .case("nothing", ANY, |_| {
            let mut none = as_completed(Vec::<TaskFuture<u64>>::new());
            assert!(none.is_empty() && none.next().is_none() && none.next().is_none());
        })
        .case("in_the_order_of_completion", BACKGROUND, |bench| {
            let pool = bench.pool(3);
            let gates = [(); 3].map(|()| bench.gate("one of three"));
            let futures = (0..).zip(&gates).map(|(n, gate)| {
                let task = script().wait(gate).gives(n).task();
                pool.start(task).unwrap()
            });
            let mut all = as_completed(futures.collect::<Vec<_>>());
            for n in [1, 2, 0] {
                gates[n].open();
                step("the next that is done");
                assert_eq!(value(all.next().unwrap()), n as u64);
            }
            assert!(all.next().is_none());
        })
        .case("accepts_additions_on_the_way", ANY, |bench| {
            let executor = bench.executor();
            let mut all = as_completed([executor.submit(add::task(0, 1)).unwrap()]);
            let mut count = 0;
            step("as_completed with additions");
            while let Some(future) = all.next() {
                let n = value(future);
                count += 1;
                if n < 20 {
                    all.push(executor.submit(add::task(n, 1)).unwrap());
                }
            }
            assert_eq!(count, 20);
        })
        .case("accepts_additions_after_its_end", ANY, |bench| {
            let executor = bench.executor();
            let mut all = as_completed([executor.submit(add::task(0, 1)).unwrap()]);
            step("as_completed");
            assert_eq!(all.by_ref().count(), 1);
            all.push(executor.submit(add::task(1, 1)).unwrap());
            assert_eq!(all.len(), 1);
            assert_eq!(value(all.next().unwrap()), 2);
        })
        .case("accepts_additions_that_are_done", PENDING, |bench| {
            let jam = bench.jam();
            let mut all = as_completed([jam.number(1)]);
            let cancelled = jam.number(2);
            cancelled.cancel();
            all.push(cancelled);
            step("the one that is done");
            assert!(all.next().unwrap().is_cancelled());
            assert_eq!(all.len(), 1);
        })
        .case("cancelled_on_the_way", PENDING, |bench| {
            let jam = bench.jam();
            let shared = jam.number(1).shared();
            let mut all = as_completed([shared.clone()]);
            shared.cancel();
            step("the one that was cancelled");
            assert!(all.next().unwrap().is_cancelled());
            assert!(all.next().is_none());
        })
        .case("thousands", ANY, |bench| {
            let pool = bench.pool(2);
            let futures: Vec<_> = (0..3000).map(|n| pool.number(n)).collect();
            step("as_completed of thousands");
            let sum: u64 = as_completed(futures).map(value).sum();
            assert_eq!(sum, 3000 * 2999 / 2);
        })
        .case(
            "timeout_ends_it_and_the_rest_remains",
            BACKGROUND,
            |bench| {
                let jam = bench.jam();
                let mut all = as_completed([jam.number(1), jam.number(2)]).timeout(unit());
                let start = Instant::now();
                assert!(all.next().is_none());
                assert!(start.elapsed() + Duration::from_millis(5) >= unit());
                assert_eq!(all.size_hint(), (0, Some(2)));
                let rest = all.remaining();
                jam.open();
                assert_eq!(rest.into_iter().map(value).sum::<u64>(), 3);
            },
        )
        .case("its_clock_starts_at_the_call", BACKGROUND, |bench| {
            let jam = bench.jam();
            let mut all = as_completed([jam.number(1)]).timeout(3 * unit());
            pass(3 * unit());
            let start = Instant::now();
            assert!(all.next().is_none());
            assert!(all.next().is_none(), "the time is over for good");
            assert!(
                start.elapsed() < 3 * unit(),
                "the clock ran before the first next"
            );
        })
        .case("next_timeout", BACKGROUND, |bench| {
            let jam = bench.jam();
            let mut all = as_completed([jam.number(5)]);
            assert!(all.next_timeout(Duration::from_millis(1)).is_none());
            jam.open();
            step("the next");
            assert_eq!(value(all.next_timeout(Duration::from_secs(60)).unwrap()), 5);
        })
        .case("dropping_it_lets_the_tasks_go_on", PENDING, |bench| {
            let jam = bench.jam();
            let ran = bench.tally();
            let task = || script().bump(&ran).task();
            let futures = (0..3).map(|_| jam.pool.start(task()).unwrap());
            drop(as_completed(futures.collect::<Vec<_>>()));
            drop(jam);
            assert_eq!(ran.get(), 3);
        });
}
