//! A worker is killed from outside, at each step of its life: exactly the task that it runs fails.

use std::{thread, time::Duration};

use executor_core::{Executor as _, ExecutorExt as _, TaskError, TaskErrorKind, WorkerDeath};
use executor_macros::task;
use executor_process::ProcessPoolExecutor;
use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{
    guard::{Bench, Neighbours, add, check_serves, eventually, pass, settle, step},
    latch::{Gate, Tally},
    procfs,
    tasks::{Crash, crash, hold, own_pid},
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "killed::in_the_handshake", in_the_handshake);
    add(trials, "killed::before_it_reads", before_it_reads);
    add(
        trials,
        "killed::with_half_an_argument",
        with_half_an_argument,
    );
    add(trials, "killed::while_it_reads_an_argument", while_it_reads);
    add(trials, "killed::in_a_task", in_a_task);
    add(trials, "killed::with_half_a_result", with_half_a_result);
    add(trials, "killed::with_unsent_answers", with_unsent_answers);
    add(
        trials,
        "killed::behind_a_large_result",
        behind_a_large_result,
    );
    add(trials, "killed::when_idle", when_idle);
    add(
        trials,
        "killed::when_idle_and_then_used",
        when_idle_and_then_used,
    );
    add(trials, "killed::all_at_once", all_at_once);
}

/// An initializer that takes until the gate is open.
#[task(derive(Clone), crate = "executor_core")]
fn start_slowly(starts: Tally, go: Gate) {
    starts.bump(u64::from(std::process::id()));
    go.wait();
}

/// Gives so many bytes.
#[task(crate = "executor_core")]
fn measure(tally: Tally, number: u64, bytes: Vec<u8>) -> usize {
    tally.bump(number);
    bytes.len()
}

/// Gives a large result, and kills its worker once the first bytes of it are in the pipe.
#[task(crate = "executor_core")]
fn die_while_answering(tally: Tally, number: u64) -> Vec<u8> {
    tally.bump(number);
    let pipe = crate::hostile::protocol_pipe();
    thread::spawn(move || {
        while rustix::io::ioctl_fionread(&pipe).unwrap() < 32 * 1024 {}
        Crash::Kill.happen()
    });
    vec![7; 64 << 20]
}

/// Gives so many bytes.
#[task(crate = "executor_core")]
fn bytes(count: usize) -> Vec<u8> {
    vec![3; count]
}

/// Writes to its standard error, says that it runs, and waits for ever.
#[task(crate = "executor_core")]
fn complain_and_hold(tally: Tally, number: u64, started: Gate, never: Gate) {
    tally.bump(number);
    eprintln!("last words");
    started.open();
    never.wait();
}

/// The death of the worker that ran this task.
#[track_caller]
pub(crate) fn death_of<T: std::fmt::Debug>(result: Result<T, TaskError>) -> WorkerDeath {
    let error = result.unwrap_err();
    let TaskErrorKind::WorkerDied(death) = error.kind() else {
        panic!("not the death of a worker: {error:?}");
    };
    death.clone()
}

/// The only worker, once it takes tasks.
pub(crate) fn only_worker(pool: &ProcessPoolExecutor) -> u32 {
    let pid = settle(
        "the pid of the worker",
        pool.submit(own_pid::task()).unwrap(),
    )
    .unwrap();
    assert_eq!(pool.worker_pids(), [pid]);
    pid
}

fn in_the_handshake(bench: &Bench) {
    let (starts, go, tally) = (bench.tally("starts"), bench.gate("go"), bench.tally("runs"));
    let initializer = start_slowly::task(starts.clone(), go.clone());
    let pool = bench.builder(2).initializer(initializer).build().unwrap();
    let neighbours = Neighbours::submit(&pool, &tally, 0..20);
    eventually("both workers start", || starts.all().len() == 2);
    let first = starts.all()[0] as u32;
    procfs::signal(first, Signal::KILL);
    eventually("a third worker starts", || starts.all().len() == 3);
    assert!(!pool.worker_pids().contains(&first));
    go.open();
    neighbours.check();
    check_serves(&pool);
}

fn before_it_reads(bench: &Bench) {
    for workers in [1, 2] {
        let tally = bench.tally(&format!("runs of {workers}"));
        let pool = bench.pool(workers);
        // All are ready once each has something to do.
        eventually("the workers are ready", || pool.stats().workers == workers);
        let pid = pool.worker_pids()[0];
        procfs::signal(pid, Signal::STOP);
        eventually("the worker is stopped", || procfs::is_stopped(pid));
        let neighbours = Neighbours::submit(&pool, &tally, 0..20);
        procfs::signal(pid, Signal::KILL);
        neighbours.check();
        check_serves(&pool);
    }
}

fn with_half_an_argument(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(1);
    let pid = only_worker(&pool);
    procfs::signal(pid, Signal::STOP);
    eventually("the worker is stopped", || procfs::is_stopped(pid));
    let large = pool.submit(measure::task(tally.clone(), 100, vec![1; 8 << 20]));
    let neighbours = Neighbours::submit(&pool, &tally, 0..20);
    procfs::signal(pid, Signal::KILL);
    // Nobody has started it, so it does not fail.
    assert_eq!(settle("the large task", large.unwrap()).unwrap(), 8 << 20);
    assert_eq!(tally.count(100), 1);
    neighbours.check();
    check_serves(&pool);
}

fn while_it_reads(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(1);
    for round in 0..12 {
        let pid = only_worker(&pool);
        let large = pool.submit(measure::task(tally.clone(), round, vec![1; 8 << 20]));
        // At whatever moment: the reading takes some milliseconds.
        pass(Duration::from_millis(round));
        procfs::signal(pid, Signal::KILL);
        match settle("the large task", large.unwrap()) {
            Ok(len) => assert_eq!(len, 8 << 20),
            Err(error) => assert_eq!(death_of::<()>(Err(error)).pid, Some(pid)),
        }
        assert!(tally.count(round) <= 1);
        eventually("the worker is replaced", || pool.worker_pids() != [pid]);
    }
    check_serves(&pool);
}

fn in_a_task(bench: &Bench) {
    let (started, never) = (bench.gate("started"), bench.gate("never"));
    let tally = bench.tally("runs");
    let pool = bench.pool(2);
    let before = Neighbours::submit(&pool, &tally, 0..20);
    let victim = complain_and_hold::task(tally.clone(), 100, started.clone(), never);
    let victim = pool.submit(victim).unwrap();
    let behind = Neighbours::submit(&pool, &tally, 20..60);
    let pid = started.opener();
    pass(Duration::from_millis(20));
    procfs::signal(pid, Signal::KILL);
    let death = death_of(settle("the victim", victim));
    assert_eq!(death.pid, Some(pid));
    assert!(death.status.contains("signal: 9"), "{death:?}");
    assert!(
        death.ran_for.unwrap() >= Duration::from_millis(20),
        "{death:?}"
    );
    assert!(
        death.ran_for.unwrap() < Duration::from_secs(20),
        "{death:?}"
    );
    assert_eq!(death.stderr_tail, "last words\n");
    assert_eq!(tally.count(100), 1);
    before.check();
    behind.check();
    check_serves(&pool);
}

fn with_half_a_result(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(2);
    let before = Neighbours::submit(&pool, &tally, 0..20);
    let victim = pool
        .submit(die_while_answering::task(tally.clone(), 100))
        .unwrap();
    let behind = Neighbours::submit(&pool, &tally, 20..40);
    let result = settle("the victim", victim).map(|bytes| bytes.len());
    let death = death_of(result);
    assert!(death.status.contains("signal: 9"), "{death:?}");
    assert_eq!(tally.count(100), 1);
    before.check();
    behind.check();
    check_serves(&pool);
}

fn with_unsent_answers(bench: &Bench) {
    for (round, how) in [Crash::Kill, Crash::Abort, Crash::Exit(0)]
        .into_iter()
        .enumerate()
    {
        let tally = bench.tally(&format!("runs {round}"));
        let pool = bench.pool(1);
        let before = Neighbours::submit(&pool, &tally, 0..300);
        let victim = pool.submit(crash::task(how, tally.clone(), 1000)).unwrap();
        let behind = Neighbours::submit(&pool, &tally, 300..400);
        let again = pool.submit(crash::task(how, tally.clone(), 1001)).unwrap();
        death_of(settle("the victim", victim));
        death_of(settle("the second victim", again));
        before.check();
        behind.check();
        assert_eq!((tally.count(1000), tally.count(1001)), (1, 1));
        check_serves(&pool);
    }
}

/// A result that is larger than what is kept for a dead worker was sent before the next task ran.
fn behind_a_large_result(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(1);
    for round in 0..4 {
        let sizes = [10, 100_000, 262_144, 300_000, 5_000_000, 10, 20];
        let results = sizes.map(|size| (size, pool.submit(bytes::task(size)).unwrap()));
        let victim = pool
            .submit(crash::task(Crash::Kill, tally.clone(), round))
            .unwrap();
        let behind = pool.submit(bytes::task(1_000_000)).unwrap();
        for (size, result) in results {
            let result = settle(&format!("the result of {size} bytes"), result).unwrap();
            assert!(result.len() == size && result.iter().all(|byte| *byte == 3));
        }
        death_of(settle("the victim", victim));
        assert_eq!(
            settle("the result behind", behind).unwrap().len(),
            1_000_000
        );
    }
    check_serves(&pool);
}

fn when_idle(bench: &Bench) {
    let pool = bench.pool(2);
    eventually("the workers are ready", || pool.stats().workers == 2);
    let before = pool.worker_pids();
    procfs::signal(before[0], Signal::KILL);
    eventually("the worker is replaced", || {
        let now = pool.worker_pids();
        now.len() == 2 && !now.contains(&before[0])
    });
    assert!(
        pool.worker_pids().contains(&before[1]),
        "the neighbour stays"
    );
    check_serves(&pool);
}

/// A task that is sent to a worker which is dead, unknown to the pool, is run by another.
fn when_idle_and_then_used(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(1);
    for round in 0..15 {
        let pid = only_worker(&pool);
        procfs::signal(pid, Signal::KILL);
        Neighbours::submit(&pool, &tally, 10 * round..10 * round + 5).check();
    }
    check_serves(&pool);
}

fn all_at_once(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(3);
    let never = bench.gate("never");
    for round in 0..4 {
        let gates = [0, 1, 2].map(|number| bench.gate(&format!("started {round} {number}")));
        let victims = gates.clone().map(|started| {
            let task = hold::task(started, never.clone());
            pool.submit(task).unwrap()
        });
        let neighbours = Neighbours::submit(&pool, &tally, 100 * round..100 * round + 30);
        let pids = gates.map(|gate| gate.opener());
        step("all are killed");
        for pid in pids {
            procfs::signal(pid, Signal::KILL);
        }
        for victim in victims {
            death_of(settle("a victim", victim));
        }
        neighbours.check();
    }
    check_serves(&pool);
}
