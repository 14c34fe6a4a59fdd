//! Another connection picks up results, and tasks that wait for too long.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use executor_core::{
    Executor as _, ExecutorExt as _, Future as _, StopLevel, TaskErrorKind, TaskOptions, Timeout,
};
use executor_macros::task;
use executor_nats::{AttachErrorKind, ConnectErrorKind, Isolation, NatsExecutor, Worker};

#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests do more with servers")]
mod server;

use server::{Options, Server};

#[task(crate = "executor_core")]
fn square(x: u64) -> u64 {
    x * x
}

#[task(crate = "executor_core")]
fn bytes(len: usize) -> Vec<u8> {
    vec![9; len]
}

/// Runs until it is told to stop.
#[task(crate = "executor_core")]
fn until_stopped() -> bool {
    while !executor_core::context::stop_requested() {
        std::thread::yield_now();
    }
    true
}

static RAN: AtomicUsize = AtomicUsize::new(0);

#[task(crate = "executor_core")]
fn count() -> usize {
    RAN.fetch_add(1, Ordering::SeqCst)
}

static NOTED: AtomicUsize = AtomicUsize::new(0);

#[task(crate = "executor_core")]
fn note() -> usize {
    NOTED.fetch_add(1, Ordering::SeqCst)
}

fn worker(server: &Server, slots: usize) -> Worker {
    let builder = Worker::builder().url(server.url()).slots(slots);
    builder
        .isolation(Isolation::Threads)
        .start()
        .expect("a worker")
}

fn executor(server: &Server) -> NatsExecutor {
    let builder = NatsExecutor::builder().url(server.url());
    builder.connect().expect("an executor")
}

#[test]
fn another_connection_has_the_results_that_came_before_and_those_that_come_after() {
    let server = Server::start(Options::new());
    let first = executor(&server);
    let running = worker(&server, 2);
    let before = first.submit(square::task(3)).unwrap();
    let large = first.submit(bytes::task(300 << 10)).unwrap();
    assert!(
        large.wait_timeout(Duration::from_secs(60)) && before.wait_timeout(Duration::from_secs(60))
    );
    drop(running);
    let after = first.submit(square::task(4)).unwrap();
    let ids = [
        first.task_id(&before).expect("done, and known still"),
        first.task_id(&large).unwrap(),
        first.task_id(&after).unwrap(),
    ];
    let attached = NatsExecutor::builder()
        .url(server.url())
        .attach(first.session_id())
        .unwrap();
    assert_eq!(attached.session_id(), first.session_id());
    let again = attached.future::<square>(ids[0]).unwrap();
    assert_eq!(again.result().unwrap(), 9);
    let again = attached.future::<bytes>(ids[1]).unwrap();
    assert_eq!(again.result().unwrap().len(), 300 << 10);
    let again = attached.future::<square>(ids[2]).unwrap();
    assert!(!again.is_done());
    let refused = attached.future::<square>(ids[2]).unwrap_err();
    assert_eq!(refused.kind(), AttachErrorKind::HasFuture, "{refused}");
    let _worker = worker(&server, 2);
    assert_eq!(again.result().unwrap(), 16);
    // Both have it.
    assert_eq!(after.result().unwrap(), 16);
}

#[test]
fn what_the_server_does_not_know_is_said() {
    let server = Server::start(Options::new());
    let first = executor(&server);
    let builder = NatsExecutor::builder().url(server.url());
    let attached = builder.clone().attach(first.session_id()).unwrap();
    let error = attached.future::<square>(77).unwrap().result().unwrap_err();
    assert!(
        matches!(error.kind(), TaskErrorKind::PayloadLost(what) if what.contains("77")),
        "{error}"
    );
    let error = builder.attach("no.session").unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Invalid, "{error}");
    let other = executor(&server);
    assert_eq!(other.task_id(&first.submit(square::task(1)).unwrap()), None);
    let _worker = worker(&server, 1);
    assert!(first.wait_idle(Some(Duration::from_secs(60))));
}

#[test]
fn another_connection_stops_a_task_that_runs() {
    let server = Server::start(Options::new());
    let (_worker, first) = (worker(&server, 1), executor(&server));
    let future = first.submit(until_stopped::task()).unwrap();
    while !future.is_running() {
        std::thread::yield_now();
    }
    let id = first.task_id(&future).unwrap();
    let builder = NatsExecutor::builder().url(server.url());
    let attached = builder.attach(first.session_id()).unwrap();
    let same = attached.future::<until_stopped>(id).unwrap();
    assert!(!same.cancel(), "it runs");
    same.stop(StopLevel::Signal).unwrap();
    assert!(same.result().unwrap());
    assert!(future.result().unwrap());
}

#[test]
fn another_connection_cancels_tasks_that_are_queued() {
    let server = Server::start(Options::new());
    let first = executor(&server);
    let queued: Vec<_> = (0..4)
        .map(|_| first.submit(note::task()).unwrap())
        .collect();
    let id = |number: usize| first.task_id(&queued[number]).unwrap();
    let builder = NatsExecutor::builder().url(server.url());
    let attached = builder.attach(first.session_id()).unwrap();
    let cancelled = attached.future::<note>(id(0)).unwrap();
    let began = Instant::now();
    assert!(cancelled.cancel(), "nobody has begun it");
    assert!(began.elapsed() < Duration::from_secs(2), "{began:?}");
    assert!(cancelled.is_done() && cancelled.is_cancelled());
    let stopped = attached.future::<note>(id(1)).unwrap();
    stopped.stop(StopLevel::Signal).unwrap();
    assert!(stopped.is_cancelled());
    let runs = attached.future::<note>(id(2)).unwrap();
    // With a worker that is busy with another one.
    let jam = first.submit(until_stopped::task()).unwrap();
    assert!(queued[3].cancel(), "as the submitter itself says");
    let _worker = worker(&server, 1);
    assert_eq!(runs.result().unwrap(), 0);
    while !jam.is_running() {
        std::thread::yield_now();
    }
    let behind = first.submit(note::task()).unwrap();
    let same = attached.future::<note>(first.task_id(&behind).unwrap());
    assert!(same.unwrap().cancel(), "it waits behind another one");
    jam.stop(StopLevel::Signal).unwrap();
    assert!(jam.result().unwrap());
    // The submitter hears of it from the worker.
    assert!(behind.result().unwrap_err().is_cancelled());
    for (number, future) in queued.into_iter().enumerate() {
        match future.result() {
            Ok(before) => assert_eq!((number, before), (2, 0)),
            Err(error) => assert!(number != 2 && error.is_cancelled(), "{number}: {error}"),
        }
    }
    assert_eq!(NOTED.load(Ordering::SeqCst), 1);
}

#[test]
fn a_dropped_connection_breaks_its_futures_and_leaves_the_tasks() {
    let server = Server::start(Options::new());
    let first = executor(&server);
    let future = first.submit(square::task(5)).unwrap();
    let builder = NatsExecutor::builder().url(server.url());
    let attached = builder.attach(first.session_id()).unwrap();
    let id = first.task_id(&future).unwrap();
    let same = attached.future::<square>(id).unwrap();
    drop(attached);
    assert!(same.result().unwrap_err().is_broken());
    let _worker = worker(&server, 1);
    assert_eq!(future.result().unwrap(), 25);
}

#[test]
fn a_task_that_was_not_started_in_time_never_runs() {
    let server = Server::start(Options::new());
    let executor = executor(&server);
    let running = worker(&server, 1);
    let jam = executor.submit(until_stopped::task()).unwrap();
    while !jam.is_running() {
        std::thread::yield_now();
    }
    let options = TaskOptions::new().with_queue_timeout(Duration::from_millis(200));
    let late: Vec<_> = (0..300)
        .map(|_| {
            executor
                .submit_with(options.clone(), count::task())
                .unwrap()
        })
        .collect();
    for future in late {
        let error = future.result().unwrap_err();
        let is_of_queue = matches!(error.kind(), TaskErrorKind::TimedOut(Timeout::Queue));
        assert!(is_of_queue && !error.may_have_run(), "{error}");
    }
    assert_eq!(executor.stats().failed, 300);
    jam.stop(StopLevel::Signal).unwrap();
    assert!(jam.result().unwrap());
    // It comes behind all of them.
    assert_eq!(
        executor.submit(square::task(2)).unwrap().result().unwrap(),
        4
    );
    assert_eq!(RAN.load(Ordering::SeqCst), 0);
    drop(running);
    // Where there is no worker at all, too.
    let error = executor
        .submit_with(options, count::task())
        .unwrap()
        .result();
    assert!(matches!(
        error.unwrap_err().kind(),
        TaskErrorKind::TimedOut(Timeout::Queue)
    ));
}
