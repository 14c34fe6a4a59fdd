//! Law 3: tasks, arguments, outputs and waiters are dropped as soon as they can be.

use executor_core::{Future, LocalExecutorExt as _, ReturnWhen, Shutdown, TaskFuture, wait};

use super::{BACKGROUND, BOUNDED, LOCAL, Laws, PENDING, failure, value};
use crate::{
    OnFull,
    block_on::{Counting, poll},
    guard::step,
    latch::{Gate, Tally, Token},
    planned,
    subject::Config,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law03_task_arguments_and_output_are_dropped_as_soon_as_they_can_be")
        .case("the_task_is_gone_when_it_is_done", LOCAL, |bench| {
            let (pool, alive) = (bench.local(1), Tally::new());
            let future = pool.spawn(holding(&alive, || 1)).unwrap();
            step("the task");
            future.wait();
            assert_eq!(alive.get(), 0, "done, and its captures are alive");
            assert_eq!(value(future), 1);
        })
        .case(
            "a_task_that_panics_is_gone_when_it_is_done",
            LOCAL,
            |bench| {
                let (pool, alive) = (bench.local(1), Tally::new());
                let future = pool.spawn(holding(&alive, || planned::boom())).unwrap();
                step("the task");
                future.wait();
                assert_eq!(alive.get(), 0);
                failure(future);
            },
        )
        .case(
            "a_cancelled_task_is_gone_when_cancel_returns",
            PENDING.local(),
            |bench| {
                let (jam, alive) = (bench.jam(), Tally::new());
                let future = jam.local().spawn(holding(&alive, || 1)).unwrap();
                assert_eq!(alive.get(), 1);
                assert!(future.cancel());
                assert_eq!(alive.get(), 0, "the queue keeps an empty shell only");
            },
        )
        .case(
            "cancelled_tasks_are_gone_when_a_cancelling_shutdown_returns",
            PENDING.local(),
            |bench| {
                let (jam, alive) = (bench.jam(), Tally::new());
                let futures: Vec<_> = (0..10)
                    .map(|_| jam.local().spawn(holding(&alive, || 1)).unwrap())
                    .collect();
                jam.pool.shutdown(Shutdown::CancelPending).unwrap();
                assert_eq!(alive.get(), 0);
                assert!(futures.iter().all(Future::is_cancelled));
            },
        )
        .case(
            "a_refused_task_comes_back_and_is_not_kept",
            LOCAL,
            |bench| {
                let (pool, alive) = (bench.local(1), Tally::new());
                pool.shutdown(Shutdown::Drain).unwrap();
                let error = pool.spawn(holding(&alive, || 1)).unwrap_err();
                assert_eq!(alive.get(), 1, "it came back alive");
                drop(error);
                assert_eq!(alive.get(), 0);
            },
        )
        .case(
            "a_task_refused_by_a_full_queue_is_not_kept",
            BOUNDED.local(),
            |bench| {
                let jam = bench.jam_with(&Config::workers(1).with_queue(1, OnFull::Reject));
                let alive = Tally::new();
                let _queued = jam.number(1);
                drop(jam.local().spawn(holding(&alive, || 1)).unwrap_err());
                assert_eq!(alive.get(), 0);
            },
        )
        .case("an_output_goes_with_its_future", LOCAL, |bench| {
            let (pool, alive) = (bench.local(1), Tally::new());
            let future = pool.spawn(output(&alive)).unwrap();
            step("the task");
            future.wait();
            assert_eq!(alive.get(), 1, "the future holds it");
            drop(future);
            assert_eq!(alive.get(), 0);
        })
        .case("an_output_belongs_to_who_takes_it", LOCAL, |bench| {
            let (pool, alive) = (bench.local(1), Tally::new());
            let token = value(pool.spawn(output(&alive)).unwrap());
            drop(pool);
            assert_eq!(alive.get(), 1, "taken, and alive without the pool");
            drop(token);
            assert_eq!(alive.get(), 0);
        })
        .case("an_output_taken_by_reference_is_not_kept", LOCAL, |bench| {
            let (pool, alive) = (bench.local(1), Tally::new());
            let future = pool.spawn(output(&alive)).unwrap();
            step("the task");
            future.wait();
            drop(future.take().expect("done"));
            assert_eq!(alive.get(), 0);
            assert!(future.take().is_none(), "there is one result");
        })
        .case(
            "an_output_nobody_wants_is_dropped_by_the_worker",
            PENDING.local(),
            |bench| {
                let (jam, alive) = (bench.jam(), Tally::new());
                let made = Tally::new();
                let (count, tokens) = (made.clone(), alive.clone());
                let make = move || {
                    count.add();
                    tokens.token()
                };
                drop(jam.local().spawn(make).unwrap());
                drop(jam);
                assert_eq!((made.get(), alive.get()), (1, 0));
            },
        )
        .case(
            "the_payload_of_a_panic_goes_with_its_error",
            LOCAL,
            |bench| {
                let (pool, alive) = (bench.local(1), Tally::new());
                let token = alive.token();
                let throw = move || std::panic::resume_unwind(Box::new(token));
                let future: TaskFuture<()> = pool.spawn(throw).unwrap();
                let error = failure(future);
                assert_eq!(alive.get(), 1);
                drop(error);
                assert_eq!(alive.get(), 0);
            },
        )
        .case("an_idle_pool_keeps_nothing", LOCAL, |bench| {
            let (pool, alive) = (bench.local(2), Tally::new());
            let futures: Vec<_> = (0..50)
                .map(|_| pool.spawn(holding(&alive, output(&alive))).unwrap())
                .collect();
            step("all tasks");
            let waited = wait(futures, ReturnWhen::AllCompleted, None);
            assert_eq!(alive.get(), 50, "the outputs, and no captures");
            drop(waited);
            assert_eq!(alive.get(), 0);
        })
        .case("a_callback_is_gone_when_it_was_called", LOCAL, |bench| {
            let (pool, alive) = (bench.local(1), Tally::new());
            let future = pool.spawn(|| 1).unwrap();
            let (token, called) = (alive.token(), Gate::new("the callback"));
            let inside = called.clone();
            future.on_done(move |_| {
                drop(token);
                inside.open();
            });
            future.wait();
            called.wait();
            assert_eq!(alive.get(), 0);
        })
        .case(
            "a_callback_is_gone_when_its_future_is_cancelled",
            PENDING,
            |bench| {
                let (jam, alive) = (bench.jam(), Tally::new());
                let future = jam.number(1);
                let token = alive.token();
                future.on_done(move |_| drop(token));
                assert_eq!(alive.get(), 1);
                future.cancel();
                assert_eq!(alive.get(), 0);
            },
        )
        .case(
            "a_waker_is_gone_when_its_future_is_done",
            BACKGROUND,
            |bench| {
                let jam = bench.jam();
                let mut future = jam.number(1);
                let counting = Counting::default();
                assert!(poll(&mut future, &counting).is_pending());
                assert_eq!(counting.handles(), 2, "the future holds one");
                jam.open();
                future.wait();
                crate::latch::eventually("the waker to be dropped", || counting.handles() == 1);
            },
        )
        .case(
            "the_output_of_a_shared_future_goes_with_the_last_clone",
            LOCAL,
            |bench| {
                let (pool, alive) = (bench.local(1), Tally::new());
                let make = output(&alive);
                let shared = pool
                    .spawn(move || std::sync::Arc::new(make()))
                    .unwrap()
                    .shared();
                drop(value(shared.clone()));
                assert_eq!(alive.get(), 1, "the other clone may ask for it");
                drop(shared);
                assert_eq!(alive.get(), 0);
            },
        )
        .case(
            "the_value_that_then_passes_on_is_not_kept",
            LOCAL,
            |bench| {
                let (pool, alive) = (bench.local(1), Tally::new());
                let next = pool.clone();
                let chain = pool.spawn(output(&alive)).unwrap().then(move |token| {
                    drop(token);
                    next.spawn(|| 2).unwrap()
                });
                step("a chain");
                chain.wait();
                assert_eq!(alive.get(), 0);
                assert_eq!(value(chain), 2);
            },
        )
        .case("a_map_keeps_no_item_that_was_treated", LOCAL, |bench| {
            let (pool, alive) = (bench.local(2), Tally::new());
            let tokens = alive.clone();
            let results = pool
                .map_fn((0..40).map(move |_| tokens.token()), drop)
                .window(4);
            for result in results {
                result.unwrap();
                assert!(
                    alive.get() <= 4,
                    "more items are alive than the window holds"
                );
            }
            assert_eq!(alive.get(), 0);
        })
        .case("a_map_keeps_no_output_that_was_given_out", LOCAL, |bench| {
            let (pool, alive) = (bench.local(2), Tally::new());
            let tokens = alive.clone();
            let results = pool.map_fn(0..40, move |_| tokens.token()).window(4);
            for result in results {
                drop(result.unwrap());
                assert!(alive.get() <= 4);
            }
            assert_eq!(alive.get(), 0);
        })
        .case("a_dropped_map_drops_its_items", PENDING.local(), |bench| {
            let (jam, alive) = (bench.jam(), Tally::new());
            let tokens = alive.clone();
            let items = (0..40).map(move |_| tokens.token());
            let map = jam.local().map_fn(items, drop).window(8).start();
            assert_eq!(alive.get(), 8);
            drop(map);
            assert_eq!(alive.get(), 0);
        })
        .case("a_drop_that_panics_hurts_nobody", LOCAL, |bench| {
            let pool = bench.local(1);
            let bomb = Bomb;
            let future = pool
                .spawn(move || {
                    let _held = &bomb;
                    1
                })
                .unwrap();
            step("a task whose drop panics");
            future.wait();
            let bomb = Bomb;
            drop(future);
            let future = pool.spawn(move || bomb).unwrap();
            future.wait();
            drop(future);
            assert_eq!(value(pool.spawn(|| 2).unwrap()), 2, "the worker lives");
        })
        .case(
            "a_drop_that_panics_in_cancel_hurts_nobody",
            PENDING.local(),
            |bench| {
                let jam = bench.jam();
                let bomb = Bomb;
                let future = jam
                    .local()
                    .spawn(move || {
                        let _held = &bomb;
                        1
                    })
                    .unwrap();
                assert!(future.cancel());
                assert!(future.is_cancelled());
                let pool = jam.opened();
                assert_eq!(value(pool.number(2)), 2);
            },
        );
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        planned::boom();
    }
}

/// `f` with a token in its captures.
fn holding<F, R>(alive: &Tally, f: F) -> impl FnOnce() -> R + Send + use<F, R>
where
    F: FnOnce() -> R + Send,
{
    let token = alive.token();
    move || {
        let _held = &token;
        f()
    }
}

/// A task that makes a token.
fn output(alive: &Tally) -> impl FnOnce() -> Token + Send + use<> {
    let alive = alive.clone();
    move || alive.token()
}
