//! Calls that came encoded from elsewhere, and what tasks can ask about their submission.

use std::time::Instant;

use executor_core::{
    Admission, Call, Capabilities, Executor, ExecutorExt as _, Job, JoinError, PortableTask,
    Registry, Rejected, Reply, Shutdown, Stats, TaskOptions, Unsupported, codec::Part, context,
};
use executor_macros::task;
use executor_process::{OnCrash, ProcessPoolExecutor};
use libtest_mimic::Trial;

use crate::support::{
    guard::{Bench, add, check_serves, settle},
    latch::Tally,
    tasks::{Crash, crash, double},
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "relayed::an_output", an_output);
    add(trials, "relayed::a_long_argument", a_long_argument);
    add(trials, "relayed::a_crash", a_crash);
    add(
        trials,
        "relayed::a_chunk_that_crashes",
        a_chunk_that_crashes,
    );
    add(trials, "relayed::what_it_can_ask", what_it_can_ask);
    add(
        trials,
        "relayed::the_attempts_of_retries",
        the_attempts_of_retries,
    );
}

/// The task as it comes from elsewhere.
fn call<T: PortableTask>(task: &T) -> Call {
    let mut body = Vec::new();
    T::ARGUMENTS.encode(Part::Task, task, &mut body).unwrap();
    Registry::global().call(T::NAME, false, body).unwrap()
}

fn answer<T: PortableTask>(
    pool: &ProcessPoolExecutor,
    task: &T,
    options: TaskOptions,
) -> T::Output {
    match settle("a relayed call", pool.relay(call(task), options).unwrap()) {
        Ok(Reply::Output(output)) => T::decode_encoded(output).unwrap(),
        other => panic!("no output: {other:?}"),
    }
}

fn an_output(bench: &Bench) {
    let pool = bench.pool(2);
    for number in 0..50 {
        assert_eq!(
            answer(&pool, &double::task(number), TaskOptions::new()),
            2 * number
        );
    }
}

#[task(crate = "executor_core")]
fn reversed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

fn a_long_argument(bench: &Bench) {
    let pool = bench.pool(1);
    for size in [100, 20_000, 70_000, 3 << 20] {
        let bytes: Vec<u8> = (0..size).map(|n: u32| n as u8).collect();
        let back = answer(&pool, &reversed::task(bytes.clone()), TaskOptions::new());
        assert!(back.iter().rev().eq(&bytes), "{size} bytes");
    }
}

fn a_crash(bench: &Bench) {
    let pool = bench.pool(1);
    let crash = crash::task(Crash::Exit(7), bench.tally("runs"), 1);
    let future = pool.relay(call(&crash), TaskOptions::new()).unwrap();
    let error = settle("a call that crashes", future).unwrap_err();
    let death = error.worker_death().expect("its worker died");
    assert!(death.status.contains("exit status: 7"), "{death:?}");
    check_serves(&pool);
}

/// Crashes at 3.
#[task(crate = "executor_core")]
fn not_three(tally: Tally, number: u64) -> u64 {
    tally.bump(number);
    if number == 3 {
        Crash::Abort.happen();
    }
    number
}

/// Encodes each job, hands the call on to the pool, and settles the job with what comes back.
#[derive(Debug, Clone)]
struct Relaying(ProcessPoolExecutor);

impl Executor for Relaying {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn execute(&self, mut job: Job, _: Admission) -> Result<(), Rejected> {
        let mut buffer = Vec::new();
        let call = job.encode(&mut buffer).unwrap().unwrap();
        let call = Registry::global().call(call.name, call.is_chunk, call.body.to_vec());
        let job = job.claim().unwrap();
        let reply = self.0.relay(call.unwrap(), TaskOptions::new()).unwrap();
        let callbacks = match settle("a relayed chunk", reply) {
            Ok(Reply::Output(output)) => job.settle(Ok(output)),
            Ok(Reply::Interrupted { partial, error }) => job.interrupted(partial, error),
            Err(error) => job.settle(Err(error)),
        };
        assert!(callbacks.is_none());
        Ok(())
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.0.shutdown(mode)
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        self.0.join(deadline)
    }

    fn stats(&self) -> Stats {
        self.0.stats()
    }
}

fn a_chunk_that_crashes(bench: &Bench) {
    let (pool, tally) = (bench.pool(1), bench.tally("runs"));
    for chunk in [1, 8] {
        let tasks = (0..8).map(|number| not_three::task(tally.clone(), number));
        let results: Vec<_> = Relaying(pool.clone()).map(tasks).chunk(chunk).collect();
        for (number, result) in (0..8).zip(results) {
            match result {
                Ok(value) => assert!(value == number && number != 3),
                Err(error) => assert!(number == 3 && error.is_worker_died(), "{number}: {error}"),
            }
        }
    }
    let counts: Vec<_> = (0..8).map(|number| tally.count(number)).collect();
    assert_eq!(counts, [2; 8], "each ran once in either way");
    check_serves(&pool);
}

#[task(crate = "executor_core")]
fn who() -> (Option<String>, Option<String>, u32) {
    (context::task_name(), context::task_id(), context::attempt())
}

fn what_it_can_ask(bench: &Bench) {
    let pool = bench.pool(1);
    let options = TaskOptions::new().with_id("s.7").with_attempt(2);
    let (name, id, attempt) = answer(&pool, &who::task(), options.clone());
    assert_eq!(name.as_deref(), Some(who::NAME));
    assert_eq!((id.as_deref(), attempt), (Some("s.7"), 2));
    let (name, id, attempt) = answer(&pool, &who::task(), options.with_name("näme"));
    assert_eq!(name.as_deref(), Some("näme"));
    assert_eq!((id.as_deref(), attempt), (Some("s.7"), 2));
    // What was said of one task is not said of the next.
    let plain = settle("a plain task", pool.submit(who::task()).unwrap()).unwrap();
    assert_eq!(plain, (Some(who::NAME.to_owned()), None, 1));
    let named = TaskOptions::new().with_name("other");
    let named = settle(
        "a named task",
        pool.submit_with(named, who::task()).unwrap(),
    )
    .unwrap();
    assert_eq!(named, (Some(String::from("other")), None, 1));
}

/// Crashes until the third attempt.
#[task(crate = "executor_core")]
fn third_time_lucky() -> u32 {
    if context::attempt() < 3 {
        Crash::Abort.happen();
    }
    context::attempt()
}

fn the_attempts_of_retries(bench: &Bench) {
    let builder = bench.builder(1).on_crash(OnCrash::Retry(2));
    let pool = builder.build().unwrap();
    let future = pool.submit(third_time_lucky::task()).unwrap();
    assert_eq!(settle("a task that is retried", future).unwrap(), 3);
    // It has been tried once by somebody else.
    let options = TaskOptions::new().with_attempt(2);
    assert_eq!(answer(&pool, &third_time_lucky::task(), options), 3);
}
