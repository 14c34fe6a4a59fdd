//! A worker is killed from outside, at each step of its life: exactly the task that it runs fails.

use std::{thread, time::Duration};

use executor_core::{Executor as _, ExecutorExt as _, TaskError, TaskErrorKind, WorkerDeath};
use executor_macros::task;
use executor_process::ProcessPoolExecutor;
use libtest_mimic::Trial;
use rustix::{pipe::fcntl_setpipe_size, process::Signal};

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

/// Gives a result that does not fit into the pipe, and kills its worker once the pipe is full.
#[task(crate = "executor_core")]
fn die_while_answering(started: Gate, len: usize) -> Vec<u8> {
    let pipe = crate::hostile::protocol_pipe();
    fcntl_setpipe_size(&pipe, 4096).unwrap();
    started.open();
    thread::spawn(move || {
        while rustix::io::ioctl_fionread(&pipe).unwrap() < 2048 {}
        Crash::Kill.happen()
    });
    vec![7; len]
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

/// A result counts if the worker had finished it, wherever it was by then; else its task fails.
fn with_half_a_result(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(1);
    for (round, len) in (0..).zip([60_000, 60_000, 64 << 20]) {
        let started = bench.gate(&format!("started {round}"));
        let victim = die_while_answering::task(started.clone(), len);
        let victim = pool.submit(victim).unwrap();
        let pid = started.opener();
        match settle("the victim", victim) {
            Ok(bytes) => {
                assert!(bytes.len() == len && bytes.iter().all(|byte| *byte == 7));
            }
            Err(error) => {
                let death = death_of::<()>(Err(error));
                assert_eq!(death.pid, Some(pid));
                assert!(death.status.contains("signal: 9"), "{death:?}");
                // There it was in shared memory before the first byte was in the pipe.
                assert!(bench.is_portable || len > 60_000, "{death:?}");
            }
        }
        procfs::signal(pid, Signal::KILL);
        eventually("the worker is gone", || !pool.worker_pids().contains(&pid));
        Neighbours::submit(&pool, &tally, 100 * round..100 * round + 20).check();
    }
    check_serves(&pool);
}

/// Notes that it has run, and then does this, if anything.
#[task(crate = "executor_core")]
fn perhaps_crash(tally: Tally, number: u64, how: Option<Crash>) -> u64 {
    tally.bump(number);
    how.map_or(number, |how| how.happen())
}

/// The victim is of the kind of the others, which are known to be short: answers are held back for it.
fn with_unsent_answers(bench: &Bench) {
    let endings = [Crash::Kill, Crash::Abort, Crash::Exit(0)];
    for (round, how) in endings.into_iter().enumerate() {
        let tally = bench.tally(&format!("runs {round}"));
        let pool = bench.pool(1);
        let submit = |number: u64| {
            // After many, after few, and right behind another.
            let ends = [300, 310, 311].contains(&number).then_some(how);
            let task = perhaps_crash::task(tally.clone(), number, ends);
            (number, ends.is_some(), pool.submit(task).unwrap())
        };
        for (number, ends, future) in (0..400).map(submit).collect::<Vec<_>>() {
            let result = settle(&format!("task {number}"), future);
            if ends {
                death_of(result);
            } else {
                assert_eq!(result.unwrap(), number);
            }
        }
        let mut runs = tally.all();
        runs.sort_unstable();
        assert!(runs.into_iter().eq(0..400), "each ran once");
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
        // They are looked at when the worker is dead, wherever they are.
        death_of(settle("the victim", victim));
        for (size, result) in results {
            let result = settle(&format!("the result of {size} bytes"), result).unwrap();
            assert!(result.len() == size && result.iter().all(|byte| *byte == 3));
        }
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
