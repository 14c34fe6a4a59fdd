use std::time::Instant;

use executor_core::{
    Admission, Capabilities, Executor, Job, JoinError, Rejected, Shutdown, Stats, Unsupported,
};
use executor_threads::ThreadPoolExecutor;

use crate::{Backend, OpenError};

/// The executor of a program that does not care which: a thread pool.
///
/// It is an [`Executor`] and no more: it takes `#[task]` functions, which every backend can run, and
/// no closures, which only some can. So a program that is written against it can move to another
/// backend without changing a line. Where closures are wanted, name the backend:
/// [`ThreadPoolExecutor`].
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
/// let pool = DefaultExecutor::new()?;
/// assert_eq!(pool.submit(square::task(12))?.result()?, 144);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DefaultExecutor {
    inner: ThreadPoolExecutor,
}

impl DefaultExecutor {
    /// Which backend it is.
    pub const BACKEND: Backend = Backend::Threads;

    /// An executor with a worker for each processor that this process may use.
    ///
    /// # Errors
    ///
    /// If the backend cannot be started.
    pub fn new() -> Result<Self, OpenError> {
        let built = ThreadPoolExecutor::builder().build();
        Self::from_built(built)
    }

    /// An executor with this many workers.
    ///
    /// # Errors
    ///
    /// If `workers` is 0, or if the backend cannot be started.
    pub fn with_workers(workers: usize) -> Result<Self, OpenError> {
        OpenError::require_workers(Self::BACKEND, workers)?;
        Self::from_built(ThreadPoolExecutor::new(workers))
    }

    fn from_built(
        built: Result<ThreadPoolExecutor, executor_threads::BuildError>,
    ) -> Result<Self, OpenError> {
        match built {
            Ok(inner) => Ok(Self { inner }),
            Err(error) => Err(OpenError::threads(error)),
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
