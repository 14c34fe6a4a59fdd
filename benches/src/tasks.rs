//! The tasks that every backend can run: used by most of the workloads and by the criterion benchmarks.

use std::{hint::black_box, time::Duration};

use executor_macros::task;

use crate::measure::{
    clock,
    toil::{chain, nanoseconds_per_step},
};

/// Gives back what it is given.
#[task(crate = "executor_core")]
#[must_use]
pub fn noop(x: u64) -> u64 {
    x
}

/// So many steps of a chain that no optimiser shortens. They are counted, and nobody watches the clock: a task that
/// spins until a time has passed makes progress while it is preempted, and hides what a busy executor costs.
#[task(crate = "executor_core")]
#[must_use]
pub fn toil(steps: u64) -> u64 {
    chain(steps, black_box(1))
}

/// Sleeps for so many microseconds.
#[task(crate = "executor_core")]
#[must_use]
pub fn nap(microseconds: u64) -> u64 {
    clock::pause(Duration::from_micros(microseconds));
    microseconds
}

/// Gives back the bytes that it is given.
#[task(crate = "executor_core")]
#[must_use]
pub fn turn(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

/// How many steps of [`toil()`] take about so many nanoseconds on this machine, undisturbed. Measured once in a process.
#[must_use]
pub fn steps(nanoseconds: u64) -> u64 {
    (nanoseconds as f64 / nanoseconds_per_step()) as u64
}
