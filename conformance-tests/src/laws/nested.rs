//! Law 14: a wait from inside a worker of the same executor never deadlocks, and runs the very task
//! that it waits for.

use std::{cell::Cell, time::Duration};

use executor_core::{
    Future, LocalExecutor, LocalExecutorExt as _, ReturnWhen, as_completed, first_ok, join as fork,
    join_all, wait,
};

use super::{BACKGROUND, LOCAL, Laws, number_on, value};
use crate::{
    block_on::block_on,
    guard::step,
    latch::{Gate, Tally},
    planned,
};

type Pool = Box<dyn LocalExecutor>;

/// A task that waits for others.
type Waits = fn(&Pool) -> u64;

/// Ways to wait for tasks that give 1 and 2; each gives their sum.
const WAITS: [(&str, Waits); 18] = [
    ("result", |pool| {
        value(number_on(pool, 1)) + value(number_on(pool, 2))
    }),
    ("result_of_the_older_first", |pool| {
        let (a, b) = (number_on(pool, 1), number_on(pool, 2));
        value(a) + value(b)
    }),
    ("result_of_the_newer_first", |pool| {
        let (a, b) = (number_on(pool, 1), number_on(pool, 2));
        value(b) + value(a)
    }),
    ("wait_timeout", |pool| {
        let future = number_on(pool, 3);
        assert!(future.wait_timeout(Duration::from_secs(3600)));
        value(future)
    }),
    ("error", |pool| {
        assert!(pool.spawn(|| planned::boom()).unwrap().error().is_some());
        3
    }),
    ("wait_all_completed", |pool| {
        let futures = [number_on(pool, 1), number_on(pool, 2)];
        wait(futures, ReturnWhen::AllCompleted, None)
            .done
            .into_iter()
            .map(value)
            .sum()
    }),
    ("wait_first_completed", |pool| {
        let futures = [number_on(pool, 1), number_on(pool, 2)];
        let waited = wait(futures, ReturnWhen::FirstCompleted, None);
        assert!(!waited.done.is_empty());
        waited
            .done
            .into_iter()
            .chain(waited.not_done)
            .map(value)
            .sum()
    }),
    ("as_completed", |pool| {
        as_completed([number_on(pool, 1), number_on(pool, 2)])
            .map(value)
            .sum()
    }),
    ("join_all", |pool| {
        join_all([number_on(pool, 1), number_on(pool, 2)])
            .into_iter()
            .map(Result::unwrap)
            .sum()
    }),
    ("first_ok", |pool| {
        first_ok([number_on(pool, 3), number_on(pool, 3)]).unwrap()
    }),
    ("scope", |pool| {
        let (mut a, mut b) = (0, 0);
        pool.scope(|s| {
            drop(s.spawn(|| a = 1));
            drop(s.spawn(|| b = 2));
        });
        a + b
    }),
    ("join", |pool| {
        let (a, b) = fork(pool, || 1, || 2);
        a + b
    }),
    ("map", |pool| {
        pool.map_fn(1..=2, |n| n).map(Result::unwrap).sum()
    }),
    ("map_unordered", |pool| {
        pool.map_fn(1..=2, |n| n)
            .unordered()
            .map(Result::unwrap)
            .sum()
    }),
    ("then", |pool| {
        let next = pool.clone();
        value(number_on(pool, 1).then(move |n| next.spawn(move || n + 2).unwrap()))
    }),
    ("future_map", |pool| {
        value(Future::map(number_on(pool, 1), |n| n + 2))
    }),
    ("shared", |pool| {
        let shared = number_on(pool, 3).shared();
        assert_eq!(value(shared.clone()), 3);
        value(shared)
    }),
    ("await", |pool| {
        block_on(async { number_on(pool, 1).await.unwrap() + number_on(pool, 2).await.unwrap() })
    }),
];

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law14_a_wait_from_inside_a_worker_never_deadlocks");
    for (name, waits) in WAITS {
        for workers in [1, 2] {
            laws.case(
                format!("{name}_in_a_pool_of_{workers}"),
                LOCAL,
                move |bench| {
                    let pool = bench.local(workers);
                    // More waiting tasks than workers, so that nobody is free to help.
                    let futures: Vec<_> = (0..4)
                        .map(|_| {
                            let own = pool.clone();
                            pool.spawn(move || waits(&own)).unwrap()
                        })
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
        assert_eq!(deep(&pool, 60), 60);
    })
    .case("a_tree_of_spawns", LOCAL, |bench| {
        let pool = bench.local(2);
        assert_eq!(fibonacci(&pool, 12), 144);
    })
    .case("a_tree_of_forks", LOCAL, |bench| {
        let pool = bench.local(2);
        assert_eq!(forked(&pool, 16), 987);
    })
    .case("a_tree_of_scopes", LOCAL, |bench| {
        let pool = bench.local(2);
        assert_eq!(scoped(&pool, 9), 34);
    })
    .case(
        "there_and_back_between_two_pools",
        BACKGROUND.local(),
        |bench| {
            let (a, b) = (bench.local(2), bench.local(1));
            let back = a.clone();
            let there = move || value(b.spawn(move || value(number_on(&back, 5))).unwrap());
            assert_eq!(value(a.spawn(there).unwrap()), 5);
        },
    )
    .case(
        "a_task_that_another_worker_runs",
        BACKGROUND.local(),
        |bench| {
            let pool = bench.local(2);
            let (started, gate) = (Gate::new("the other task"), Gate::new("its end"));
            let (inside, closed) = (started.clone(), gate.clone());
            let other = pool
                .spawn(move || {
                    inside.open();
                    closed.wait();
                    4
                })
                .unwrap();
            started.wait();
            let waiter = pool
                .spawn(move || {
                    gate.open();
                    value(other)
                })
                .unwrap();
            assert_eq!(value(waiter), 4);
        },
    )
    .case("a_wait_that_gives_up", BACKGROUND.local(), |bench| {
        let pool = bench.local(2);
        let (started, gate) = (Gate::new("the other task"), Gate::new("its end"));
        let (inside, closed) = (started.clone(), gate.clone());
        let other = pool
            .spawn(move || {
                inside.open();
                closed.wait();
                4
            })
            .unwrap();
        started.wait();
        let waits = move || other.result_timeout(Duration::from_millis(1)).is_err();
        assert!(value(pool.spawn(waits).unwrap()));
        gate.open();
    })
    .case("a_panic_in_the_awaited_task_is_its_own", LOCAL, |bench| {
        let pool = bench.local(1);
        let own = pool.clone();
        let outer = pool.spawn(move || {
            let inner = own.spawn(|| planned::boom()).unwrap();
            inner.result().is_err_and(|error| error.is_panicked())
        });
        assert!(value(outer.unwrap()));
    });
    laws.law("law14_the_waiter_runs_the_very_task_it_waits_for")
        .case("result", BACKGROUND.local(), |bench| {
            no_stranger(&bench.local(1), |child| value(child))
        })
        .case("wait_timeout", BACKGROUND.local(), |bench| {
            no_stranger(&bench.local(1), |child| {
                assert!(child.wait_timeout(Duration::from_secs(60)));
                value(child)
            });
        })
        .case("wait", BACKGROUND.local(), |bench| {
            no_stranger(&bench.local(1), |child| {
                value(
                    wait([child], ReturnWhen::FirstCompleted, None)
                        .done
                        .remove(0),
                )
            });
        })
        .case("as_completed", BACKGROUND.local(), |bench| {
            no_stranger(&bench.local(1), |child| {
                as_completed([child]).map(value).sum()
            });
        })
        .case("await", BACKGROUND.local(), |bench| {
            no_stranger(&bench.local(1), |child| block_on(child).unwrap());
        })
        .case("shared", BACKGROUND.local(), |bench| {
            no_stranger(&bench.local(1), |child| value(child.shared()));
        })
        .case("scope", BACKGROUND.local(), |bench| {
            let pool = bench.local(1);
            let own = pool.clone();
            no_stranger(&pool, move |child| {
                own.scope(|s| drop(s.spawn(|| ())));
                value(child)
            });
        })
        .case("join", BACKGROUND.local(), |bench| {
            let pool = bench.local(1);
            let own = pool.clone();
            no_stranger(&pool, move |child| {
                fork(&own, || (), || ());
                value(child)
            });
        })
        .case(
            "a_thread_that_is_no_worker_runs_nothing",
            BACKGROUND.local(),
            |bench| {
                let jam = bench.jam();
                let here = std::thread::current().id();
                let future = jam
                    .local()
                    .spawn(move || std::thread::current().id() != here)
                    .unwrap();
                assert!(!future.wait_timeout(Duration::from_millis(1)));
                jam.open();
                assert!(value(future), "a worker ran it");
            },
        )
        .case(
            "a_worker_of_another_pool_runs_nothing",
            BACKGROUND.local().own_threads(),
            |bench| {
                let (a, b) = (bench.local(1), bench.local(1));
                let thread = || std::thread::current().id();
                let waits = move || (thread(), value(b.spawn(thread).unwrap()));
                let (waited_on, ran_on) = value(a.spawn(waits).unwrap());
                assert_ne!(waited_on, ran_on);
            },
        );
}

thread_local! {
    /// Whether a task on this thread is waiting for another, as if under a lock.
    static WAITING: Cell<bool> = const { Cell::new(false) };
}

/// Has a task wait for its child while strangers are queued before and behind the child: none of them
/// may be run by the waiter.
#[track_caller]
fn no_stranger(
    pool: &Pool,
    waits: impl FnOnce(executor_core::TaskFuture<u64>) -> u64 + Send + 'static,
) {
    let (strangers, own) = (Tally::new(), pool.clone());
    let met = strangers.clone();
    let outer = pool.spawn(move || {
        let stranger = || {
            let met = met.clone();
            drop(
                own.spawn(move || {
                    if WAITING.get() {
                        met.add();
                    }
                })
                .unwrap(),
            );
        };
        stranger();
        let child = number_on(&own, 8);
        stranger();
        WAITING.set(true);
        let result = waits(child);
        WAITING.set(false);
        result
    });
    assert_eq!(value(outer.unwrap()), 8);
    assert_eq!(strangers.get(), 0, "a stranger ran under the waiter");
}

fn deep(pool: &Pool, levels: u64) -> u64 {
    if levels == 0 {
        return 0;
    }
    let own = pool.clone();
    1 + value(pool.spawn(move || deep(&own, levels - 1)).unwrap())
}

fn fibonacci(pool: &Pool, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let own = pool.clone();
    let a = pool.spawn(move || fibonacci(&own, n - 1)).unwrap();
    fibonacci(pool, n - 2) + value(a)
}

fn forked(pool: &Pool, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = fork(pool, || forked(pool, n - 1), || forked(pool, n - 2));
    a + b
}

fn scoped(pool: &Pool, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    pool.scope(|s| {
        let a = s.spawn(|| scoped(pool, n - 1));
        let b = s.spawn(|| scoped(pool, n - 2));
        value(a) + value(b)
    })
}
