//! Laws 9 and 10: cancel, signal, kill; and what `Running` means.

use executor_core::{
    Executor as _, ExecutorExt as _, Feature, Future, LocalExecutorExt as _, Shutdown, State,
    StopLevel, TaskOptions,
};

use super::{ANY, BACKGROUND, Bench, Laws, ORDERED, PENDING, value};
use crate::{
    guard::step,
    script::{check_loop, script},
    subject::{Config, Order},
    tasks::add,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law09_cancel_signal_kill_are_three_levels")
        .case("cancel_of_a_pending_task", PENDING, |bench| {
            let jam = bench.jam();
            let ran = bench.tally();
            let future = jam.pool.start(script().bump(&ran).task()).unwrap();
            assert!(future.cancel() && future.is_cancelled());
            assert!(!future.cancel(), "it is cancelled once");
            drop(jam);
            assert_eq!(ran.get(), 0, "a cancelled task never runs");
        })
        .case(
            "cancel_of_a_running_task_does_nothing",
            BACKGROUND,
            |bench| {
                let (_pool, gate, future) = bench.running();
                assert!(!future.cancel());
                assert!(future.is_running());
                gate.open();
                assert_eq!(value(future), 0, "and nobody asked it to stop");
            },
        )
        .case(
            "signal_of_a_running_task",
            BACKGROUND.when(|can| can.signal),
            |bench| {
                let (_pool, gate, future) = bench.running();
                future.stop(StopLevel::Signal).unwrap();
                future.stop(StopLevel::Signal).unwrap();
                assert!(future.is_running(), "it ends when it chooses to");
                gate.open();
                assert_eq!(value(future), 1, "it saw the signal");
            },
        )
        .case(
            "signal_is_refused_where_it_is_lacking",
            BACKGROUND.when(|can| !can.signal),
            |bench| {
                let (_pool, gate, future) = bench.running();
                let error = future.stop(StopLevel::Signal).unwrap_err();
                assert_eq!(error.feature(), Feature::Signal);
                gate.open();
            },
        )
        .case("signal_of_a_pending_task_cancels", PENDING, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            future.stop(StopLevel::Signal).unwrap();
            assert!(future.is_cancelled());
        })
        .case("signal_of_a_task_that_is_done_does_nothing", ANY, |bench| {
            let future = bench.executor().submit(add::task(1, 1)).unwrap();
            step("a task");
            future.wait();
            future.stop(StopLevel::Signal).unwrap();
            assert_eq!(value(future), 2);
        })
        .case(
            "signal_reaches_that_task_alone",
            BACKGROUND.when(|can| can.signal),
            |bench| {
                let pool = bench.pool(2);
                let gate = bench.gate("both tasks");
                let tasks = [(); 2].map(|()| bench.hold(&pool, &gate));
                tasks[0].stop(StopLevel::Signal).unwrap();
                gate.open();
                assert_eq!(tasks.map(value), [1, 0]);
                let next = pool.start(script().saw_stop().task()).unwrap();
                assert_eq!(value(next), 0, "nor the next one");
            },
        )
        .case(
            "check_ends_a_task_early",
            BACKGROUND.when(|can| can.signal),
            |bench| {
                let (pool, started) = (bench.pool(1), bench.gate("the task that checks"));
                let future = pool.start(check_loop::task(started.clone())).unwrap();
                started.wait();
                future.stop(StopLevel::Signal).unwrap();
                assert!(value(future).is_err(), "the task gave its own error back");
            },
        )
        .case("kill_of_a_pending_task", PENDING, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            if bench.capabilities().kill {
                future.stop(StopLevel::Kill).unwrap();
                return assert!(future.is_cancelled());
            }
            let error = future.stop(StopLevel::Kill).unwrap_err();
            assert_eq!(error.feature(), Feature::Kill);
            assert_eq!(future.state(), State::Pending, "nothing has happened");
            let _pool = jam.opened();
            assert_eq!(value(future), 1);
        })
        .case(
            "kill_of_a_running_task_is_refused_where_it_is_lacking",
            BACKGROUND.when(|can| !can.kill),
            |bench| {
                let (_pool, gate, future) = bench.running();
                assert_eq!(
                    future.stop(StopLevel::Kill).unwrap_err().feature(),
                    Feature::Kill
                );
                gate.open();
                assert_eq!(value(future), 0, "it was not signalled in place of that");
            },
        )
        .case("kill_of_a_task_that_is_done", ANY, |bench| {
            let future = bench.executor().submit(add::task(1, 1)).unwrap();
            step("a task");
            future.wait();
            match future.stop(StopLevel::Kill) {
                Ok(()) => assert!(bench.capabilities().kill),
                Err(error) => assert_eq!(error.feature(), Feature::Kill),
            }
            assert_eq!(value(future), 2);
        })
        .case(
            "a_killing_shutdown_is_refused_where_it_is_lacking",
            ANY.when(|can| !can.kill),
            |bench| {
                let executor = bench.executor();
                let error = executor.shutdown(Shutdown::Kill).unwrap_err();
                assert_eq!(error.feature(), Feature::Kill);
                assert_eq!(
                    value(executor.submit(add::task(1, 1)).unwrap()),
                    2,
                    "it still accepts"
                );
            },
        )
        .case(
            "priorities_are_refused_where_they_are_lacking",
            ANY,
            |bench| {
                let executor = bench.executor();
                let options = TaskOptions::new().with_priority(1);
                match executor.submit_with(options, add::task(1, 1)) {
                    Ok(future) => {
                        assert!(bench.capabilities().priorities);
                        assert_eq!(value(future), 2);
                    }
                    Err(error) => {
                        assert!(
                            !bench.capabilities().priorities && error.is_unsupported(),
                            "{error}"
                        );
                    }
                }
            },
        )
        .case("priority_zero_is_no_option", ANY, |bench| {
            let options = TaskOptions::new().with_priority(0);
            let future = bench
                .executor()
                .submit_with(options, add::task(1, 1))
                .unwrap();
            assert_eq!(value(future), 2);
        });
    laws.law("law10_running_means_that_a_worker_has_started_it")
        .case("what_is_queued_is_pending", PENDING, |bench| {
            let jam = bench.jam();
            let futures: Vec<_> = (0..50).map(|n| jam.number(n)).collect();
            assert!(
                futures
                    .iter()
                    .all(|future| future.state() == State::Pending)
            );
        })
        .case(
            "what_is_queued_ahead_anywhere_can_be_cancelled",
            PENDING,
            |bench| {
                let jam = bench.jam();
                let ran = bench.tally();
                let futures: Vec<_> = (0..50)
                    .map(|_| jam.pool.start(script().bump(&ran).task()).unwrap())
                    .collect();
                assert!(futures.iter().step_by(2).all(Future::cancel));
                drop(jam);
                assert_eq!(ran.get(), 25);
            },
        )
        .case("behind_a_busy_worker_of_two", BACKGROUND, |bench| {
            let pool = bench.pool(2);
            let gate = bench.gate("both workers");
            for _ in 0..2 {
                bench.block(&pool, &gate);
            }
            let futures: Vec<_> = (0..40).map(|n| pool.number(n)).collect();
            assert!(
                futures
                    .iter()
                    .all(|future| future.state() == State::Pending)
            );
            assert!(
                futures.iter().all(Future::cancel),
                "no worker holds one in advance"
            );
            gate.open();
        })
        .case("what_has_started_is_running", BACKGROUND, |bench| {
            let (_pool, gate, future) = bench.running();
            assert_eq!(future.state(), State::Running);
            assert!(future.is_running() && !future.is_done() && !future.is_cancelled());
            gate.open();
            assert_eq!(value(future), 0);
        })
        .case(
            "inside_of_the_task_it_is_running",
            BACKGROUND.local(),
            |bench| {
                let jam = bench.jam();
                let slot = std::sync::Arc::new(std::sync::OnceLock::new());
                let inside = std::sync::Arc::clone(&slot);
                let state = move || {
                    let own: &executor_core::Shared<executor_core::TaskFuture<bool>> =
                        inside.get().unwrap();
                    own.is_running() && !own.cancel()
                };
                let shared = jam.local().spawn(state).unwrap().shared();
                assert!(slot.set(shared.clone()).is_ok());
                jam.open();
                assert!(value(shared));
            },
        )
        .case("the_oldest_is_started_first", BACKGROUND, |bench| {
            assert_eq!(started_in_order(bench, Order::Fifo, false), [0, 1, 2, 3, 4]);
        })
        .case(
            "the_newest_is_started_first_where_that_was_asked",
            ORDERED,
            |bench| {
                assert_eq!(started_in_order(bench, Order::Lifo, false), [4, 3, 2, 1, 0]);
            },
        )
        .case(
            "the_most_urgent_is_started_first_where_that_was_asked",
            ORDERED,
            |bench| {
                assert_eq!(
                    started_in_order(bench, Order::Priority, true),
                    [1, 4, 0, 3, 2]
                );
            },
        )
        .case(
            "of_equal_priority_the_oldest_is_started_first",
            ORDERED,
            |bench| {
                assert_eq!(
                    started_in_order(bench, Order::Priority, false),
                    [0, 1, 2, 3, 4]
                );
            },
        );
}

/// Submits five tasks to a jammed worker; in which order they are started.
fn started_in_order(bench: &Bench, order: Order, prioritised: bool) -> Vec<u32> {
    let jam = bench.jam_with(&Config::workers(1).with_order(order));
    let started = bench.notes();
    for (n, priority) in (0..).zip([0, 7, -3, 0, 7]) {
        let options = TaskOptions::new().with_priority(if prioritised { priority } else { 0 });
        let note = script().note(&started, n).task();
        drop(jam.pool.start_with(options, note).unwrap());
    }
    drop(jam);
    started.read()
}
