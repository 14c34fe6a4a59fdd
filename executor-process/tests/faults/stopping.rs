//! Tasks and pools that are ended by force, or by the clock: and nobody else.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Command,
    time::{Duration, Instant},
};

use executor_core::{
    Executor as _, ExecutorExt as _, Future as _, Reason, Shutdown, StopLevel, TaskErrorKind,
    TaskOptions, Timeout,
};
use executor_macros::task;
use executor_process::{OnCrash, WorkerProgram};
use libtest_mimic::Trial;
use rustix::process::{getpgid, getppid, setpgid};

use crate::support::{
    guard::{Bench, Neighbours, add, check_serves, eventually, pass, settle, step},
    latch::{Gate, Tally},
    procfs,
    tasks::{hold, note, own_pid},
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(
        trials,
        "stopping::kill_after_the_grace",
        kill_after_the_grace,
    );
    add(trials, "stopping::kill_without_grace", kill_without_grace);
    add(trials, "stopping::kill_ends_the_group", kill_ends_the_group);
    add(
        trials,
        "stopping::kill_of_one_that_left_its_group",
        left_its_group,
    );
    add(
        trials,
        "stopping::kill_during_the_boot",
        kill_during_the_boot,
    );
    add(
        trials,
        "stopping::kill_of_many_during_the_boot",
        kill_of_many_during_the_boot,
    );
    add(
        trials,
        "stopping::timeout_is_not_retried",
        timeout_is_not_retried,
    );
    add(
        trials,
        "stopping::kill_spares_neighbours",
        kill_spares_neighbours,
    );
    add(
        trials,
        "stopping::timeout_spares_neighbours",
        timeout_spares_neighbours,
    );
    add(
        trials,
        "stopping::timeout_counts_from_the_start",
        timeout_from_the_start,
    );
}

/// A worker program that ignores the polite signal: what is ignored stays so through an exec.
fn stubborn(bench: &Bench) -> WorkerProgram {
    let path = bench.path("stubborn");
    let own = std::env::current_exe().unwrap();
    fs::write(
        &path,
        format!("#!/bin/sh\ntrap '' TERM\nexec {}\n", own.display()),
    )
    .unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    WorkerProgram::new(path)
}

fn kill_after_the_grace(bench: &Bench) {
    let (started, never) = (bench.gate("started"), bench.gate("never"));
    let grace = Duration::from_millis(300);
    let builder = bench
        .builder(1)
        .worker_program(stubborn(bench))
        .kill_grace(grace);
    let pool = builder.build().unwrap();
    let running = pool.submit(hold::task(started.clone(), never)).unwrap();
    let queued = pool.submit(own_pid::task()).unwrap();
    let pid = started.opener();
    let start = Instant::now();
    pool.shutdown(Shutdown::Kill).unwrap();
    let cancelled = settle("the queued task", queued).unwrap_err();
    assert!(cancelled.is_cancelled(), "{cancelled:?}");
    let error = settle("the running task", running).unwrap_err();
    assert!(error.is_killed(), "{error:?}");
    let took = start.elapsed();
    assert!(took >= grace, "the grace was {took:?}");
    step("the pool ends");
    pool.join(None).unwrap();
    assert!(!procfs::is_alive(pid));
}

fn kill_without_grace(bench: &Bench) {
    let (started, never) = (bench.gate("started"), bench.gate("never"));
    let builder = bench.builder(1).worker_program(stubborn(bench));
    let pool = builder.kill_grace(Duration::ZERO).build().unwrap();
    let running = pool.submit(hold::task(started.clone(), never)).unwrap();
    let pid = started.opener();
    running.stop(StopLevel::Kill).unwrap();
    assert!(settle("the running task", running).unwrap_err().is_killed());
    eventually("the worker is gone", || !procfs::is_alive(pid));
    check_serves(&pool);
}

/// Waits for a process that takes long.
#[task(crate = "executor_core")]
fn wait_for_child(started: Gate) {
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    let named = started.path().with_extension(child.id().to_string());
    fs::write(named, "").unwrap();
    started.open();
    child.wait().unwrap();
}

fn kill_ends_the_group(bench: &Bench) {
    let started = bench.gate("started");
    let pool = bench
        .builder(1)
        .kill_grace(Duration::from_millis(500))
        .build()
        .unwrap();
    let running = pool.submit(wait_for_child::task(started.clone())).unwrap();
    started.wait();
    let child = fs::read_dir(bench.place())
        .unwrap()
        .find_map(|entry| {
            let name = entry.unwrap().file_name();
            name.to_str()?.strip_prefix("started.")?.parse().ok()
        })
        .unwrap();
    assert!(procfs::is_alive(child));
    running.stop(StopLevel::Kill).unwrap();
    assert!(settle("the running task", running).unwrap_err().is_killed());
    eventually("the child is dead", || !procfs::is_alive(child));
    check_serves(&pool);
}

/// Goes to the group of its parent, says so, and waits.
#[task(crate = "executor_core")]
fn leave_group(started: Gate, never: Gate) {
    let group = getpgid(getppid()).unwrap();
    setpgid(None, Some(group)).unwrap();
    started.open();
    never.wait();
}

fn left_its_group(bench: &Bench) {
    for grace in [Duration::ZERO, Duration::from_millis(20)] {
        let started = bench.gate(&format!("started {grace:?}"));
        let pool = bench.builder(1).kill_grace(grace).build().unwrap();
        let task = leave_group::task(started.clone(), bench.gate("never"));
        let running = pool.submit(task).unwrap();
        let pid = started.opener();
        running.stop(StopLevel::Kill).unwrap();
        assert!(settle("the running task", running).unwrap_err().is_killed());
        eventually("the worker is gone", || !procfs::is_alive(pid));
        check_serves(&pool);
    }
}

/// An initializer that takes until the gate is open.
#[task(derive(Clone), crate = "executor_core")]
fn start_never(started: Gate, never: Gate) {
    started.open();
    never.wait();
}

fn kill_during_the_boot(bench: &Bench) {
    let started = bench.gate("started");
    let initializer = start_never::task(started.clone(), bench.gate("never"));
    let pool = bench.builder(1).initializer(initializer).build().unwrap();
    let queued = pool.submit(own_pid::task()).unwrap();
    let pid = started.opener();
    let start = Instant::now();
    pool.shutdown(Shutdown::Kill).unwrap();
    assert!(
        settle("the queued task", queued)
            .unwrap_err()
            .is_cancelled()
    );
    step("the pool ends");
    pool.join(None).unwrap();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "the end took {took:?}");
    assert!(!procfs::is_alive(pid));
}

/// More of them than boots may fail in a row: those that were killed have not failed.
fn kill_of_many_during_the_boot(bench: &Bench) {
    let boots = bench.tally("boots");
    let initializer = bump_and_hold::task(boots.clone(), 0, bench.gate("never"));
    let pool = bench.builder(8).initializer(initializer).build().unwrap();
    let queued: Vec<_> = (0..8)
        .map(|_| pool.submit(own_pid::task()).unwrap())
        .collect();
    eventually("eight workers to be starting", || boots.count(0) == 8);
    pool.shutdown(Shutdown::Kill).unwrap();
    for queued in queued {
        let error = settle("a queued task", queued).unwrap_err();
        assert!(error.is_cancelled(), "{error}");
    }
    step("the pool ends");
    pool.join(None).unwrap();
    let error = pool.submit(own_pid::task()).unwrap_err();
    assert!(matches!(error.reason(), Reason::ShutDown), "{error}");
}

fn timeout_is_not_retried(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench
        .builder(1)
        .on_crash(OnCrash::Retry(3))
        .build()
        .unwrap();
    let options = TaskOptions::new().with_timeout(Duration::from_millis(50));
    let task = bump_and_hold::task(tally.clone(), 7, bench.gate("never"));
    let slow = pool.submit_with(options, task).unwrap();
    let error = settle("the slow task", slow).unwrap_err();
    assert!(
        matches!(error.kind(), TaskErrorKind::TimedOut(Timeout::Run)),
        "{error:?}"
    );
    let started = bench.gate("started");
    let killed = pool
        .submit(hold::task(started.clone(), bench.gate("never")))
        .unwrap();
    started.wait();
    killed.stop(StopLevel::Kill).unwrap();
    assert!(settle("the killed task", killed).unwrap_err().is_killed());
    check_serves(&pool);
    assert_eq!(tally.count(7), 1);
}

#[task(crate = "executor_core", derive(Clone))]
fn bump_and_hold(tally: Tally, number: u64, never: Gate) {
    tally.bump(number);
    never.wait();
}

/// A task that is running on one of two workers, between tasks that are sent ahead.
fn kill_spares_neighbours(bench: &Bench) {
    let tally = bench.tally("runs");
    let never = bench.gate("never");
    let pool = bench.pool(2);
    // Known to be short, so that many are sent ahead.
    Neighbours::submit(&pool, &tally, 0..200).check();
    for round in 1..6 {
        let started = bench.gate(&format!("started {round}"));
        let base = 1000 * round;
        let before = Neighbours::submit(&pool, &tally, base..base + 50);
        let victim = pool
            .submit(hold::task(started.clone(), never.clone()))
            .unwrap();
        let behind = Neighbours::submit(&pool, &tally, base + 50..base + 200);
        let pid = started.opener();
        victim.stop(StopLevel::Kill).unwrap();
        assert!(settle("the victim", victim).unwrap_err().is_killed());
        before.check();
        behind.check();
        eventually("the worker is gone", || !pool.worker_pids().contains(&pid));
    }
    check_serves(&pool);
}

fn timeout_spares_neighbours(bench: &Bench) {
    let tally = bench.tally("runs");
    let never = bench.gate("never");
    let pool = bench.pool(2);
    Neighbours::submit(&pool, &tally, 0..200).check();
    let limit = Duration::from_millis(60);
    for round in 1..4 {
        let started = bench.gate(&format!("started {round}"));
        let base = 1000 * round;
        let before = Neighbours::submit(&pool, &tally, base..base + 50);
        let options = TaskOptions::new().with_timeout(limit);
        let victim = hold::task(started.clone(), never.clone());
        let victim = pool.submit_with(options, victim).unwrap();
        let behind = Neighbours::submit(&pool, &tally, base + 50..base + 200);
        started.wait();
        let error = settle("the victim", victim).unwrap_err();
        assert!(
            matches!(error.kind(), TaskErrorKind::TimedOut(Timeout::Run)),
            "{error:?}"
        );
        before.check();
        behind.check();
    }
    check_serves(&pool);
}

fn timeout_from_the_start(bench: &Bench) {
    let (started, go) = (bench.gate("started"), bench.gate("go"));
    let tally = bench.tally("runs");
    let pool = bench.pool(1);
    let first = pool
        .submit(hold::task(started.clone(), go.clone()))
        .unwrap();
    started.wait();
    let limit = Duration::from_millis(400);
    let options = || TaskOptions::new().with_timeout(limit);
    let waiting: Vec<_> = (0..5)
        .map(|number| {
            pool.submit_with(options(), note::task(tally.clone(), number))
                .unwrap()
        })
        .collect();
    pass(limit + Duration::from_millis(100));
    go.open();
    settle("the first task", first).unwrap();
    for (number, future) in (0..5).zip(waiting) {
        assert_eq!(settle("a task that has waited", future).unwrap(), number);
    }
    let started = bench.gate("started late");
    let slow = hold::task(started.clone(), bench.gate("never"));
    let slow = pool.submit_with(options(), slow).unwrap();
    started.wait();
    let start = Instant::now();
    let error = settle("the slow task", slow).unwrap_err();
    assert!(
        matches!(error.kind(), TaskErrorKind::TimedOut(Timeout::Run)),
        "{error:?}"
    );
    let took = start.elapsed();
    assert!(
        took + Duration::from_millis(100) >= limit,
        "ended after {took:?}"
    );
    check_serves(&pool);
}
