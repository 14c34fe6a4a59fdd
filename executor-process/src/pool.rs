//! The executor itself.

use std::{
    fmt,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use executor_core::{
    Admission, Capabilities, Executor, Job, JobKind, JoinError, Rejected, Shutdown, Stats,
    Unsupported, context,
};

use crate::{BuildError, ProcessPoolBuilder, builder::check_workers, parent::Shared};

/// An executor over subprocesses of this program.
///
/// A handle: clones share the workers. Dropping the last handle finishes what was accepted and ends the
/// workers.
///
/// See the [crate documentation](crate) for what it does when workers die.
#[derive(Clone)]
pub struct ProcessPoolExecutor {
    handle: Arc<Handle>,
}

/// The last of these to go ends the pool.
struct Handle {
    shared: Arc<Shared>,
    capabilities: Capabilities,
}

impl ProcessPoolExecutor {
    /// A pool of this many workers, with an unbounded queue.
    ///
    /// # Errors
    ///
    /// If `workers` is 0, or more than there can be, or if this program has not called
    /// [`init`](crate::init()).
    pub fn new(workers: usize) -> Result<Self, BuildError> {
        Self::builder().max_workers(workers).build()
    }

    /// A builder, for everything else.
    pub fn builder() -> ProcessPoolBuilder {
        ProcessPoolBuilder::new()
    }

    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        let mut capabilities = Capabilities::local(shared.settings.max_workers);
        capabilities.local = false;
        capabilities.kill = true;
        capabilities.task_timeout = true;
        capabilities.queue_bound = shared.settings.queue_bound;
        Self {
            handle: Arc::new(Handle {
                shared,
                capabilities,
            }),
        }
    }

    /// Changes how many workers there may be. Those that are too many end once they have nothing to do.
    ///
    /// # Errors
    ///
    /// If `max_workers` is 0, or more than there can be.
    pub fn resize(&self, max_workers: usize) -> Result<(), BuildError> {
        check_workers(max_workers)?;
        self.shared().resize(max_workers);
        Ok(())
    }

    /// Waits until nothing is queued and nothing runs, for as long as `timeout`. True if that was so
    /// at some moment.
    #[must_use]
    pub fn wait_idle(&self, timeout: Option<Duration>) -> bool {
        if context::calls_callbacks_for(self.shared().home()) {
            return false;
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.shared().wait_idle(deadline)
    }

    /// The process ids of the workers, those included that are starting or ending.
    #[must_use]
    pub fn worker_pids(&self) -> Vec<u32> {
        self.shared().pids()
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }
}

impl Executor for ProcessPoolExecutor {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.handle.capabilities.clone();
        capabilities.workers = self.shared().max_workers();
        capabilities
    }

    fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected> {
        let job = if job.is_portable() && job.options().is_none() {
            job
        } else {
            self.handle.capabilities.admit(job)?
        };
        self.shared().execute(job, admission)
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.shared().shutdown(mode);
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        if context::calls_callbacks_for(self.shared().home()) {
            return Err(JoinError::would_deadlock());
        }
        self.shared().join(deadline)
    }

    fn stats(&self) -> Stats {
        self.shared().stats()
    }

    fn when_room(&self, _: JobKind, waker: &Waker) -> bool {
        self.shared().when_room(waker)
    }
}

impl fmt::Debug for ProcessPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPoolExecutor")
            .field("max_workers", &self.shared().max_workers())
            .field("is_open", &self.shared().is_open())
            .field("stats", &self.shared().stats())
            .finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.shutdown(Shutdown::Drain);
        // The thread that calls the callbacks cannot wait for itself; then the pool ends by itself.
        if !context::calls_callbacks_for(self.shared.home()) {
            self.shared.join_threads();
        }
    }
}
