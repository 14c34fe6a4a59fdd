//! Law 1: every accepted job settles exactly once, on every path.

use std::{sync::Arc, thread, time::Duration};

use executor_core::{
    Executor, ExecutorExt as _, Future, Job, LocalExecutor, LocalExecutorExt as _, Outcome,
    Shutdown, StopLevel, Task as _, TaskFuture, TaskOptions,
};

use super::{ANY, BACKGROUND, Bench, INITIALIZED, LOCAL, Laws, PENDING, Pool};
use crate::{
    Start,
    guard::step,
    latch::{Gate, Tally, eventually},
    planned,
    script::script,
    subject::Config,
    tasks::{Fails, Fickle, add, fickle_argument, panics, returns_error},
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law01_every_accepted_job_settles_exactly_once")
        .case("return", ANY, |bench| {
            once(bench.executor().submit(add::task(1, 1)).unwrap()).ended(Outcome::Succeeded);
        })
        .case("return_of_an_error_value", ANY, |bench| {
            let future = bench
                .executor()
                .submit(returns_error::task("no".into()))
                .unwrap();
            once(future).ended(Outcome::Succeeded);
        })
        .case("panic", ANY, |bench| {
            once(bench.executor().submit(panics::task(1)).unwrap()).ended(Outcome::Failed);
        })
        .case("codec_failure", ANY, |bench| {
            let argument = Fickle {
                fails: Fails::Encode,
                value: 1,
            };
            let future = bench
                .executor()
                .submit(fickle_argument::task(argument))
                .unwrap();
            let encoded = !bench.capabilities().local;
            once(future).ended(if encoded {
                Outcome::Failed
            } else {
                Outcome::Succeeded
            });
        })
        .case("panic_with_any_payload", LOCAL, |bench| {
            let future = bench.local(1).spawn(|| planned::boom_any(1)).unwrap();
            once(future).ended(Outcome::Failed);
        })
        .case("cancel", PENDING, |bench| {
            let jam = bench.jam();
            let watched = once(jam.number(1));
            assert!(watched.future.cancel());
            watched.ended(Outcome::Cancelled);
        })
        .case("stop_of_a_pending_task", PENDING, |bench| {
            let jam = bench.jam();
            let watched = once(jam.number(1));
            watched.future.stop(StopLevel::Signal).unwrap();
            watched.ended(Outcome::Cancelled);
        })
        .case("queue_timeout", PENDING, queue_timeout)
        .case("shutdown_drain", PENDING, |bench| {
            let jam = bench.jam();
            let all = watch_numbers(&jam.pool, 20);
            jam.pool.shutdown(Shutdown::Drain).unwrap();
            let pool = jam.opened();
            join(&*pool);
            all.into_iter()
                .for_each(|watched| watched.ended(Outcome::Succeeded));
        })
        .case("shutdown_cancel_pending", PENDING, |bench| {
            let jam = bench.jam();
            let all = watch_numbers(&jam.pool, 20);
            jam.pool.shutdown(Shutdown::CancelPending).unwrap();
            all.into_iter()
                .for_each(|watched| watched.ended(Outcome::Cancelled));
        })
        .case("drop_of_the_pool", PENDING, |bench| {
            let jam = bench.jam();
            let all = watch_numbers(&jam.pool, 20);
            step("the drop of the pool");
            drop(jam);
            for watched in all {
                assert!(
                    watched.future.is_done(),
                    "pending after the pool was dropped"
                );
                watched.ended(Outcome::Succeeded);
            }
        })
        .case("drop_of_the_future", PENDING, |bench| {
            let jam = bench.jam();
            let (ran, calls) = (bench.tally(), Tally::new());
            let future = jam.pool.start(script().bump(&ran).task()).unwrap();
            let called = calls.clone();
            future.on_done(move |_| called.bump());
            drop(future);
            drop(jam);
            assert_eq!(
                (ran.get(), calls.get()),
                (1, 1),
                "a detached task runs, and tells"
            );
        })
        .case("job_dropped_by_a_layer", LOCAL, |bench| {
            let layer = Dropping(bench.local(1));
            let future = layer.spawn(|| 1).unwrap();
            let watched = once(future);
            step("the error of a lost task");
            assert!(watched.future.error().is_some_and(|error| error.is_lost()));
            watched.ended(Outcome::Failed);
        })
        .case(
            "job_dropped_by_a_layer_after_it_was_claimed",
            LOCAL,
            |bench| {
                let layer = ClaimingAndDropping(bench.local(1));
                let watched = once(layer.spawn(|| 1).unwrap());
                step("the error of a lost task");
                assert!(watched.future.error().is_some_and(|error| error.is_lost()));
                watched.ended(Outcome::Failed);
            },
        )
        .case("failed_initializer", INITIALIZED, |bench| {
            broken_pool(bench, Start::Fails("no such device".into()));
        })
        .case("panicking_initializer", INITIALIZED, |bench| {
            broken_pool(bench, Start::Panics);
        })
        .case("cancel_storm", BACKGROUND, cancel_storm)
        .case(
            "cancel_from_many_threads",
            BACKGROUND,
            cancel_from_many_threads,
        )
        .case("submissions_race_a_drain", BACKGROUND, |bench| {
            race(bench, Shutdown::Drain)
        })
        .case("submissions_race_a_cancel_pending", BACKGROUND, |bench| {
            race(bench, Shutdown::CancelPending);
        })
        .case(
            "the_drop_of_the_pool_races_its_tasks",
            BACKGROUND,
            |bench| {
                for _ in 0..rounds(bench, 50) {
                    let pool = bench.pool(2);
                    let all = watch_numbers(&pool, 10);
                    drop(pool);
                    all.into_iter()
                        .for_each(|watched| watched.ended(Outcome::Succeeded));
                }
            },
        );
}

/// A future that is watched: how often its callback was called, and with what.
pub(crate) struct Watched<T> {
    pub(crate) future: TaskFuture<T>,
    calls: Tally,
    outcomes: [Tally; 3],
    first: Gate,
}

pub(crate) fn once<T: Send>(future: TaskFuture<T>) -> Watched<T> {
    let watched = Watched {
        future,
        calls: Tally::new(),
        outcomes: [Tally::new(), Tally::new(), Tally::new()],
        first: Gate::new("the callback of a task"),
    };
    let (calls, outcomes) = (watched.calls.clone(), watched.outcomes.clone());
    let first = watched.first.clone();
    watched.future.on_done(move |outcome| {
        calls.add();
        outcomes[index(outcome)].add();
        first.open();
    });
    watched
}

impl<T: Send> Watched<T> {
    /// Waits, and checks that the task ended in this way, once, for everybody.
    #[track_caller]
    pub(crate) fn ended(self, outcome: Outcome) {
        step("a task to settle");
        self.future.wait();
        self.first.wait();
        assert_eq!(self.calls.get(), 1, "calls of the callback");
        assert_eq!(
            self.outcomes[index(outcome)].get(),
            1,
            "calls with {outcome:?}"
        );
        let result = self.future.result();
        assert_eq!(result.is_ok(), outcome == Outcome::Succeeded);
        if let Err(error) = result {
            assert_eq!(
                error.is_cancelled(),
                outcome == Outcome::Cancelled,
                "{error}"
            );
        }
        assert_eq!(
            self.calls.get(),
            1,
            "calls of the callback, after the result was taken"
        );
    }
}

const fn index(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Succeeded => 0,
        Outcome::Failed => 1,
        Outcome::Cancelled => 2,
    }
}

/// Waits for the end of an executor.
#[track_caller]
pub(crate) fn join<E: Executor + ?Sized>(executor: &E) {
    step("the end of the executor");
    executor.join(None).expect("a join without a deadline ends");
}

fn watch_numbers(pool: &Pool, count: u64) -> Vec<Watched<u64>> {
    (0..count).map(|n| once(pool.number(n))).collect()
}

/// How many rounds of a race are enough: fewer where each starts processes.
pub(super) fn rounds(bench: &Bench, rounds: usize) -> usize {
    if bench.capabilities().local {
        rounds
    } else {
        rounds.div_ceil(10)
    }
}

fn queue_timeout(bench: &Bench) {
    let jam = bench.jam();
    let ran = bench.tally();
    let options = TaskOptions::new().with_queue_timeout(Duration::from_nanos(1));
    let task = script().bump(&ran).task();
    let watched = once(jam.pool.start_with(options, task).unwrap());
    let _pool = jam.opened();
    assert!(
        watched
            .future
            .error()
            .is_some_and(|error| error.is_timed_out())
    );
    watched.ended(Outcome::Failed);
    assert_eq!(ran.get(), 0, "an overdue task never runs");
}

/// Accepts jobs and drops them, on a worker of the executor inside.
#[derive(Debug, Clone)]
struct Dropping(Box<dyn LocalExecutor>);

/// As `Dropping`, but claims the job first.
#[derive(Debug, Clone)]
struct ClaimingAndDropping(Box<dyn LocalExecutor>);

macro_rules! layer {
    ($layer:ty, $treat:expr) => {
        impl Executor for $layer {
            fn capabilities(&self) -> executor_core::Capabilities {
                self.0.capabilities()
            }

            fn execute(
                &self,
                job: Job,
                _: executor_core::Admission,
            ) -> Result<(), executor_core::Rejected> {
                let treat: fn(Job) = $treat;
                let carrier = self
                    .0
                    .spawn(move || treat(job))
                    .expect("the layer's pool is open");
                carrier.wait();
                Ok(())
            }

            fn shutdown(&self, mode: Shutdown) -> Result<(), executor_core::Unsupported> {
                self.0.shutdown(mode)
            }

            fn join(
                &self,
                deadline: Option<std::time::Instant>,
            ) -> Result<(), executor_core::JoinError> {
                Executor::join(&self.0, deadline)
            }

            fn stats(&self) -> executor_core::Stats {
                self.0.stats()
            }
        }

        impl LocalExecutor for $layer {
            fn wants_work(&self) -> bool {
                false
            }
        }
    };
}

layer!(Dropping, |job| drop(job));
layer!(ClaimingAndDropping, |job| drop(
    job.claim().expect("nobody else claims it")
));

fn broken_pool(bench: &Bench, start: Start) {
    let initializer = bench.initializer(start);
    let pool = bench.pool_with(&Config::workers(2).with_initializer(&initializer));
    let mut accepted = Vec::new();
    for n in 0..20 {
        match pool.start(script().gives(n).task()) {
            Ok(future) => accepted.push(once(future)),
            Err(error) => assert!(error.is_broken(), "{error}"),
        }
    }
    for watched in accepted {
        step("a task of a broken pool");
        let error = watched.future.error().expect("a broken pool runs nothing");
        assert!(error.is_broken(), "{error}");
        watched.ended(Outcome::Failed);
    }
}

fn cancel_storm(bench: &Bench) {
    let pool = bench.pool(2);
    for round in 0..20 {
        let ran = bench.tally();
        let all: Vec<_> = (0..50)
            .map(|_| once(pool.start(script().bump(&ran).task()).unwrap()))
            .collect();
        let mut cancelled = 0;
        for watched in all.iter().rev().skip(round % 3) {
            cancelled += usize::from(watched.future.cancel());
        }
        for watched in all {
            step("a task of the storm");
            watched.future.wait();
            let outcome = if watched.future.is_cancelled() {
                Outcome::Cancelled
            } else {
                Outcome::Succeeded
            };
            watched.ended(outcome);
        }
        assert_eq!(
            ran.get() + cancelled,
            50,
            "each task ran or was cancelled, not both"
        );
    }
}

fn cancel_from_many_threads(bench: &Bench) {
    let pool = bench.pool(2);
    for _ in 0..50 {
        let ran = bench.tally();
        let future = Arc::new(pool.start(script().bump(&ran).task()).unwrap());
        let winners = Tally::new();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    if future.cancel() {
                        winners.add();
                    }
                });
            }
        });
        step("a task that many threads cancel");
        future.wait();
        assert_eq!(
            winners.get() + ran.get(),
            1,
            "one cancel wins, or the task runs"
        );
    }
}

/// Two threads submit while the pool is shut down: what was accepted settles, the rest comes back.
fn race(bench: &Bench, mode: Shutdown) {
    for round in 0..rounds(bench, 20) {
        let pool = bench.pool(2);
        let submitted = Tally::new();
        let ran = bench.tally();
        let (accepted, refused) = thread::scope(|scope| {
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut accepted = Vec::new();
                        for n in 0_u64.. {
                            match pool.start(script().bump(&ran).gives(n).task()) {
                                Ok(future) => accepted.push(once(future)),
                                Err(error) => {
                                    assert!(error.is_shut_down(), "{error}");
                                    return (accepted, error.into_task().run());
                                }
                            }
                            submitted.add();
                            // So that the queue does not outgrow what a slow machine can drain.
                            if n > 200 {
                                thread::yield_now();
                            }
                        }
                        unreachable!("the pool is shut down")
                    })
                })
                .collect();
            eventually("some submissions", || submitted.get() > round);
            pool.shutdown(mode).unwrap();
            let mut all = (Vec::new(), 0);
            for thread in threads {
                let (accepted, refused) = thread.join().expect("a submitter ends");
                all.0.extend(accepted);
                all.1 += usize::from(refused < u64::MAX);
            }
            all
        });
        join(&*pool);
        let mut succeeded = 0;
        for watched in accepted {
            assert!(watched.future.is_done(), "pending after the join");
            if mode == Shutdown::Drain || !watched.future.is_cancelled() {
                succeeded += 1;
                watched.ended(Outcome::Succeeded);
            } else {
                watched.ended(Outcome::Cancelled);
            }
        }
        assert_eq!(
            ran.get(),
            succeeded + refused,
            "what ran: accepted, or called here"
        );
    }
}
