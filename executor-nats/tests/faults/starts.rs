//! What submitters are told of the starts of their tasks, and what a cancel is that meets one.

use std::thread;

use executor_core::{Executor as _, ExecutorExt as _, Future as _};
use executor_nats::{Isolation, Worker};
use libtest_mimic::Trial;

use crate::support::{
    cluster::Bench,
    guard::{PATIENCE, add, eventually, settle, step},
    line::{Line, Way},
    raw::Raw,
    tasks::{double, hold, note},
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "starts::of_one_pull", of_one_pull);
    add(
        trials,
        "starts::of_a_queue_that_waits",
        of_a_queue_that_waits,
    );
    add(trials, "starts::told_late", told_late);
    add(trials, "starts::beside_a_cancel", beside_a_cancel);
}

const TASKS: usize = 64;

/// The subjects of starts.
const STARTS: &str = "exec.s.anybody.";

/// Those of results.
const RESULTS: &str = "exec.r.anybody.";

/// A worker at the end of a line; a lease that no trial waits for.
fn worker(line: &Line, slots: usize) -> Worker {
    let worker = Worker::builder().url(line.url()).slots(slots);
    let worker = worker.isolation(Isolation::Threads).lease(PATIENCE);
    worker.start().unwrap()
}

/// What comes together is told of together: not one by one, each with a flush of its own.
fn of_one_pull(bench: &mut Bench) {
    let line = Line::to(&bench.server.url());
    let raw = Raw::connect(&bench.server.url(), "exec.none");
    let executor = bench.builder().lease(PATIENCE).connect().unwrap();
    let _worker = worker(&line, TASKS);
    line.wait_for(1, "$JS.API.CONSUMER.MSG.NEXT.");
    line.hold(Way::ToClient);
    let futures: Vec<_> = (0..TASKS as u64)
        .map(|number| executor.submit(double::task(number)).unwrap())
        .collect();
    eventually("the server has given all of them to the worker", || {
        raw.given_out() == TASKS as u64
    });
    line.release();
    for (number, future) in (0..).zip(futures) {
        assert_eq!(settle("a task of the pull", future).unwrap(), 2 * number);
    }
    assert_eq!(line.sent(STARTS), TASKS, "each is told of once");
    let pieces = line.pieces(STARTS);
    println!("{TASKS} starts in {pieces} pieces");
    // One flush is one piece, or some where it is read while it is written.
    assert!(pieces <= TASKS / 4, "{TASKS} starts in {pieces} pieces");
    let stats = executor.stats();
    assert_eq!(
        (stats.succeeded, stats.running, stats.queued),
        (TASKS as u64, 0, 0)
    );
}

/// Tasks that are older than the worker, whose tombstones it has to look up.
fn of_a_queue_that_waits(bench: &mut Bench) {
    let line = Line::to(&bench.server.url());
    let executor = bench.builder().lease(PATIENCE).connect().unwrap();
    let raw = Raw::connect(&bench.server.url(), "exec.none");
    let futures: Vec<_> = (0..TASKS as u64)
        .map(|number| executor.submit(double::task(number)).unwrap())
        .collect();
    eventually("all are with the server", || {
        raw.unfinished() == TASKS as u64
    });
    let _worker = worker(&line, TASKS);
    for (number, future) in (0..).zip(futures) {
        assert_eq!(settle("a task that waited", future).unwrap(), 2 * number);
    }
    assert_eq!(line.sent(STARTS), TASKS, "each is told of once");
    println!("{TASKS} starts in {} pieces", line.pieces(STARTS));
}

/// A task that runs, of which the submitter has not heard: until it has, its future is queued, and a cancel waits for the word of the worker.
fn told_late(bench: &mut Bench) {
    let line = Line::to(&bench.server.url());
    let tombstones = Raw::connect(&bench.server.url(), "exec.c.>");
    let executor = bench.builder().lease(PATIENCE).connect().unwrap();
    let _worker = worker(&line, 2);
    line.wait_for(1, "$JS.API.CONSUMER.MSG.NEXT.");
    line.hold(Way::ToServer);
    let tally = bench.tally("runs");
    let (started, until) = (bench.gate("started"), bench.gate("until"));
    let task = hold::task(tally.clone(), 1, started.clone(), until.clone());
    let future = executor.submit(task).unwrap();
    started.wait();
    assert!(!future.is_running(), "nobody has said so");
    let was_cancelled = thread::scope(|scope| {
        let cancelling = scope.spawn(|| future.cancel());
        tombstones.next("the tombstone of the task");
        line.release();
        cancelling.join().unwrap()
    });
    assert!(!was_cancelled, "it runs");
    assert!(future.is_running() && !future.is_done());
    until.open();
    assert_eq!(settle("the task", future).unwrap(), 1);
    assert_eq!(tally.count(1), 1);
}

/// Tasks and their tombstones reach the worker together. Whichever comes first, what a cancel says is what happens.
fn beside_a_cancel(bench: &mut Bench) {
    const CANCELLED: usize = TASKS / 2;
    let line = Line::to(&bench.server.url());
    let raw = Raw::connect(&bench.server.url(), "exec.c.>");
    let executor = bench.builder().lease(PATIENCE).connect().unwrap();
    let _worker = worker(&line, TASKS);
    line.wait_for(1, "$JS.API.CONSUMER.MSG.NEXT.");
    line.hold(Way::ToClient);
    let tally = bench.tally("runs");
    let futures: Vec<_> = (0..TASKS as u64)
        .map(|number| {
            let task = note::task(tally.clone(), number, 0);
            executor.submit(task).unwrap()
        })
        .collect();
    eventually("the server has given all of them to the worker", || {
        raw.given_out() == TASKS as u64
    });
    let said: Vec<bool> = thread::scope(|scope| {
        let cancelled = futures.iter().take(CANCELLED);
        let cancelling: Vec<_> = cancelled
            .map(|future| scope.spawn(|| future.cancel()))
            .collect();
        for _ in 0..CANCELLED {
            raw.next("the tombstone of a task");
        }
        line.release();
        let cancelling = cancelling.into_iter();
        cancelling.map(|thread| thread.join().unwrap()).collect()
    });
    step("every cancel has said what became of its task");
    let was_cancelled = |number: usize| said.get(number).copied().unwrap_or(false);
    for (number, future) in futures.into_iter().enumerate() {
        let result = settle("a task, cancelled or not", future);
        if was_cancelled(number) {
            assert!(result.unwrap_err().is_cancelled(), "task {number}");
        } else {
            assert_eq!(result.unwrap(), number as u64);
        }
    }
    line.wait_for(TASKS, RESULTS);
    for number in 0..TASKS {
        let runs = usize::from(!was_cancelled(number));
        assert_eq!(tally.count(number as u64), runs, "task {number}");
    }
    let cancelled = said.iter().filter(|said| **said).count();
    println!("{cancelled} of {CANCELLED} were cancelled");
    let stats = executor.stats();
    assert_eq!(
        (stats.cancelled, stats.succeeded, stats.running),
        (cancelled as u64, (TASKS - cancelled) as u64, 0)
    );
}
