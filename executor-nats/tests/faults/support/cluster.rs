//! A server, workers that are processes of their own, and executors, as a trial wants them.

use std::{
    env,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use executor_core::ExecutorExt as _;
use executor_nats::{NatsBuilder, NatsExecutor};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{
    guard::{settle, step},
    latch::{Gate, Tally},
    roles::WORKER,
    tasks::double,
};
use crate::server::{Options, Server};

/// After which a task is given to another worker; the shortest that a busy machine stands.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// What a trial is given: a server and a folder of its own.
pub(crate) struct Bench {
    pub(crate) server: Server,
    place: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            server: Server::start(Options::new()),
            place: TempDir::with_prefix("faults").expect("a folder for the trial"),
        }
    }

    pub(crate) fn builder(&self) -> NatsBuilder {
        NatsExecutor::builder().url(self.server.url()).lease(LEASE)
    }

    pub(crate) fn executor(&self) -> NatsExecutor {
        step("the executor is connected");
        self.builder().connect().expect("it can be connected")
    }

    /// A worker with this many slots, and proof that it runs tasks.
    pub(crate) fn worker(&self, slots: usize) -> WorkerProcess {
        WorkerProcess::start(&self.server.url(), slots)
    }

    pub(crate) fn gate(&self, name: &str) -> Gate {
        Gate::at(self.place.path().join(name))
    }

    pub(crate) fn tally(&self, name: &str) -> Tally {
        Tally::at(self.place.path().join(name))
    }
}

/// The executor gives right results, once more.
#[track_caller]
pub(crate) fn check_serves(executor: &NatsExecutor) {
    step("the executor is asked to serve");
    let futures: Vec<_> = (0..8)
        .map(|number| executor.submit(double::task(number)).unwrap())
        .collect();
    for (number, future) in (0..8).zip(futures) {
        assert_eq!(
            settle("a task after the fault", future).unwrap(),
            2 * number
        );
    }
}

/// This program once more, as a worker; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct WorkerProcess(Child);

impl WorkerProcess {
    pub(crate) fn start(url: &str, slots: usize) -> Self {
        Self::start_with(url, slots, &[])
    }

    pub(crate) fn start_with(url: &str, slots: usize, variables: &[(&str, &str)]) -> Self {
        let program = env::current_exe().expect("the path of this program");
        Self::spawn(Command::new(program), url, slots, variables)
    }

    /// On another host: in a network namespace. `ip netns exec` becomes the program, so the pid is that of the worker.
    pub(crate) fn start_in(namespace: &str, url: &str, slots: usize) -> Self {
        let program = env::current_exe().expect("the path of this program");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
        Self::spawn(command, url, slots, &[])
    }

    fn spawn(mut command: Command, url: &str, slots: usize, variables: &[(&str, &str)]) -> Self {
        let child = command
            .env(WORKER, format!("{slots} {url}"))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a worker can be started");
        Self(child)
    }

    /// SIGKILL: the machine that it ran on is gone.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("the worker can be killed");
        self.0.wait().expect("the worker has ended");
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM: it is to drain.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("the state of the worker")
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("the worker can be signalled");
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // Either fails only if it has ended before.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
