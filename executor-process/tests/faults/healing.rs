//! What a pool can be told about crashes, limits and its size.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use executor_core::{Executor as _, ExecutorExt as _, Reason, TaskErrorKind};
use executor_macros::task;
use executor_process::OnCrash;
use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::{
    killed::{death_of, only_worker},
    support::{
        guard::{Bench, Neighbours, add, add_for, check_serves, eventually, pass, settle, step},
        latch::Tally,
        procfs,
        tasks::{Crash, crash, hold, note, own_pid},
    },
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(
        trials,
        "healing::retries_until_poisoned",
        retries_until_poisoned,
    );
    add(
        trials,
        "healing::retries_with_success",
        retries_with_success,
    );
    add(
        trials,
        "healing::retries_with_large_arguments",
        retries_with_large_arguments,
    );
    add(trials, "healing::breaks_the_pool", breaks_the_pool);
    add(trials, "healing::restart_limit", restart_limit);
    add(
        trials,
        "healing::restart_limit_not_reached",
        restart_limit_not_reached,
    );
    add(trials, "healing::max_tasks_per_worker", max_tasks);
    add_for(trials, "healing::max_resident_memory", false, max_resident);
    add_for(
        trials,
        "healing::max_resident_memory_is_refused",
        true,
        max_resident_refused,
    );
    add(trials, "healing::idle_timeout", idle_timeout);
    add(trials, "healing::resize", resize);
}

fn retries_until_poisoned(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench
        .builder(2)
        .on_crash(OnCrash::Retry(2))
        .build()
        .unwrap();
    let before = Neighbours::submit(&pool, &tally, 0..20);
    let victim = pool
        .submit(crash::task(Crash::Exit(9), tally.clone(), 100))
        .unwrap();
    let behind = Neighbours::submit(&pool, &tally, 20..40);
    let error = settle("the task that always crashes", victim).unwrap_err();
    let TaskErrorKind::Poisoned { attempts, death } = error.kind() else {
        panic!("not poisoned: {error:?}");
    };
    assert_eq!(*attempts, 3);
    assert!(death.status.contains("exit status: 9"), "{death:?}");
    assert_eq!(tally.count(100), 3);
    before.check();
    behind.check();
    check_serves(&pool);
}

/// Crashes if it runs for the first time.
#[task(crate = "executor_core")]
fn crash_once(tally: Tally, number: u64) -> u64 {
    tally.bump(number);
    if tally.count(number) == 1 {
        Crash::Abort.happen();
    }
    number
}

fn retries_with_success(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench
        .builder(2)
        .on_crash(OnCrash::Retry(1))
        .build()
        .unwrap();
    let futures: Vec<_> = (0..5)
        .map(|number| {
            pool.submit(crash_once::task(tally.clone(), number))
                .unwrap()
        })
        .collect();
    let neighbours = Neighbours::submit(&pool, &tally, 20..40);
    for (number, future) in (0..5).zip(futures) {
        assert_eq!(settle("a task that crashes once", future).unwrap(), number);
        assert_eq!(tally.count(number), 2);
    }
    neighbours.check();
    check_serves(&pool);
}

/// Crashes if it runs for the first time; else gives the sum of its bytes.
#[task(crate = "executor_core")]
fn sum_at_second_try(tally: Tally, number: u64, bytes: Vec<u8>) -> u64 {
    tally.bump(number);
    if tally.count(number) == 1 {
        Crash::Kill.happen();
    }
    bytes.into_iter().map(u64::from).sum()
}

/// The argument is there for the second try, as it was.
fn retries_with_large_arguments(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench
        .builder(2)
        .on_crash(OnCrash::Retry(1))
        .build()
        .unwrap();
    let sizes = [100, 70_000, 1 << 20, 3 << 20];
    let futures: Vec<_> = (1..)
        .zip(sizes)
        .map(|(number, size)| {
            let bytes = vec![number as u8; size];
            let task = sum_at_second_try::task(tally.clone(), number, bytes);
            (number, size, pool.submit(task).unwrap())
        })
        .collect();
    for (number, size, future) in futures {
        let sum = settle("a task with a large argument", future).unwrap();
        assert_eq!(sum, number * size as u64);
        assert_eq!(tally.count(number), 2);
    }
    check_serves(&pool);
}

fn breaks_the_pool(bench: &Bench) {
    let tally = bench.tally("runs");
    let (started, never) = (bench.gate("started"), bench.gate("never"));
    let pool = bench
        .builder(1)
        .on_crash(OnCrash::BreakPool)
        .build()
        .unwrap();
    Neighbours::submit(&pool, &tally, 0..20).check();
    let victim = pool.submit(hold::task(started.clone(), never)).unwrap();
    let pid = started.opener();
    let behind: Vec<_> = (20..40)
        .map(|number| pool.submit(note::task(tally.clone(), number)).unwrap())
        .collect();
    procfs::signal(pid, Signal::KILL);
    death_of(settle("the victim", victim));
    for future in behind {
        let error = settle("a task behind it", future).unwrap_err();
        assert!(error.is_broken(), "{error:?}");
        assert!(!error.may_have_run());
    }
    assert_eq!(tally.all().len(), 20);
    let refused = pool.submit(own_pid::task()).unwrap_err();
    assert!(
        matches!(refused.reason(), Reason::Broken { .. }),
        "{refused:?}"
    );
    step("the broken pool ends");
    pool.join(None).unwrap();
}

fn restart_limit(bench: &Bench) {
    let tally = bench.tally("runs");
    let builder = bench.builder(1).restart_limit(3, Duration::from_secs(60));
    let pool = builder.build().unwrap();
    let victims: Vec<_> = (0..8)
        .map(|number| {
            pool.submit(crash::task(Crash::Abort, tally.clone(), number))
                .unwrap()
        })
        .collect();
    for (number, victim) in (0..8).zip(victims) {
        let result = settle("a task that crashes", victim);
        if number < 4 {
            death_of(result);
        } else {
            assert!(result.unwrap_err().is_broken());
        }
        assert_eq!(tally.count(number), usize::from(number < 4));
    }
    let refused = pool.submit(own_pid::task()).unwrap_err();
    let Reason::Broken { cause } = refused.reason() else {
        panic!("not broken: {refused:?}");
    };
    assert!(cause.contains("3 are allowed"), "{cause}");
}

/// What has happened longer ago than the time of the limit does not count.
fn restart_limit_not_reached(bench: &Bench) {
    let tally = bench.tally("runs");
    let builder = bench.builder(1).restart_limit(1, Duration::from_millis(1));
    let pool = builder.build().unwrap();
    for number in 0..4 {
        let victim = pool
            .submit(crash::task(Crash::Abort, tally.clone(), number))
            .unwrap();
        death_of(settle("a task that crashes", victim));
        // Longer than the limit, however early the pool has noted it.
        only_worker(&pool);
        pass(Duration::from_millis(5));
    }
    check_serves(&pool);
}

fn max_tasks(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.builder(2).max_tasks_per_worker(10).build().unwrap();
    let mut runs = BTreeMap::<u32, u32>::new();
    let mut most = 0;
    for _ in 0..6 {
        let pids: Vec<_> = (0..20)
            .map(|_| pool.submit(own_pid::task()).unwrap())
            .collect();
        for pid in pids {
            *runs.entry(settle("a pid", pid).unwrap()).or_default() += 1;
            most = most.max(pool.worker_pids().len());
        }
    }
    assert!(
        runs.len() >= 12,
        "120 tasks were run by {} workers",
        runs.len()
    );
    assert!(runs.values().all(|runs| *runs <= 10), "{runs:?}");
    assert!(most <= 3, "there were {most} processes at once");
    Neighbours::submit(&pool, &tally, 0..100).check();
    check_serves(&pool);
}

/// Keeps memory for good.
#[task(crate = "executor_core")]
fn leak(bytes: usize) -> u32 {
    std::mem::forget(std::hint::black_box(vec![1_u8; bytes]));
    std::process::id()
}

fn max_resident(bench: &Bench) {
    let pool = bench
        .builder(1)
        .max_resident_memory(100 << 20)
        .build()
        .unwrap();
    let pid = only_worker(&pool);
    let future = pool.submit(leak::task(1 << 20)).unwrap();
    assert_eq!(settle("a small leak", future).unwrap(), pid);
    let future = pool.submit(leak::task(150 << 20)).unwrap();
    assert_eq!(settle("a large leak", future).unwrap(), pid);
    eventually("the worker is replaced", || {
        settle("a pid", pool.submit(own_pid::task()).unwrap()).unwrap() != pid
    });
    check_serves(&pool);
}

fn max_resident_refused(bench: &Bench) {
    let error = bench
        .builder(1)
        .max_resident_memory(100 << 20)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("max_resident_memory"), "{error}");
}

fn idle_timeout(bench: &Bench) {
    let go = bench.gate("go");
    let builder = bench.builder(3).min_workers(1);
    let pool = builder
        .idle_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    for round in 0..2 {
        let gates = [0, 1, 2].map(|number| bench.gate(&format!("started {round} {number}")));
        let futures = gates
            .clone()
            .map(|gate| pool.submit(hold::task(gate, go.clone())).unwrap());
        let mut pids = BTreeSet::new();
        if round == 0 {
            pids.extend(gates.map(|gate| gate.opener()));
            go.open();
        }
        for future in futures {
            pids.insert(settle("a task that holds", future).unwrap());
        }
        assert!(round > 0 || pids.len() == 3, "{pids:?}");
        eventually("one worker is left", || pool.worker_pids().len() == 1);
    }
    // The last one stays.
    let pids = pool.worker_pids();
    pass(Duration::from_millis(120));
    assert_eq!(pool.worker_pids(), pids);
    check_serves(&pool);
}

fn resize(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(1);
    let pid = only_worker(&pool);
    pool.resize(4).unwrap();
    eventually("there are four workers", || pool.stats().workers == 4);
    assert!(pool.worker_pids().contains(&pid));
    // A running task is not disturbed by a smaller size.
    let (started, go) = (bench.gate("started"), bench.gate("go"));
    let running = pool
        .submit(hold::task(started.clone(), go.clone()))
        .unwrap();
    let busy = started.opener();
    let neighbours = Neighbours::submit(&pool, &tally, 0..50);
    pool.resize(1).unwrap();
    // The only worker that is left may be the one that is held.
    go.open();
    neighbours.check();
    assert_eq!(settle("the running task", running).unwrap(), busy);
    eventually("one worker is left", || pool.worker_pids().len() == 1);
    assert!(pool.resize(0).is_err());
    check_serves(&pool);
}
