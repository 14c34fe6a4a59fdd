//! One [`Executor`], one [`Future`]: the traits, and the task cell, that every backend shares.
//!
//! Users depend on the `concurrent-futures` facade; this crate is for those who write an executor. A
//! backend implements the five methods of [`Executor`] over [`Job`]s, and gets `submit`, `map`,
//! `wait`, scopes, fork-join and `.await` for nothing:
//!
//! ```
//! use std::time::Instant;
//! use executor_core::{
//!     Admission, Capabilities, Executor, Job, JoinError, Rejected, Shutdown, Stats, Unsupported,
//! };
//!
//! /// A thread for each task.
//! #[derive(Debug, Clone)]
//! struct Threads;
//!
//! impl Executor for Threads {
//!     fn capabilities(&self) -> Capabilities {
//!         Capabilities::local(1000)
//!     }
//!     fn execute(&self, job: Job, _: Admission) -> Result<(), Rejected> {
//!         let job = self.capabilities().admit(job)?;
//!         std::thread::spawn(move || job.run());
//!         Ok(())
//!     }
//! #   fn shutdown(&self, _: Shutdown) -> Result<(), Unsupported> { Ok(()) }
//! #   fn join(&self, _: Option<Instant>) -> Result<(), JoinError> { Ok(()) }
//! #   fn stats(&self) -> Stats { Stats::default() }
//!     // ...
//! }
//! ```
//!
//! # The way of a task
//!
//! `submit` ([`ExecutorExt`]) puts the task into a cell, one allocation, and makes two handles of it:
//! a [`Job`] for the backend and a [`TaskFuture`] for the caller. The backend queues the job and
//! [`run`](Job::run)s it on a worker. That leaves the result in the cell and wakes whoever waits for
//! it: a thread, a waker, callbacks. The future takes the result from the cell, and whichever
//! handle goes last frees it. A job that is dropped on the way settles as lost, so that every future
//! settles.
//!
//! # Modules
//!
//! - `cell`: the cell, its protocol, and its typed handles; with `scope` the only unsafe code.
//! - [`context`]: what a task knows of where it runs. A backend that has worker threads makes them known
//!   there ([`context::Worker`]), so that waits inside of workers cannot deadlock.
//! - [`spin`]: waiting a moment before sleeping. A backend counts its awake workers there.
//! - [`codec`]: how values become bytes.
//! - `testing`: executors for tests (feature `testing`).
//!
//! # Features
//!
//! - `auto-register` (default): `#[task]` functions enter [`Registry::global`] by themselves, through
//!   the `inventory` crate. Without it, list them: `Registry::global().with::<square>()?`.
//! - `testing`: the `testing` module.

#![deny(unsafe_code)]

mod blob;
mod block_on;
mod capability;
#[expect(
    unsafe_code,
    reason = "shared ownership of task, result and waiters; see its protocol"
)]
mod cell;
pub mod codec;
pub mod context;
mod error;
mod executor;
mod future;
mod homes;
mod host;
mod local;
mod map;
mod panic;
mod park;
mod registry;
mod remote;
#[expect(
    unsafe_code,
    reason = "tasks that borrow from a frame which waits for them"
)]
mod scope;
pub mod spin;
mod submit_async;
mod sync;
mod task;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod wait;

pub use self::{
    blob::{Blob, lend},
    block_on::block_on,
    capability::{Admission, Capabilities, Feature, Shutdown, Stats, StopLevel, Unsupported},
    cell::{AsyncJob, Callbacks, Home, Job, JobKey, JobKind, Ran, StartedJob, TaskFuture},
    error::{
        JoinError, JoinErrorKind, PanicReport, Reason, Rejected, SubmitError, TaskError,
        TaskErrorKind, Timeout, WorkerDeath,
    },
    executor::{Executor, ExecutorExt},
    future::{Future, Map as MapFuture, Outcome, Shared, State, Then},
    host::{Host, HostKind, HostedHome},
    local::{LocalExecutor, LocalExecutorExt},
    map::{Apply, Map, Progress, RunTask, Step},
    panic::{CallbackPanic, set_callback_panic_hook},
    registry::{Call, DuplicateTask, EncodedCall, Registration, Registry, Reply, Sink, TaskTable},
    remote::{Remote, RemoteHome, Revoked},
    scope::{Scope, join},
    submit_async::SubmitAsync,
    task::{FutureTask, PortableTask, Task, TaskOptions},
    wait::{AsCompleted, ReturnWhen, Waited, as_completed, first_ok, join_all, wait},
};

#[doc(hidden)]
pub mod private {
    //! What the code that `#[task]` writes refers to.

    #[cfg(feature = "auto-register")]
    pub use inventory;
    pub use serde;

    pub use crate::{
        cell::{BlockOn, ChunkOf, Maker, NewCell, NewChunkCell},
        codec::plain::{NotPlain, Plain, Probe},
        registry::init::{AnyState, State},
    };
}

/// Enters a task into the global registry, where the feature `auto-register` is on.
#[doc(hidden)]
#[cfg(feature = "auto-register")]
#[macro_export]
macro_rules! register {
    ($task:ty) => {
        $crate::private::inventory::submit! { $crate::Registration::of::<$task>() }
    };
}

/// Does nothing: the feature `auto-register` is off.
#[doc(hidden)]
#[cfg(not(feature = "auto-register"))]
#[macro_export]
macro_rules! register {
    ($task:ty) => {};
}
