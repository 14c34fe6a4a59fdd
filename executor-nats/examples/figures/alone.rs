//! Figures of one thing at a time: a crash, and a stop.

use std::time::{Duration, Instant};

use executor_core::{ExecutorExt as _, Future as _, StopLevel, context};
use executor_macros::task;
use executor_nats::NatsExecutor;

use crate::{Checked, Program, pause, show, square, timed, until_stopped};

#[task(crate = "executor_core")]
fn crash() {
    std::process::abort();
}

/// Which attempt it was.
#[task(crate = "executor_core")]
fn neighbour(millis: u64) -> u32 {
    pause(Duration::from_millis(millis));
    context::attempt()
}

/// From the submission of a task that aborts its process to its error.
pub(crate) fn child_crashes(url: &str) -> Checked {
    println!("-- a child crashes beside 16 neighbours, one worker of 64 slots, isolation: process");
    let _worker = Program::worker(url, "crash", "process", &["--slots", "64"])?;
    let executor = NatsExecutor::builder().url(url).queue("crash");
    let executor = executor.parallelism(64).connect()?;
    for number in 0..64 {
        executor.submit(square::task(number))?.result()?;
    }
    let neighbours: Result<Vec<_>, _> = (0..16)
        .map(|_| executor.submit(neighbour::task(8000)))
        .collect();
    let neighbours = neighbours?;
    while !neighbours.iter().all(|future| future.is_running()) {
        pause(Duration::from_millis(5));
    }
    let mut deaths = 0;
    let crashes = timed(20, |_| {
        let error = executor.submit(crash::task())?.result().err();
        deaths += usize::from(error.is_some_and(|error| error.worker_death().is_some()));
        Ok(())
    })?;
    show("submission of a task that crashes to its error", crashes);
    let before = neighbours.iter().filter(|future| future.is_done()).count();
    let affected = neighbours
        .into_iter()
        .filter(|future| {
            let is_done = future.wait_timeout(Duration::from_secs(60));
            !is_done || !matches!(future.take(), Some(Ok(1)))
        })
        .count();
    println!(
        "{deaths} of 20 report the death, {affected} of 16 neighbours affected ({before} done before the last crash)"
    );
    Ok(())
}

/// From the stop to the result of a task that looks each 0.2 ms whether it is to stop.
pub(crate) fn running_is_stopped(url: &str) -> Checked {
    for isolation in ["threads", "process"] {
        let queue = format!("stop-{isolation}");
        let _worker = Program::worker(url, &queue, isolation, &["--slots", "64"])?;
        let executor = NatsExecutor::builder().url(url).queue(&queue);
        let executor = executor.parallelism(64).connect()?;
        executor.submit(square::task(1))?.result()?;
        let mut trips = Vec::new();
        for _ in 0..50 {
            let future = executor.submit(until_stopped::task())?;
            while !future.is_running() {
                std::thread::yield_now();
            }
            // Where it is running by what its worker says, its process may be a moment behind.
            pause(Duration::from_millis(20));
            let began = Instant::now();
            future.stop(StopLevel::Signal)?;
            future.result()?;
            trips.push(began.elapsed());
        }
        trips.sort_unstable();
        show(
            &format!("stop of a running task to its result, isolation: {isolation}"),
            trips,
        );
    }
    Ok(())
}
