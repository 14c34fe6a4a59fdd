//! [`RayonExecutor`]: an executor over rayon's threads.
//!
//! ```
//! use executor_core::{Future as _, LocalExecutorExt as _};
//! use executor_rayon::RayonExecutor;
//! use rayon::prelude::*;
//!
//! let executor = RayonExecutor::global();
//! let future = executor.spawn(|| (1..=1000_u64).into_par_iter().sum::<u64>())?;
//! assert_eq!(future.result()?, 500_500); // a handle with a result; or future.await, cancel, ...
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it adds to rayon
//!
//! `rayon::spawn` gives no handle: no result, no cancel, no way to wait. Here each job has a future, the
//! executor can be shut down and joined, its queue can have a bound, a panic is in the result, and a job that
//! waits for another one cannot deadlock the pool. Jobs are free to use `par_iter`, `join` and
//! `scope` of rayon, which then run on the same threads.
//!
//! # How
//!
//! Jobs do not go into rayon's queue. They wait in one of ours, and rayon gets a few *runners*, each of which
//! runs jobs until there are none (`executor_pool::runners` tells how). What a job submits goes on a deque of
//! its runner, from which others steal. Between two jobs, every few milliseconds, a runner lets rayon's
//! other work have its turn.
//!
//! # Waiting on a rayon thread
//!
//! A thread of the pool that waits for a job runs that very job itself, if nobody has started it; this holds on
//! each of them, also in the body of a `par_iter`. If somebody has, the thread blocks. It does not yield to
//! rayon (`yield_now`, `yield_local`), although that would keep it busy: what rayon runs in such a moment is
//! any job at all, on top of the waiter's stack, and if that needs a lock which the waiter holds, or waits for
//! the waiter, both wait for ever.
//!
//! Rayon itself does that, where a job waits inside of `join`, `scope` or `par_iter`: its thread takes
//! whatever is next. Jobs of these executors are kept out of it: a runner that finds itself called in the
//! middle of a job refuses, and another thread gets its turn.
//!
//! # What it cannot see
//!
//! What rayon runs for others is rayon's: a plain closure, or the body of a `par_iter` that no job has called. Such code
//! may find itself on top of another job, and the other way round, as everywhere in rayon. So it should not block until
//! a job is done in any other way than by its future; and in the body of a `par_iter` it should not wait for jobs that use
//! rayon themselves.

#![forbid(unsafe_code)]

mod builder;
mod executor;
mod threads;

pub use executor_pool::{BuildError, OnFull, QueueOrder};

pub use self::{builder::RayonBuilder, executor::RayonExecutor};
