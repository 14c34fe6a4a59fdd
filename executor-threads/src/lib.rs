//! [`ThreadPoolExecutor`]: an executor over threads of this process.
//!
//! ```
//! use executor_core::{Future as _, LocalExecutorExt as _};
//! use executor_threads::ThreadPoolExecutor;
//!
//! let pool = ThreadPoolExecutor::new(2)?;
//! let future = pool.spawn(|| 6 * 7)?;
//! assert_eq!(future.result()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The way of a job
//!
//! `execute` (in `pool`) puts the job into the queue and tells `idle`, which wakes a sleeping worker,
//! or has one started, unless somebody is already looking for work. A worker (`worker`) takes a batch
//! from the queue into a deque of its own and runs it; a worker that finds nothing takes from the
//! others' deques, polls for a moment, and goes to sleep. A job that a worker submits goes to
//! that worker's own deque.
//!
//! - `idle`: who sleeps, who searches, whom to wake.
//!
//! What other executors over threads need too is in `executor-pool`: the gate, which makes sure that no
//! submission slips past a shutdown, and the two queues.

#![forbid(unsafe_code)]

mod builder;
mod idle;
mod pool;
mod shared;
mod sync;
mod worker;

pub use executor_pool::{BuildError, OnFull, QueueOrder};

pub use self::{builder::ThreadPoolBuilder, pool::ThreadPoolExecutor};
