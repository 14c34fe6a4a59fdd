//! Law 16: queues are bounded or explicitly unbounded; what happens when one is full is a choice.

use std::{
    thread,
    time::{Duration, Instant},
};

use executor_core::{
    ExecutorExt as _, Future, LocalExecutorExt as _, Reason, Shutdown, Task as _, join as fork,
};

use super::{ANY, BACKGROUND, BOUNDED, Bench, Jam, Laws, number_on, value};
use crate::{
    OnFull,
    guard::step,
    latch::{Gate, Tally, eventually},
    script::script,
    subject::Config,
    tasks::add,
};

const POLICIES: [(OnFull, &str); 3] = [
    (OnFull::Block, "block"),
    (OnFull::Reject, "reject"),
    (OnFull::CallerRuns, "caller_runs"),
];

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law16_a_full_queue_blocks_refuses_or_runs_in_the_caller")
        .case(
            "unbounded_takes_thousands",
            ANY.when(|can| can.queue_bound.is_none()),
            |bench| {
                let pool = bench.pool(1);
                let futures: Vec<_> = (0..5000).map(|n| pool.number(n)).collect();
                assert_eq!(futures.into_iter().map(value).sum::<u64>(), 5000 * 4999 / 2);
            },
        )
        .case("the_bound_is_a_capability", BOUNDED, |bench| {
            let pool = bench.pool_with(&Config::workers(1).with_queue(7, OnFull::Block));
            assert_eq!(pool.capabilities().queue_bound, Some(7));
        })
        .case("it_holds_as_many_as_it_says", BOUNDED, |bench| {
            let jam = bench.jam_with(&Config::workers(1).with_queue(3, OnFull::Reject));
            let futures: Vec<_> = (0..3).map(|n| jam.number(n)).collect();
            assert!(jam.pool.start(script().task()).is_err());
            jam.open();
            assert_eq!(futures.into_iter().map(value).sum::<u64>(), 3);
        })
        .case("reject_gives_the_task_back", BOUNDED, |bench| {
            let jam = full(bench, OnFull::Reject);
            let error = jam.pool.start(script().gives(41).task()).unwrap_err();
            assert!(error.is_full() && !error.is_timed_out(), "{error}");
            assert!(
                matches!(error.reason(), Reason::Full { bound: 1 }),
                "{error}"
            );
            assert_eq!(error.into_task().run(), 41);
            let error = jam.pool.submit(add::task(40, 2)).unwrap_err();
            assert_eq!(error.into_task().run(), 42);
        })
        .case("after_a_rejection_there_is_room_again", BOUNDED, |bench| {
            let jam = full(bench, OnFull::Reject);
            assert!(jam.pool.start(script().task()).is_err());
            let pool = jam.opened();
            eventually("room in the queue", || pool.start(script().task()).is_ok());
        })
        .case("block_waits_for_room", BOUNDED, |bench| {
            let jam = full(bench, OnFull::Block);
            let accepted = Gate::new("the submission that was blocked");
            thread::scope(|scope| {
                let submitter = scope.spawn(|| {
                    let future = jam.number(5);
                    accepted.open();
                    value(future)
                });
                assert!(
                    !accepted.opens_within(crate::guard::unit()),
                    "there is no room"
                );
                jam.open();
                accepted.wait();
                assert_eq!(submitter.join().unwrap(), 5);
            });
        })
        .case("block_of_many_threads", BOUNDED, |bench| {
            let pool = bench.pool_with(&Config::workers(2).with_queue(2, OnFull::Block));
            let sum: u64 = thread::scope(|scope| {
                let submitters: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| (0..50).map(|n| pool.number(n)).collect::<Vec<_>>()))
                    .collect();
                step("blocked submitters");
                submitters
                    .into_iter()
                    .flat_map(|s| s.join().unwrap())
                    .map(value)
                    .sum()
            });
            assert_eq!(sum, 4 * 1225);
        })
        .case("a_shutdown_releases_who_is_blocked", BOUNDED, |bench| {
            for mode in [Shutdown::Drain, Shutdown::CancelPending] {
                let jam = full(bench, OnFull::Block);
                thread::scope(|scope| {
                    let late = script().gives(41).task();
                    let submitter = scope.spawn(|| jam.pool.start(late));
                    assert!(!submitter.is_finished());
                    jam.pool.shutdown(mode).unwrap();
                    eventually("the blocked submitter to come back", || {
                        submitter.is_finished()
                    });
                    let error = submitter.join().unwrap().unwrap_err();
                    assert!(error.is_shut_down(), "{error}");
                    assert_eq!(error.into_task().run(), 41);
                });
            }
        })
        .case("caller_runs_runs_in_the_caller", BOUNDED.local(), |bench| {
            let jam = full(bench, OnFull::CallerRuns);
            let here = thread::current().id();
            step("a submission that runs in the caller");
            let future = jam.local().spawn(|| thread::current().id()).unwrap();
            assert!(future.is_done());
            assert_eq!(value(future), here);
        })
        .case("caller_runs_contains_panics", BOUNDED.local(), |bench| {
            let jam = full(bench, OnFull::CallerRuns);
            let future = jam.local().spawn(|| crate::planned::boom()).unwrap();
            assert!(future.error().is_some_and(|error| error.is_panicked()));
        })
        .case("submit_within_gets_room_in_time", BOUNDED, |bench| {
            for (policy, _) in POLICIES {
                if policy == OnFull::CallerRuns && !bench.has_caller_runs() {
                    continue;
                }
                let jam = full(bench, policy);
                let (long, late) = (Duration::from_secs(3600), script().gives(5).task());
                thread::scope(|scope| {
                    let submitter = scope.spawn(|| jam.pool.start_within(long, late));
                    jam.open();
                    eventually("the submitter", || submitter.is_finished());
                    assert_eq!(value(submitter.join().unwrap().unwrap()), 5);
                });
            }
        })
        .case("submit_within_no_time_is_try_submit", BOUNDED, |bench| {
            let jam = full(bench, OnFull::Block);
            let start = Instant::now();
            let error = jam
                .pool
                .submit_within(Duration::ZERO, add::task(40, 2))
                .unwrap_err();
            assert!(
                error.is_full() && start.elapsed() < Duration::from_secs(5),
                "{error}"
            );
            assert_eq!(error.into_task().run(), 42);
        });
    for (policy, name) in POLICIES {
        let bounded = match policy {
            OnFull::CallerRuns => BOUNDED.caller_runs(),
            _ => BOUNDED,
        };
        laws.case(
            format!("try_submit_is_refused_under_{name}"),
            bounded,
            move |bench| {
                let jam = full(bench, policy);
                let error = jam.pool.start_now(script().gives(41).task()).unwrap_err();
                assert!(
                    matches!(error.reason(), Reason::Full { bound: 1 }),
                    "{error}"
                );
                assert_eq!(error.into_task().run(), 41);
                let error = jam.pool.try_submit(add::task(40, 2)).unwrap_err();
                assert_eq!(error.into_task().run(), 42);
            },
        )
        .case(
            format!("submit_within_times_out_under_{name}"),
            bounded,
            move |bench| {
                let jam = full(bench, policy);
                let error = jam
                    .pool
                    .start_within(crate::guard::unit(), script().gives(41).task())
                    .unwrap_err();
                assert!(error.is_timed_out(), "{error}");
                assert_eq!(error.into_task().run(), 41);
            },
        )
        .case(
            format!("map_of_calls_goes_through_under_{name}"),
            bounded,
            move |bench| {
                let pool = bench.pool_with(&Config::workers(2).with_queue(1, policy));
                step("a map of calls through a narrow queue");
                let sums = pool.map((0..300).map(|n| add::task(n, 0)));
                assert_eq!(sums.map(Result::unwrap).sum::<u64>(), 300 * 299 / 2);
            },
        )
        .case(
            format!("map_goes_through_under_{name}"),
            BOUNDED.local(),
            move |bench| {
                let pool = bench.pool_with(&Config::workers(2).with_queue(1, policy));
                let pool = pool.local();
                step("a map through a narrow queue");
                let sum: u64 = pool.map_fn(0..300_u64, |n| n).map(Result::unwrap).sum();
                assert_eq!(sum, 300 * 299 / 2);
            },
        )
        .case(
            format!("map_in_a_worker_goes_through_under_{name}"),
            BOUNDED.local(),
            move |bench| {
                let pool = bench.pool_with(&Config::workers(1).with_queue(1, policy));
                let (pool, own) = (pool.local(), pool.local().clone());
                let sum = move || {
                    own.map_fn(0..100_u64, |n| n)
                        .map(Result::unwrap)
                        .sum::<u64>()
                };
                assert_eq!(value(pool.spawn(sum).unwrap()), 4950);
            },
        )
        .case(
            format!("scope_goes_through_under_{name}"),
            BOUNDED.local(),
            move |bench| {
                let pool = bench.pool_with(&Config::workers(1).with_queue(1, policy));
                let ran = Tally::new();
                step("a scope through a narrow queue");
                pool.local()
                    .scope(|s| (0..50).for_each(|_| drop(s.spawn(|| ran.add()))));
                assert_eq!(ran.get(), 50);
            },
        )
        .case(
            format!("scope_in_a_worker_goes_through_under_{name}"),
            BOUNDED.local(),
            move |bench| {
                let pool = bench.pool_with(&Config::workers(1).with_queue(1, policy));
                let (pool, own) = (pool.local(), pool.local().clone());
                let all = move || {
                    let ran = Tally::new();
                    own.scope(|s| (0..50).for_each(|_| drop(s.spawn(|| ran.add()))));
                    ran.get()
                };
                assert_eq!(value(pool.spawn(all).unwrap()), 50);
            },
        )
        .case(
            format!("join_goes_through_under_{name}"),
            BOUNDED.local(),
            move |bench| {
                let jam = full(bench, policy);
                step("a fork over a full pool");
                assert_eq!(fork(jam.local(), || 1, || 2), (1, 2));
            },
        );
    }
    laws.law("law16_a_worker_that_submits_to_its_own_full_pool_never_waits_for_itself")
        .case("block", BOUNDED.local(), |bench| {
            let reason = own_full_pool(bench, OnFull::Block).expect_err("there is no room");
            assert!(matches!(reason, Reason::WouldDeadlock), "{reason}");
        })
        .case("reject", BOUNDED.local(), |bench| {
            let reason = own_full_pool(bench, OnFull::Reject).expect_err("there is no room");
            assert!(matches!(reason, Reason::Full { bound: 1 }), "{reason}");
        })
        .case("caller_runs", BOUNDED.local(), |bench| {
            assert_eq!(own_full_pool(bench, OnFull::CallerRuns).unwrap(), 42);
        })
        .case(
            "a_worker_of_another_pool_may_wait",
            BOUNDED.local().own_threads(),
            |bench| {
                let jam = full(bench, OnFull::Block);
                let other = bench.local(1);
                let target = jam.local().clone();
                let future = other.spawn(move || value(number_on(&target, 6))).unwrap();
                jam.open();
                assert_eq!(value(future), 6);
            },
        )
        .case(
            "a_worker_of_another_pool_on_the_same_threads",
            BOUNDED.local().shared_threads(),
            |bench| {
                let jam = full(bench, OnFull::Block);
                let target = jam.local().clone();
                let submits = move || target.spawn(|| ()).map_err(|error| error.into_parts().1);
                let submitted = value(bench.local(1).spawn(submits).unwrap());
                let reason = submitted.expect_err("there is no room");
                assert!(matches!(reason, Reason::WouldDeadlock), "{reason}");
            },
        )
        .case("unbounded", BACKGROUND.local(), |bench| {
            let pool = bench.local(1);
            let own = pool.clone();
            let many = move || {
                (0..1000)
                    .map(|n| number_on(&own, n))
                    .map(value)
                    .sum::<u64>()
            };
            assert_eq!(value(pool.spawn(many).unwrap()), 499_500);
        });
}

/// A pool with one worker, which is busy, and one place in its queue, which is taken.
pub(super) fn full(bench: &Bench, policy: OnFull) -> Jam {
    let jam = bench.jam_with(&Config::workers(1).with_queue(1, policy));
    drop(jam.number(0));
    jam
}

/// The only worker fills its queue, and submits once more.
fn own_full_pool(bench: &Bench, policy: OnFull) -> Result<u64, Reason> {
    let pool = bench.pool_with(&Config::workers(1).with_queue(1, policy));
    let (pool, own) = (pool.local(), pool.local().clone());
    let fills = move || {
        let first = number_on(&own, 1);
        let second = own.spawn(|| 42_u64).map_err(|error| error.into_parts().1);
        let result = second.map(value);
        assert_eq!(value(first), 1);
        result
    };
    value(pool.spawn(fills).unwrap())
}
