//! What this program is when a trial starts it anew: a worker, or a submitter.

use std::{env, io::Write as _, process::ExitCode};

use executor_core::{ExecutorExt as _, Future as _, Registry};
use executor_nats::{Credentials, NatsExecutor, Worker};
use executor_process::{ProcessPoolExecutor, WorkerProgram};

use super::{
    cluster::LEASE,
    latch::Gate,
    tasks::{OnlyNew, reverse},
};

/// Set to slots and address: a worker.
pub(crate) const WORKER: &str = "EXECUTOR_NATS_FAULTS_WORKER";

/// Set with [`WORKER`]: of an older program, which lacks a task.
pub(crate) const OLD: &str = "EXECUTOR_NATS_FAULTS_OLD";

/// Set with [`WORKER`]: the password of the user `worker`.
pub(crate) const PASSWORD: &str = "EXECUTOR_NATS_FAULTS_PASSWORD";

/// Set with [`WORKER`]: the path of a gate that its children wait for before they take a task.
pub(crate) const LATE: &str = "EXECUTOR_NATS_FAULTS_LATE";

/// What a child of such a worker has in its place.
pub(crate) const WAIT_FOR: &str = "EXECUTOR_NATS_FAULTS_WAIT_FOR";

/// Set to address, number of tasks, and the path of a gate: a submitter.
pub(crate) const SUBMITTER: &str = "EXECUTOR_NATS_FAULTS_SUBMITTER";

/// The tasks that are not registered by themselves; in the children of a worker too.
pub(crate) fn register() {
    if let Some(gate) = env::var_os(WAIT_FOR) {
        Gate::at(gate.into()).wait();
    }
    if env::var_os(OLD).is_none() {
        Registry::global()
            .with::<OnlyNew>()
            .expect("no other task has its name");
    }
}

/// Plays the role, if this process has one.
pub(crate) fn play() -> Option<ExitCode> {
    if let Ok(words) = env::var(WORKER) {
        return Some(work(&words));
    }
    if let Ok(words) = env::var(SUBMITTER) {
        return Some(submit(&words));
    }
    None
}

/// Until SIGTERM, or until the parent kills it.
fn work(words: &str) -> ExitCode {
    let (slots, url) = words.split_once(' ').expect("slots and an address");
    let slots = slots.parse().expect("a number of slots");
    let mut worker = Worker::builder().url(url).slots(slots).lease(LEASE);
    if let Ok(password) = env::var(PASSWORD) {
        worker = worker.credentials(Credentials::Password("worker".to_owned(), password));
    }
    if let Some(gate) = env::var_os(LATE) {
        let program = env::current_exe().expect("the path of this program");
        let program = WorkerProgram::new(program).env(WAIT_FOR, gate);
        worker = worker.processes(ProcessPoolExecutor::builder().worker_program(program));
    }
    worker.run().expect("the worker ends well");
    ExitCode::SUCCESS
}

/// Says its session, waits for the gate, and prints how many results are right.
fn submit(words: &str) -> ExitCode {
    let words: Vec<&str> = words.splitn(3, ' ').collect();
    let [url, tasks, gate] = words[..] else {
        panic!("an address, a number and a path, not {words:?}");
    };
    let tasks: u32 = tasks.parse().expect("a number of tasks");
    let executor = NatsExecutor::builder().url(url).lease(LEASE).connect();
    let executor = executor.expect("the submitter is connected");
    let futures: Vec<_> = (0..tasks)
        .map(|number| {
            let bytes = bytes(number);
            executor
                .submit(reverse::task(bytes))
                .expect("it is accepted")
        })
        .collect();
    println!("{}", executor.session_id());
    std::io::stdout().flush().expect("the trial listens");
    Gate::at(gate.into()).wait();
    let mut right = 0;
    for (number, future) in (0..tasks).zip(futures) {
        let mut expected = bytes(number);
        expected.reverse();
        let result = future.result().expect("every task has a result");
        assert_eq!(result, expected, "the result of task {number}");
        right += 1;
    }
    println!("{right}");
    ExitCode::SUCCESS
}

/// 16 KiB that only this number has.
pub(crate) fn bytes(number: u32) -> Vec<u8> {
    let mut bytes = vec![7; 16 << 10];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes
}
