// Its examples need all backends.
#![cfg_attr(
    all(
        feature = "nats",
        feature = "process",
        feature = "rayon",
        feature = "threads",
        feature = "tokio"
    ),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(
        feature = "nats",
        feature = "process",
        feature = "rayon",
        feature = "threads",
        feature = "tokio"
    )),
    doc = "One `Executor`, one `Future`, many backends, each of them a feature; see the README."
)]
#![forbid(unsafe_code)]

mod backend;
#[cfg(feature = "_default-executor")]
mod default_executor;
mod init;
#[cfg(feature = "nats")]
pub mod nats;
pub mod prelude;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "rayon")]
pub mod rayon;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use executor_core::{
    Admission, Apply, AsCompleted, AsyncJob, Blob, Call, CallbackPanic, Callbacks, Capabilities,
    DuplicateTask, EncodedCall, Executor, ExecutorExt, Feature, Future, FutureTask, Home, Host,
    HostKind, HostedHome, Job, JobKey, JobKind, JoinError, JoinErrorKind, LocalExecutor,
    LocalExecutorExt, Map, MapFuture, Outcome, PanicReport, PortableTask, Progress, Ran, Reason,
    Registration, Registry, Rejected, Remote, RemoteHome, Reply, ReturnWhen, Revoked, Scope,
    Shared, Shutdown, Sink, StartedJob, State, Stats, StopLevel, SubmitAsync, SubmitError, Task,
    TaskError, TaskErrorKind, TaskFuture, TaskOptions, TaskTable, Then, Timeout, Unsupported,
    Waited, WorkerDeath, as_completed, block_on, codec, context, first_ok, join, join_all, lend,
    set_callback_panic_hook, spin, wait,
};
pub use executor_macros::task;

/// Executors for tests: predictable, and without threads of their own (feature `testing`).
#[cfg(feature = "testing")]
pub use executor_core::testing;
/// Many machines (feature `nats`); the rest is in [`nats`].
#[cfg(feature = "nats")]
pub use executor_nats::{NatsBuilder, NatsExecutor};
/// The words of the builders of all executors in this process.
#[cfg(any(feature = "rayon", feature = "threads", feature = "tokio"))]
pub use executor_pool::{BuildError, OnFull, QueueOrder};
/// Worker processes (feature `process`); the rest is in [`process`].
#[cfg(feature = "process")]
pub use executor_process::{
    OnCrash, ProcessPoolBuilder, ProcessPoolExecutor, WorkerProgram, WorkerStderr, worker_process,
};
/// Rayon's threads (feature `rayon`).
#[cfg(feature = "rayon")]
pub use executor_rayon::{RayonBuilder, RayonExecutor};
/// Worker threads in this process (feature `threads`).
#[cfg(feature = "threads")]
pub use executor_threads::{ThreadPoolBuilder, ThreadPoolExecutor};
/// A tokio runtime (feature `tokio`); the rest is in [`tokio`](mod@tokio).
#[cfg(feature = "tokio")]
pub use executor_tokio::{TokioBuilder, TokioExecutor};

#[cfg(feature = "_default-executor")]
pub use self::default_executor::DefaultExecutor;
pub use self::{
    backend::{Backend, OpenError, UnknownBackend},
    init::init,
};

// What the code that `#[task]` writes refers to.
#[doc(hidden)]
pub use executor_core::{private, register};

/// Refuses each pair of features that pick the same thing.
macro_rules! at_most_one {
    ($($one:literal and $other:literal;)*) => {$(
        #[cfg(all(feature = $one, feature = $other))]
        compile_error!(concat!(
            "the features `", $one, "` and `", $other, "` of concurrent-futures are both on, but there is \
             one DefaultExecutor: leave one of them out; only the Cargo.toml of the program itself should \
             pick one, never that of a library (in place of --all-features there is --features full)"
        ));
    )*};
}

at_most_one! {
    "default-process" and "default-rayon";
    "default-process" and "default-threads";
    "default-process" and "default-tokio";
    "default-rayon" and "default-threads";
    "default-rayon" and "default-tokio";
    "default-threads" and "default-tokio";
}
