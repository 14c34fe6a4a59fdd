//! The executor itself.

use std::{
    fmt,
    sync::Arc,
    task::Waker,
    thread,
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
use tokio::runtime::Handle;

use crate::{TokioBuilder, probe, runtime::OwnRuntime, tasks::Tasks};

/// An executor over a tokio runtime: calls on its blocking threads, futures as its tasks.
///
/// A handle: clones share the queue. Shutdown, join and the drop of the last handle concern the tasks of this
/// executor alone; a runtime that is not its own lives on. The last drop waits for all tasks, unless it happens
/// in async code or on a worker, which must not wait: then they go on by themselves. Nor does it wait for
/// futures on a current-thread runtime, which may be one that nobody drives; [`join`](Executor::join) does.
///
/// ```
/// use executor_core::{Future as _, LocalExecutorExt as _};
/// use executor_tokio::TokioExecutor;
///
/// let executor = TokioExecutor::new(2)?; // with a runtime of its own
/// let future = executor.spawn_future(async { 6 * 7 })?;
/// assert_eq!(future.result()?, 42); // outside of async code; else future.await
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # When not to use it
///
/// For computations: a blocking thread for each of them is more than there are processors, and a future that
/// computes holds up others. Those belong on a thread pool, or on rayon.
#[derive(Clone)]
pub struct TokioExecutor {
    handle: Arc<Last>,
}

/// The last of these to go ends the executor.
struct Last {
    calls: Arc<Runners>,
    tasks: Arc<Tasks>,
    runtime: Option<Arc<OwnRuntime>>,
}

/// What an executor is made of.
pub(crate) struct Parts {
    pub(crate) calls: RunnerSettings,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) runtime: Option<OwnRuntime>,
}

impl TokioExecutor {
    /// An executor over a runtime of its own, which ends with it: with this many threads for futures, and as
    /// many calls at once.
    ///
    /// # Errors
    ///
    /// If `max_workers` is 0, or more than there can be, or if the runtime cannot be started.
    pub fn new(max_workers: usize) -> Result<Self, BuildError> {
        Self::builder().max_workers(max_workers).build()
    }

    /// An executor over the runtime that this code runs in.
    ///
    /// # Errors
    ///
    /// If it runs in none.
    pub fn current() -> Result<Self, BuildError> {
        let handle = Handle::try_current().map_err(|_| {
            BuildError::new(
                "this code runs in no tokio runtime: call it from async code, or use \
                 TokioExecutor::new for a runtime of its own",
            )
        })?;
        Ok(Self::with_handle(handle))
    }

    /// An executor over the runtime of this handle.
    #[must_use]
    pub fn with_handle(handle: Handle) -> Self {
        match Self::builder().handle(handle).build() {
            Ok(executor) => executor,
            Err(error) => unreachable!("the default settings suit any runtime: {error}"),
        }
    }

    /// A builder, for everything else.
    pub const fn builder() -> TokioBuilder {
        TokioBuilder::new()
    }

    pub(crate) fn start(parts: Parts) -> Self {
        Self {
            handle: Arc::new(Last {
                calls: Runners::new(parts.calls),
                tasks: parts.tasks,
                runtime: parts.runtime.map(Arc::new),
            }),
        }
    }

    /// Waits until nothing is queued and nothing runs, for as long as `timeout`. True if that was so at
    /// some moment. A worker is never idle while it asks, and async code must not wait: they get false at
    /// once.
    #[must_use]
    pub fn wait_idle(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let Last { calls, tasks, .. } = &*self.handle;
        if self.handle.must_not_wait() {
            return false;
        }
        // What is called may spawn futures, and the other way round.
        while calls.wait_idle(deadline) && tasks.wait_idle(deadline, false) {
            if calls.wait_idle(Some(Instant::now())) && tasks.under_way() == 0 {
                return true;
            }
        }
        false
    }

    /// Refused, always: the number of calls at once is fixed.
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
}

impl Executor for TokioExecutor {
    fn capabilities(&self) -> Capabilities {
        self.handle.calls.capabilities()
    }

    #[inline]
    fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected> {
        let Last { calls, tasks, .. } = &*self.handle;
        match job.kind() {
            JobKind::Call => calls.execute(job, admission),
            JobKind::Future => {
                let job = if job.options().is_some() {
                    self.capabilities().admit(job)?
                } else {
                    job
                };
                tasks.execute(job, admission, || calls.is_worker())
            }
        }
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.capabilities().check_shutdown(mode)?;
        self.handle.shutdown(mode);
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        if self.handle.must_not_wait() {
            return Err(JoinError::would_deadlock());
        }
        self.handle.join(deadline)
    }

    fn stats(&self) -> Stats {
        let mut stats = self.handle.calls.stats();
        self.handle.tasks.add_to(&mut stats);
        stats
    }

    fn when_room(&self, kind: JobKind, waker: &Waker) -> bool {
        match kind {
            JobKind::Call => self.handle.calls.when_room(waker),
            JobKind::Future => self.handle.tasks.when_room(waker),
        }
    }
}

impl LocalExecutor for TokioExecutor {
    #[inline]
    fn wants_work(&self) -> bool {
        self.handle.calls.wants_work()
    }
}

impl Last {
    fn shutdown(&self, mode: Shutdown) {
        self.tasks.close(mode != Shutdown::Drain);
        self.calls.shutdown(mode);
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        // Neither accepts anything any more, so one after the other will do.
        self.calls.join(deadline)?;
        if !self.tasks.wait_idle(deadline, true) {
            return Err(JoinError::still_running(self.tasks.under_way()));
        }
        if let Some(runtime) = &self.runtime {
            runtime.end();
            if !runtime.join(deadline) {
                return Err(JoinError::still_running(1));
            }
        }
        Ok(())
    }

    /// Whether what it would wait for here may wait for this thread. Workers are known by the calls.
    fn must_not_wait(&self) -> bool {
        let is_idle = || self.calls.wait_idle(Some(Instant::now())) && self.tasks.under_way() == 0;
        probe::is_async()
            || self.runtime.as_ref().is_some_and(|own| own.is_current())
            || (self.tasks.may_end_here() && !is_idle())
    }
}

impl fmt::Debug for TokioExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioExecutor")
            .field("max_workers", &self.capabilities().workers)
            .field("is_open", &self.handle.calls.is_open())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        self.shutdown(Shutdown::Drain);
        if !self.must_not_wait() && !self.calls.is_worker() {
            let joined = if self.tasks.may_stand_still() {
                self.calls.join(None)
            } else {
                self.join(None)
            };
            debug_assert!(joined.is_ok(), "there is no deadline, and no worker");
            return;
        }
        // This thread must not wait. A runtime that is not ours goes on by itself; one of our own has to be
        // ended by somebody after the last task.
        if let Some(runtime) = self.runtime.take() {
            let (calls, tasks) = (Arc::clone(&self.calls), Arc::clone(&self.tasks));
            let end = move || {
                // Another thread, outside of the runtime: it may wait, and does until all is over.
                let _all_over = calls.join(None).is_ok() && tasks.wait_idle(None, true);
                runtime.end();
            };
            let ender = thread::Builder::new().name(String::from("tokio-end"));
            // Without the thread the closure is dropped: the runtime ends now, and its tasks are lost.
            drop(ender.spawn(end));
        }
    }
}
