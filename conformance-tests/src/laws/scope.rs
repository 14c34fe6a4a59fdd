//! Closures that borrow: scopes and fork-join.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use executor_core::{Future, LocalExecutorExt as _, Shutdown, join as fork};

use super::{BACKGROUND, LOCAL, Laws, failure, number_on, value};
use crate::{
    guard::{step, text},
    latch::{Gate, Meeting, Tally},
    planned,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("scope_joins_all_closures_before_it_returns")
        .case("borrowed_data", LOCAL, |bench| {
            let (pool, text) = (bench.local(2), String::from("borrowed"));
            let length =
                pool.scope(|s| value(s.spawn(|| text.len())) + value(s.spawn(|| text.len())));
            assert_eq!(length, 16);
        })
        .case("mutably_borrowed_data", LOCAL, |bench| {
            let pool = bench.local(2);
            let mut numbers = vec![0; 100];
            pool.scope(|s| {
                for (n, number) in numbers.iter_mut().enumerate() {
                    drop(s.spawn(move || *number = n));
                }
            });
            assert!(numbers.iter().enumerate().all(|(n, number)| n == *number));
        })
        .case("without_anybody_waiting", LOCAL, |bench| {
            let (pool, ran) = (bench.local(2), Tally::new());
            step("the end of a scope");
            pool.scope(|s| (0..200).for_each(|_| drop(s.spawn(|| ran.add()))));
            assert_eq!(ran.get(), 200);
        })
        .case(
            "a_slow_closure_is_waited_for",
            BACKGROUND.local(),
            |bench| {
                let (pool, meeting, ended) = (bench.local(2), Meeting::of(2), Tally::new());
                pool.scope(|s| {
                    for _ in 0..2 {
                        drop(s.spawn(|| {
                            meeting.arrive();
                            ended.add()
                        }));
                    }
                });
                assert_eq!(ended.get(), 2);
            },
        )
        .case("closures_that_spawn", LOCAL, |bench| {
            let (pool, ran) = (bench.local(2), Tally::new());
            pool.scope(|s| {
                for _ in 0..10 {
                    let ran = &ran;
                    drop(s.spawn(move || (0..10).for_each(|_| drop(s.spawn(|| ran.add())))));
                }
            });
            assert_eq!(ran.get(), 100);
        })
        .case("nested", LOCAL, |bench| {
            let (pool, ran) = (bench.local(1), Tally::new());
            pool.scope(|s| {
                drop(s.spawn(|| pool.scope(|inner| drop(inner.spawn(|| ran.add())))));
            });
            assert_eq!(ran.get(), 1);
        })
        .case("in_a_worker", LOCAL, |bench| {
            let pool = bench.local(1);
            let own = pool.clone();
            let sum = move || {
                let numbers = [1, 2, 3];
                own.scope(|s| {
                    numbers
                        .map(|n| s.spawn(move || n))
                        .map(value)
                        .iter()
                        .sum::<u64>()
                })
            };
            assert_eq!(value(pool.spawn(sum).unwrap()), 6);
        })
        .case("a_panic_in_a_closure_is_in_its_future", LOCAL, |bench| {
            let pool = bench.local(2);
            let (bad, good) = pool.scope(|s| {
                let (bad, good) = (s.spawn(|| planned::boom()), s.spawn(|| 4));
                (
                    failure::<executor_core::TaskFuture<()>>(bad).is_panicked(),
                    value(good),
                )
            });
            assert_eq!((bad, good), (true, 4));
        })
        .case(
            "a_panic_in_a_closure_that_nobody_looks_at",
            LOCAL,
            |bench| {
                let pool = bench.local(2);
                let ran = Tally::new();
                pool.scope(|s| {
                    drop(s.spawn(|| planned::boom()));
                    drop(s.spawn(|| ran.add()));
                });
                assert_eq!(ran.get(), 1);
            },
        )
        .case(
            "a_panic_in_the_body_waits_for_the_closures",
            LOCAL,
            |bench| {
                let (pool, ran) = (bench.local(2), Tally::new());
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    pool.scope(|s| {
                        (0..50).for_each(|_| drop(s.spawn(|| ran.add())));
                        planned::boom_any(3);
                    })
                }));
                let payload = panicked.expect_err("the panic of the body comes up");
                assert_eq!(payload.downcast_ref(), Some(&planned::Planned(3)));
                assert_eq!(ran.get(), 50, "every closure was over before");
            },
        )
        .case(
            "a_panic_in_the_body_while_a_closure_runs",
            BACKGROUND.local(),
            |bench| {
                let pool = bench.local(1);
                let (started, ended) = (Gate::new("the closure"), Tally::new());
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    pool.scope(|s| {
                        drop(s.spawn(|| {
                            started.open();
                            thread::yield_now();
                            ended.add()
                        }));
                        started.wait();
                        planned::boom();
                    })
                }));
                assert!(panicked.is_err());
                assert_eq!(ended.get(), 1);
            },
        )
        .case(
            "a_cancelled_closure_is_not_waited_for",
            BACKGROUND.local(),
            |bench| {
                let jam = bench.jam();
                step("a scope whose only closure is cancelled");
                let cancelled = jam.local().scope(|s| s.spawn(|| 1).cancel());
                assert!(cancelled);
            },
        )
        .case("a_future_may_outlive_the_scope", LOCAL, |bench| {
            let pool = bench.local(2);
            let future = pool.scope(|s| s.spawn(|| 7));
            assert!(future.is_done());
            assert_eq!(value(future), 7);
        })
        .case("the_output_may_borrow", LOCAL, |bench| {
            let (pool, text) = (bench.local(2), String::from("one two"));
            let first = pool.scope(|s| value(s.spawn(|| text.split(' ').next().unwrap())));
            assert_eq!(first, "one");
        })
        .case(
            "a_pool_that_is_cancelled_meanwhile",
            BACKGROUND.local(),
            |bench| {
                let jam = bench.jam();
                let ran = Tally::new();
                step("a scope over a pool that is shut down");
                let cancelled = jam.local().scope(|s| {
                    let future = s.spawn(|| ran.add());
                    jam.pool.shutdown(Shutdown::CancelPending).unwrap();
                    future.is_cancelled()
                });
                assert!(cancelled && ran.get() == 0);
            },
        )
        .case("from_many_threads", BACKGROUND.local(), |bench| {
            let (pool, ran) = (bench.local(2), Tally::new());
            thread::scope(|threads| {
                for _ in 0..4 {
                    threads.spawn(|| {
                        pool.scope(|s| (0..50).for_each(|_| drop(s.spawn(|| ran.add()))))
                    });
                }
            });
            assert_eq!(ran.get(), 200);
        });
    join_laws(laws);
}

fn join_laws(laws: &mut Laws) {
    laws.law("join_calls_both_sides_and_returns_after_both")
        .case("both_results", LOCAL, |bench| {
            assert_eq!(fork(&bench.local(2), || 1, || "two"), (1, "two"));
        })
        .case("borrowed_data", LOCAL, |bench| {
            let (pool, mut left, mut right) = (bench.local(2), vec![2, 1], vec![4, 3]);
            fork(&pool, || left.sort_unstable(), || right.sort_unstable());
            assert_eq!((left, right), (vec![1, 2], vec![3, 4]));
        })
        .case("a_panics", LOCAL, |bench| {
            let (pool, ran) = (bench.local(2), Tally::new());
            for n in 0..20 {
                let b = || {
                    ran.add();
                };
                let joined =
                    catch_unwind(AssertUnwindSafe(|| fork(&pool, || planned::boom_any(n), b)));
                assert_eq!(
                    joined.unwrap_err().downcast_ref(),
                    Some(&planned::Planned(n))
                );
            }
            assert!(ran.get() <= 20);
            assert_eq!(value(number_on(&pool, 1)), 1);
        })
        .case("b_panics", LOCAL, |bench| {
            let (pool, ran) = (bench.local(2), Tally::new());
            for n in 0..20 {
                let a = || {
                    ran.add();
                };
                let joined =
                    catch_unwind(AssertUnwindSafe(|| fork(&pool, a, || planned::boom_any(n))));
                let payload = joined.map(|((), ())| ()).unwrap_err();
                assert_eq!(
                    payload.downcast_ref(),
                    Some(&planned::Planned(n)),
                    "{}",
                    text(&*payload)
                );
            }
            assert_eq!(ran.get(), 20);
        })
        .case("both_panic", LOCAL, |bench| {
            let pool = bench.local(2);
            for _ in 0..20 {
                let both = AssertUnwindSafe(|| fork(&pool, || planned::boom(), || planned::boom()));
                let joined = catch_unwind(both).map(|((), ())| ());
                assert!(joined.is_err());
            }
            assert_eq!(value(number_on(&pool, 1)), 1);
        })
        .case(
            "a_panics_while_b_runs_elsewhere",
            BACKGROUND.local(),
            |bench| {
                let pool = bench.local(2);
                let (started, ended) = (Gate::new("the other side"), Tally::new());
                for _ in 0..10 {
                    let b = || {
                        started.open();
                        thread::yield_now();
                        ended.add();
                    };
                    let a = || {
                        started.opens_within(std::time::Duration::from_millis(2));
                        planned::boom();
                    };
                    let before = ended.get();
                    let joined = catch_unwind(AssertUnwindSafe(|| fork(&pool, a, b)));
                    assert!(joined.map(|((), ())| ()).is_err());
                    let after = ended.get();
                    assert!(after - before <= 1, "b is called once at the most");
                    assert_eq!(ended.get(), after, "b is over when join returns");
                }
            },
        )
        .case("in_a_worker_of_a_pool_of_one", LOCAL, |bench| {
            let pool = bench.local(1);
            let own = pool.clone();
            let both = move || fork(&own, || 1, || fork(&own, || 2, || 3));
            assert_eq!(value(pool.spawn(both).unwrap()), (1, (2, 3)));
        })
        .case("deep", LOCAL, |bench| {
            let pool = bench.local(2);
            let own = pool.clone();
            assert_eq!(
                value(pool.spawn(move || sum(&own, 0, 4096)).unwrap()),
                4096 * 4095 / 2
            );
            assert_eq!(sum(&pool, 0, 4096), 4096 * 4095 / 2);
        })
        .case("over_a_jammed_pool", BACKGROUND.local(), |bench| {
            let jam = bench.jam();
            step("a fork over a busy pool");
            assert_eq!(fork(jam.local(), || 1, || 2), (1, 2));
        })
        .case(
            "both_sides_at_once_where_a_worker_is_idle",
            BACKGROUND.local(),
            |bench| {
                let pool = bench.local(2);
                // An executor may run both sides in the caller: then it never says that it wants work.
                if !pool.wants_work() {
                    return;
                }
                let meeting = Meeting::of(2);
                let other = meeting.clone();
                step("two sides that wait for each other");
                fork(&pool, move || meeting.arrive(), move || other.arrive());
            },
        );
}

fn sum(pool: &dyn executor_core::LocalExecutor, from: u64, to: u64) -> u64 {
    if to - from <= 4 {
        return (from..to).sum();
    }
    let middle = u64::midpoint(from, to);
    let (a, b) = fork(pool, || sum(pool, from, middle), || sum(pool, middle, to));
    a + b
}
