//! Laws 8 and 12, where workers are processes: workers that cannot begin, and workers that must end.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
};

use executor_core::{Executor as _, Future, Shutdown, StopLevel, TaskErrorKind};

use super::{
    BACKGROUND, Bench, INITIALIZED, Laws, Pool, REMOTE, VICTIM, failure, isolate::starting,
    settle::join, value,
};
use crate::{
    Start,
    guard::step,
    latch::eventually,
    script::{Crash, facts, script},
    victim::{READY, VARIABLE},
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law08_workers_that_die_at_the_start_end_in_a_broken_pool_that_names_the_cause");
    for (start, name, says) in [(Start::Exits(7), "exit", "7"), (Start::Aborts, "abort", "")] {
        laws.case(
            format!("{name}_in_the_initializer"),
            INITIALIZED.remote(),
            move |bench| {
                let (pool, initializer) = starting(bench, 2, start);
                let mut accepted = Vec::new();
                for n in 0..20 {
                    match pool.start(script().gives(n).task()) {
                        Ok(future) => accepted.push(future),
                        Err(error) => assert!(error.is_broken(), "{error}"),
                    }
                }
                for future in accepted {
                    let error = failure(future);
                    assert!(error.is_broken() && !error.may_have_run(), "{error}");
                    assert!(error.to_string().contains(says), "{error}");
                }
                eventually("the pool to be broken", || {
                    pool.start(script().task())
                        .is_err_and(|error| error.is_broken())
                });
                let calls = initializer.calls();
                assert!((1..=20).contains(&calls), "{calls} starts by a pool of 2");
                pool.shutdown(Shutdown::Drain).unwrap();
                join(&*pool);
            },
        );
    }
    laws.case(
        "a_task_that_dies_does_not_break_a_pool_with_an_initializer",
        INITIALIZED.remote(),
        |bench| {
            let (pool, initializer) = starting(bench, 1, Start::Gives(3));
            for _ in 0..3 {
                let dies = pool.start(script().crash(Crash::Abort).task()).unwrap();
                assert!(failure(dies).is_worker_died());
                let facts = value(pool.start(facts::task(None)).unwrap());
                assert_eq!(facts.state, Some(3), "the new worker has its state");
            }
            assert!(initializer.calls() >= 4, "{} calls", initializer.calls());
        },
    );
    end_laws(laws);
    laws.law("law14_a_wait_in_a_callback_for_its_own_executor_never_deadlocks")
        .case("it_ends_or_is_refused", BACKGROUND, |bench| {
            let jam = bench.jam();
            let (future, own) = (jam.number(1), jam.pool.clone());
            let (sender, receiver) = mpsc::channel();
            future.on_done(move |_| {
                // The trial has failed and is over, if nobody listens.
                drop(sender.send(own.number(2).result()));
            });
            let pool = jam.opened();
            step("the callback that waits for its own executor");
            match receiver.recv().expect("the callback does not panic") {
                Ok(number) => assert_eq!(number, 2),
                Err(error) => assert!(
                    matches!(error.kind(), TaskErrorKind::WouldDeadlock),
                    "{error}"
                ),
            }
            assert_eq!(value(pool.number(3)), 3, "the executor goes on");
        });
}

fn end_laws(laws: &mut Laws) {
    laws.law("law12_workers_never_outlive_their_parent")
        .case("that_is_killed", VICTIM, |bench| {
            let (mut victim, workers) = victim(bench);
            assert!(workers.iter().all(|pid| is_alive(*pid)));
            victim.0.kill().expect("the victim is ours");
            victim.0.wait().expect("the victim ends");
            eventually("the workers of a dead parent to end", || {
                !workers.iter().any(|pid| is_alive(*pid))
            });
        })
        .case("that_returns_from_main", VICTIM, |bench| {
            let (mut victim, workers) = victim(bench);
            drop(victim.0.stdin.take());
            let status = victim.0.wait().expect("the victim ends");
            assert!(status.success(), "{status}");
            eventually("the workers of a parent that ended to end", || {
                !workers.iter().any(|pid| is_alive(*pid))
            });
        })
        .case("that_has_joined_its_pool", REMOTE, |bench| {
            for mode in [Shutdown::Drain, Shutdown::CancelPending, Shutdown::Kill] {
                let pool = bench.pool(2);
                let workers = pids(bench, &pool);
                assert!(workers.iter().all(|pid| is_alive(*pid)));
                pool.shutdown(mode).unwrap();
                join(&*pool);
                assert!(!workers.iter().any(|pid| is_alive(*pid)), "after {mode:?}");
            }
        })
        .case("that_has_dropped_its_pool", REMOTE, |bench| {
            let pool = bench.pool(2);
            let workers = pids(bench, &pool);
            step("the drop of the pool");
            drop(pool);
            assert!(!workers.iter().any(|pid| is_alive(*pid)));
        })
        .case(
            "nor_does_anything_remain_of_those_that_died",
            REMOTE,
            |bench| {
                let (pool, _gate, future) = bench.running();
                future.stop(StopLevel::Kill).unwrap();
                failure(future);
                let first = value(pool.start(facts::task(None)).unwrap()).pid;
                failure(pool.start(script().crash(Crash::Abort).task()).unwrap());
                assert_eq!(value(pool.number(1)), 1);
                eventually("a dead worker to be waited for", || !exists(first));
            },
        );
}

/// A program with a pool, ended at the latest when this is dropped.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        // It may have ended before; then there is nothing to do.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts the program that is to be killed; the ids of its workers, one of which is busy.
fn victim(bench: &Bench) -> (Victim, Vec<u32>) {
    step("the start of the victim");
    let child = bench
        .victim()
        .env(VARIABLE, bench.directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the victim starts");
    let mut victim = Victim(child);
    let output = victim.0.stdout.take().expect("its output is piped");
    let mut workers = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line.expect("the victim prints text");
        if line == READY {
            assert_eq!(workers.len(), 2, "workers of the victim");
            return (victim, workers);
        }
        workers.push(line.parse().expect("the victim prints ids"));
    }
    panic!("the victim ended before it was ready");
}

/// The process ids of both workers of a pool.
pub(super) fn pids(bench: &Bench, pool: &Pool) -> [u32; 2] {
    let meeting = bench.meeting(2);
    let ask = || {
        pool.start(facts::task(Some(meeting.clone())))
            .expect("an open pool accepts tasks")
    };
    [ask(), ask()].map(|future| value(future).pid)
}

/// Kills a process, from outside.
#[track_caller]
pub(super) fn kill(pid: u32) {
    let status = Command::new("/bin/kill")
        .arg("-KILL")
        .arg(pid.to_string())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "no kill");
}

/// Whether there is a process of this id that runs.
pub(super) fn is_alive(pid: u32) -> bool {
    if cfg!(not(target_os = "linux")) {
        return exists(pid);
    }
    // "pid (name) state ..": the name may hold anything, brackets too.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| &rest[..1]);
    state.is_some_and(|state| state != "Z" && state != "X")
}

/// Whether there is a process of this id, be it one that has ended and not been waited for.
fn exists(pid: u32) -> bool {
    if cfg!(target_os = "linux") {
        return std::path::Path::new(&format!("/proc/{pid}")).exists();
    }
    let id = pid.to_string();
    let output = if cfg!(windows) {
        let filter = format!("PID eq {id}");
        Command::new("tasklist")
            .args(["/NH", "/FI", &filter])
            .output()
    } else {
        Command::new("/bin/ps")
            .args(["-o", "pid=", "-p", &id])
            .output()
    };
    let output = output.expect("the system lists its processes");
    String::from_utf8_lossy(&output.stdout).contains(&id)
}
