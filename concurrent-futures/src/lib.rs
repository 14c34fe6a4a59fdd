// Its examples need a pool.
#![cfg_attr(feature = "threads", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "threads"),
    doc = "One `Executor`, one `Future`, many backends; none of which is in this build (see the features)."
)]
#![forbid(unsafe_code)]

mod backend;
#[cfg(feature = "threads")]
mod default_executor;
mod init;
pub mod prelude;

pub use executor_core::{
    Admission, AsCompleted, CallbackPanic, Capabilities, DuplicateTask, EncodedCall, Executor,
    ExecutorExt, Feature, Future, Home, Job, JobKey, JoinError, JoinErrorKind, LocalExecutor,
    LocalExecutorExt, Map, MapFuture, Outcome, PanicReport, PortableTask, Progress, Ran, Reason,
    Registration, Registry, Rejected, ReturnWhen, Scope, Shared, Shutdown, StartedJob, State,
    Stats, StopLevel, SubmitError, Task, TaskError, TaskErrorKind, TaskFuture, TaskOptions, Then,
    Timeout, Unsupported, Waited, WorkerDeath, as_completed, codec, context, first_ok, join_all,
    set_callback_panic_hook, wait,
};
pub use executor_macros::task;

/// Executors for tests: predictable, and without threads of their own (feature `testing`).
#[cfg(feature = "testing")]
pub use executor_core::testing;
/// Worker threads in this process (feature `threads`).
#[cfg(feature = "threads")]
pub use executor_threads::{BuildError, OnFull, QueueOrder, ThreadPoolBuilder, ThreadPoolExecutor};

#[cfg(feature = "threads")]
pub use self::default_executor::DefaultExecutor;
pub use self::{
    backend::{Backend, OpenError, UnknownBackend},
    init::init,
};

// What the code that `#[task]` writes refers to.
#[doc(hidden)]
pub use executor_core::{private, register};
