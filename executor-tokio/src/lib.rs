//! [`TokioExecutor`]: an executor over a tokio runtime.
//!
//! ```
//! use executor_core::{Future as _, LocalExecutorExt as _};
//! use executor_tokio::TokioExecutor;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let executor = TokioExecutor::current()?;
//! let blocking = executor.spawn(|| std::fs::read_to_string("Cargo.toml"))?; // on a blocking thread
//! let asynchronous = executor.spawn_future(async { 6 * 7 })?; // as a task of tokio's
//! assert!(blocking.await??.starts_with("[package]"));
//! assert_eq!(asynchronous.await?, 42);
//! # Ok(())
//! # }
//! ```
//!
//! # What it adds to tokio
//!
//! The queue of `spawn_blocking` has no bound; up to 512 threads serve it; and what is aborted in it is done only when
//! its turn comes. Here blocking tasks wait in a queue of ours, with a bound; a cancelled one is done at once, their
//! number is limited, and the executor can be drained and joined.
//!
//! # Two kinds of tasks
//!
//! - **Calls** (closures, plain `#[task]` functions) run on tokio's blocking threads: at most
//!   [`max_workers`](TokioBuilder::max_workers) at once. They do not go into tokio's queue one by one:
//!   tokio gets a few *runners*, each of which runs tasks until there are none (`executor_pool::runners` tells how).
//! - **Futures** (`async` `#[task]` functions, `spawn_future`) become tasks of tokio's: many on one thread, with
//!   tokio's timers and sockets. At most [`max_async`](TokioBuilder::max_async) of them are under way.
//!   [`StopLevel::Signal`](executor_core::StopLevel::Signal) ends one at its next `.await`, wherever it sleeps.
//!
//! # Waiting
//!
//! In async code, `.await` a future. A blocking wait there holds up the runtime, so it is refused, with
//! an error that says so; in `spawn_blocking`, in `block_in_place` and in tasks that are calls it is allowed. For
//! submissions there is [`submit_async`](executor_core::ExecutorExt::submit_async), which waits for room.
//!
//! A call needs one of tokio's blocking threads: where a runtime has only one (`max_blocking_threads(1)`), a closure in
//! `spawn_blocking` that waits for a call waits for ever.

#![forbid(unsafe_code)]

mod block_on;
mod blocking;
mod builder;
mod executor;
mod probe;
mod runtime;
mod tasks;

pub use executor_pool::{BuildError, OnFull, QueueOrder};

pub use self::{block_on::block_on, builder::TokioBuilder, executor::TokioExecutor};
