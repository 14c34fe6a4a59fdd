//! The executor itself.

use std::{
    fmt,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use executor_core::{
    Admission, Capabilities, Executor, Feature, Job, JobKind, JoinError, LocalExecutor, Rejected,
    Shutdown, Stats, Unsupported,
};
use executor_pool::{
    BuildError,
    runners::{RunnerSettings, Runners},
};
use rayon::ThreadPool;

use crate::{RayonBuilder, threads::Threads};

/// An executor over rayon's threads: the global pool, a pool that is shared, or one of its own.
///
/// A handle: clones share the queue. Shutdown, join and the drop of the last handle concern the jobs of this
/// executor alone; a shared or global pool lives on.
///
/// ```
/// use executor_core::{Future as _, LocalExecutorExt as _, as_completed};
/// use executor_rayon::RayonExecutor;
///
/// let executor = RayonExecutor::new(2)?;
/// let squares: Vec<u64> = executor.map_fn(1..=3_u64, |x| x * x).collect::<Result<_, _>>()?;
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # When not to use it
///
/// For jobs that mostly wait: they keep rayon's threads from everybody's computations. Those belong on a thread
/// pool.
#[derive(Clone)]
pub struct RayonExecutor {
    handle: Arc<Handle>,
}

/// The last of these to go ends the executor.
struct Handle {
    runners: Arc<Runners>,
    threads: Threads,
}

impl RayonExecutor {
    /// An executor over a pool of its own with this many threads, which ends with it.
    ///
    /// # Errors
    ///
    /// If `max_workers` is 0, or more than there can be, or if the threads cannot be started.
    pub fn new(max_workers: usize) -> Result<Self, BuildError> {
        Self::builder().max_workers(max_workers).build()
    }

    /// An executor over rayon's global pool, with all of its threads; see [`RayonBuilder::global`].
    #[must_use]
    pub fn global() -> Self {
        Self::of_existing(RayonBuilder::new().global())
    }

    /// An executor over a pool that others may use too, with all of its threads.
    #[must_use]
    pub fn with_pool(pool: Arc<ThreadPool>) -> Self {
        Self::of_existing(RayonBuilder::new().pool(pool))
    }

    /// A builder, for everything else.
    pub fn builder() -> RayonBuilder {
        RayonBuilder::new()
    }

    fn of_existing(builder: RayonBuilder) -> Self {
        match builder.build() {
            Ok(executor) => executor,
            Err(error) => unreachable!("the default settings suit any pool: {error}"),
        }
    }

    pub(crate) fn start(threads: Threads, settings: RunnerSettings) -> Self {
        let runners = Runners::new(settings);
        Self {
            handle: Arc::new(Handle { runners, threads }),
        }
    }

    /// Waits until nothing is queued and nothing runs, for as long as `timeout`. True if that was so at
    /// some moment. A thread of the pool is never idle while it asks: it gets false at once.
    #[must_use]
    pub fn wait_idle(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.runners().wait_idle(deadline)
    }

    /// Refused, always: rayon cannot change the number of its threads.
    ///
    /// # Errors
    ///
    /// [`unsupported`](BuildError::unsupported), with [`Feature::Resize`].
    pub fn resize(&self, _max_workers: usize) -> Result<(), BuildError> {
        Err(BuildError::lacking(
            Unsupported::new(Feature::Resize),
            "build another executor",
        ))
    }

    #[inline]
    fn runners(&self) -> &Arc<Runners> {
        &self.handle.runners
    }
}

impl Executor for RayonExecutor {
    fn capabilities(&self) -> Capabilities {
        self.runners().capabilities()
    }

    #[inline]
    fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected> {
        self.runners().execute(job, admission)
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.capabilities().check_shutdown(mode)?;
        self.runners().shutdown(mode);
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        self.runners().join(deadline)?;
        let Threads::Own(pool) = &self.handle.threads else {
            return Ok(());
        };
        pool.end();
        pool.join(deadline).map_err(JoinError::still_running)
    }

    fn stats(&self) -> Stats {
        self.runners().stats()
    }

    fn when_room(&self, _: JobKind, waker: &Waker) -> bool {
        self.runners().when_room(waker)
    }
}

impl LocalExecutor for RayonExecutor {
    #[inline]
    fn wants_work(&self) -> bool {
        self.runners().wants_work()
    }
}

impl fmt::Debug for RayonExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RayonExecutor")
            .field("max_workers", &self.capabilities().workers)
            .field("is_open", &self.runners().is_open())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.runners.shutdown(Shutdown::Drain);
        // A thread of the pool that drops the last handle does not wait: the threads of an own pool end after
        // the last job, when its runner drops the pool.
        if self.runners.join(None).is_ok()
            && let Threads::Own(pool) = &self.threads
        {
            pool.end();
            let ended = pool.join(None);
            debug_assert!(ended.is_ok(), "there is no deadline");
        }
    }
}
