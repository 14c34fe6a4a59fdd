//! What there is on the server, and a worker from arguments.

use std::{
    env,
    process::{Child, Command},
};

use executor_core::{ExecutorExt as _, Future as _};
use executor_macros::task;
use executor_nats::{ConnectErrorKind, Isolation, NatsExecutor, Worker, worker_main};
use rustix::process::{Pid, Signal, kill_process};

#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests do more with servers")]
mod server;

use server::{Options, Server};

#[task(crate = "executor_core")]
fn pid() -> u32 {
    std::process::id()
}

#[test]
fn queues_workers_and_rates() {
    let server = Server::start(Options::new());
    let night = NatsExecutor::builder()
        .url(server.url())
        .queue("night")
        .connect()
        .unwrap();
    let waiting: Vec<_> = (0..3).map(|_| night.submit(pid::task()).unwrap()).collect();
    let day = NatsExecutor::builder().url(server.url()).connect().unwrap();
    let start = |queue: &str, slots| {
        let builder = Worker::builder().url(server.url()).queue(queue);
        let builder = builder.isolation(Isolation::Threads).name("one");
        builder.slots(slots).start().unwrap()
    };
    let _worker = start("default", 3);
    // Some tasks, for as long as somebody looks.
    let status = std::thread::scope(|scope| {
        let looking = scope.spawn(|| day.status().unwrap());
        while !looking.is_finished() {
            day.submit(pid::task()).unwrap().result().unwrap();
        }
        looking.join().unwrap()
    });
    assert_eq!(status.queue, "default");
    assert!(
        status.rates.finished > 1.0 && status.rates.submitted > 1.0,
        "{status:?}"
    );
    assert_eq!((status.workers.len(), status.workers[0].slots), (1, 3));
    let names: Vec<&str> = status.queues.iter().map(|queue| &*queue.name).collect();
    assert_eq!(names, ["default", "night"]);
    let of_night = &status.queues[1];
    assert_eq!((of_night.pending, of_night.workers), (3, 0), "{of_night:?}");
    assert!(of_night.rates.finished < 1.0);
    assert!(
        status.to_string().contains("queue night: 3 waiting"),
        "{status}"
    );
    let _other = start("night", 1);
    for future in waiting {
        future.result().unwrap();
    }
}

const URL: &str = "CLUSTER_STATUS_WORKER_URL";

/// Only a worker where the test below starts it as one.
#[test]
fn the_worker_of_the_test_below() {
    if let Ok(url) = env::var(URL) {
        worker_main([
            "worker",
            "--nats",
            &url,
            "--slots=2",
            "--isolation",
            "threads",
        ])
        .unwrap();
    }
}

#[test]
fn a_worker_from_arguments_drains_when_it_is_told_to_end() {
    let server = Server::start(Options::new());
    let mut child = Killed(
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_worker_of_the_test_below"])
            .env(URL, server.url())
            .spawn()
            .unwrap(),
    );
    let executor = NatsExecutor::builder().url(server.url()).connect().unwrap();
    let ran_in = executor.submit(pid::task()).unwrap().result().unwrap();
    assert_eq!(ran_in, child.0.id());
    let id = Pid::from_child(&child.0);
    kill_process(id, Signal::TERM).unwrap();
    assert!(child.0.wait().unwrap().success());
    let error = worker_main(["--nats"]).unwrap_err();
    assert_eq!(error.kind(), ConnectErrorKind::Invalid, "{error}");
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It has ended already, if all is well.
        let _ended = self.0.kill();
        let _waited = self.0.wait();
    }
}
