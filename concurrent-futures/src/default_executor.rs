use std::{error::Error, task::Waker, time::Instant};

use executor_core::{
    Admission, Capabilities, Executor, Job, JobKind, JoinError, Rejected, Shutdown, Stats,
    Unsupported,
};

use self::chosen::{BACKEND, Inner};
use crate::{Backend, OpenError};

// Where two are chosen, the one error that says so is enough: here the first one wins.
#[cfg(feature = "default-process")]
mod chosen {
    pub(super) use executor_process::ProcessPoolExecutor as Inner;

    pub(super) const BACKEND: crate::Backend = crate::Backend::Process;
}

#[cfg(all(feature = "default-rayon", not(feature = "default-process")))]
mod chosen {
    pub(super) use executor_rayon::RayonExecutor as Inner;

    pub(super) const BACKEND: crate::Backend = crate::Backend::Rayon;
}

#[cfg(all(
    feature = "default-tokio",
    not(any(feature = "default-process", feature = "default-rayon"))
))]
mod chosen {
    pub(super) use executor_tokio::TokioExecutor as Inner;

    pub(super) const BACKEND: crate::Backend = crate::Backend::Tokio;
}

#[cfg(not(any(
    feature = "default-process",
    feature = "default-rayon",
    feature = "default-tokio"
)))]
mod chosen {
    pub(super) use executor_threads::ThreadPoolExecutor as Inner;

    pub(super) const BACKEND: crate::Backend = crate::Backend::Threads;
}

/// The executor of a program that does not care which: a thread pool, unless the program chose another
/// one.
///
/// It is an [`Executor`] and no more: it takes `#[task]` functions, which every backend can run, and
/// no closures, which only some can. So a program that is written against it can move to another
/// backend without changing a line. Where closures are wanted, name the backend:
/// [`ThreadPoolExecutor`](crate::ThreadPoolExecutor).
///
/// One of these features chooses it, and turns its backend on:
///
/// | feature | it is |
/// |---|---|
/// | none of these | a thread pool, if the feature `threads` is on |
/// | `default-threads` | a thread pool |
/// | `default-process` | a process pool |
/// | `default-rayon` | a rayon pool of its own |
/// | `default-tokio` | a tokio runtime of its own |
///
/// That is a choice for the program as a whole, so only its own `Cargo.toml` should make it, never that of
/// a library; two of them in one build are an error. A program that may become a process pool calls
/// [`init`](crate::init()) first in its `main`, which is good practice with any backend.
///
/// Nothing but these features changes it: the variable that [`Backend::from_env`] reads does not.
///
/// Clones share the workers. Dropping the last one finishes what was accepted and joins the workers.
///
/// ```
/// use concurrent_futures::prelude::*;
///
/// #[task]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// concurrent_futures::init(); // first of all
/// let pool = DefaultExecutor::new()?;
/// assert_eq!(pool.submit(square::task(12))?.result()?, 144);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DefaultExecutor {
    inner: Inner,
}

impl DefaultExecutor {
    /// Which backend it is.
    pub const BACKEND: Backend = BACKEND;

    /// An executor with a worker for each processor that this process may use.
    ///
    /// # Errors
    ///
    /// If the backend cannot be started.
    pub fn new() -> Result<Self, OpenError> {
        Self::of(Inner::builder().build())
    }

    /// An executor with this many workers.
    ///
    /// # Errors
    ///
    /// If `workers` is 0, or if the backend cannot be started.
    pub fn with_workers(workers: usize) -> Result<Self, OpenError> {
        OpenError::require_workers(Self::BACKEND, workers)?;
        Self::of(Inner::new(workers))
    }

    fn of(
        built: Result<Inner, impl Into<Box<dyn Error + Send + Sync>>>,
    ) -> Result<Self, OpenError> {
        match built {
            Ok(inner) => Ok(Self { inner }),
            Err(error) => Err(OpenError::refused(Self::BACKEND, error)),
        }
    }
}

impl Executor for DefaultExecutor {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected> {
        self.inner.execute(job, admission)
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.inner.shutdown(mode)
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        self.inner.join(deadline)
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn when_room(&self, kind: JobKind, waker: &Waker) -> bool {
        self.inner.when_room(kind, waker)
    }
}
