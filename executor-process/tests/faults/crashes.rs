//! Tasks that bring their worker down, or do what a well-behaved task does not.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use executor_core::{ExecutorExt as _, TaskErrorKind};
use executor_macros::task;
use executor_process::WorkerStderr;
use libtest_mimic::Trial;

use crate::{
    killed::{death_of, only_worker},
    support::{
        guard::{Bench, Neighbours, add, check_serves, eventually, settle},
        latch::Gate,
        procfs,
        tasks::{Crash, crash, own_pid},
    },
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    let crashes = [
        ("stack_overflow", Crash::Overflow, "signal: 6"),
        ("abort", Crash::Abort, "signal: 6"),
        ("exit_0", Crash::Exit(0), "exit status: 0"),
        ("exit_7", Crash::Exit(7), "exit status: 7"),
        ("out_of_memory", Crash::Memory, "signal: 6"),
        ("segmentation_fault", Crash::Fault, "signal: 11"),
        ("kill_of_its_own", Crash::Kill, "signal: 9"),
    ];
    for (name, how, status) in crashes {
        add(trials, &format!("crashes::{name}"), move |bench| {
            crashes_once(bench, how, status);
        });
    }
    add(
        trials,
        "crashes::closes_its_descriptors",
        closes_its_descriptors,
    );
    add(trials, "crashes::panics", panics);
    add(trials, "crashes::prints", prints);
    add(trials, "crashes::prints_much_and_aborts", prints_much);
    add(trials, "crashes::leaves_a_child_behind", leaves_a_child);
}

fn crashes_once(bench: &Bench, how: Crash, status: &str) {
    let tally = bench.tally("runs");
    // So that the one that takes all the memory does not take that of the machine.
    let pool = bench.builder(2).memory_limit(256 << 20).build().unwrap();
    let before = Neighbours::submit(&pool, &tally, 0..20);
    let victim = pool.submit(crash::task(how, tally.clone(), 100)).unwrap();
    let behind = Neighbours::submit(&pool, &tally, 20..40);
    let death = death_of(settle("the task that crashes", victim));
    assert!(death.status.contains(status), "{death:?}");
    assert!(death.pid.is_some() && death.ran_for.is_some(), "{death:?}");
    match how {
        Crash::Overflow => assert!(death.stderr_tail.contains("overflowed"), "{death:?}"),
        Crash::Memory => assert!(death.stderr_tail.contains("memory allocation"), "{death:?}"),
        _ => {}
    }
    assert_eq!(tally.count(100), 1);
    before.check();
    behind.check();
    check_serves(&pool);
}

/// Closes what is not its own, as a program does that makes itself a daemon.
#[task(crate = "executor_core")]
fn close_descriptors() -> u32 {
    for number in 0..20 {
        if !Path::new(&format!("/proc/self/fd/{number}")).exists() {
            continue;
        }
        #[expect(unsafe_code, reason = "it is what the trial is about")]
        // SAFETY: whoever has opened these in this process uses the standard streams, which may fail, and
        // nothing else: the worker's own are elsewhere.
        unsafe {
            rustix::io::close(number);
        }
    }
    println!("into the void");
    eprintln!("into the void");
    std::process::id()
}

fn closes_its_descriptors(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(1);
    let pid = only_worker(&pool);
    let future = pool.submit(close_descriptors::task()).unwrap();
    assert_eq!(settle("the task that closes", future).unwrap(), pid);
    Neighbours::submit(&pool, &tally, 0..20).check();
    assert_eq!(only_worker(&pool), pid, "it lives");
    let victim = pool.submit(crash::task(Crash::Abort, tally, 100)).unwrap();
    assert_eq!(death_of(settle("the victim", victim)).pid, Some(pid));
    check_serves(&pool);
}

#[task(crate = "executor_core")]
fn panic_with(number: u64) -> u64 {
    panic!("number {number} panics")
}

fn panics(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(1);
    let pid = only_worker(&pool);
    let before = Neighbours::submit(&pool, &tally, 0..20);
    let future = pool.submit(panic_with::task(3)).unwrap();
    let behind = Neighbours::submit(&pool, &tally, 20..40);
    let error = settle("the task that panics", future).unwrap_err();
    let TaskErrorKind::Panicked(report) = error.kind() else {
        panic!("no panic: {error:?}");
    };
    assert_eq!(report.message(), "number 3 panics");
    let location = report.location().unwrap();
    assert!(location.contains("crashes.rs:"), "{location}");
    before.check();
    behind.check();
    assert_eq!(only_worker(&pool), pid, "a panic is no crash");
}

#[task(crate = "executor_core")]
fn print(number: u64) -> u64 {
    print!("out {number};");
    // In one write: the lines of two workers may mix.
    let line = format!("err {number};");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    println!();
    // Bytes that would mean something in the protocol.
    print!("\u{1}\0\0\0\u{12}");
    std::io::stdout().flush().unwrap();
    number
}

fn prints(bench: &Bench) {
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    let own = Arc::clone(&heard);
    let capture = WorkerStderr::Capture(Arc::new(move |bytes: &[u8]| {
        own.lock().unwrap().extend_from_slice(bytes);
    }));
    let pool = bench.builder(2).stderr(capture).build().unwrap();
    let futures: Vec<_> = (0..20)
        .map(|n| pool.submit(print::task(n)).unwrap())
        .collect();
    for (number, future) in (0..20).zip(futures) {
        assert_eq!(settle("a task that prints", future).unwrap(), number);
    }
    check_serves(&pool);
    drop(pool);
    let heard = String::from_utf8(heard.lock().unwrap().clone()).unwrap();
    for number in 0..20 {
        for stream in ["out", "err"] {
            let text = format!("{stream} {number};");
            assert!(heard.contains(&text), "{text:?} is not in {heard:?}");
        }
    }
}

#[task(crate = "executor_core")]
fn print_much() {
    for line in 0..32 * 1024 {
        // 32 bytes each.
        eprintln!("this is the number {line:>12}");
    }
    eprint!("the end");
    Crash::Abort.happen()
}

fn prints_much(bench: &Bench) {
    let tally = bench.tally("runs");
    let pool = bench.pool(2);
    let victim = pool.submit(print_much::task()).unwrap();
    let neighbours = Neighbours::submit(&pool, &tally, 0..40);
    let tail = death_of(settle("the task that prints", victim)).stderr_tail;
    assert_eq!(tail.len(), 8 * 1024);
    assert!(tail.ends_with("32767\nthe end"), "{}", &tail[8000..]);
    neighbours.check();
    check_serves(&pool);
}

/// Starts a process that keeps standard error open, and aborts.
#[task(crate = "executor_core")]
fn abandon(started: Gate) {
    let child = Command::new("sleep")
        .arg("1000")
        .stdin(Stdio::null())
        .spawn();
    Gate::at(
        started
            .path()
            .with_extension(child.unwrap().id().to_string()),
    )
    .open();
    started.open();
    Crash::Abort.happen()
}

fn leaves_a_child(bench: &Bench) {
    let tally = bench.tally("runs");
    let started = bench.gate("started");
    let pool = bench.pool(2);
    let start = Instant::now();
    let victim = pool.submit(abandon::task(started)).unwrap();
    let neighbours = Neighbours::submit(&pool, &tally, 0..40);
    let death = death_of(settle("the task that leaves a child", victim));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "the report took {took:?}");
    assert!(death.status.contains("signal: 6"), "{death:?}");
    let child = std::fs::read_dir(bench.place())
        .unwrap()
        .find_map(|entry| {
            let name = entry.unwrap().file_name();
            name.to_str()?.strip_prefix("started.")?.parse().ok()
        })
        .unwrap();
    eventually("the child is dead", || !procfs::is_alive(child));
    neighbours.check();
    check_serves(&pool);
    let pid = settle("a pid", pool.submit(own_pid::task()).unwrap()).unwrap();
    assert!(pool.worker_pids().contains(&pid));
}
