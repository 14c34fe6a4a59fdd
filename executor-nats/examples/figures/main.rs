//! What the issue asks for beside speed, measured: `cargo run --release -p executor-nats --example figures`. How fast single
//! tasks, bursts and maps are is in the tables of `benches`: `cargo run --release -p benches --bin compare -- --only n1`, and `n2`, `n3`.
//!
//! One word, or several, choose parts: `threads`, `process` (cancel, large bodies), `kill`, `crash`, `stop`. `--storms 20` is a part
//! of its own: so many runs of 20,000 tasks, in each of which the server is killed six times.
//!
//! Prints and judges nothing. The server is the one that `NATS_SERVER` names, the one in `PATH`, or that of `cargo xtask nats`.

use std::{
    env,
    error::Error,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use executor_core::{Executor as _, ExecutorExt as _, Future as _};
use executor_macros::task;
use executor_nats::{NatsExecutor, worker_main};

mod alone;
#[path = "../../tests/support/server.rs"]
#[expect(dead_code, reason = "tests do more with servers")]
mod server;
mod storms;

use server::{Options, Server};

type Checked<T = ()> = Result<T, Box<dyn Error>>;

#[task(crate = "executor_core")]
fn square(x: u64) -> u64 {
    x.wrapping_mul(x)
}

#[task(crate = "executor_core")]
fn same(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

#[task(crate = "executor_core")]
fn sleep(millis: u64) -> u64 {
    pause(Duration::from_millis(millis));
    millis
}

#[expect(clippy::disallowed_methods, reason = "time is what is spent here")]
fn pause(time: Duration) {
    thread::sleep(time);
}

#[task(crate = "executor_core")]
fn until_stopped() {
    while !executor_core::context::stop_requested() {
        pause(Duration::from_micros(200));
    }
}

fn main() -> Checked {
    executor_process::init();
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "worker") {
        return Ok(worker_main(arguments)?);
    }
    if let [word, runs] = &arguments[..]
        && word == "--storms"
    {
        return storms::run(runs.parse()?);
    }
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|one| one == name);
    let server = Server::start(Options::new());
    let url = server.url();
    for isolation in ["threads", "process"] {
        if !wanted(isolation) {
            continue;
        }
        println!("-- one worker of 64 slots, isolation: {isolation}");
        let worker = Program::worker(&url, isolation, isolation, &["--slots", "64"])?;
        let executor = NatsExecutor::builder().url(&url).queue(isolation);
        let executor = executor.parallelism(64).connect()?;
        all_of(&executor)?;
        drop(executor);
        drop(worker);
    }
    if wanted("kill") {
        worker_is_killed(&url)?;
    }
    if wanted("crash") {
        alone::child_crashes(&url)?;
    }
    if wanted("stop") {
        alone::running_is_stopped(&url)?;
    }
    Ok(())
}

fn all_of(executor: &NatsExecutor) -> Checked {
    let cancels = timed(100, |_| {
        let future = executor.submit(until_stopped::task())?;
        while !future.is_running() {
            thread::yield_now();
        }
        future.stop(executor_core::StopLevel::Signal)?;
        // Its worker may have been about to start it: then it is cancelled.
        let _either = future.result();
        Ok(())
    })?;
    show("start, stop and end of a running task", cancels);
    let queued = timed(200, |_| {
        let future = executor.submit(sleep::task(0))?;
        let _either = future.cancel();
        let _done = future.result();
        Ok(())
    })?;
    show("submit and cancel", queued);
    let bytes: Vec<u8> = (0..128_u32 << 20)
        .map(|x| (x.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for _ in 0..2 {
        let (sent, began) = (bytes.clone(), Instant::now());
        let back = executor.submit(same::task(sent))?.result()?;
        let took = began.elapsed();
        assert!(back == bytes, "another body came back");
        println!(
            "128 MiB there and back: {took:?}, {:.0} MiB/s",
            256.0 / took.as_secs_f64()
        );
    }
    println!("{:?}", executor.stats());
    Ok(())
}

fn worker_is_killed(url: &str) -> Checked {
    println!("-- kill -9 of one of two workers, lease 5 s, 1000 tasks of 20 ms");
    let settings = ["--slots", "8", "--lease", "5"];
    let mut first = Program::worker(url, "kill", "threads", &settings)?;
    let _second = Program::worker(url, "kill", "threads", &settings)?;
    let executor = NatsExecutor::builder()
        .url(url)
        .queue("kill")
        .lease(Duration::from_secs(5))
        .connect()?;
    let futures: Result<Vec<_>, _> = (0..1000)
        .map(|_| executor.submit(sleep::task(20)))
        .collect();
    let futures = futures?;
    while executor.stats().succeeded < 300 {
        pause(Duration::from_millis(5));
    }
    first.0.kill()?;
    let killed = Instant::now();
    let lost = futures
        .into_iter()
        .filter(|future| {
            future.wait_timeout(Duration::from_secs(60))
                && future.take().is_none_or(|result| result.is_err())
        })
        .count();
    println!(
        "{lost} lost, the last result {:?} after the kill",
        killed.elapsed()
    );
    Ok(())
}

fn timed(times: u64, mut run: impl FnMut(u64) -> Checked) -> Checked<Vec<Duration>> {
    let mut trips = Vec::new();
    for time in 0..times {
        let began = Instant::now();
        run(time)?;
        trips.push(began.elapsed());
    }
    trips.sort_unstable();
    Ok(trips)
}

fn show(what: &str, trips: Vec<Duration>) {
    let at = |percent: usize| trips[trips.len() * percent / 100];
    println!("{what}: p50 {:?}, p99 {:?}", at(50), at(99));
}

struct Program(Child);

impl Program {
    fn worker(url: &str, queue: &str, isolation: &str, more: &[&str]) -> Checked<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args([
            "worker",
            "--nats",
            url,
            "--queue",
            queue,
            "--isolation",
            isolation,
        ]);
        Ok(Self(command.args(more).spawn()?))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It is gone already where it was killed.
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}
