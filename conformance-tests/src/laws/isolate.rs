//! Laws 4, 5 and 8: panics in tasks and in callbacks, and initializers that fail. Laws 6 and 12, for workers that
//! are processes, are elsewhere.

use std::panic::{AssertUnwindSafe, catch_unwind};

use executor_core::{
    Executor as _, ExecutorExt as _, Future, LocalExecutorExt as _, Reason, Task as _,
    TaskErrorKind, TaskFuture,
};

use super::{
    ANY, BACKGROUND, Bench, INITIALIZED, LOCAL, Laws, PENDING, Pool, failure, settle::join, value,
};
use crate::{
    Initializer, Start,
    guard::{step, text},
    latch::{Gate, Tally, eventually},
    planned::{self, Planned},
    script::{facts, script},
    subject::Config,
    tasks::{add, panics, panics_any},
};

pub(crate) fn laws(laws: &mut Laws) {
    panic_laws(laws);
    callback_laws(laws);
    laws.law("law08_a_failing_initializer_ends_in_a_broken_pool_that_names_the_cause")
        .case("the_cause_is_in_the_error", INITIALIZED, |bench| {
            let (pool, _) = starting(bench, 1, Start::Fails("no such device".into()));
            match pool.start(script().task()) {
                Err(error) => assert!(error.to_string().contains("no such device"), "{error}"),
                Ok(future) => {
                    let error = failure(future);
                    assert!(error.is_broken() && !error.may_have_run(), "{error}");
                    assert!(error.to_string().contains("no such device"), "{error}");
                }
            }
        })
        .case("a_panic_is_a_failure_like_another", INITIALIZED, |bench| {
            let (pool, _) = starting(bench, 1, Start::Panics);
            match pool.start(script().task()) {
                Err(error) => assert!(error.to_string().contains(planned::PREFIX), "{error}"),
                Ok(future) => {
                    let error = failure(future);
                    assert!(error.to_string().contains(planned::PREFIX), "{error}");
                }
            }
        })
        .case("afterwards_nothing_is_accepted", INITIALIZED, |bench| {
            let (pool, _) = starting(bench, 2, Start::Fails("no".into()));
            if let Ok(future) = pool.start(script().task()) {
                failure(future);
            }
            let error = pool.start(script().gives(41).task()).unwrap_err();
            assert!(error.is_broken(), "{error}");
            assert!(matches!(error.reason(), Reason::Broken { .. }), "{error}");
            assert_eq!(error.into_task().run(), 41, "the task comes back");
        })
        .case(
            "it_is_called_a_bounded_number_of_times",
            INITIALIZED,
            |bench| {
                let (pool, initializer) = starting(bench, 2, Start::Fails("no".into()));
                for _ in 0..50 {
                    if let Ok(future) = pool.start(script().task()) {
                        failure(future);
                    }
                }
                let calls = initializer.calls();
                assert!((1..=8).contains(&calls), "{calls} calls by a pool of 2");
            },
        )
        .case("a_broken_pool_ends", INITIALIZED, |bench| {
            let (pool, _) = starting(bench, 2, Start::Fails("no".into()));
            drop(pool.start(script().task()));
            pool.shutdown(executor_core::Shutdown::Drain).unwrap();
            join(&*pool);
        })
        .case(
            "one_that_works_gives_each_worker_its_state",
            INITIALIZED,
            |bench| {
                let (pool, initializer) = starting(bench, 2, Start::Gives(42));
                for _ in 0..20 {
                    let facts = value(pool.start(facts::task(None)).unwrap());
                    assert_eq!(facts.state, Some(42));
                }
                let calls = initializer.calls();
                assert!(
                    (1..=2).contains(&calls),
                    "{calls} calls: once a worker, not once a task"
                );
            },
        );
}

/// A pool whose workers begin like this.
pub(super) fn starting(bench: &Bench, workers: usize, start: Start) -> (Pool, Initializer) {
    let initializer = bench.initializer(start);
    let config = Config::workers(workers).with_initializer(&initializer);
    (bench.pool_with(&config), initializer)
}

fn panic_laws(laws: &mut Laws) {
    laws.law("law04_a_panic_fails_that_task_and_the_worker_lives")
        .case("message", ANY, |bench| {
            let error = failure(bench.executor().submit(panics::task(7)).unwrap());
            let report = error.panic_report().expect("a panic has a report");
            assert_eq!(report.message(), format!("{} number 7", planned::PREFIX));
            assert!(error.to_string().contains(report.message()), "{error}");
            assert!(error.may_have_run());
        })
        .case("location", ANY, |bench| {
            let error = failure(bench.executor().submit(panics::task(7)).unwrap());
            let location = error
                .panic_report()
                .unwrap()
                .location()
                .map(ToOwned::to_owned);
            assert!(
                location.is_some_and(|at| at.contains("tasks.rs:")),
                "{error:?}"
            );
        })
        .case("a_payload_that_is_no_text", ANY, |bench| {
            let error = failure(bench.executor().submit(panics_any::task(7)).unwrap());
            let report = error.panic_report().expect("a panic has a report");
            assert!(!report.message().is_empty());
            // A payload cannot leave its process.
            if bench.capabilities().local {
                let payload = report
                    .take_payload()
                    .expect("it was captured in this process");
                assert_eq!(payload.downcast_ref::<Planned>(), Some(&Planned(7)));
            }
        })
        .case("the_payload_is_there_once", LOCAL, |bench| {
            let error = failure(bench.local(1).spawn(|| planned::boom_any(1)).unwrap());
            let clone = error.clone();
            assert!(error.panic_report().unwrap().take_payload().is_some());
            assert!(clone.panic_report().unwrap().take_payload().is_none());
        })
        .case("resume_panics_with_the_payload", LOCAL, |bench| {
            let error = failure(bench.local(1).spawn(|| planned::boom_any(9)).unwrap());
            let payload = catch_unwind(AssertUnwindSafe(|| error.resume())).unwrap_err();
            assert_eq!(payload.downcast_ref::<Planned>(), Some(&Planned(9)));
        })
        .case("a_literal_message", LOCAL, |bench| {
            let error = failure(
                bench
                    .local(1)
                    .spawn(|| panic!("planned panic, literally"))
                    .unwrap(),
            );
            let report = error.panic_report().unwrap();
            assert_eq!(report.message(), "planned panic, literally");
            assert!(
                report
                    .location()
                    .is_some_and(|at| at.contains("isolate.rs:"))
            );
        })
        .case("the_kind", ANY, |bench| {
            let error = failure(bench.executor().submit(panics::task(1)).unwrap());
            assert!(matches!(error.kind(), TaskErrorKind::Panicked(_)));
            assert!(error.is_panicked() && !error.is_lost() && !error.is_cancelled());
        })
        .case("the_next_task_runs", ANY, |bench| {
            let executor = bench.executor();
            for n in 0..10 {
                failure(executor.submit(panics::task(n)).unwrap());
                assert_eq!(value(executor.submit(add::task(n, 1)).unwrap()), n + 1);
            }
        })
        .case("its_neighbours_are_not_hurt", ANY, |bench| {
            let executor = bench.executor();
            let futures: Vec<_> = (0..20)
                .map(|n| {
                    (
                        executor.submit(add::task(n, 0)).unwrap(),
                        executor.submit(panics::task(n)).unwrap(),
                    )
                })
                .collect();
            for (n, (good, bad)) in futures.into_iter().enumerate() {
                assert_eq!(value(good), n as u64);
                let message = failure(bad).panic_report().unwrap().message().to_owned();
                assert!(
                    message.ends_with(&format!("number {n}")),
                    "{message} for {n}"
                );
            }
        })
        .case("the_worker_is_the_same_one", PENDING.local(), |bench| {
            // Queued behind each other: a worker that has nothing to do may be another one the next time.
            let jam = bench.jam();
            let thread = || std::thread::current().id();
            let before = jam.local().spawn(thread).unwrap();
            let panics = jam.local().spawn(|| planned::boom()).unwrap();
            let after = jam.local().spawn(thread).unwrap();
            jam.open();
            let before = value(before);
            failure::<TaskFuture<()>>(panics);
            assert_eq!(value(after), before);
        })
        .case("the_process_is_the_same_one", BACKGROUND, |bench| {
            let pool = bench.pool(1);
            let pid = || value(pool.start(facts::task(None)).unwrap()).pid;
            let before = pid();
            failure(pool.start(script().panic().task()).unwrap());
            assert_eq!(pid(), before);
        })
        .case(
            "every_worker_lives_after_many_panics",
            BACKGROUND,
            |bench| {
                let pool = bench.pool(2);
                let futures: Vec<_> = (0..200)
                    .map(|_| pool.start(script().panic().task()).unwrap())
                    .collect();
                futures.into_iter().for_each(|future| drop(failure(future)));
                assert_eq!(value(pool.number(1)), 1);
            },
        )
        .case("a_panic_in_a_combinator_is_its_error", LOCAL, |bench| {
            let pool = bench.local(1);
            let mapped = Future::map(pool.spawn(|| 1).unwrap(), |_| -> u8 { planned::boom() });
            assert!(failure(mapped).is_panicked());
            let next = pool.clone();
            let chain = pool.spawn(|| 1).unwrap().then(move |_| {
                if next.capabilities().workers > 0 {
                    planned::boom();
                }
                next.spawn(|| 1).unwrap()
            });
            assert!(failure(chain).is_panicked());
            assert_eq!(value(pool.spawn(|| 1).unwrap()), 1);
        })
        .case("a_panic_while_panicking_is_caught", LOCAL, |bench| {
            // A task that catches a panic of its own and then panics anew: the report is of the second.
            let twice = || {
                drop(catch_unwind(|| planned::boom()));
                panic!("planned panic, the second");
            };
            let error = failure(bench.local(1).spawn(twice).unwrap());
            assert_eq!(
                error.panic_report().unwrap().message(),
                "planned panic, the second"
            );
        })
        .case(
            "a_panic_that_the_task_catches_is_nobodys_business",
            LOCAL,
            |bench| {
                let caught =
                    || catch_unwind(|| planned::boom()).is_err_and(|p| !text(&*p).is_empty());
                assert!(value(bench.local(1).spawn(caught).unwrap()));
            },
        );
}

fn callback_laws(laws: &mut Laws) {
    laws.law("law05_a_panic_in_a_callback_is_reported_to_a_hook_and_hurts_nobody")
        .case("on_a_worker", PENDING, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            let message = planned::unique();
            let thrown = message.clone();
            future.on_done(move |_| panic!("{thrown}"));
            let pool = jam.opened();
            assert_eq!(value(future), 1, "the result is not touched");
            reported_once(&message);
            assert_eq!(value(pool.number(2)), 2, "the worker lives");
        })
        .case("the_next_callback_is_called", PENDING, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            let message = planned::unique();
            let called = Gate::new("the callback behind the one that panics");
            let (thrown, inside) = (message.clone(), called.clone());
            future.on_done(move |_| panic!("{thrown}"));
            future.on_done(move |_| inside.open());
            jam.open();
            future.wait();
            called.wait();
            reported_once(&message);
        })
        .case("in_the_caller_of_on_done", ANY, |bench| {
            let future = bench.executor().submit(add::task(1, 1)).unwrap();
            step("a task");
            future.wait();
            let message = planned::unique();
            let thrown = message.clone();
            future.on_done(move |_| panic!("{thrown}"));
            reported_once(&message);
            assert_eq!(value(future), 2);
        })
        .case("in_the_caller_of_cancel", PENDING, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            let message = planned::unique();
            let thrown = message.clone();
            future.on_done(move |_| panic!("{thrown}"));
            assert!(future.cancel());
            reported_once(&message);
            assert!(future.is_cancelled());
        })
        .case("in_the_caller_of_shutdown", PENDING, |bench| {
            let jam = bench.jam();
            let (bad, good) = (jam.number(1), jam.number(2));
            let message = planned::unique();
            let thrown = message.clone();
            bad.on_done(move |_| panic!("{thrown}"));
            jam.pool
                .shutdown(executor_core::Shutdown::CancelPending)
                .unwrap();
            reported_once(&message);
            assert!(bad.is_cancelled() && good.is_cancelled());
        })
        .case("callbacks_are_called_in_order", PENDING, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            let (order, all) = (Tally::new(), Gate::new("the last callback"));
            for n in 0..5 {
                let (order, all) = (order.clone(), all.clone());
                future.on_done(move |_| {
                    assert_eq!(order.add(), n);
                    if n == 4 {
                        all.open();
                    }
                });
            }
            jam.open();
            future.wait();
            all.wait();
        })
        .case(
            "a_callback_that_waits_for_another_future_of_a_free_pool",
            ANY,
            |bench| {
                let (pool, other) = (bench.pool(1), bench.pool(1));
                let future = pool.number(1);
                let seen = Gate::new("the callback");
                let inside = seen.clone();
                future.on_done(move |_| {
                    assert_eq!(value(other.number(2)), 2);
                    inside.open();
                });
                future.wait();
                seen.wait();
            },
        );
}

#[track_caller]
fn reported_once(message: &str) {
    eventually("the report of a callback's panic", || {
        planned::reports(message) > 0
    });
    assert_eq!(planned::reports(message), 1);
}
