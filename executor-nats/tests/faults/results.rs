//! Results that come twice, late, large, or to somebody else; and tasks that are cancelled.

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use executor_core::{
    Executor as _, ExecutorExt as _, Future as _, Shutdown, StopLevel, TaskErrorKind, TaskFuture,
};
use executor_nats::NatsExecutor;
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    server::{Options, Server},
    support::{
        cluster::{Bench, LEASE, WorkerProcess, check_serves},
        guard::{add, eventually, pass, settle, step},
        line::{Line, Way},
        raw::Raw,
        roles::{LATE, SUBMITTER},
        tasks::{double, hold, note, reverse},
    },
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "results::submitted_twice", submitted_twice);
    add(trials, "results::run_twice", run_twice);
    add(trials, "results::slow_consumer", slow_consumer);
    add(trials, "results::large", large);
    add(
        trials,
        "results::cancelled_in_the_queue",
        cancelled_in_the_queue,
    );
    add(
        trials,
        "results::stopped_while_running",
        stopped_while_running,
    );
    add(
        trials,
        "results::stopped_before_its_child_is_there",
        stopped_before_its_child_is_there,
    );
    add(
        trials,
        "results::of_what_is_under_way",
        of_what_is_under_way,
    );
    add(trials, "results::killed_with_a_frozen_worker", |bench| {
        let tally = bench.tally("runs");
        let executor = bench.executor();
        let worker = bench.worker(1);
        let (started, never) = (bench.gate("started"), bench.gate("never"));
        let future = executor
            .submit(hold::task(tally.clone(), 1, started.clone(), never))
            .unwrap();
        started.wait();
        worker.freeze();
        give_up_killing(executor, future);
        worker.thaw();
        // It has one slot: so it has ended the task.
        check_serves(&bench.executor());
        assert_eq!(tally.count(1), 1, "nobody has started it again");
    });
    add(trials, "results::killed_without_a_server", |bench| {
        let tally = bench.tally("runs");
        let executor = bench.executor();
        let future = executor.submit(note::task(tally.clone(), 1, 0)).unwrap();
        eventually("it is with the server", || {
            executor.status().unwrap().pending == 1
        });
        bench.server.kill();
        give_up_killing(executor, future);
        bench.server.restart();
        let _worker = bench.worker(1);
        eventually("it runs: nobody could be told", || tally.count(1) == 1);
    });
    add(trials, "results::of_a_map", of_a_map);
}

/// Another connection knows the number of a task before the server has the task.
fn of_what_is_under_way(bench: &mut Bench) {
    let line = Line::to(&bench.server.url());
    let first = bench.builder().url(line.url()).connect().unwrap();
    let attached = bench.builder().attach(first.session_id()).unwrap();
    line.hold(Way::ToServer);
    let [future, cancelled] = [4, 5].map(|number| first.submit(double::task(number)).unwrap());
    let same = |future: &TaskFuture<u64>| {
        let number = first.task_id(future).unwrap();
        attached.future::<double>(number).unwrap()
    };
    let (other, withdrawn) = (same(&future), same(&cancelled));
    assert!(
        !other.wait_timeout(Duration::from_millis(300)),
        "it is not lost"
    );
    line.release();
    assert!(withdrawn.cancel(), "nobody has begun it");
    let _worker = bench.worker(1);
    for future in [future, other] {
        assert_eq!(settle("the task", future).unwrap(), 8);
    }
    let error = settle("what was cancelled", cancelled).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
}

/// The same message once more, as after a timeout: the server has it already.
fn submitted_twice(bench: &mut Bench) {
    let tally = bench.tally("runs");
    let raw = Raw::connect(&bench.server.url(), "exec.t.default.>");
    let executor = bench.executor();
    let future = executor.submit(note::task(tally.clone(), 1, 0)).unwrap();
    let message = raw.next("the task on its way");
    assert!(raw.publish_again(&message), "the server knows it");
    let _worker = bench.worker(1);
    assert_eq!(settle("the task", future).unwrap(), 1);
    check_serves(&executor);
    assert_eq!(tally.count(1), 1);
}

/// The same task in a message that the server takes for another one: it runs twice, and the first outcome counts.
fn run_twice(bench: &mut Bench) {
    let tally = bench.tally("runs");
    let raw = Raw::connect(&bench.server.url(), "exec.t.default.>");
    let results = Raw::connect(&bench.server.url(), "exec.r.anybody.>");
    let executor = bench.executor();
    let future = executor.submit(note::task(tally.clone(), 1, 0)).unwrap();
    let message = raw.next("the task on its way");
    raw.publish_as_another(&message);
    let _worker = bench.worker(1);
    assert_eq!(settle("the task", future).unwrap(), 1);
    eventually("it has run twice", || tally.count(1) == 2);
    check_serves(&executor);
    let first = results.next("the first result");
    assert_eq!(results.stored(&first.subject), 1, "one outcome is recorded");
}

/// The server drops a client that does not read; what it missed is fetched.
fn slow_consumer(bench: &mut Bench) {
    const TASKS: u32 = 500;
    let limits = "max_payload: 131072\nmax_pending: 262144\nwrite_deadline: \"1s\"\n";
    bench.server = Server::start(Options::new().config(limits));
    let gate = bench.gate("wait");
    let path = gate.path().display().to_string();
    let mut submitter = Submitter::start(&format!("{} {TASKS} {path}", bench.server.url()));
    submitter.line();
    // It asks for the results, and does not listen to them: the server would drop it, too.
    let raw = Raw::connect(&bench.server.url(), "exec.none");
    submitter.signal(Signal::STOP);
    let _worker = bench.worker(4);
    eventually("all results are recorded", || {
        raw.stored("exec.r.>") == u64::from(TASKS)
    });
    eventually("the server has dropped the submitter", || {
        bench.server.log().contains("Slow Consumer")
    });
    submitter.signal(Signal::CONT);
    gate.open();
    assert_eq!(submitter.line(), TASKS.to_string());
}

/// 128 MiB there and back, which no message could carry.
fn large(bench: &mut Bench) {
    let executor = bench.executor();
    let _worker = bench.worker(1);
    check_serves(&executor);
    let mut bytes = vec![0; 128 << 20];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = place.to_le_bytes()[1] ^ place.to_le_bytes()[3];
    }
    let mut expected = bytes.clone();
    expected.reverse();
    let start = Instant::now();
    let future = executor.submit(reverse::task(bytes)).unwrap();
    let result = settle("128 MiB", future).unwrap();
    assert!(result == expected, "every byte is right");
    println!("128 MiB there and back took {:?}", start.elapsed());
}

fn cancelled_in_the_queue(bench: &mut Bench) {
    let tally = bench.tally("runs");
    let executor = bench.executor();
    let futures: Vec<_> = (0..1000)
        .map(|number| {
            executor
                .submit(note::task(tally.clone(), number, 0))
                .unwrap()
        })
        .collect();
    eventually("all are with the server", || {
        executor.status().unwrap().pending == 1000
    });
    for (number, future) in futures.iter().enumerate() {
        if number % 2 == 0 {
            assert!(future.cancel(), "nobody has begun task {number}");
            assert!(future.is_done() && future.is_cancelled());
        }
    }
    let _worker = bench.worker(4);
    for (number, future) in (0..).zip(futures) {
        let result = settle("a task that was cancelled, or not", future);
        if number % 2 == 0 {
            assert!(result.unwrap_err().is_cancelled());
        } else {
            assert_eq!(result.unwrap(), number);
        }
    }
    check_serves(&executor);
    let runs = tally.all();
    assert!(
        runs.iter().all(|number| number % 2 == 1),
        "a cancelled task has run"
    );
    assert_eq!(runs.len(), 500);
}

fn stopped_while_running(bench: &mut Bench) {
    let tally = bench.tally("runs");
    let executor = bench.executor();
    let _worker = bench.worker(2);
    let (started, never) = (bench.gate("started"), bench.gate("never"));
    let future = executor
        .submit(hold::task(tally.clone(), 1, started.clone(), never))
        .unwrap();
    started.wait();
    eventually("the submitter knows that it runs", || future.is_running());
    assert!(!future.cancel(), "what runs cannot be cancelled");
    future.stop(StopLevel::Kill).unwrap();
    let start = Instant::now();
    let error = settle("the task that is killed", future).unwrap_err();
    assert!(start.elapsed() < LEASE, "{:?}", start.elapsed());
    assert!(matches!(error.kind(), TaskErrorKind::Killed), "{error:?}");
    check_serves(&executor);
    pass(LEASE);
    assert_eq!(tally.count(1), 1, "it does not run again");
}

/// Its worker has said that it starts, and has no process for it yet: it has not run, and so it is cancelled.
fn stopped_before_its_child_is_there(bench: &mut Bench) {
    let tally = bench.tally("runs");
    let executor = bench.executor();
    let late = bench.gate("late");
    let variables = [(LATE, late.path().to_str().unwrap())];
    let _worker = WorkerProcess::start_with(&bench.server.url(), 1, &variables);
    for level in [StopLevel::Signal, StopLevel::Kill] {
        let future = executor.submit(note::task(tally.clone(), 1, 0)).unwrap();
        eventually("its worker has it", || future.is_running());
        future.stop(level).unwrap();
        let error = settle("the task that has not begun", future).unwrap_err();
        assert!(error.is_cancelled(), "{level:?}: {error:?}");
        assert!(!error.may_have_run());
    }
    late.open();
    check_serves(&executor);
    let stats = executor.stats();
    assert_eq!((stats.cancelled, stats.failed), (2, 0), "{stats:?}");
    assert_eq!(tally.count(1), 0, "it has not run");
}

/// A kill that nobody confirms: after five seconds the future says so, and the executor ends.
fn give_up_killing<T>(executor: NatsExecutor, future: TaskFuture<T>) {
    let began = Instant::now();
    executor.shutdown(Shutdown::Kill).unwrap();
    executor
        .join(Some(began + Duration::from_secs(15)))
        .unwrap();
    assert!(began.elapsed() > Duration::from_secs(4), "{began:?}");
    let error = settle("what was not confirmed", future).err().unwrap();
    assert!(matches!(error.kind(), TaskErrorKind::Killed), "{error:?}");
    assert!(error.may_have_run());
    drop(executor);
}

fn of_a_map(bench: &mut Bench) {
    let executor = bench.executor();
    let mut first = bench.worker(2);
    let _second = bench.worker(2);
    step("a map, of which a worker dies");
    let mut sum = 0;
    for (place, result) in executor.map((0..20_000).map(double::task)).enumerate() {
        let result = result.unwrap();
        assert_eq!(result, 2 * place as u64, "in order");
        sum += result;
        if place == 5_000 {
            first.kill();
        }
    }
    assert_eq!(sum, 399_980_000);
}

/// This program once more, as a submitter; dropped, it is killed.
struct Submitter {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Submitter {
    fn start(words: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .env(SUBMITTER, words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Submitter {
    fn drop(&mut self) {
        // Either fails only if it has ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
