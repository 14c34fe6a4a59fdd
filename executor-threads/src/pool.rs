//! The executor itself.

use std::{
    fmt, io,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use executor_core::{
    Admission, Capabilities, Executor, Job, JobKind, JoinError, LocalExecutor, Reason, Rejected,
    Shutdown, Stats, Unsupported, context,
};
use executor_pool::{BuildError, Locked, Pushed, Queue, QueueOrder};

use crate::{
    ThreadPoolBuilder,
    builder::{available, check_workers},
    shared::{Phase, Settings, Shared},
    worker,
};

/// An executor over threads of this process.
///
/// A handle: clones share the workers. Workers are started just in time; an idle pool uses no CPU.
/// Dropping the last handle finishes what was accepted and joins the workers (unless it is one of them
/// that drops it: then they end by themselves).
///
/// ```
/// use executor_core::{Future as _, LocalExecutorExt as _};
/// use executor_threads::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::new(2)?;
/// let squares: Vec<u64> = pool.map_fn(1..=3_u64, |x| x * x).collect::<Result<_, _>>()?;
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # When not to use it
///
/// A thread cannot be killed: code that hangs or crashes belongs into a process pool.
#[derive(Clone)]
pub struct ThreadPoolExecutor {
    handle: Arc<Handle>,
}

/// The last of these to go ends the pool.
struct Handle {
    shared: Arc<Shared>,
}

impl ThreadPoolExecutor {
    /// A pool of at most `max_workers` threads, with an unbounded queue.
    ///
    /// # Errors
    ///
    /// If `max_workers` is 0, or more than there can be.
    pub fn new(max_workers: usize) -> Result<Self, BuildError> {
        Self::builder().max_workers(max_workers).build()
    }

    /// A pool for work that mostly waits for something: `min(32, available parallelism + 4)` workers,
    /// as Python's `ThreadPoolExecutor` has by default.
    ///
    /// # Errors
    ///
    /// None at present; as [`new`](Self::new).
    pub fn for_io() -> Result<Self, BuildError> {
        Self::new((available() + 4).min(32))
    }

    /// A builder, for everything else.
    pub fn builder() -> ThreadPoolBuilder {
        ThreadPoolBuilder::new()
    }

    pub(crate) fn start(
        settings: Settings,
        min: usize,
        max: usize,
        order: QueueOrder,
        bound: Option<usize>,
    ) -> Self {
        let queue = Queue::new(order, bound);
        let shared = Arc::new(Shared::new(settings, min, max, queue));
        Self {
            handle: Arc::new(Handle { shared }),
        }
    }

    /// Changes how many workers there may be. More are started as they are needed; those that are too
    /// many end once they find nothing to do.
    ///
    /// # Errors
    ///
    /// If `max_workers` is 0, or more than there can be.
    pub fn resize(&self, max_workers: usize) -> Result<(), BuildError> {
        check_workers(max_workers)?;
        let shared = self.shared();
        shared.resize(max_workers);
        if !shared.queue.is_empty() {
            // What is queued may have waited for the worker that there can be now.
            self.heed(shared.notify());
        }
        Ok(())
    }

    /// Waits until nothing is queued and nothing runs, for as long as `timeout`. True if that
    /// was so at some moment. A worker of the pool is never idle while it asks: it gets false at
    /// once.
    #[must_use]
    pub fn wait_idle(&self, timeout: Option<Duration>) -> bool {
        if context::is_worker_of(self.shared().home) {
            return false;
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.shared().wait_idle(deadline)
    }

    #[inline]
    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    fn execute_locked(
        &self,
        queue: &Locked,
        job: Job,
        admission: Admission,
    ) -> Result<(), Rejected> {
        let shared = self.shared();
        // Inside, also while it waits for room: a shutdown ends such waits.
        let Some(inside) = shared.gate.enter() else {
            return Err(Rejected::new(job, shared.refusal()));
        };
        let is_worker = context::is_worker_of(shared.home);
        let pushed = queue.admit(job, admission, shared.settings.on_full, is_worker);
        let notified = if matches!(pushed, Pushed::Queued) {
            shared.notify()
        } else {
            Ok(())
        };
        drop(inside);
        match pushed {
            Pushed::Queued => self.heed(notified),
            Pushed::RunHere(job) => shared.count(job.run()),
            Pushed::Rejected(rejected) => {
                let (job, reason) = rejected.into_parts();
                let reason = match reason {
                    Reason::ShutDown => shared.refusal(),
                    reason => reason,
                };
                return Err(Rejected::new(job, reason));
            }
        }
        Ok(())
    }

    /// A pool that cannot start its first worker cannot do anything. Called outside of the gate.
    fn heed(&self, notified: io::Result<()>) {
        if let Err(error) = notified {
            self.shared()
                .break_down(format!("no worker thread could be started: {error}"));
        }
    }
}

impl Executor for ThreadPoolExecutor {
    fn capabilities(&self) -> Capabilities {
        let shared = self.shared();
        let mut capabilities = Capabilities::local(shared.max_workers());
        if let Queue::Locked(queue) = &shared.queue {
            capabilities.priorities = queue.has_priorities();
            capabilities.queue_bound = queue.bound();
        }
        capabilities
    }

    #[inline]
    fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected> {
        let shared = self.shared();
        let job = if job.options().is_some() {
            self.capabilities().admit(job)?
        } else {
            job
        };
        job.bind(shared.home);
        let queue = match &shared.queue {
            Queue::Stealing(queue) => queue,
            Queue::Locked(queue) => return self.execute_locked(queue, job, admission),
        };
        if context::is_worker_of(shared.home) {
            return worker::push_own(shared, job);
        }
        let Some(inside) = shared.gate.enter() else {
            return Err(Rejected::new(job, shared.refusal()));
        };
        queue.push(job);
        let notified = shared.notify_after_rmw();
        drop(inside);
        self.heed(notified);
        Ok(())
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.capabilities().check_shutdown(mode)?;
        self.shared().shutdown(mode);
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        if context::is_worker_of(self.shared().home) {
            return Err(JoinError::would_deadlock());
        }
        self.shared().join(deadline)
    }

    fn stats(&self) -> Stats {
        self.shared().stats()
    }

    fn when_room(&self, _: JobKind, waker: &Waker) -> bool {
        match &self.shared().queue {
            Queue::Stealing(_) => false,
            Queue::Locked(queue) => queue.when_room(waker),
        }
    }
}

impl LocalExecutor for ThreadPoolExecutor {
    #[inline]
    fn wants_work(&self) -> bool {
        let shared = self.shared();
        shared.idle.has_idle(shared.max_workers()) && shared.has_nothing_waiting()
    }
}

impl fmt::Debug for ThreadPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.shared().stats();
        f.debug_struct("ThreadPoolExecutor")
            .field("max_workers", &self.shared().max_workers())
            .field("is_open", &(self.shared().phase() == Phase::Open))
            .field("stats", &stats)
            .finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.shutdown(Shutdown::Drain);
        if !context::is_worker_of(self.shared.home) {
            self.shared.join_threads();
        }
    }
}
