//! Law 9, where workers are processes: killing a task, limiting its run time, shutting down by force.

use std::time::{Duration, Instant};

use executor_core::{
    Executor as _, Future, Shutdown, StopLevel, TaskError, TaskErrorKind, TaskFuture, TaskOptions,
    Timeout,
};

use super::{BACKGROUND, Bench, Laws, Needs, Pool, REMOTE, failure, settle::join, value};
use crate::{
    guard::{pass, step, unit},
    script::script,
};

/// For executors that limit how long a task runs.
const TIMED: Needs = BACKGROUND.when(|can| can.task_timeout);

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law09_kill_ends_that_task_and_the_pool_goes_on")
        .case("a_running_task", REMOTE, |bench| {
            let (pool, _gate, future) = bench.running();
            future.stop(StopLevel::Kill).unwrap();
            killed(&failure(future));
            assert_eq!(value(pool.number(1)), 1);
        })
        .case("twice_is_once", REMOTE, |bench| {
            let (pool, _gate, future) = bench.running();
            future.stop(StopLevel::Kill).unwrap();
            future.stop(StopLevel::Kill).unwrap();
            killed(&failure(future));
            assert_eq!(value(pool.number(1)), 1);
        })
        .case("a_task_that_ignores_signals", REMOTE, |bench| {
            let pool = bench.pool(1);
            let deaf = deaf(bench, &pool);
            deaf.stop(StopLevel::Signal).unwrap();
            assert!(!deaf.wait_timeout(unit()), "it ignores the signal");
            deaf.stop(StopLevel::Kill).unwrap();
            killed(&failure(deaf));
        })
        .case("a_signal_is_not_a_kill", REMOTE, |bench| {
            let pool = bench.pool(1);
            let started = bench.gate("a task that can be stopped");
            let task = script().open(&started).until_stopped().gives(3).task();
            let future = pool.start(task).unwrap();
            started.wait();
            future.stop(StopLevel::Signal).unwrap();
            assert_eq!(value(future), 3, "it ended by itself, with its result");
        })
        .case("its_neighbour_is_not_touched", REMOTE, |bench| {
            let (pool, gate) = (bench.pool(2), bench.gate("two tasks"));
            for _ in 0..3 {
                let [first, second] = [(); 2].map(|()| bench.hold(&pool, &gate));
                first.stop(StopLevel::Kill).unwrap();
                killed(&failure(first));
                assert!(second.is_running());
                second.stop(StopLevel::Kill).unwrap();
                killed(&failure(second));
            }
            let [first, second] = [(); 2].map(|()| bench.hold(&pool, &gate));
            second.stop(StopLevel::Kill).unwrap();
            killed(&failure(second));
            gate.open();
            assert_eq!(value(first), 0, "and it was not signalled");
        })
        .case("what_is_queued_behind_it_runs_once", REMOTE, |bench| {
            let (pool, _gate, future) = bench.running();
            let notes = bench.notes();
            let queued: Vec<_> = (0..20)
                .map(|n| pool.start(script().note(&notes, n).task()).unwrap())
                .collect();
            future.stop(StopLevel::Kill).unwrap();
            killed(&failure(future));
            queued.into_iter().map(value).for_each(|_| ());
            assert_eq!(notes.sorted(), (0..20).collect::<Vec<_>>());
        })
        .case(
            "what_is_pending_is_cancelled_and_never_runs",
            REMOTE,
            |bench| {
                let (jam, notes) = (bench.jam(), bench.notes());
                let queued: Vec<_> = (0..10)
                    .map(|n| jam.pool.start(script().note(&notes, n).task()).unwrap())
                    .collect();
                for future in queued.iter().step_by(2) {
                    future.stop(StopLevel::Kill).unwrap();
                    assert!(future.is_cancelled());
                }
                drop(jam);
                assert_eq!(notes.sorted(), [1, 3, 5, 7, 9]);
            },
        )
        .case("it_races_the_end_of_the_task", REMOTE, |bench| {
            let (pool, notes) = (bench.pool(2), bench.notes());
            for n in 0..20 {
                let future = pool
                    .start(script().note(&notes, n).gives(7).task())
                    .unwrap();
                if n % 2 == 0 {
                    let _started = future.wait_timeout(Duration::from_micros(200));
                }
                future.stop(StopLevel::Kill).unwrap();
                step("a task that is killed, or not");
                match future.result() {
                    Ok(value) => assert_eq!(value, 7),
                    Err(error) => assert!(error.is_killed() || error.is_cancelled(), "{error}"),
                }
            }
            assert_eq!(value(pool.number(1)), 1);
            let noted = notes.sorted();
            let mut once = noted.clone();
            once.dedup();
            assert_eq!(noted, once, "no task ran twice");
        });
    timeout_laws(laws);
    shutdown_laws(laws);
}

fn timeout_laws(laws: &mut Laws) {
    laws.law("law09_a_task_that_runs_for_too_long_is_ended")
        .case("though_it_ignores_signals", TIMED, |bench| {
            let pool = bench.pool(1);
            let (start, limit) = (Instant::now(), 3 * unit());
            let error = failure(endless_within(&pool, limit));
            assert!(start.elapsed() >= limit, "too early");
            overdue(&error);
            assert_eq!(value(pool.number(1)), 1, "the pool goes on");
        })
        .case("though_nobody_waits", TIMED, |bench| {
            let pool = bench.pool(1);
            drop(endless_within(&pool, unit()));
            assert_eq!(value(pool.number(1)), 1, "its worker is free again");
        })
        .case("the_time_in_the_queue_does_not_count", TIMED, |bench| {
            let jam = bench.jam();
            let options = TaskOptions::new().with_timeout(10 * unit());
            let task = script().gives(4).task();
            let future = jam.pool.start_with(options, task).unwrap();
            pass(12 * unit());
            assert!(!future.is_done(), "it has not started");
            jam.open();
            assert_eq!(value(future), 4);
        })
        .case("its_neighbour_is_not_touched", TIMED, |bench| {
            let (pool, gate) = (bench.pool(2), bench.gate("the neighbour"));
            let neighbour = bench.hold(&pool, &gate);
            overdue(&failure(endless_within(&pool, unit())));
            gate.open();
            assert_eq!(value(neighbour), 0);
        })
        .case("what_is_queued_behind_it_runs_once", TIMED, |bench| {
            let (pool, notes) = (bench.pool(1), bench.notes());
            let endless = endless_within(&pool, 3 * unit());
            let queued: Vec<_> = (0..20)
                .map(|n| pool.start(script().note(&notes, n).task()).unwrap())
                .collect();
            overdue(&failure(endless));
            queued.into_iter().map(value).for_each(|_| ());
            assert_eq!(notes.sorted(), (0..20).collect::<Vec<_>>());
        })
        .case("each_has_its_own_limit", TIMED, |bench| {
            let pool = bench.pool(2);
            let long = endless_within(&pool, Duration::from_secs(3600));
            for _ in 0..3 {
                overdue(&failure(endless_within(&pool, unit())));
            }
            assert!(!long.is_done());
            long.stop(StopLevel::Kill).unwrap();
            killed(&failure(long));
        });
}

fn shutdown_laws(laws: &mut Laws) {
    laws.law("law11_a_killing_shutdown_ends_what_runs_and_cancels_what_is_queued")
        .case("tasks_that_ignore_signals", REMOTE, |bench| {
            let pool = bench.pool(2);
            let running = [(); 2].map(|()| deaf(bench, &pool));
            let queued: Vec<_> = (0..10).map(|n| pool.number(n)).collect();
            pool.shutdown(Shutdown::Kill).unwrap();
            join(&*pool);
            assert!(
                running.iter().all(Future::is_done),
                "done when join returns"
            );
            for future in running {
                killed(&failure(future));
            }
            assert!(queued.iter().all(Future::is_cancelled));
            let stats = pool.stats();
            assert_eq!((stats.workers, stats.queued, stats.running), (0, 0, 0));
        })
        .case("what_is_queued_never_runs", REMOTE, |bench| {
            let (jam, notes) = (bench.jam(), bench.notes());
            let queued: Vec<_> = (0..10)
                .map(|n| jam.pool.start(script().note(&notes, n).task()).unwrap())
                .collect();
            jam.pool.shutdown(Shutdown::Kill).unwrap();
            join(&*jam.pool);
            assert!(queued.iter().all(Future::is_cancelled));
            assert_eq!(notes.read(), []);
        })
        .case("it_escalates_a_drain", REMOTE, |bench| {
            for gentle in [Shutdown::Drain, Shutdown::CancelPending] {
                let pool = bench.pool(1);
                let (running, queued) = (deaf(bench, &pool), pool.number(1));
                pool.shutdown(gentle).unwrap();
                assert!(pool.join(Some(Instant::now() + unit())).is_err());
                pool.shutdown(Shutdown::Kill).unwrap();
                join(&*pool);
                killed(&failure(running));
                assert!(queued.is_cancelled());
            }
        })
        .case("it_is_not_weakened_later", REMOTE, |bench| {
            let pool = bench.pool(1);
            let running = deaf(bench, &pool);
            pool.shutdown(Shutdown::Kill).unwrap();
            pool.shutdown(Shutdown::Drain).unwrap();
            join(&*pool);
            killed(&failure(running));
        })
        .case("nothing_is_accepted_afterwards", REMOTE, |bench| {
            let pool = bench.pool(1);
            pool.shutdown(Shutdown::Kill).unwrap();
            let error = pool.start(script().task()).unwrap_err();
            assert!(error.is_shut_down(), "{error}");
            join(&*pool);
        })
        .case("then_the_drop_does_not_wait_for_tasks", REMOTE, |bench| {
            let pool = bench.pool(1);
            let running = deaf(bench, &pool);
            pool.shutdown(Shutdown::Kill).unwrap();
            step("the drop of the pool");
            drop(pool);
            assert!(running.is_done());
        });
}

/// A task that has started, and neither ends nor heeds signals.
fn deaf(bench: &Bench, pool: &Pool) -> TaskFuture<u64> {
    let started = bench.gate("a task that never ends");
    let task = script()
        .open(&started)
        .pass(Duration::from_secs(3600))
        .task();
    let future = pool.start(task).expect("an open pool accepts tasks");
    started.wait();
    future
}

fn endless_within(pool: &Pool, limit: Duration) -> TaskFuture<u64> {
    let options = TaskOptions::new().with_timeout(limit);
    let task = script().pass(Duration::from_secs(3600)).task();
    pool.start_with(options, task)
        .expect("an open pool accepts tasks")
}

#[track_caller]
fn killed(error: &TaskError) {
    assert!(error.is_killed() && error.may_have_run(), "{error}");
}

#[track_caller]
fn overdue(error: &TaskError) {
    assert!(
        matches!(error.kind(), TaskErrorKind::TimedOut(Timeout::Run)),
        "{error}"
    );
    assert!(error.may_have_run(), "{error}");
}
