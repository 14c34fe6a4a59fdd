use std::{error::Error, time::Instant};

use executor_core::{
    Admission, Capabilities, Executor, Job, JoinError, Rejected, Shutdown, Stats, Unsupported,
};
#[cfg(feature = "default-process")]
use executor_process::ProcessPoolExecutor as Inner;
#[cfg(not(feature = "default-process"))]
use executor_threads::ThreadPoolExecutor as Inner;

use crate::{Backend, OpenError};

/// The executor of a program that does not care which: a thread pool, unless the program chose another
/// one.
///
/// It is an [`Executor`] and no more: it takes `#[task]` functions, which every backend can run, and
/// no closures, which only some can. So a program that is written against it can move to another
/// backend without changing a line. Where closures are wanted, name the backend:
/// [`ThreadPoolExecutor`](crate::ThreadPoolExecutor).
///
/// The feature `default-process` makes it a process pool. That is a choice for the program as a whole,
/// so only its own `Cargo.toml` should make it, never that of a library; and the program calls
/// [`init`](crate::init()) first in its `main`, which is good practice with any backend.
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
    #[cfg(feature = "default-process")]
    pub const BACKEND: Backend = Backend::Process;
    /// Which backend it is.
    #[cfg(not(feature = "default-process"))]
    pub const BACKEND: Backend = Backend::Threads;

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
}
