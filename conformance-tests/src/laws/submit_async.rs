//! Law 16, for those who must not block: a submission that waits for room as a future.

use std::thread;

use executor_core::{
    Executor as _, ExecutorExt as _, Future, LocalExecutorExt as _, Shutdown, Task as _,
};

use super::{ANY, BOUNDED, Bench, Laws, queue::full, value};
use crate::{
    OnFull,
    block_on::{Counting, block_on, poll, poll_when_woken},
    guard::step,
    latch::eventually,
    script::script,
    subject::Config,
    tasks::add,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law16_submit_async_waits_for_room_without_blocking")
        .case(
            "at_once_where_there_is_no_bound",
            ANY.when(|can| can.queue_bound.is_none()),
            |bench| {
                let (executor, counting) = (bench.executor(), Counting::default());
                let mut submission = executor.submit_async(add::task(1, 2));
                let submitted = poll(&mut submission, &counting);
                assert!(submitted.is_ready(), "it waits for what is there");
                assert_eq!(counting.handles(), 1, "no waker is kept");
                assert_eq!(
                    block_on(executor.submit_async(add::task(1, 2)))
                        .map(value)
                        .unwrap(),
                    3
                );
            },
        )
        .case("at_once_where_there_is_room", BOUNDED, |bench| {
            let jam = bench.jam_with(&Config::workers(1).with_queue(2, OnFull::Block));
            let counting = Counting::default();
            for n in 0..2 {
                let mut submission = jam.pool.submit_async(add::task(n, 0));
                assert!(poll(&mut submission, &counting).is_ready());
            }
            let mut third = jam.pool.submit_async(add::task(2, 0));
            assert!(poll(&mut third, &counting).is_pending(), "there is no room");
        })
        .case("pending_then_woken_then_submitted", BOUNDED, |bench| {
            for policy in [OnFull::Block, OnFull::Reject] {
                let (jam, counting) = (full(bench, policy), Counting::default());
                let mut submission = jam.pool.submit_async(add::task(40, 2));
                assert!(poll(&mut submission, &counting).is_pending());
                jam.open();
                eventually("the submission to be woken", || counting.woken() > 0);
                step("the submission");
                let future = poll_when_woken(&mut submission, &counting).unwrap();
                assert_eq!(value(future), 42);
            }
        })
        .case(
            "it_never_runs_the_task_in_the_caller",
            BOUNDED.caller_runs(),
            |bench| {
                let (jam, ran) = (full(bench, OnFull::CallerRuns), bench.tally());
                let counting = Counting::default();
                let task = script().bump(&ran).gives(5).task();
                let mut submission = jam.pool.submit_async(task);
                assert!(poll(&mut submission, &counting).is_pending());
                assert_eq!(ran.get(), 0, "it waits in place of that");
                jam.open();
                let future = poll_when_woken(&mut submission, &counting).unwrap();
                assert_eq!((value(future), ran.get()), (5, 1));
            },
        )
        .case("an_async_task", BOUNDED, |bench| {
            let (jam, counting) = (full(bench, OnFull::Block), Counting::default());
            let task = script().yields(2).gives(6).async_task();
            let mut submission = jam.pool.submit_async(task);
            let submitted = poll(&mut submission, &counting);
            jam.open();
            let submitted = match submitted {
                // It needs no worker, and so it may need no room either.
                std::task::Poll::Ready(submitted) => submitted,
                std::task::Poll::Pending => poll_when_woken(&mut submission, &counting),
            };
            assert_eq!(value(submitted.unwrap()), 6);
        })
        .case("a_closure", BOUNDED.local(), |bench| {
            let (jam, counting) = (full(bench, OnFull::Block), Counting::default());
            let text = String::from("captured");
            let mut submission = jam.local().spawn_async(move || text);
            assert!(poll(&mut submission, &counting).is_pending());
            jam.open();
            let future = poll_when_woken(&mut submission, &counting).unwrap();
            assert_eq!(value(future), "captured");
        })
        .case(
            "dropped_while_it_waits_it_submits_nothing",
            BOUNDED,
            |bench| {
                let (jam, ran) = (full(bench, OnFull::Block), bench.tally());
                let counting = Counting::default();
                let mut submission = jam.pool.submit_async(script().bump(&ran).task());
                assert!(poll(&mut submission, &counting).is_pending());
                drop(submission);
                drop(jam);
                assert_eq!(ran.get(), 0);
                assert_eq!(counting.handles(), 1, "the waker went with the queue");
            },
        )
        .case("one_that_is_given_up_takes_no_turn", BOUNDED, |bench| {
            let (jam, gone, next) = (
                full(bench, OnFull::Block),
                Counting::default(),
                Counting::default(),
            );
            let mut given_up = jam.pool.submit_async(add::task(0, 0));
            let mut waits = jam.pool.submit_async(add::task(1, 2));
            assert!(poll(&mut given_up, &gone).is_pending());
            assert!(poll(&mut waits, &next).is_pending());
            drop(given_up);
            jam.open();
            step("the submission behind the one that was given up");
            let future = poll_when_woken(&mut waits, &next).unwrap();
            assert_eq!(value(future), 3);
        })
        .case("one_that_is_given_up_when_it_was_woken", BOUNDED, |bench| {
            let (jam, gone, next) = (
                full(bench, OnFull::Block),
                Counting::default(),
                Counting::default(),
            );
            let mut given_up = jam.pool.submit_async(add::task(0, 0));
            let mut waits = jam.pool.submit_async(add::task(1, 2));
            assert!(poll(&mut given_up, &gone).is_pending());
            assert!(poll(&mut waits, &next).is_pending());
            jam.open();
            eventually("the first to be woken", || gone.woken() > 0);
            drop(given_up);
            step("the submission behind the one that was given up");
            let future = poll_when_woken(&mut waits, &next).unwrap();
            assert_eq!(value(future), 3);
        })
        .case("many_at_once_all_get_through", BOUNDED, |bench| {
            let pool = bench.pool_with(&Config::workers(2).with_queue(1, OnFull::Block));
            let sum: u64 = thread::scope(|scope| {
                let submitters: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            let submit = |n| block_on(pool.submit_async(add::task(n, 0))).unwrap();
                            (0..50).map(submit).collect::<Vec<_>>()
                        })
                    })
                    .collect();
                step("submitters that wait for room");
                submitters
                    .into_iter()
                    .flat_map(|submitter| submitter.join().unwrap())
                    .map(value)
                    .sum()
            });
            assert_eq!(sum, 4 * 1225);
        })
        .case("beside_those_that_block", BOUNDED, |bench| {
            let pool = bench.pool_with(&Config::workers(1).with_queue(1, OnFull::Block));
            thread::scope(|scope| {
                for blocks in [true, false, true, false] {
                    let pool = &pool;
                    scope.spawn(move || {
                        for n in 0..50 {
                            let future = match blocks {
                                true => pool.number(n),
                                false => block_on(pool.submit_async(add::task(n, 0))).unwrap(),
                            };
                            assert_eq!(value(future), n);
                        }
                    });
                }
                step("submitters that wait for room in two ways");
            });
        });
    shutdown_laws(laws);
}

fn shutdown_laws(laws: &mut Laws) {
    laws.law("law11_submit_async_gives_the_task_back_after_a_shutdown")
        .case("at_once", ANY, |bench| {
            for mode in [Shutdown::Drain, Shutdown::CancelPending] {
                let executor = bench.executor();
                executor.shutdown(mode).unwrap();
                let error = block_on(executor.submit_async(add::task(40, 2))).unwrap_err();
                assert!(error.is_shut_down(), "{error}");
                assert_eq!(error.into_task().run(), 42, "the very task");
            }
        })
        .case("while_it_waits", BOUNDED, |bench| {
            for mode in [Shutdown::Drain, Shutdown::CancelPending] {
                let (jam, counting) = (full(bench, OnFull::Block), Counting::default());
                let mut submission = jam.pool.submit_async(add::task(40, 2));
                assert!(poll(&mut submission, &counting).is_pending());
                jam.pool.shutdown(mode).unwrap();
                step("a submission that waits at a pool that is shut down");
                let error = poll_when_woken(&mut submission, &counting).unwrap_err();
                assert!(error.is_shut_down(), "{error}");
                assert_eq!(error.into_task().run(), 42, "the very task");
            }
        })
        .case("a_closure", BOUNDED.local(), |bench| {
            let (jam, counting) = (full(bench, OnFull::Block), Counting::default());
            let text = String::from("captured");
            let mut submission = jam.local().spawn_async(move || text);
            assert!(poll(&mut submission, &counting).is_pending());
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            step("a submission that waits at a pool that is shut down");
            let error = poll_when_woken(&mut submission, &counting).unwrap_err();
            assert!(error.is_shut_down(), "{error}");
            assert_eq!(error.into_task()(), "captured");
        })
        .case(
            "no_future_that_was_given_is_forgotten",
            BOUNDED,
            races_a_drain,
        );
}

/// Submitters that wait for room while the pool is shut down: what was accepted is done, the rest comes
/// back.
fn races_a_drain(bench: &Bench) {
    for _ in 0..super::settle::rounds(bench, 20) {
        let pool = bench.pool_with(&Config::workers(1).with_queue(1, OnFull::Block));
        let ran = bench.tally();
        let accepted: usize = thread::scope(|scope| {
            let submitters: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut accepted = Vec::new();
                        loop {
                            let task = script().bump(&ran).task();
                            match block_on(pool.submit_async(task)) {
                                Ok(future) => accepted.push(future),
                                Err(error) => {
                                    assert!(error.is_shut_down(), "{error}");
                                    return accepted;
                                }
                            }
                        }
                    })
                })
                .collect();
            eventually("some tasks to run", || ran.get() > 3);
            pool.shutdown(Shutdown::Drain).unwrap();
            super::settle::join(&*pool);
            step("submitters at a pool that is shut down");
            let accepted = submitters
                .into_iter()
                .flat_map(|submitter| submitter.join().unwrap());
            accepted.map(|future| assert!(future.is_done())).count()
        });
        assert_eq!(ran.get(), accepted, "what ran was accepted");
    }
}
