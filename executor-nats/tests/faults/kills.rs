//! Workers that are killed by their own program: what they have goes back to the queue, and runs elsewhere at once.

use std::{
    env,
    time::{Duration, Instant},
};

use executor_core::{ExecutorExt as _, Future as _, TaskErrorKind};
use executor_nats::{Isolation, NatsExecutor, Worker, WorkerBuilder};
use executor_process::{ProcessPoolExecutor, WorkerProgram};
use libtest_mimic::Trial;

use crate::support::{
    cluster::{Bench, check_serves},
    guard::{add, eventually, settle, step},
    line::{Line, Way},
    raw::Raw,
    roles::WAIT_FOR,
    tasks::{double, hold, length, note},
};

/// So long that whatever waits for it fails.
const LEASE: Duration = Duration::from_secs(600);

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "kills::with_tasks_that_run", with_tasks_that_run);
    add(
        trials,
        "kills::with_tasks_that_wait_for_a_process",
        |bench| {
            let executor = executor(bench);
            let late = bench.gate("late");
            let program = WorkerProgram::new(env::current_exe().unwrap());
            let program = program.env(WAIT_FOR, late.path());
            let pool = ProcessPoolExecutor::builder().worker_program(program);
            let worker = builder(bench).processes(pool).start().unwrap();
            let (tally, until) = (bench.tally("runs"), bench.gate("until"));
            until.open();
            let futures: Vec<_> = (0..8)
                .map(|number| {
                    let started = bench.gate(&format!("started {number}"));
                    let task = hold::task(tally.clone(), number, started, until.clone());
                    executor.submit(task).unwrap()
                })
                .collect();
            eventually("its pool has as many as it has slots", || {
                futures.iter().filter(|future| future.is_running()).count() == SLOTS
            });
            end(worker);
            assert!(tally.all().is_empty(), "there was no process to run them");
            let _next = builder(bench).start().unwrap();
            let mut attempts: Vec<u32> = futures
                .into_iter()
                .map(|future| settle("a task that goes back", future).unwrap())
                .collect();
            attempts.sort_unstable();
            assert_eq!(attempts, [1, 1, 1, 1, 2, 2, 2, 2], "to be given counts");
            assert_eq!(tally.all().len(), 8, "each runs once");
            check_serves(&executor);
        },
    );
    add(trials, "kills::until_a_task_is_given_up", |bench| {
        let executor = executor(bench);
        let tally = bench.tally("runs");
        let never = bench.gate("never");
        let started = |attempt: usize| {
            eventually("the task runs", || tally.all().len() == attempt);
        };
        let task = hold::task(tally.clone(), 1, bench.gate("started"), never);
        let future = executor.submit(task).unwrap();
        for attempt in 1..=3 {
            let worker = builder(bench).start().unwrap();
            started(attempt);
            end(worker);
            assert!(!future.is_done(), "it may run again");
        }
        let _next = builder(bench).start().unwrap();
        let error = settle("the task that was killed three times", future).unwrap_err();
        assert!(
            matches!(error.kind(), TaskErrorKind::WorkerLost { attempts: 3 }),
            "{error:?}"
        );
        assert_eq!(tally.all().len(), 3);
        check_serves(&executor);
    });
    add(trials, "kills::on_threads", |bench| {
        let executor = executor(bench);
        let worker = builder(bench).isolation(Isolation::Threads).start();
        let worker = worker.unwrap();
        let tally = bench.tally("runs");
        let (started, until) = (bench.gate("started"), bench.gate("until"));
        let task = hold::task(tally.clone(), 1, started.clone(), until.clone());
        let future = executor.submit(task).unwrap();
        started.wait();
        worker.kill();
        until.open();
        assert_eq!(
            settle("what no thread can be killed in", future).unwrap(),
            1
        );
        worker.join();
        assert_eq!(tally.count(1), 1);
    });
    add(trials, "kills::without_a_server", |bench| {
        let executor = bench
            .builder()
            .give_up_after(Duration::from_secs(1))
            .connect();
        let executor = executor.unwrap();
        let worker = builder(bench).start().unwrap();
        check_serves(&executor);
        let tally = bench.tally("runs");
        let (started, never) = (bench.gate("started"), bench.gate("never"));
        let task = hold::task(tally, 1, started.clone(), never);
        let future = executor.submit(task).unwrap();
        started.wait();
        bench.server.kill();
        end(worker);
        assert!(settle("a task without a server", future).is_err());
    });
    add(
        trials,
        "kills::while_a_body_is_fetched_without_a_server",
        |bench| {
            let executor = bench
                .builder()
                .give_up_after(Duration::from_secs(1))
                .connect();
            let executor = executor.unwrap();
            let (line, raw) = (
                Line::to(&bench.server.url()),
                Raw::connect(&bench.server.url(), "exec.none"),
            );
            let worker = Worker::builder().url(line.url()).lease(LEASE);
            let worker = worker.start().unwrap();
            line.wait_for(1, "$JS.API.CONSUMER.MSG.NEXT.");
            // It gets the task, and cannot ask for its body.
            line.hold(Way::ToServer);
            let future = executor.submit(length::task(vec![1; 1 << 20])).unwrap();
            eventually("the worker has been given the task", || {
                raw.given_out() == 1
            });
            bench.server.kill();
            end(worker);
            assert!(settle("a task without a server", future).is_err());
        },
    );
    add(trials, "kills::in_the_middle", in_the_middle);
}

const SLOTS: usize = 4;

fn executor(bench: &Bench) -> NatsExecutor {
    bench.builder().lease(LEASE).connect().unwrap()
}

fn builder(bench: &Bench) -> WorkerBuilder {
    let worker = Worker::builder().url(bench.server.url());
    worker.slots(SLOTS).lease(LEASE)
}

/// Kills it; it ends in seconds, whatever it has.
fn end(worker: Worker) {
    step("the worker is killed");
    let began = Instant::now();
    worker.kill();
    worker.join();
    assert!(began.elapsed() < Duration::from_secs(10), "{began:?}");
    drop(worker);
}

fn with_tasks_that_run(bench: &mut Bench) {
    let executor = executor(bench);
    let worker = builder(bench).start().unwrap();
    let (tally, until) = (bench.tally("runs"), bench.gate("until"));
    let submit = |number: u64| {
        let started = bench.gate(&format!("started {number}"));
        let task = hold::task(tally.clone(), number, started.clone(), until.clone());
        (executor.submit(task).unwrap(), started)
    };
    let running: Vec<_> = (0..SLOTS as u64).map(submit).collect();
    for (_, started) in &running {
        started.wait();
    }
    let waiting: Vec<_> = (0..4).map(|number| submit(10 + number)).collect();
    end(worker);
    until.open();
    let _next = builder(bench).start().unwrap();
    for (future, _) in running {
        assert_eq!(settle("a task that ran", future).unwrap(), 2);
    }
    for (future, _) in waiting {
        assert_eq!(settle("a task that waited", future).unwrap(), 1);
    }
    for number in 0..4 {
        assert_eq!(tally.count(number), 2, "killed, and run again");
        assert_eq!(tally.count(10 + number), 1);
    }
    check_serves(&executor);
}

/// Workers that come and go while tasks of all stages are about: none is lost, and the lease is of no use.
fn in_the_middle(bench: &mut Bench) {
    const TASKS: u64 = 2_000;
    let executor = executor(bench);
    let worker = |isolation: Isolation| {
        let worker = builder(bench).isolation(isolation).max_attempts(100);
        worker.start().unwrap()
    };
    // On threads nothing is killed, so that what comes to a worker at its end is all that can be lost.
    let tally = bench.tally("runs");
    let mut current = worker(Isolation::Threads);
    let futures: Vec<_> = (0..TASKS)
        .map(|number| {
            let task = note::task(tally.clone(), number, 0);
            executor.submit(task).unwrap()
        })
        .collect();
    for round in 1..=10 {
        step(&format!("round {round}"));
        let enough = round * TASKS as usize / 20;
        eventually("some more have run", || tally.all().len() >= enough);
        let next = worker(Isolation::Threads);
        end(std::mem::replace(&mut current, next));
    }
    for (number, future) in (0..).zip(futures) {
        assert_eq!(settle(&format!("task {number}"), future).unwrap(), number);
    }
    assert_eq!(tally.all().len() as u64, TASKS, "each has run once");
    assert_eq!(
        settle("one more", executor.submit(double::task(1)).unwrap()).unwrap(),
        2
    );
}
