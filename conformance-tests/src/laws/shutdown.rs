//! Law 11: shutdown, join, drop.

use std::{
    thread,
    time::{Duration, Instant},
};

use executor_core::{
    Executor, ExecutorExt as _, Future, JoinErrorKind, LocalExecutor, LocalExecutorExt as _,
    Shutdown, Task as _, TaskErrorKind, TaskOptions, join as fork,
};

use super::{
    ANY, BACKGROUND, Bench, LOCAL, Laws, PENDING, failure, number_on, settle::join, value,
};
use crate::{
    guard::{step, unit},
    latch::{Gate, Tally, eventually},
    script::script,
    tasks::add,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law11_shutdown_is_drain_or_cancel_pending_and_idempotent")
        .case("drain_finishes_what_was_accepted", PENDING, |bench| {
            let jam = bench.jam();
            let futures: Vec<_> = (0..20).map(|n| jam.number(n)).collect();
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            let pool = jam.opened();
            join(&*pool);
            assert!(
                futures.iter().all(Future::is_done),
                "done when join returns"
            );
            assert_eq!(futures.into_iter().map(value).sum::<u64>(), 190);
        })
        .case("shutdown_does_not_wait", BACKGROUND, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            step("a shutdown with a busy worker");
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            assert!(!future.is_done());
            jam.open();
            assert_eq!(value(future), 1);
        })
        .case("cancel_pending_finishes_what_runs", BACKGROUND, |bench| {
            let (pool, gate, running) = bench.running();
            let queued = pool.number(6);
            pool.shutdown(Shutdown::CancelPending).unwrap();
            assert!(queued.is_cancelled(), "cancelled when shutdown returns");
            assert!(running.is_running());
            gate.open();
            assert_eq!(value(running), 0, "it was not signalled either");
            join(&*pool);
        })
        .case("twice_is_once", PENDING, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            for _ in 0..3 {
                jam.pool.shutdown(Shutdown::Drain).unwrap();
            }
            let pool = jam.opened();
            join(&*pool);
            join(&*pool);
            assert_eq!(value(future), 1);
        })
        .case("a_later_call_may_escalate", PENDING, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            assert!(!future.is_done());
            jam.pool.shutdown(Shutdown::CancelPending).unwrap();
            assert!(future.is_cancelled());
            let pool = jam.opened();
            join(&*pool);
        })
        .case("a_later_call_never_weakens", PENDING, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            jam.pool.shutdown(Shutdown::CancelPending).unwrap();
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            assert!(future.is_cancelled());
            let late = jam.pool.start(script().task());
            assert!(late.is_err(), "it does not accept again");
        })
        .case("an_escalation_frees_who_joins", BACKGROUND, |bench| {
            let jam = bench.jam();
            let futures: Vec<_> = (0..5).map(|n| jam.number(n)).collect();
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            thread::scope(|scope| {
                let joiner = scope.spawn(|| join(&*jam.pool));
                jam.pool.shutdown(Shutdown::CancelPending).unwrap();
                jam.open();
                joiner.join().unwrap();
            });
            assert!(futures.iter().all(Future::is_cancelled));
        })
        .case("from_a_task", BACKGROUND.local(), |bench| {
            let pool = bench.local(1);
            let own = pool.clone();
            let future = pool
                .spawn(move || own.shutdown(Shutdown::Drain).is_ok())
                .unwrap();
            assert!(value(future));
            join(&*pool);
        })
        .case("from_a_callback", ANY, |bench| {
            let pool = bench.pool(1);
            let own = pool.clone();
            let future = pool.number(1);
            future.on_done(move |_| own.shutdown(Shutdown::CancelPending).unwrap());
            future.wait();
            join(&*pool);
        })
        .case("nothing_is_left_pending", BACKGROUND, |bench| {
            for mode in [Shutdown::Drain, Shutdown::CancelPending] {
                let pool = bench.pool(2);
                let futures: Vec<_> = (0..100).map(|n| pool.number(n)).collect();
                pool.shutdown(mode).unwrap();
                join(&*pool);
                assert!(futures.iter().all(Future::is_done));
            }
        });
    afterwards_laws(laws);
    join_laws(laws);
    drop_laws(laws);
}

fn afterwards_laws(laws: &mut Laws) {
    laws.law("law11_submitting_afterwards_gives_the_task_back")
        .case("submit", ANY, |bench| {
            for mode in [Shutdown::Drain, Shutdown::CancelPending] {
                let executor = bench.executor();
                executor.shutdown(mode).unwrap();
                let error = executor.submit(add::task(40, 2)).unwrap_err();
                assert!(error.is_shut_down(), "{error}");
                assert_eq!(error.into_task().run(), 42, "the very task");
            }
        })
        .case("try_submit", ANY, |bench| {
            let error = down(bench).try_submit(add::task(40, 2)).unwrap_err();
            assert!(error.is_shut_down() && error.into_task().run() == 42);
        })
        .case("submit_within", ANY, |bench| {
            let error = down(bench)
                .submit_within(Duration::from_secs(9), add::task(40, 2))
                .unwrap_err();
            assert!(error.is_shut_down() && error.into_task().run() == 42);
        })
        .case("submit_with", ANY, |bench| {
            let options = TaskOptions::new().with_name("late");
            let error = down(bench)
                .submit_with(options, add::task(40, 2))
                .unwrap_err();
            assert!(error.is_shut_down() && error.into_task().run() == 42);
        })
        .case("spawn", LOCAL, |bench| {
            let pool = down_local(bench);
            let text = String::from("captured");
            let error = pool.spawn(move || text).unwrap_err();
            assert!(error.is_shut_down(), "{error}");
            assert_eq!(error.into_task()(), "captured");
        })
        .case("map", ANY, |bench| {
            let executor = down(bench);
            let results: Vec<_> = executor.map((0..5).map(|n| add::task(n, n))).collect();
            assert_eq!(results.len(), 5, "one result for each item");
            for result in results {
                let error = result.unwrap_err();
                assert!(
                    matches!(error.kind(), TaskErrorKind::Rejected(_)),
                    "{error}"
                );
                assert!(!error.may_have_run());
            }
        })
        .case("a_scope_runs_in_its_caller", LOCAL, |bench| {
            let here = thread::current().id();
            let ran_on = down_local(bench).scope(|s| value(s.spawn(|| thread::current().id())));
            assert_eq!(ran_on, here);
        })
        .case("a_fork_runs_in_its_caller", LOCAL, |bench| {
            assert_eq!(fork(&down_local(bench), || 1, || 2), (1, 2));
        })
        .case("after_the_join_as_well", ANY, |bench| {
            let executor = down(bench);
            join(&*executor);
            assert!(executor.submit(add::task(1, 1)).unwrap_err().is_shut_down());
        })
        .case(
            "from_a_worker_while_it_drains",
            BACKGROUND.local(),
            |bench| {
                let pool = bench.local(1);
                let gate = Gate::new("the shutdown has begun");
                let (closed, own) = (gate.clone(), pool.clone());
                let task = move || {
                    closed.wait();
                    own.spawn(|| 1).is_err_and(|error| error.is_shut_down())
                };
                let future = pool.spawn(task).unwrap();
                pool.shutdown(Shutdown::Drain).unwrap();
                gate.open();
                assert!(value(future), "from now on nothing is accepted");
            },
        )
        .case("results_are_there_afterwards", ANY, |bench| {
            let executor = bench.executor();
            let future = executor.submit(add::task(1, 1)).unwrap();
            executor.shutdown(Shutdown::Drain).unwrap();
            join(&*executor);
            drop(executor);
            assert_eq!(value(future), 2);
        });
}

fn join_laws(laws: &mut Laws) {
    laws.law("law11_join_waits_and_may_take_a_deadline")
        .case("deadline", BACKGROUND, |bench| {
            let jam = bench.jam();
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            let deadline = Instant::now() + unit();
            let error = jam.pool.join(Some(deadline)).unwrap_err();
            assert!(Instant::now() >= deadline, "it waits until then");
            assert!(error.is_still_running(), "{error}");
            assert_eq!(error.kind(), JoinErrorKind::StillRunning { workers: 1 });
            let pool = jam.opened();
            join(&*pool);
        })
        .case("deadline_that_has_passed", BACKGROUND, |bench| {
            let jam = bench.jam();
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            step("a join without time");
            assert!(jam.pool.join(Some(Instant::now())).is_err());
        })
        .case("deadline_that_is_not_needed", ANY, |bench| {
            let executor = down(bench);
            step("a join with time enough");
            executor
                .join(Some(Instant::now() + Duration::from_secs(3600)))
                .unwrap();
        })
        .case("without_a_shutdown_it_waits_for_one", BACKGROUND, |bench| {
            let pool = bench.pool(1);
            assert!(pool.join(Some(Instant::now() + unit())).is_err());
            assert_eq!(value(pool.number(1)), 1, "nothing has happened");
            thread::scope(|scope| {
                let joiner = scope.spawn(|| join(&*pool));
                pool.shutdown(Shutdown::Drain).unwrap();
                joiner.join().unwrap();
            });
        })
        .case("from_many_threads", BACKGROUND, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| join(&*jam.pool));
                }
                jam.open();
            });
            assert!(future.is_done());
        })
        .case("from_a_worker_is_refused", BACKGROUND.local(), |bench| {
            let pool = bench.local(1);
            let own = pool.clone();
            let future = pool
                .spawn(move || Executor::join(&own, None).unwrap_err().kind())
                .unwrap();
            assert_eq!(value(future), JoinErrorKind::WouldDeadlock);
        })
        .case("afterwards_no_worker_is_left", BACKGROUND, |bench| {
            let pool = bench.pool(2);
            let futures: Vec<_> = (0..20).map(|n| pool.number(n)).collect();
            pool.shutdown(Shutdown::Drain).unwrap();
            join(&*pool);
            let stats = pool.stats();
            assert_eq!(
                (stats.workers, stats.queued, stats.running),
                (0, 0, 0),
                "{stats:?}"
            );
            drop(futures);
        })
        .case("callbacks_have_been_called", BACKGROUND, |bench| {
            let pool = bench.pool(2);
            let called = Tally::new();
            for n in 0..20 {
                let called = called.clone();
                pool.number(n).on_done(move |_| called.bump());
            }
            pool.shutdown(Shutdown::Drain).unwrap();
            join(&*pool);
            assert_eq!(called.get(), 20);
        })
        .case("a_pool_that_never_ran_anything", ANY, |bench| {
            join(&*down(bench))
        })
        .case("the_figures_add_up_afterwards", PENDING, |bench| {
            let jam = bench.jam();
            let cancelled = jam.number(1);
            let good: Vec<_> = (0..3).map(|n| jam.number(n)).collect();
            let bad = jam.pool.start(script().panic().task()).unwrap();
            cancelled.cancel();
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            let blockers = u64::from(!bench.is_deferred());
            let pool = jam.opened();
            join(&*pool);
            let stats = pool.stats();
            assert_eq!((stats.failed, stats.cancelled), (1, 1), "{stats:?}");
            assert_eq!(stats.succeeded, 3 + blockers, "{stats:?}");
            drop((good, failure(bad)));
        });
}

fn drop_laws(laws: &mut Laws) {
    laws.law("law11_dropping_the_last_handle_drains_and_joins")
        .case("everything_is_done", PENDING, |bench| {
            let jam = bench.jam();
            let futures: Vec<_> = (0..20).map(|n| jam.number(n)).collect();
            step("the drop of a pool");
            drop(jam);
            assert!(futures.iter().all(Future::is_done));
            assert_eq!(futures.into_iter().map(value).sum::<u64>(), 190);
        })
        .case("it_waits_for_what_runs", BACKGROUND, |bench| {
            let pool = bench.pool(1);
            let (started, ended) = (bench.gate("the task that runs"), bench.tally());
            let task = script().open(&started).pass(unit()).bump(&ended).task();
            drop(pool.start(task).unwrap());
            started.wait();
            step("the drop of a busy pool");
            drop(pool);
            assert_eq!(ended.get(), 1);
        })
        .case("a_clone_keeps_it_going", ANY, |bench| {
            let pool = bench.pool(1);
            let clone = pool.clone();
            drop(pool);
            assert_eq!(value(clone.number(3)), 3);
        })
        .case("clones_share_the_workers", ANY, |bench| {
            let pool = bench.pool(1);
            let clone = pool.clone();
            clone.shutdown(Shutdown::Drain).unwrap();
            let late = pool.start(script().task());
            assert!(late.is_err_and(|error| error.is_shut_down()));
        })
        .case(
            "in_a_worker_it_does_not_wait_for_itself",
            BACKGROUND.local(),
            |bench| {
                let pool = bench.local(1);
                let (gate, own) = (Gate::new("the other handles are gone"), pool.clone());
                let closed = gate.clone();
                let future = pool
                    .spawn(move || {
                        closed.wait();
                        drop(own);
                        1
                    })
                    .unwrap();
                let later = number_on(&pool, 2);
                drop(pool);
                gate.open();
                assert_eq!(value(future), 1);
                assert_eq!(value(later), 2, "what was accepted is finished");
            },
        )
        .case(
            "a_queue_that_holds_the_last_handle",
            BACKGROUND.local(),
            |bench| {
                let pool = bench.pool(1);
                let gate = bench.gate("the other handles are gone");
                bench.block(&pool, &gate);
                let own = pool.local().clone();
                let cancels = move || number_on(&own, 4).cancel();
                let future = pool.local().spawn(cancels).unwrap();
                drop(pool);
                gate.open();
                step("a task that holds its own pool");
                future.wait();
            },
        )
        .case("idle", ANY, |bench| {
            step("the drop of an idle pool");
            drop(bench.executor());
        })
        .case("after_a_shutdown", PENDING, |bench| {
            let jam = bench.jam();
            let future = jam.number(1);
            jam.pool.shutdown(Shutdown::CancelPending).unwrap();
            drop(jam);
            assert!(future.is_cancelled());
        })
        .case("many_pools", BACKGROUND, |bench| {
            let pools: Vec<_> = (0..20).map(|_| bench.pool(2)).collect();
            let futures: Vec<_> = pools.iter().map(|pool| pool.number(1)).collect();
            step("the drop of many pools");
            drop(pools);
            assert_eq!(futures.into_iter().map(value).sum::<u64>(), 20);
        })
        .case("while_another_thread_submits", BACKGROUND, |bench| {
            let pool = bench.pool(2);
            let clone = pool.clone();
            let submitted = Tally::new();
            let counted = submitted.clone();
            let submitter = thread::spawn(move || {
                (0..200)
                    .map(|n| {
                        counted.bump();
                        clone.number(n)
                    })
                    .collect::<Vec<_>>()
            });
            eventually("some submissions", || submitted.get() > 10);
            drop(pool);
            let futures = submitter.join().unwrap();
            assert!(
                futures.iter().all(Future::is_done),
                "the submitter's handle was the last"
            );
        });
}

fn down(bench: &Bench) -> Box<dyn Executor> {
    let executor = bench.executor();
    executor.shutdown(Shutdown::Drain).unwrap();
    executor
}

fn down_local(bench: &Bench) -> Box<dyn LocalExecutor> {
    let pool = bench.local(2);
    pool.shutdown(Shutdown::Drain).unwrap();
    pool
}
