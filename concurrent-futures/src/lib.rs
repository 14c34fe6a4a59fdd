// Its examples need both pools.
#![cfg_attr(
    all(feature = "process", feature = "threads"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(feature = "process", feature = "threads")),
    doc = "One `Executor`, one `Future`, many backends, each of them a feature; see the README."
)]
#![forbid(unsafe_code)]

mod backend;
#[cfg(any(feature = "default-process", feature = "threads"))]
mod default_executor;
mod init;
pub mod prelude;
#[cfg(feature = "process")]
pub mod process;

pub use executor_core::{
    Admission, AsCompleted, CallbackPanic, Callbacks, Capabilities, DuplicateTask, EncodedCall,
    Executor, ExecutorExt, Feature, Future, Home, Job, JobKey, JoinError, JoinErrorKind,
    LocalExecutor, LocalExecutorExt, Map, MapFuture, Outcome, PanicReport, PortableTask, Progress,
    Ran, Reason, Registration, Registry, Rejected, Remote, RemoteHome, ReturnWhen, Revoked, Scope,
    Shared, Shutdown, Sink, StartedJob, State, Stats, StopLevel, SubmitError, Task, TaskError,
    TaskErrorKind, TaskFuture, TaskOptions, TaskTable, Then, Timeout, Unsupported, Waited,
    WorkerDeath, as_completed, codec, context, first_ok, join_all, set_callback_panic_hook, wait,
};
pub use executor_macros::task;

/// Executors for tests: predictable, and without threads of their own (feature `testing`).
#[cfg(feature = "testing")]
pub use executor_core::testing;
/// Worker processes (feature `process`); the rest is in [`process`].
#[cfg(feature = "process")]
pub use executor_process::{
    OnCrash, ProcessPoolBuilder, ProcessPoolExecutor, WorkerProgram, WorkerStderr, worker_process,
};
/// Worker threads in this process (feature `threads`).
#[cfg(feature = "threads")]
pub use executor_threads::{BuildError, OnFull, QueueOrder, ThreadPoolBuilder, ThreadPoolExecutor};

#[cfg(any(feature = "default-process", feature = "threads"))]
pub use self::default_executor::DefaultExecutor;
pub use self::{
    backend::{Backend, OpenError, UnknownBackend},
    init::init,
};

// What the code that `#[task]` writes refers to.
#[doc(hidden)]
pub use executor_core::{private, register};
