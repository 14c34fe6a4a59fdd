//! The benchmarks: every backend beside its peers and the machine's limits, on the same work in the same run.
//!
//! - [`compare`] is the program that prints the tables, and draws the page.
//! - [`advise()`] measures your own tasks on every backend, and says which one wins.
//! - [`backends()`] are the backends: one more is one line in their list.
//!
//! A program over them calls [`init`] first, because some backends start it anew as their worker.

#![deny(unsafe_code)]

pub mod advise;
mod backends;
pub mod compare;
mod harness;
mod measure;
mod over_nats;
mod over_rayon;
mod over_tokio;
#[cfg(unix)]
mod process;
mod report;
mod sweeps;
pub mod tasks;
mod threads;

pub use self::{
    advise::advise,
    backends::{Backend, backends, left_out},
    measure::allocator::{Allocated, Counting, count},
};

/// Serves, where this process was started as the worker of a backend, and does not return then.
///
/// First in `main`.
#[expect(
    clippy::disallowed_methods,
    reason = "it is called by `main`, where there is no pool yet"
)]
pub fn init() {
    executor_process::init();
    if let Some(code) = over_nats::programs::serve() {
        std::process::exit(code);
    }
}
