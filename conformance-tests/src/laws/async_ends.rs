//! Async tasks and the end of their executor: law 11.

use std::{sync::mpsc, thread, time::Instant};

use executor_core::{
    Executor as _, ExecutorExt as _, Future, JoinErrorKind, LocalExecutorExt as _, Shutdown,
    StopLevel, Task as _,
};

use super::{
    ANY, BACKGROUND, Bench, Laws, PENDING, Pool, WAIT_IDLE, async_stop::SIGNAL, failure, number_on,
    settle::join, value,
};
use crate::{
    block_on::yields,
    guard::{pass, step, unit},
    latch::{Gate, eventually},
    script::script,
    subject::Config,
};

pub(crate) fn laws(laws: &mut Laws) {
    end_laws(laws);
    handle_laws(laws);
}

fn end_laws(laws: &mut Laws) {
    laws.law("law11_async_tasks_are_drained_cancelled_and_joined_like_all")
        .case("drain_runs_them_to_their_end", BACKGROUND, |bench| {
            let (jam, asleep) = bench.asleep(1);
            let futures: Vec<_> = (0..10)
                .map(|n| jam.pool.start_async(script().yields(2).gives(n)))
                .collect();
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            assert!(!asleep.is_done());
            let pool = jam.opened();
            join(&*pool);
            assert!(asleep.is_done() && futures.iter().all(Future::is_done));
            assert_eq!(futures.into_iter().map(value).sum::<u64>(), 45);
        })
        .case(
            "cancel_pending_cancels_what_has_not_started",
            BACKGROUND.queued_async(),
            |bench| {
                let (jam, asleep) = bench.asleep(1);
                let queued = jam.pool.start_async(script());
                jam.pool.shutdown(Shutdown::CancelPending).unwrap();
                assert!(queued.is_cancelled() && asleep.is_running());
                let pool = jam.opened();
                assert_eq!(value(asleep), 0);
                join(&*pool);
            },
        )
        .case("cancel_pending_finishes_what_sleeps", BACKGROUND, |bench| {
            let (jam, future) = bench.asleep(1);
            jam.pool.shutdown(Shutdown::CancelPending).unwrap();
            assert!(future.is_running());
            let pool = jam.opened();
            assert_eq!(value(future), 0, "it was not signalled either");
            join(&*pool);
        })
        .case("afterwards_they_come_back", ANY, |bench| {
            let executor = bench.executor();
            executor.shutdown(Shutdown::Drain).unwrap();
            let task = script().yields(1).gives(41).async_task();
            let error = executor.submit(task).unwrap_err();
            assert!(error.is_shut_down(), "{error}");
            assert_eq!(error.into_task().run(), 41, "the very task");
        })
        .case("join_waits_for_what_sleeps", BACKGROUND, |bench| {
            let (jam, future) = bench.asleep(1);
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            let deadline = Instant::now() + unit();
            let error = jam.pool.join(Some(deadline)).unwrap_err();
            assert!(
                error.is_still_running() && Instant::now() >= deadline,
                "{error}"
            );
            let pool = jam.opened();
            join(&*pool);
            assert!(future.is_done());
        })
        .case("join_from_one_is_refused", BACKGROUND.local(), |bench| {
            let pool = bench.local(1);
            let own = pool.clone();
            let joins = pool.spawn_future(async move {
                yields(1).await;
                own.join(None).unwrap_err().kind()
            });
            assert_eq!(value(joins.unwrap()), JoinErrorKind::WouldDeadlock);
        })
        .case("the_figures_while_one_sleeps", BACKGROUND, |bench| {
            let (jam, _future) = bench.asleep(1);
            // It may count as running only when it has come to its await.
            eventually("a task that runs", || jam.pool.stats().running == 1);
            let stats = jam.pool.stats();
            assert_eq!((stats.queued, stats.settled()), (0, 0), "{stats:?}");
        })
        .case("the_figures_afterwards", PENDING, |bench| {
            let pool = bench.pool(2);
            let good: Vec<_> = (0..3)
                .map(|n| pool.start_async(script().yields(1).gives(n)))
                .collect();
            let bad = pool.start_async(script().yields(1).panic());
            assert_eq!(good.into_iter().map(value).sum::<u64>(), 3);
            failure(bad);
            pool.shutdown(Shutdown::Drain).unwrap();
            join(&*pool);
            let stats = pool.stats();
            assert_eq!((stats.succeeded, stats.failed), (3, 1), "{stats:?}");
            assert_eq!((stats.queued, stats.running), (0, 0), "{stats:?}");
        })
        .case("wait_idle_waits_for_what_sleeps", WAIT_IDLE, |bench| {
            let subject = bench.subject(&Config::workers(1));
            let (pool, gate) = (Pool::of(&subject), bench.gate("the await"));
            let future = bench.sleep(&pool, &gate);
            let wait_idle = subject.wait_idle.as_ref().expect("offered");
            assert!(!wait_idle(Some(unit())));
            gate.open();
            step("wait_idle");
            assert!(wait_idle(None) && future.is_done());
        });
}

fn handle_laws(laws: &mut Laws) {
    laws.law("law11_dropping_the_last_handle_drains_async_tasks")
        .case("that_have_not_started", ANY, |bench| {
            let (pool, ran) = (bench.pool(1), bench.tally());
            let futures: Vec<_> = (0..20)
                .map(|_| pool.start_async(script().yields(3).bump(&ran)))
                .collect();
            step("the drop of a pool");
            drop(pool);
            assert!(futures.iter().all(Future::is_done) || !bench.drop_waits_for_async());
            futures.into_iter().map(value).for_each(|_| ());
            assert_eq!(ran.get(), 20);
        })
        .case("that_sleep", BACKGROUND, |bench| {
            let (pool, gate) = (bench.pool(1), bench.gate("the await of the last task"));
            let future = bench.sleep(&pool, &gate);
            thread::scope(|scope| {
                scope.spawn(|| {
                    pass(unit());
                    gate.open();
                });
                step("the drop of a pool whose task sleeps");
                drop(pool);
                assert!(future.is_done() || !bench.drop_waits_for_async());
            });
            assert_eq!(value(future), 0, "it was neither cancelled nor signalled");
        })
        .case(
            "and_one_that_drops_it_does_not_wait_for_itself",
            BACKGROUND.local(),
            |bench| {
                let pool = bench.local(1);
                let (gate, own) = (Gate::new("the other handles are gone"), pool.clone());
                let closed = gate.clone();
                let drops = pool.spawn_future(async move {
                    closed.opened().await;
                    drop(own);
                    yields(1).await;
                    1
                });
                let later = pool.spawn_future(async {
                    yields(1).await;
                    2
                });
                drop(pool);
                gate.open();
                assert_eq!(value(drops.unwrap()), 1);
                assert_eq!(value(later.unwrap()), 2, "what was accepted is finished");
            },
        )
        .case(
            "and_one_may_end_with_it",
            BACKGROUND.local(),
            last_handle_in_a_task,
        )
        .case("and_one_may_be_stopped_with_it", SIGNAL.local(), |bench| {
            let pool = bench.local(1);
            let (started, never) = (Gate::new("the task that sleeps"), Gate::new("for good"));
            let (inside, own) = (started.clone(), pool.clone());
            let future = pool.spawn_future(async move {
                inside.open();
                never.opened().await;
                drop(own);
            });
            started.wait();
            drop(pool);
            let future = future.unwrap();
            future.stop(StopLevel::Signal).unwrap();
            assert!(failure(future).is_stopped());
        });
}

/// The handle that a task has captured goes with the task, on a worker.
fn last_handle_in_a_task(bench: &Bench) {
    let pool = bench.local(1);
    let (gate, own) = (Gate::new("the other handles are gone"), pool.clone());
    let closed = gate.clone();
    let (sender, receiver) = mpsc::channel();
    let future = pool.spawn_future(async move {
        closed.opened().await;
        // The trial has failed and is over, if nobody listens.
        drop(sender.send(number_on(&own, 4)));
        yields(1).await;
    });
    drop(pool);
    gate.open();
    value(future.unwrap());
    let next = receiver.recv().expect("it was sent");
    assert_eq!(value(next), 4, "what was accepted is finished");
}
