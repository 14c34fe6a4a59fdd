//! The parts that executors over threads of this process share: the gate, the queues, the counts.
//!
//! For those who write such an executor; users depend on the `concurrent-futures` facade. Nothing here
//! knows whose threads run the jobs, nor how they are woken: that is the backend's own.
//!
//! - [`Gate`]: makes sure that no submission slips past a shutdown;
//! - [`Queue`]: where accepted jobs wait. [`Stealing`] is the unbounded queue, with work stealing;
//!   [`Locked`] the one with a bound or a strict order, under one lock, which also decides what
//!   becomes of a job when it is full;
//! - [`Counts`]: what became of the jobs, for [`Stats`](executor_core::Stats);
//! - [`runners`]: jobs on threads that belong to somebody else's pool;
//! - [`contain`]: calls a hook or a destructor that may panic;
//! - [`OnFull`], [`QueueOrder`], [`BuildError`]: the words of the builders, so that they mean the same
//!   on each backend.

#![forbid(unsafe_code)]

mod counts;
mod gate;
mod panics;
mod queue;
pub mod runners;
mod settings;
mod sync;

pub use self::{
    counts::Counts,
    gate::{Gate, Inside},
    panics::contain,
    queue::{Locked, Own, Pushed, Queue, Stealing, WhenFull},
    settings::{BuildError, OnFull, QueueOrder},
};
