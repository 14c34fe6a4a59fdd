//! Tasks that are futures are tasks like all others: laws 1 and 4, and what such a task knows of where it
//! runs.

use std::{cell::Cell, panic::panic_any, time::Duration};

use executor_core::{
    Executor, ExecutorExt as _, Future, LocalExecutorExt as _, Outcome, PortableTask, Shutdown,
    State, StopLevel, Task as _, TaskErrorKind, TaskFuture, TaskOptions, Timeout, context,
};

use super::{
    ANY, BACKGROUND, Bench, LOCAL, Laws, Needs, PENDING, failure,
    settle::{join, once},
    value,
};
use crate::{
    async_tasks::{joined, own_names, yields_then_fails},
    block_on::{woken_elsewhere, yields},
    guard::step,
    latch::{Tally, Token},
    planned::{self, Planned},
    script::script,
    tasks::own_name,
};

/// Where tasks know their name: not in an executor that runs them as another process would, in the
/// caller.
const NAMED: Needs = ANY.when(|can| can.local || can.background);

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law01_async_tasks_settle_exactly_once")
        .case("return", ANY, |bench| {
            let pool = bench.pool(2);
            once(pool.start_async(script())).ended(Outcome::Succeeded);
            once(pool.start_async(script().yields(5))).ended(Outcome::Succeeded);
        })
        .case("return_of_an_error_value", ANY, |bench| {
            let future = bench
                .executor()
                .submit(yields_then_fails::task("no".into()));
            once(future.unwrap()).ended(Outcome::Succeeded);
        })
        .case("panic", ANY, |bench| {
            let pool = bench.pool(2);
            once(pool.start_async(script().panic().yields(1))).ended(Outcome::Failed);
            once(pool.start_async(script().yields(1).panic())).ended(Outcome::Failed);
        })
        .case("cancel", PENDING.queued_async(), |bench| {
            let (jam, ran) = (bench.jam(), bench.tally());
            let watched = once(jam.pool.start_async(script().bump(&ran)));
            assert!(watched.future.cancel());
            watched.ended(Outcome::Cancelled);
            drop(jam);
            assert_eq!(ran.get(), 0, "a cancelled task never runs");
        })
        .case("stop_of_a_pending_task", PENDING.queued_async(), |bench| {
            let jam = bench.jam();
            let watched = once(jam.pool.start_async(script()));
            watched.future.stop(StopLevel::Signal).unwrap();
            watched.ended(Outcome::Cancelled);
        })
        .case("queue_timeout", PENDING, queue_timeout)
        .case("drop_of_the_future", ANY, |bench| {
            let (pool, ran, calls) = (bench.pool(1), bench.tally(), Tally::new());
            let future = pool.start_async(script().yields(3).bump(&ran));
            let called = calls.clone();
            future.on_done(move |_| called.bump());
            drop(future);
            finish(&*pool);
            let seen = (ran.get(), calls.get());
            assert_eq!(seen, (1, 1), "a detached task runs, and tells");
        })
        .case(
            "drop_of_the_future_of_a_task_that_sleeps",
            BACKGROUND,
            |bench| {
                let (pool, gate) = (bench.pool(1), bench.gate("a detached task"));
                let (started, ran) = (bench.gate("it has started"), bench.tally());
                let task = script().open(&started).awaits(&gate).bump(&ran);
                let future = pool.start_async(task);
                started.wait();
                drop(future);
                gate.open();
                finish(&*pool);
                assert_eq!(ran.get(), 1);
            },
        )
        .case("hundreds", ANY, |bench| {
            let (pool, notes) = (bench.pool(2), bench.notes());
            let futures: Vec<_> = (0..300)
                .map(|n| pool.start_async(script().yields(n % 4).note(&notes, n)))
                .collect();
            futures.into_iter().map(value).for_each(|_| ());
            assert_eq!(
                notes.sorted(),
                (0..300).collect::<Vec<_>>(),
                "each ran once"
            );
        });
    value_laws(laws);
    panic_laws(laws);
    context_laws(laws);
}

fn queue_timeout(bench: &Bench) {
    let (jam, ran) = (bench.jam(), bench.tally());
    let options = TaskOptions::new().with_queue_timeout(Duration::from_nanos(1));
    let task = script().yields(1).bump(&ran).async_task();
    let watched = once(jam.pool.submit_with(options, task).unwrap());
    let _pool = jam.opened();
    let error = watched.future.error().expect("it was not started in time");
    assert!(
        matches!(error.kind(), TaskErrorKind::TimedOut(Timeout::Queue)),
        "{error}"
    );
    watched.ended(Outcome::Failed);
    assert_eq!(ran.get(), 0, "an overdue task never runs");
}

fn value_laws(laws: &mut Laws) {
    laws.law("law01_an_async_task_gives_its_value")
        .case("at_once", ANY, |bench| {
            assert_eq!(value(bench.pool(1).start_async(script().gives(3))), 3);
        })
        .case("after_some_turns_of_others", ANY, |bench| {
            let task = script().yields(100).gives(4);
            assert_eq!(value(bench.pool(1).start_async(task)), 4);
        })
        .case("after_something_that_takes_its_time", BACKGROUND, |bench| {
            let (jam, future) = bench.asleep(1);
            assert_eq!(future.state(), State::Running, "it has started");
            assert!(!future.is_done() && future.take().is_none());
            jam.open();
            assert_eq!(value(future), 0, "and nobody asked it to stop");
        })
        .case("woken_by_any_thread", LOCAL, |bench| {
            let future = bench.local(1).spawn_future(async {
                for _ in 0..20 {
                    woken_elsewhere().await;
                }
                5
            });
            assert_eq!(value(future.unwrap()), 5);
        })
        .case("an_error_value", ANY, |bench| {
            let future = bench
                .executor()
                .submit(yields_then_fails::task("no".into()));
            assert_eq!(value(future.unwrap()), Err("no".into()));
        })
        .case("made_of_borrowed_arguments", ANY, |bench| {
            let words = ["one", "two", "three"].map(String::from);
            let future = bench.executor().submit(joined::task(words, ", "));
            assert_eq!(value(future.unwrap()), "one, two, three");
        })
        .case("made_of_moved_values", LOCAL, |bench| {
            // Neither can be copied, and a `Cell` cannot be shared either.
            let (words, sum) = (
                vec![String::from("owned"), String::from("moved")],
                Cell::new(0),
            );
            let future = bench.local(1).spawn_future(async move {
                for word in &words {
                    yields(1).await;
                    sum.set(sum.get() + word.len());
                }
                (words, sum)
            });
            let (words, sum) = value(future.unwrap());
            assert_eq!((words.concat().as_str(), sum.get()), ("ownedmoved", 10));
        })
        .case("where_it_is_run_as_a_call", LOCAL, |bench| {
            let task = script().yields(3).gives(6).async_task();
            assert_eq!(value(bench.local(1).spawn(task).unwrap()), 6);
        })
        .case("of_a_call_in_this_thread", ANY, |_| {
            assert_eq!(script().yields(3).gives(7).async_task().run(), 7);
        });
}

fn panic_laws(laws: &mut Laws) {
    laws.law("law04_a_panic_fails_that_async_task_and_the_worker_lives")
        .case("before_an_await", ANY, |bench| {
            let pool = bench.pool(1);
            let error = failure(pool.start_async(script().panic().yields(1)));
            assert_eq!(error.panic_report().unwrap().message(), planned::PREFIX);
            assert_eq!(value(pool.number(1)), 1, "the next task runs");
        })
        .case("after_an_await", ANY, |bench| {
            let pool = bench.pool(1);
            let error = failure(pool.start_async(script().yields(2).panic()));
            assert_eq!(error.panic_report().unwrap().message(), planned::PREFIX);
            assert!(error.may_have_run() && !error.is_stopped());
            assert_eq!(value(pool.start_async(script().yields(2).gives(2))), 2);
        })
        .case("when_it_wakes_from_a_sleep", BACKGROUND, |bench| {
            let (pool, gate) = (bench.pool(1), bench.gate("the panic"));
            let started = bench.gate("the task that will panic");
            let future = pool.start_async(script().open(&started).awaits(&gate).panic());
            started.wait();
            gate.open();
            assert!(failure(future).is_panicked());
        })
        .case("a_payload_that_is_no_text", LOCAL, |bench| {
            let future: TaskFuture<()> = bench
                .local(1)
                .spawn_future(async {
                    yields(1).await;
                    panic_any(Planned(7))
                })
                .unwrap();
            let error = failure(future);
            let payload = error.panic_report().unwrap().take_payload().unwrap();
            assert_eq!(payload.downcast_ref(), Some(&Planned(7)));
        })
        .case("its_neighbours_are_not_hurt", ANY, |bench| {
            let pool = bench.pool(2);
            let futures: Vec<_> = (0..20)
                .map(|n| {
                    (
                        pool.start_async(script().yields(3).gives(n)),
                        pool.start_async(script().yields(2).panic()),
                    )
                })
                .collect();
            for (n, (good, bad)) in (0..).zip(futures) {
                assert_eq!(value(good), n);
                assert!(failure(bad).is_panicked());
            }
        })
        .case("in_the_drop_of_what_it_holds", LOCAL, |bench| {
            let pool = bench.local(1);
            let bomb = Bomb;
            let future = pool.spawn_future(async move {
                let _held = &bomb;
                yields(1).await;
            });
            step("an async task whose drop panics");
            future.unwrap().wait();
            assert_eq!(value(pool.spawn_future(async { 2 }).unwrap()), 2);
        });
}

fn context_laws(laws: &mut Laws) {
    laws.law("context_tells_an_async_task_where_it_runs")
        .case("its_name_before_and_after_an_await", NAMED, |bench| {
            let names = value(bench.executor().submit(own_names::task(3)).unwrap());
            assert_eq!(names, vec![Some(String::from(own_names::NAME)); 4]);
        })
        .case("the_names_of_many_at_once", NAMED, |bench| {
            let pool = bench.pool(2);
            let names = (0..20).map(|n| format!("the task with number {n}"));
            let futures: Vec<_> = names
                .map(|name| {
                    let options = TaskOptions::new().with_name(name.clone());
                    let future = pool.submit_with(options, own_names::task(10)).unwrap();
                    (name, future)
                })
                .collect();
            let other = pool.submit(own_name::task()).unwrap();
            for (name, future) in futures {
                assert_eq!(future.name(), name);
                assert_eq!(value(future), vec![Some(name); 11]);
            }
            assert_eq!(value(other).as_deref(), Some(own_name::NAME));
        })
        .case("nothing_once_it_is_over", ANY, |bench| {
            value(bench.pool(1).start_async(script().yields(3)));
            assert!(!context::is_task() && context::task_name().is_none());
        })
        .case("that_it_is_a_task", LOCAL, |bench| {
            let future = bench.local(1).spawn_future(async {
                let before = context::is_task();
                yields(1).await;
                (before, context::is_task(), context::stop_requested())
            });
            assert_eq!(value(future.unwrap()), (true, true, false));
        });
}

/// Waits until everything that was accepted is done, also where the drop of the pool would not.
pub(super) fn finish<E: Executor + ?Sized>(pool: &E) {
    pool.shutdown(Shutdown::Drain).expect("everybody can drain");
    join(pool);
}

/// Panics when it is dropped.
pub(super) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        planned::boom();
    }
}

/// `future` with a token in what it captures.
pub(super) fn holding<F: std::future::Future>(
    alive: &Tally,
    future: F,
) -> impl std::future::Future<Output = F::Output> + use<F> {
    let token: Token = alive.token();
    async move {
        let _held = &token;
        future.await
    }
}
