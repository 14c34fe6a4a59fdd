//! Many async tasks in one job.

use std::{
    future::poll_fn,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use executor_core::{
    ExecutorExt as _, JobKind, Outcome, PortableTask, Ran, TaskError, context,
    testing::RoundTripExecutor,
};
use executor_macros::task;

use super::support::{Gate, Shelf};

/// Some sleep, and of these and of the others some panic.
#[task(crate = "executor_core")]
async fn item(x: u64) -> u64 {
    assert!(x % 5 != 2, "at once");
    if x.is_multiple_of(3) {
        sleep_once().await;
    }
    assert!(x % 5 != 4, "after its sleep, if any");
    x * 10
}

/// Wakes itself, so that whoever polls comes again.
async fn sleep_once() {
    let mut has_slept = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_slept, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn check(results: Vec<Result<u64, TaskError>>, count: usize) {
    assert_eq!(results.len(), count);
    for (x, result) in (0_u64..).zip(results) {
        match (x % 5, result) {
            (2 | 4, Err(error)) => assert!(error.is_panicked(), "{error}"),
            (0 | 1 | 3, Ok(output)) => assert_eq!(output, x * 10),
            (_, result) => panic!("item {x} gave {result:?}"),
        }
    }
}

#[test]
fn results_are_in_order_and_panics_stay_alone() {
    let shelf = Shelf::new();
    let map = shelf.map((0..30).map(item::task)).chunk(10).start();
    let mut jobs = [shelf.take(), shelf.take(), shelf.take()];
    // The last one first; what order they run in does not matter.
    for job in jobs.iter_mut().rev() {
        let mut polls = 1;
        while job.poll().is_pending() {
            assert_eq!(job.woken(), 1);
            polls += 1;
        }
        assert!(polls > 1, "some items sleep");
    }
    check(map.collect(), 30);
    assert_eq!(shelf.len(), 0);
}

#[test]
fn workers_without_a_runtime_drive_them() {
    let shelf = Shelf::new();
    let map = shelf.map((0..30).map(item::task)).chunk(10).start();
    for _ in 0..3 {
        let job = shelf.take_job();
        assert_eq!(job.kind(), JobKind::Future);
        assert_eq!(job.task_name(), item::NAME);
        assert_eq!(job.run(), Ran::Here(Outcome::Succeeded));
    }
    check(map.collect(), 30);

    let elsewhere = RoundTripExecutor::new();
    check(
        elsewhere.map((0..30).map(item::task)).chunk(7).collect(),
        30,
    );
}

static STARTED: AtomicUsize = AtomicUsize::new(0);
static GATE: LazyLock<Gate> = LazyLock::new(Gate::new);

#[task(crate = "executor_core")]
async fn at_gate(x: u64) -> (u64, Option<String>) {
    STARTED.fetch_add(1, Ordering::Relaxed);
    GATE.pass().await;
    (x, context::task_name())
}

#[test]
fn an_item_begins_when_the_one_before_it_is_done() {
    let shelf = Shelf::new();
    let map = shelf.map((0..3).map(at_gate::task)).chunk(3).start();
    let mut job = shelf.take();
    assert_eq!(STARTED.load(Ordering::Relaxed), 0);
    assert!(job.poll().is_pending());
    assert_eq!(STARTED.load(Ordering::Relaxed), 1);
    GATE.open();
    assert_eq!(job.woken(), 1);
    assert_eq!(job.poll(), Poll::Ready(Ran::Here(Outcome::Succeeded)));
    assert_eq!(STARTED.load(Ordering::Relaxed), 3);
    let results: Vec<_> = map.map(Result::unwrap).collect();
    let name = || Some(at_gate::NAME.to_owned());
    assert_eq!(results, [(0, name()), (1, name()), (2, name())]);
}

#[test]
fn items_of_a_lost_chunk_are_lost() {
    let shelf = Shelf::new();
    for polls in [0, 1] {
        let map = shelf.map([0, 3].map(item::task)).chunk(2).start();
        let mut job = shelf.take();
        for _ in 0..polls {
            assert!(job.poll().is_pending());
        }
        drop(job);
        let results: Vec<_> = map.collect();
        assert_eq!(results.len(), 2);
        for result in results {
            assert!(result.unwrap_err().is_lost());
        }
    }
}
