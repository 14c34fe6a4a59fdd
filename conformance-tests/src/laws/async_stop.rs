//! How async tasks end before their time, and what remains of them: laws 3 and 9.

use std::thread;

use executor_core::{
    Executor as _, ExecutorExt as _, Future, LocalExecutorExt as _, Shutdown, StopLevel,
    TaskFuture, block_on,
};

use super::{
    ANY, BACKGROUND, LOCAL, Laws, Needs, PENDING,
    async_tasks::{Bomb, finish, holding},
    failure, number_on,
    settle::rounds,
    value,
};
use crate::{
    block_on::yields,
    guard::step,
    latch::{Gate, Tally},
    planned,
    script::script,
};

/// Where a running task can be told to stop.
pub(super) const SIGNAL: Needs = BACKGROUND.when(|can| can.signal);

pub(crate) fn laws(laws: &mut Laws) {
    drop_laws(laws);
    stop_laws(laws);
}

fn drop_laws(laws: &mut Laws) {
    laws.law("law03_an_async_task_is_dropped_once_and_as_soon_as_it_can_be")
        .case("when_it_is_done", LOCAL, |bench| {
            let (pool, alive) = (bench.local(1), Tally::new());
            let future = pool.spawn_future(holding(&alive, yields(2))).unwrap();
            step("the task");
            future.wait();
            assert_eq!(alive.get(), 0, "done, and its captures are alive");
            value(future);
        })
        .case("when_it_panics", LOCAL, |bench| {
            let (pool, alive) = (bench.local(1), Tally::new());
            let panics = async {
                yields(1).await;
                planned::boom()
            };
            let future: TaskFuture<()> = pool.spawn_future(holding(&alive, panics)).unwrap();
            step("the task");
            future.wait();
            assert_eq!(alive.get(), 0);
            failure(future);
        })
        .case(
            "when_cancel_returns",
            PENDING.local().queued_async(),
            |bench| {
                let (jam, alive) = (bench.jam(), Tally::new());
                let future = jam.local().spawn_future(holding(&alive, yields(1)));
                let future = future.unwrap();
                assert_eq!(alive.get(), 1);
                assert!(future.cancel());
                assert_eq!(alive.get(), 0, "the queue keeps an empty shell only");
            },
        )
        .case(
            "when_a_cancelling_shutdown_returns",
            PENDING.local().queued_async(),
            |bench| {
                let (jam, alive) = (bench.jam(), Tally::new());
                let futures: Vec<_> = (0..10)
                    .map(|_| {
                        jam.local()
                            .spawn_future(holding(&alive, yields(1)))
                            .unwrap()
                    })
                    .collect();
                jam.pool.shutdown(Shutdown::CancelPending).unwrap();
                assert_eq!(alive.get(), 0);
                assert!(futures.iter().all(Future::is_cancelled));
            },
        )
        .case("not_when_it_is_refused", LOCAL, |bench| {
            let (pool, alive) = (bench.local(1), Tally::new());
            pool.shutdown(Shutdown::Drain).unwrap();
            let error = pool.spawn_future(holding(&alive, yields(1))).unwrap_err();
            assert!(error.is_shut_down(), "{error}");
            assert_eq!(alive.get(), 1, "it came back alive");
            block_on(error.into_task().0);
            assert_eq!(alive.get(), 0);
        })
        .case("its_output_goes_with_its_future", LOCAL, |bench| {
            let (pool, alive) = (bench.local(1), Tally::new());
            let tokens = alive.clone();
            let future = pool.spawn_future(async move { tokens.token() }).unwrap();
            step("the task");
            future.wait();
            assert_eq!(alive.get(), 1, "the future holds it");
            drop(future);
            assert_eq!(alive.get(), 0);
        })
        .case("hundreds", LOCAL, |bench| {
            let (pool, alive) = (bench.local(2), Tally::new());
            for _ in 0..300 {
                drop(pool.spawn_future(holding(&alive, yields(2))).unwrap());
            }
            finish(&pool);
            assert_eq!(alive.get(), 0);
        });
}

fn stop_laws(laws: &mut Laws) {
    laws.law("law09_a_signal_ends_an_async_task_at_an_await")
        .case("that_sleeps", SIGNAL.local(), |bench| {
            let (jam, future) = bench.asleep(1);
            future.stop(StopLevel::Signal).unwrap();
            let error = failure(future);
            assert!(error.is_stopped() && error.may_have_run(), "{error}");
            assert!(!error.is_cancelled() && !error.is_panicked(), "{error}");
            assert_eq!(value(jam.number(5)), 5, "its worker goes on");
        })
        .case("with_all_that_it_holds", SIGNAL.local(), |bench| {
            let (pool, alive, after) = (bench.local(1), Tally::new(), Tally::new());
            let (started, never) = (Gate::new("the task that sleeps"), Gate::new("for good"));
            let (inside, behind) = (started.clone(), after.clone());
            let sleeps = async move {
                inside.open();
                never.opened().await;
                behind.bump();
            };
            let future = pool.spawn_future(holding(&alive, sleeps)).unwrap();
            started.wait();
            assert_eq!(alive.get(), 1);
            future.stop(StopLevel::Signal).unwrap();
            step("the task that was stopped");
            future.wait();
            assert_eq!(alive.get(), 0, "done, and its captures are alive");
            assert!(failure(future).is_stopped());
            assert_eq!(after.get(), 0, "what follows the await is not run");
        })
        .case("whose_drop_panics", SIGNAL.local(), |bench| {
            let (pool, bomb) = (bench.local(1), Bomb);
            let (started, never) = (Gate::new("the task that sleeps"), Gate::new("for good"));
            let inside = started.clone();
            let future = pool.spawn_future(async move {
                let _held = &bomb;
                inside.open();
                never.opened().await;
            });
            let future = future.unwrap();
            started.wait();
            future.stop(StopLevel::Signal).unwrap();
            step("the task that was stopped");
            future.wait();
            assert_eq!(value(number_on(&pool, 1)), 1, "the worker lives");
        })
        .case("that_is_at_work_until_then", SIGNAL.local(), |bench| {
            let (pool, gate) = (bench.pool(1), bench.gate("the work"));
            let (started, after) = (bench.gate("a task at work"), bench.tally());
            let task = script().open(&started).wait(&gate).yields(1).bump(&after);
            let future = pool.start_async(task);
            started.wait();
            future.stop(StopLevel::Signal).unwrap();
            assert!(future.is_running(), "it is not at an await");
            gate.open();
            assert!(failure(future).is_stopped());
            drop(pool);
            assert_eq!(after.get(), 0);
        })
        .case("that_is_busy_with_awaits", SIGNAL.local(), |bench| {
            let (pool, started) = (bench.local(1), Gate::new("a busy task"));
            let inside = started.clone();
            let future: TaskFuture<()> = pool
                .spawn_future(async move {
                    loop {
                        yields(1).await;
                        inside.open();
                    }
                })
                .unwrap();
            started.wait();
            future.stop(StopLevel::Signal).unwrap();
            assert!(failure(future).is_stopped());
        })
        .case("and_not_one_that_awaits_no_more", SIGNAL, |bench| {
            let (pool, gate) = (bench.pool(1), bench.gate("the work"));
            let started = bench.gate("a task at work");
            let future = pool.start_async(script().open(&started).wait(&gate).saw_stop());
            started.wait();
            future.stop(StopLevel::Signal).unwrap();
            gate.open();
            assert_eq!(value(future), 1, "it saw the signal, and gave its value");
        })
        .case("and_no_other", SIGNAL, |bench| {
            let (jam, first) = bench.asleep(2);
            let second = bench.sleep(&jam.pool, &jam.gate);
            first.stop(StopLevel::Signal).unwrap();
            jam.open();
            first.wait();
            assert_eq!(value(second), 0, "nobody asked it to stop");
        })
        .case("elsewhere_when_it_runs_next", SIGNAL.remote(), |bench| {
            // Nobody can wake a task in another process, so it stays asleep until what it awaits is there.
            let (jam, future) = bench.asleep(1);
            future.stop(StopLevel::Signal).unwrap();
            jam.open();
            match future.result() {
                Ok(saw_stop) => assert_eq!(saw_stop, 1, "it saw the signal"),
                Err(error) => assert!(error.is_stopped(), "{error}"),
            }
        })
        .case("twice_is_once", SIGNAL, |bench| {
            let (jam, future) = bench.asleep(1);
            for _ in 0..3 {
                future.stop(StopLevel::Signal).unwrap();
            }
            jam.open();
            future.wait();
            future.stop(StopLevel::Signal).unwrap();
            assert_eq!(value(jam.pool.start_async(script().yields(1).gives(2))), 2);
        })
        .case("that_is_done_is_not_touched", ANY, |bench| {
            let future = bench.pool(1).start_async(script().yields(1).gives(2));
            step("a task");
            future.wait();
            future.stop(StopLevel::Signal).unwrap();
            assert_eq!(value(future), 2);
        })
        .case("at_the_moment_at_which_it_wakes", SIGNAL.local(), |bench| {
            for _ in 0..rounds(bench, 100) {
                let (jam, future) = bench.asleep(1);
                thread::scope(|scope| {
                    scope.spawn(|| future.stop(StopLevel::Signal).unwrap());
                    scope.spawn(|| jam.open());
                });
                step("a task that is stopped and woken");
                match future.result() {
                    Ok(saw_stop) => assert!(saw_stop <= 1),
                    Err(error) => assert!(error.is_stopped(), "{error}"),
                }
            }
        })
        .case("of_a_map_that_is_dropped", SIGNAL.local(), |bench| {
            let (pool, started) = (bench.pool(1), bench.gate("an item of the map"));
            let (never, after) = (bench.gate("for good"), bench.tally());
            let item = script().open(&started).awaits(&never).bump(&after);
            let map = pool.map([item.async_task()]).start();
            started.wait();
            drop(map);
            step("the drop of a pool whose only task was stopped");
            drop(pool);
            assert_eq!(after.get(), 0);
        })
        .case("and_cancel_does_not", BACKGROUND, |bench| {
            let (jam, future) = bench.asleep(1);
            assert!(!future.cancel() && future.is_running());
            jam.open();
            assert_eq!(value(future), 0, "nobody asked it to stop");
        })
        .case(
            "and_a_kill_does",
            BACKGROUND.when(|can| can.kill),
            |bench| {
                let (jam, future) = bench.asleep(1);
                future.stop(StopLevel::Kill).unwrap();
                assert!(failure(future).is_killed());
                assert_eq!(value(jam.number(1)), 1);
            },
        );
}
