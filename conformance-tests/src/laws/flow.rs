//! Laws 18 and 19, and what some pools offer beside: resize, waiting until idle, figures.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use executor_core::{
    Executor as _, ExecutorExt as _, Feature, Future, LocalExecutorExt as _, Registry, Shutdown,
    TaskErrorKind,
};
use std::sync::atomic::Ordering;

use super::{
    ANY, BACKGROUND, Bench, LOCAL, Laws, PENDING, Pool, RESIZE, WAIT_IDLE,
    settle::{join, rounds},
    value,
};
use crate::{
    guard::{step, unit},
    latch::{Tally, eventually},
    script::script,
    subject::Config,
    tasks::{COUNTERS, add, count, counters},
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law18_at_most_once")
        .case("each_accepted_call_is_noted_once", ANY, |bench| {
            let (pool, notes) = (bench.pool(2), bench.notes());
            let futures: Vec<_> = (0..500)
                .map(|n| pool.start(script().note(&notes, n).task()).unwrap())
                .collect();
            futures.into_iter().map(value).for_each(|_| ());
            assert_eq!(notes.sorted(), (0..500).collect::<Vec<_>>());
        })
        .case("calls_under_a_cancel_storm", BACKGROUND, |bench| {
            let (pool, notes) = (bench.pool(2), bench.notes());
            let futures: Vec<_> = (0..500)
                .map(|n| pool.start(script().note(&notes, n).task()).unwrap())
                .collect();
            let cancelled: Vec<bool> = futures.iter().rev().map(|future| future.cancel()).collect();
            drop(pool);
            let expected: Vec<_> = (0..500)
                .zip(cancelled.into_iter().rev())
                .filter_map(|(n, cancelled)| (!cancelled).then_some(n))
                .collect();
            assert_eq!(notes.sorted(), expected, "run once, or cancelled");
        })
        .case("calls_under_a_cancelling_shutdown", BACKGROUND, |bench| {
            for _ in 0..rounds(bench, 20) {
                let (pool, notes) = (bench.pool(2), bench.notes());
                let futures: Vec<_> = (0..200)
                    .map(|n| pool.start(script().note(&notes, n).task()).unwrap())
                    .collect();
                pool.shutdown(Shutdown::CancelPending).unwrap();
                join(&*pool);
                let expected: Vec<_> = (0..)
                    .zip(&futures)
                    .filter_map(|(n, future)| (!future.is_cancelled()).then_some(n))
                    .collect();
                assert_eq!(notes.sorted(), expected, "run once, or cancelled");
            }
        })
        .case("each_accepted_task_runs_once", LOCAL, |bench| {
            let (pool, runs) = (bench.local(2), Runs::new(2000));
            let futures: Vec<_> = (0..2000)
                .map(|n| pool.spawn(runs.task(n)).unwrap())
                .collect();
            futures.into_iter().for_each(value);
            assert!(runs.all(|runs| runs == 1));
        })
        .case("each_accepted_call_runs_once", ANY, |bench| {
            // The counters are of this process, so only executors of this process can be watched.
            let (executor, mine) = (bench.executor(), counters(4));
            let futures: Vec<_> = mine
                .clone()
                .map(|n| executor.submit(count::task(n)).unwrap())
                .collect();
            for future in futures {
                assert_eq!(value(future), 0, "the first and only run");
            }
            if bench.capabilities().local {
                assert!(
                    mine.into_iter()
                        .all(|n| COUNTERS[n].load(Ordering::SeqCst) == 1)
                );
            }
        })
        .case("under_a_cancel_storm", BACKGROUND.local(), |bench| {
            let (pool, runs) = (bench.local(2), Runs::new(2000));
            let cancelled = Tally::new();
            thread::scope(|scope| {
                let (sender, receiver) = std::sync::mpsc::channel();
                let cancelled = &cancelled;
                scope.spawn(move || {
                    for (n, future) in receiver.into_iter().enumerate() {
                        let future: executor_core::TaskFuture<()> = future;
                        if n % 2 == 0 && future.cancel() {
                            cancelled.add();
                        }
                    }
                });
                for n in 0..2000 {
                    sender.send(pool.spawn(runs.task(n)).unwrap()).unwrap();
                }
            });
            drop(pool);
            assert!(runs.all(|runs| runs <= 1));
            assert_eq!(runs.sum() + cancelled.get(), 2000);
        })
        .case("when_waiters_and_workers_compete", LOCAL, |bench| {
            let (pool, runs) = (bench.local(2), Runs::new(1000));
            let parents: Vec<_> = (0..10)
                .map(|parent| {
                    let (own, runs) = (pool.clone(), runs.clone());
                    let children = move || {
                        let futures: Vec<_> = (0..100)
                            .map(|n| own.spawn(runs.task(100 * parent + n)).unwrap())
                            .collect();
                        futures.into_iter().rev().for_each(value);
                    };
                    pool.spawn(children).unwrap()
                })
                .collect();
            parents.into_iter().for_each(value);
            assert!(runs.all(|runs| runs == 1));
        })
        .case("under_a_cancelling_shutdown", BACKGROUND.local(), |bench| {
            for _ in 0..10 {
                let (pool, runs) = (bench.local(2), Runs::new(200));
                let futures: Vec<_> = (0..200)
                    .map(|n| pool.spawn(runs.task(n)).unwrap())
                    .collect();
                pool.shutdown(Shutdown::CancelPending).unwrap();
                join(&*pool);
                let cancelled = futures
                    .iter()
                    .filter(|future| future.is_cancelled())
                    .count();
                assert!(runs.all(|runs| runs <= 1));
                assert_eq!(runs.sum() + cancelled, 200);
            }
        })
        .case("tasks_of_a_scope_run_once", LOCAL, |bench| {
            let (pool, runs) = (bench.local(2), Runs::new(500));
            pool.scope(|s| (0..500).for_each(|n| drop(s.spawn(runs.task(n)))));
            assert!(runs.all(|runs| runs == 1));
        })
        .case("a_panic_is_no_reason_to_run_again", ANY, |bench| {
            let (pool, ran) = (bench.pool(2), bench.tally());
            let task = script().bump(&ran).panic().task();
            let error = super::failure(pool.start(task).unwrap());
            drop(pool);
            assert_eq!(ran.get(), 1);
            assert!(error.may_have_run());
        })
        .case("the_error_says_whether_it_may_have_run", PENDING, |bench| {
            let jam = bench.jam();
            let (cancelled, panicked) = (
                jam.number(1),
                jam.pool.start(script().panic().task()).unwrap(),
            );
            cancelled.cancel();
            assert!(!super::failure(cancelled).may_have_run());
            jam.open();
            assert!(super::failure(panicked).may_have_run());
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            let mut refused = jam.pool.map([add::task(1, 1)]);
            let refused = refused.next().unwrap().unwrap_err();
            assert!(
                matches!(refused.kind(), TaskErrorKind::Rejected(_)) && !refused.may_have_run()
            );
        });
    laws.law("law19_no_feature_changes_what_does_not_name_it")
        .case(
            "registering_by_hand_what_is_registered_changes_nothing",
            ANY,
            |bench| {
                let (names, digest) = (Registry::global().names(), Registry::global().digest());
                crate::tasks::register();
                assert_eq!(
                    (Registry::global().names(), Registry::global().digest()),
                    (names, digest)
                );
                assert_eq!(value(bench.executor().submit(add::task(1, 1)).unwrap()), 2);
            },
        )
        .case("capabilities_never_change", ANY, |bench| {
            let executor = bench.executor();
            let before = executor.capabilities();
            value(executor.submit(add::task(1, 1)).unwrap());
            assert_eq!(executor.capabilities(), before);
            executor.shutdown(Shutdown::Drain).unwrap();
            assert_eq!(executor.capabilities(), before);
            assert_eq!(executor.clone().capabilities(), before);
        });
    more_laws(laws);
}

fn more_laws(laws: &mut Laws) {
    laws.law("flow_workers")
        .case(
            "as_many_tasks_run_at_once_as_there_are_workers",
            BACKGROUND,
            |bench| {
                for workers in [1, 2, 4] {
                    let pool = bench.pool(workers);
                    assert_eq!(pool.capabilities().workers, workers);
                    assert_eq!(at_once(bench, &pool, workers), workers);
                }
            },
        )
        .case("and_no_more", BACKGROUND.local(), |bench| {
            let (pool, running, most) = (bench.local(2), Tally::new(), Tally::new());
            let futures: Vec<_> = (0..200)
                .map(|_| {
                    let (running, most) = (running.clone(), most.clone());
                    let task = move || {
                        if running.add() >= 2 {
                            most.add();
                        }
                        thread::yield_now();
                        running.subtract();
                    };
                    pool.spawn(task).unwrap()
                })
                .collect();
            futures.into_iter().for_each(value);
            assert_eq!(most.get(), 0, "more than two ran at once");
        })
        .case("resize_up", RESIZE, |bench| {
            let subject = bench.subject(&Config::workers(1));
            let pool = &Pool::of(&subject);
            (subject.resize.as_ref().expect("offered"))(3).unwrap();
            assert_eq!(pool.capabilities().workers, 3);
            assert_eq!(at_once(bench, pool, 3), 3);
        })
        .case("resize_up_starts_what_is_queued", RESIZE, |bench| {
            let subject = bench.subject(&Config::workers(1));
            let pool = &Pool::of(&subject);
            let gate = bench.gate("the first worker");
            bench.block(pool, &gate);
            let queued = pool.number(5);
            (subject.resize.as_ref().expect("offered"))(2).unwrap();
            assert_eq!(value(queued), 5);
            gate.open();
        })
        .case("resize_down", RESIZE, |bench| {
            let subject = bench.subject(&Config::workers(4));
            let pool = &Pool::of(&subject);
            assert_eq!(at_once(bench, pool, 4), 4);
            (subject.resize.as_ref().expect("offered"))(1).unwrap();
            assert_eq!(pool.capabilities().workers, 1);
            eventually("three workers to end", || pool.stats().workers <= 1);
            assert_eq!(value(pool.number(1)), 1);
        })
        .case("resize_down_loses_nothing", RESIZE, |bench| {
            let subject = bench.subject(&Config::workers(4));
            let pool = &Pool::of(&subject);
            let futures: Vec<_> = (0..500).map(|n| pool.number(n)).collect();
            (subject.resize.as_ref().expect("offered"))(1).unwrap();
            assert_eq!(futures.into_iter().map(value).sum::<u64>(), 500 * 499 / 2);
        })
        .case("resize_to_nothing_is_refused", RESIZE, |bench| {
            let subject = bench.subject(&Config::workers(2));
            let error = (subject.resize.as_ref().expect("offered"))(0).unwrap_err();
            assert!(error.contains('0'), "the error names the value: {error}");
            assert_eq!(subject.executor.capabilities().workers, 2);
        })
        .case("wait_idle_of_an_idle_pool", WAIT_IDLE, |bench| {
            let subject = bench.subject(&Config::workers(2));
            step("wait_idle");
            assert!((subject.wait_idle.as_ref().expect("offered"))(None));
        })
        .case("wait_idle_waits_for_all_tasks", WAIT_IDLE, |bench| {
            let subject = bench.subject(&Config::workers(2));
            let pool = &Pool::of(&subject);
            let futures: Vec<_> = (0..300).map(|n| pool.number(n)).collect();
            step("wait_idle");
            assert!((subject.wait_idle.as_ref().expect("offered"))(None));
            assert!(
                futures.iter().all(Future::is_done),
                "idle, and a task is not done"
            );
            let stats = pool.stats();
            assert_eq!((stats.queued, stats.running), (0, 0), "{stats:?}");
        })
        .case("idle_and_done_are_one_moment", WAIT_IDLE, |bench| {
            let subject = bench.subject(&Config::workers(2));
            let pool = &Pool::of(&subject);
            let wait_idle = subject.wait_idle.as_ref().expect("offered");
            step("wait_idle");
            for n in 0..500 {
                let future = pool.number(n);
                assert!(wait_idle(None) && future.is_done(), "round {n}");
            }
        })
        .case("wait_idle_gives_up", WAIT_IDLE, |bench| {
            let subject = bench.subject(&Config::workers(1));
            let pool = &Pool::of(&subject);
            let gate = bench.gate("the busy worker");
            bench.block(pool, &gate);
            let start = Instant::now();
            assert!(!(subject.wait_idle.as_ref().expect("offered"))(
                Some(unit())
            ));
            assert!(start.elapsed() >= unit());
            gate.open();
            assert!((subject.wait_idle.as_ref().expect("offered"))(Some(
                Duration::from_secs(60)
            )));
        })
        .case(
            "wait_idle_does_not_count_cancelled_tasks",
            WAIT_IDLE,
            |bench| {
                let subject = bench.subject(&Config::workers(1));
                let pool = &Pool::of(&subject);
                let gate = bench.gate("the busy worker");
                bench.block(pool, &gate);
                let futures: Vec<_> = (0..10).map(|n| pool.number(n)).collect();
                assert!(futures.iter().all(Future::cancel));
                gate.open();
                step("wait_idle");
                assert!((subject.wait_idle.as_ref().expect("offered"))(None));
            },
        )
        .case("the_figures_while_it_works", BACKGROUND, |bench| {
            let jam = bench.jam();
            let _queued: Vec<_> = (0..3).map(|n| jam.number(n)).collect();
            let stats = jam.pool.stats();
            assert_eq!(
                (stats.workers, stats.queued, stats.running),
                (1, 3, 1),
                "{stats:?}"
            );
            assert_eq!(stats.settled(), 0, "{stats:?}");
        })
        .case("what_is_lacking_has_a_name", ANY, |_| {
            for feature in [
                Feature::Kill,
                Feature::Priorities,
                Feature::Signal,
                Feature::Resize,
            ] {
                let error = executor_core::Unsupported::new(feature);
                assert!(
                    error
                        .to_string()
                        .starts_with("this executor does not support"),
                    "{error}"
                );
            }
        });
}

/// How many tasks come to run at once: so many, or the trial fails.
fn at_once(bench: &Bench, pool: &Pool, tasks: usize) -> usize {
    let meeting = bench.meeting(tasks);
    let futures: Vec<_> = (0..tasks)
        .map(|_| pool.start(script().meet(&meeting).task()).unwrap())
        .collect();
    futures.into_iter().map(value).count()
}

/// How often each of many tasks ran.
#[derive(Clone)]
struct Runs(Arc<Mutex<Vec<usize>>>);

impl Runs {
    fn new(tasks: usize) -> Self {
        Self(Arc::new(Mutex::new(vec![0; tasks])))
    }

    fn task(&self, n: usize) -> impl FnOnce() + Send + use<> {
        let runs = Arc::clone(&self.0);
        move || runs.lock().unwrap()[n] += 1
    }

    fn all(&self, holds: impl Fn(usize) -> bool) -> bool {
        self.0.lock().unwrap().iter().all(|runs| holds(*runs))
    }

    fn sum(&self) -> usize {
        self.0.lock().unwrap().iter().sum()
    }
}
