//! Executor and workers over a real server, without processes: large bodies, loads, and what is refused.

use std::{
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use executor_core::{Executor as _, ExecutorExt as _, Future as _, Shutdown, TaskErrorKind};
use executor_macros::task;
use executor_nats::{ConnectErrorKind, Isolation, NatsExecutor, Worker};

#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests do more with servers")]
mod server;

use server::{Options, Server};

#[task(crate = "executor_core")]
fn square(x: u64) -> u64 {
    x * x
}

#[task(crate = "executor_core")]
fn reverse(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

#[task(crate = "executor_core")]
fn who() -> (Option<String>, u32) {
    (
        executor_core::context::task_id(),
        executor_core::context::attempt(),
    )
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
fn ten_thousand_tasks_and_a_map() {
    let server = Server::start(Options::new());
    let (_worker, executor) = (worker(&server, 64), executor(&server));
    assert_eq!(
        executor.submit(square::task(12)).unwrap().result().unwrap(),
        144
    );
    let began = Instant::now();
    let futures: Vec<_> = (0..10_000)
        .map(|x| executor.submit(square::task(x)).unwrap())
        .collect();
    for (x, future) in (0..).zip(futures) {
        assert_eq!(future.result().unwrap(), x * x);
    }
    println!("10,000 tasks: {:?}", began.elapsed());
    let began = Instant::now();
    let results = executor.map((0..200_000).map(square::task));
    let sum: u64 = results.map(|value| value.unwrap() & 1).sum();
    assert_eq!(sum, 100_000);
    println!("200,000 items: {:?}", began.elapsed());
    let mut trips: Vec<Duration> = (0..500)
        .map(|x| {
            let began = Instant::now();
            executor.submit(square::task(x)).unwrap().result().unwrap();
            began.elapsed()
        })
        .collect();
    trips.sort_unstable();
    println!("one task: p50 {:?}, p99 {:?}", trips[250], trips[495]);
}

#[test]
fn large_bodies_go_there_and_back() {
    let server = Server::start(Options::new());
    let (_worker, executor) = (worker(&server, 2), executor(&server));
    for size in [0, 200 << 10, 256 << 10, 300 << 10, 5 << 20] {
        let mut bytes = vec![7; size];
        bytes.extend([1, 2, 3]);
        let result = executor
            .submit(reverse::task(bytes.clone()))
            .unwrap()
            .result();
        bytes.reverse();
        assert!(result.unwrap() == bytes, "{size}");
    }
}

#[test]
fn a_task_knows_its_identity_and_attempt() {
    let server = Server::start(Options::new());
    let (_worker, executor) = (worker(&server, 2), executor(&server));
    let (id, attempt) = executor.submit(who::task()).unwrap().result().unwrap();
    assert!(id.unwrap().contains(executor.session_id()));
    assert_eq!(attempt, 1);
}

#[test]
fn tasks_wait_for_a_worker_and_survive_the_server() {
    let mut server = Server::start(Options::new());
    let executor = executor(&server);
    let futures: Vec<_> = (0..1000)
        .map(|x| executor.submit(square::task(x)).unwrap())
        .collect();
    server.restart();
    let _worker = worker(&server, 8);
    for (x, future) in (0..).zip(futures) {
        assert_eq!(future.result().unwrap(), x * x);
    }
}

#[test]
fn a_server_that_stays_away_breaks_the_executor() {
    let mut server = Server::start(Options::new());
    let builder = NatsExecutor::builder().url(server.url());
    let executor = builder
        .give_up_after(Duration::from_secs(1))
        .connect()
        .unwrap();
    let future = executor.submit(square::task(2)).unwrap();
    server.kill();
    let error = future.result().unwrap_err();
    assert!(matches!(error.kind(), TaskErrorKind::Broken(cause) if cause.contains("nats://")));
    assert!(executor.submit(square::task(2)).unwrap_err().is_broken());
}

#[test]
fn what_is_wrong_is_said() {
    let unreachable = NatsExecutor::builder()
        .url("nats://127.0.0.1:1")
        .connect_timeout(Duration::from_millis(300))
        .connect()
        .unwrap_err();
    assert_eq!(
        unreachable.kind(),
        ConnectErrorKind::Unreachable,
        "{unreachable}"
    );
    let bare = Server::start(Options::new().without_jetstream());
    let error = NatsExecutor::builder()
        .url(bare.url())
        .connect()
        .unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::NoJetStream, "{error}");
    let error = Worker::builder().queue("a.b").start().unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Invalid, "{error}");
}

#[test]
fn a_drop_without_a_worker_waits_for_one() {
    let server = Server::start(Options::new());
    let executor = executor(&server);
    let future = executor.submit(square::task(3)).unwrap();
    let (sender, dropped) = channel();
    let dropping = thread::spawn(move || {
        drop(executor);
        sender.send(()).unwrap();
    });
    let early = dropped.recv_timeout(Duration::from_millis(500));
    assert!(early.is_err(), "its task is not done");
    let _worker = worker(&server, 1);
    assert_eq!(future.result().unwrap(), 9);
    dropping.join().unwrap();
}

#[test]
fn what_nobody_begins_is_taken_back_before_a_drop() {
    let server = Server::start(Options::new());
    let executor = executor(&server);
    let futures: Vec<_> = (0..20)
        .map(|x| executor.submit(square::task(x)).unwrap())
        .collect();
    let soon = Instant::now() + Duration::from_millis(300);
    let error = executor.join(Some(soon)).unwrap_err();
    assert!(error.to_string().contains("20"), "{error}");
    executor.shutdown(Shutdown::CancelPending).unwrap();
    executor
        .join(Some(Instant::now() + Duration::from_secs(30)))
        .unwrap();
    drop(executor);
    for future in futures {
        assert!(future.result().unwrap_err().is_cancelled());
    }
}
