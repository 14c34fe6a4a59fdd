//! Tasks, and ways to bring a worker down.

use std::process;

use executor_macros::task;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::{
    guard::pass,
    latch::{Gate, Tally},
    procfs,
};

/// Twice the number.
#[task(crate = "executor_core")]
pub(crate) fn double(number: u64) -> u64 {
    2 * number
}

/// The process that runs it.
#[task(crate = "executor_core")]
pub(crate) fn own_pid() -> u32 {
    process::id()
}

/// Notes that it has run.
#[task(crate = "executor_core")]
pub(crate) fn note(tally: Tally, number: u64) -> u64 {
    tally.bump(number);
    number
}

/// Says that it runs, and runs until it may end.
#[task(crate = "executor_core")]
pub(crate) fn hold(started: Gate, until: Gate) -> u32 {
    started.open();
    until.wait();
    process::id()
}

/// Notes that it has run, and ends its worker.
#[task(crate = "executor_core")]
pub(crate) fn crash(how: Crash, tally: Tally, number: u64) -> u64 {
    tally.bump(number);
    how.happen()
}

/// How a worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Crash {
    Overflow,
    Abort,
    Exit(i32),
    Memory,
    Fault,
    Kill,
}

impl Crash {
    /// Ends this process.
    pub(crate) fn happen(self) -> ! {
        match self {
            Self::Overflow => panic!("the stack has no end: {}", recurse(&[0; 1024])),
            Self::Abort => process::abort(),
            #[expect(
                clippy::disallowed_methods,
                reason = "a task that exits is what the trial is about"
            )]
            Self::Exit(code) => process::exit(code),
            Self::Memory => panic!("the memory has no end: {}", exhaust()),
            Self::Fault => end_by(Signal::SEGV),
            Self::Kill => end_by(Signal::KILL),
        }
    }
}

/// One signal may not be enough: the runtime takes the first segmentation fault for an overflow of
/// the stack, looks, and steps aside for the next one.
fn end_by(signal: Signal) -> ! {
    for _ in 0..100 {
        procfs::signal(process::id(), signal);
        pass(std::time::Duration::from_millis(1));
    }
    panic!("{signal:?} did not end this process")
}

/// Touches what it allocates, so that it cannot be left out.
fn exhaust() -> usize {
    let mut kept = Vec::new();
    loop {
        kept.push(std::hint::black_box(vec![1_u8; 16 << 20]));
        if kept.len() > 4096 {
            return kept.len();
        }
    }
}

#[expect(
    unconditional_recursion,
    reason = "the overflow of the stack is what the trial is about"
)]
fn recurse(outer: &[u8; 1024]) -> u8 {
    let mut frame = *outer;
    frame[0] = frame[0].wrapping_add(1);
    recurse(std::hint::black_box(&frame)).wrapping_add(frame[1])
}
