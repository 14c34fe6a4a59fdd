//! Tasks that say what they do, and some that do harm.

use std::{process, time::Duration};

use executor_core::{PortableTask, Task, codec::CodecError, context};
use executor_macros::task;
use serde::{Deserialize, Serialize};

use super::{
    guard::{eventually, pass},
    latch::{Gate, Tally},
};

/// Twice the number.
#[task(crate = "executor_core")]
pub(crate) fn double(number: u64) -> u64 {
    2 * number
}

/// Notes that it has run; takes that many milliseconds.
#[task(crate = "executor_core")]
pub(crate) fn note(tally: Tally, number: u64, milliseconds: u64) -> u64 {
    tally.bump(number);
    pass(Duration::from_millis(milliseconds));
    number
}

/// Notes that it has run and says that it runs; runs until it may end. Which attempt it was.
#[task(crate = "executor_core")]
pub(crate) fn hold(tally: Tally, number: u64, started: Gate, until: Gate) -> u32 {
    tally.bump(number);
    started.open();
    until.wait();
    context::attempt()
}

/// Notes that it has run, and ends its process with a word on standard error.
#[task(crate = "executor_core")]
pub(crate) fn crash(tally: Tally, number: u64) -> u64 {
    tally.bump(number);
    eprintln!("this task ends its process");
    process::abort()
}

/// Notes that it has run, and ends its worker: the parent of the process that it runs in.
#[task(crate = "executor_core")]
pub(crate) fn kill_worker(tally: Tally, number: u64) -> u64 {
    tally.bump(number);
    let worker = rustix::process::getppid().expect("a task runs in a child of its worker");
    rustix::process::kill_process(worker, rustix::process::Signal::KILL).expect("it can be killed");
    pass(Duration::from_secs(60));
    number
}

/// Gives back what it got, last byte first.
#[task(crate = "executor_core")]
pub(crate) fn reverse(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

/// How many bytes it got.
#[task(crate = "executor_core")]
pub(crate) fn length(bytes: Vec<u8>) -> usize {
    bytes.len()
}

/// Says that it runs; runs until it is told to stop, or may end. Whether it was told.
#[task(crate = "executor_core")]
pub(crate) fn until_stopped(started: Gate, until: Gate) -> bool {
    started.open();
    eventually("it is told to stop", || {
        context::stop_requested() || until.is_open()
    });
    context::stop_requested()
}

/// That many of this byte.
#[task(crate = "executor_core")]
pub(crate) fn repeat(byte: u8, len: usize) -> Vec<u8> {
    vec![byte; len]
}

/// Notes that it has run; that many bytes.
#[task(crate = "executor_core")]
pub(crate) fn fill(tally: Tally, number: u64, len: usize) -> Vec<u8> {
    tally.bump(number);
    vec![7; len]
}

/// The id and the attempt that the task sees.
#[task(crate = "executor_core")]
pub(crate) fn identity() -> (Option<String>, u32) {
    (context::task_id(), context::attempt())
}

/// One more. Written by hand, so that a worker that plays an old program can leave it out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OnlyNew(pub(crate) u64);

impl Task for OnlyNew {
    type Output = u64;

    fn run(self) -> u64 {
        self.0 + 1
    }
}

impl PortableTask for OnlyNew {
    const NAME: &'static str = "faults.only_new";
    const SIGNATURE: &'static str = "fn(u64) -> u64";

    fn encode_output(output: &u64, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
        buffer.extend(output.to_le_bytes());
        Ok(())
    }

    fn decode_output(bytes: &[u8]) -> Result<u64, CodecError> {
        let bytes = bytes.try_into().expect("a number has eight bytes");
        Ok(u64::from_le_bytes(bytes))
    }
}
