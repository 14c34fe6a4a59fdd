//! A parent is killed, and its workers end with it, whatever they do.

#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::unwrap_used,
        reason = "these are tests: an unwrap that fails is what they look for"
    )
)]

#[cfg(target_os = "linux")]
#[expect(dead_code, reason = "these trials use a part of it")]
#[path = "faults/support/mod.rs"]
mod support;

/// The trials look into `/proc`.
#[cfg(not(target_os = "linux"))]
fn main() {
    executor_process::init();
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    executor_process::init();
    if linux::is_parent() {
        linux::parent();
        return std::process::ExitCode::SUCCESS;
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let mut trials = Vec::new();
    linux::add_to(&mut trials);
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        env,
        io::{self, BufRead as _, BufReader, Read as _},
        path::PathBuf,
        process::{Child, Command, Stdio},
        time::{Duration, Instant},
    };

    use executor_core::{Executor as _, ExecutorExt as _, Future as _};
    use executor_macros::task;
    use executor_process::{ProcessPoolBuilder, ProcessPoolExecutor, WorkerStderr};
    use libtest_mimic::Trial;
    use rustix::process::Signal;

    use crate::support::{
        guard::{Bench, add, check_serves, eventually, pass, step},
        latch::Gate,
        procfs,
        tasks::hold,
    };

    /// Says to a parent what it does.
    const ROLE: &str = "ORPHANS_ROLE";

    /// Says to a parent that it uses the portable transport.
    const PORTABLE: &str = "ORPHANS_PORTABLE";

    /// Says to a parent where its gates are.
    const PLACE: &str = "ORPHANS_PLACE";

    /// No worker lives longer than this after its parent.
    const GRACE: Duration = Duration::from_millis(200);

    /// So many parents live at once.
    const BATCH: u64 = 10;

    pub(super) fn add_to(trials: &mut Vec<Trial>) {
        add(trials, "orphans::two_hundred_parents", two_hundred_parents);
        add(trials, "orphans::nested_of_a_worker", nested_of_a_worker);
        add(trials, "orphans::nested_of_a_parent", nested_of_a_parent);
    }

    pub(super) fn is_parent() -> bool {
        env::var_os(ROLE).is_some()
    }

    /// A parent: says on standard output how far it is, and lives until it is killed, or until its
    /// standard input ends since the trial has.
    pub(super) fn parent() {
        let place = PathBuf::from(env::var_os(PLACE).unwrap());
        let gate = |name: &str| Gate::at(place.join(format!("{name} {}", std::process::id())));
        let is_portable = env::var_os(PORTABLE).is_some();
        // With the first line: what comes next is the start of the workers.
        println!("up");
        let pool = builder(is_portable).build().unwrap();
        let futures = match env::var(ROLE).unwrap().as_str() {
            "busy" => {
                let gates = [gate("first"), gate("second")];
                let futures = gates.clone().map(|started| {
                    let task = hold::task(started, gate("never"));
                    pool.submit(task).unwrap()
                });
                gates.iter().for_each(Gate::wait);
                Vec::from(futures)
            }
            "nested" => {
                let task = nest::task(is_portable, gate("inner"), gate("never"));
                vec![pool.submit(task).unwrap()]
            }
            "idle" => {
                eventually("the workers are ready", || pool.stats().workers == 2);
                Vec::new()
            }
            role => panic!("there is no role {role:?}"),
        };
        println!("ready");
        let mut input = Vec::new();
        let _ended = io::stdin().read_to_end(&mut input);
        // What is held would be held for ever.
        pool.shutdown(executor_core::Shutdown::Kill).unwrap();
        drop(futures);
    }

    fn builder(is_portable: bool) -> ProcessPoolBuilder {
        let builder = ProcessPoolExecutor::builder()
            .max_workers(2)
            .stderr(WorkerStderr::Discard);
        if is_portable {
            builder.portable_transport()
        } else {
            builder
        }
    }

    /// Makes a pool in a worker, and waits for a task of it.
    #[task(crate = "executor_core")]
    fn nest(is_portable: bool, started: Gate, never: Gate) -> u32 {
        let pool = builder(is_portable).build().unwrap();
        pool.submit(hold::task(started, never))
            .unwrap()
            .result()
            .unwrap()
    }

    fn start(bench: &Bench, role: &str) -> Child {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .env(ROLE, role)
            .env(PLACE, bench.place())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if bench.is_portable {
            command.env(PORTABLE, "1");
        }
        command.spawn().unwrap()
    }

    /// Waits for so many lines of a parent.
    #[track_caller]
    fn wait_for_lines(parent: &mut Child, count: usize) {
        step("the parent says how far it is");
        let mut lines = BufReader::new(parent.stdout.as_mut().unwrap()).lines();
        for _ in 0..count {
            lines.next().expect("a line of the parent").unwrap();
        }
    }

    fn end(parent: &mut Child) {
        parent.kill().unwrap();
        parent.wait().unwrap();
    }

    /// Some are killed when busy, some when idle, some while they start their workers.
    fn two_hundred_parents(bench: &Bench) {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut slowest = Duration::ZERO;
        for batch in 0..200 / BATCH {
            let mut parents = Vec::new();
            for round in 0..BATCH {
                let role = if (batch + round) % 2 == 0 {
                    "busy"
                } else {
                    "idle"
                };
                let mut parent = start(bench, role);
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                if round < 5 {
                    // Somewhere in the middle, or right after the first line.
                    wait_for_lines(&mut parent, 1);
                    pass(Duration::from_micros(random % 12_000 * (round.min(1))));
                    end(&mut parent);
                }
                parents.push(parent);
            }
            for parent in &mut parents[5..] {
                wait_for_lines(parent, 2);
            }
            for parent in &parents[5..] {
                assert_eq!(workers_of(parent.id()).len(), 2);
            }
            for parent in &mut parents[5..] {
                end(parent);
            }
            let killed = Instant::now();
            pass(GRACE);
            for parent in &parents {
                let left = workers_of(parent.id());
                if !left.is_empty() {
                    eventually("the last orphan is gone", || {
                        workers_of(parent.id()).is_empty()
                    });
                    slowest = slowest.max(killed.elapsed());
                }
            }
        }
        assert_eq!(slowest, Duration::ZERO, "the last orphan lived so long");
    }

    /// The processes that were started as workers of this one, and live.
    fn workers_of(parent: u32) -> Vec<u32> {
        let is_worker = |variable: &[u8]| {
            variable
                .strip_prefix(b"CONCURRENT_FUTURES_WORKER=")
                .and_then(|value| std::str::from_utf8(value).ok())
                .and_then(|value| value.split_once(':'))
                .is_some_and(|(_, id)| id.parse() == Ok(parent))
        };
        procfs::all()
            .filter(|pid| {
                std::fs::read(format!("/proc/{pid}/environ"))
                    .is_ok_and(|bytes| bytes.split(|byte| *byte == 0).any(is_worker))
            })
            .filter(|pid| procfs::is_alive(*pid))
            .collect()
    }

    #[track_caller]
    fn dies_soon(pid: u32) {
        let start = Instant::now();
        eventually("the inner worker is gone", || !procfs::is_alive(pid));
        let took = start.elapsed();
        assert!(took <= GRACE, "the inner worker lived for {took:?}");
    }

    fn nested_of_a_worker(bench: &Bench) {
        let pool = bench.pool(1);
        let task = nest::task(bench.is_portable, bench.gate("inner"), bench.gate("never"));
        let outer = pool.submit(task).unwrap();
        let inner = wait_for_inner(&outer, &bench.gate("inner"));
        for pid in pool.worker_pids() {
            procfs::signal(pid, Signal::KILL);
        }
        dies_soon(inner);
        assert!(outer.result().unwrap_err().is_worker_died());
        check_serves(&pool);
    }

    fn nested_of_a_parent(bench: &Bench) {
        let mut parent = start(bench, "nested");
        wait_for_lines(&mut parent, 2);
        let gate = bench.gate(&format!("inner {}", parent.id()));
        let inner = gate.opener();
        let outer = workers_of(parent.id());
        end(&mut parent);
        dies_soon(inner);
        for pid in outer {
            dies_soon(pid);
        }
    }

    /// The process of the inner task.
    #[track_caller]
    fn wait_for_inner(outer: &executor_core::TaskFuture<u32>, started: &Gate) -> u32 {
        eventually("the inner task runs", || {
            assert!(
                !outer.is_done(),
                "the outer task ended: {:?}",
                outer.peek_error()
            );
            started.is_open()
        });
        started.opener()
    }
}
