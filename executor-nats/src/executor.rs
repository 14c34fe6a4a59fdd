//! The executor's handle, and how it is built.

use std::{
    fmt,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use executor_core::{
    Admission, Capabilities, Executor, Job, JobKind, JoinError, Rejected, Shutdown, Stats,
    TaskFuture, Unsupported, context,
};

use crate::{
    Attached, ConnectError, ConnectErrorKind, Credentials, OnFull, Status, Tls,
    connect::Common,
    names, status,
    submitter::{Settings, Shared},
    worker::common_settings,
};

/// An executor whose workers are other programs, on this machine or on others.
///
/// A handle: clones share the connection. Dropping the last one finishes what was accepted, or gives up once the server has been
/// out of reach for too long ([`NatsBuilder::give_up_after`]).
///
/// So with no worker on the queue the drop waits for ever. `join` with a deadline says whether something is left;
/// `shutdown(CancelPending)` takes back what nobody has begun, and then the drop returns.
///
/// `shutdown(Kill)` fails with [`Killed`](executor_core::TaskErrorKind::Killed) what its worker ends, and after 5 s also what no worker
/// has confirmed: such a task may have run, and may run for a moment longer. Its worker ends it once it hears of the shutdown, and
/// nobody starts it again; only if the server itself was out of reach does nobody hear of it, and what is in the queue will run.
///
/// See the [crate documentation](crate) for what it promises.
#[derive(Clone)]
pub struct NatsExecutor {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
}

/// How a [`NatsExecutor`] is to be.
#[derive(Debug, Clone)]
#[must_use]
pub struct NatsBuilder {
    common: Common,
    queue_bound: Option<usize>,
    on_full: OnFull,
    parallelism: Option<usize>,
    give_up_after: Duration,
}

impl NatsExecutor {
    /// A builder: for the queue `default` of a server on this machine, unless told otherwise.
    pub fn builder() -> NatsBuilder {
        NatsBuilder {
            common: Common::new(),
            queue_bound: None,
            on_full: OnFull::Block,
            parallelism: None,
            give_up_after: Duration::from_secs(60),
        }
    }

    /// What tells the tasks of this executor from those of all others.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.shared().settings.session
    }

    /// The number of a task in its session, for [`Attached::future`]: of a future of this executor, and none for others.
    #[must_use]
    pub fn task_id<T>(&self, future: &TaskFuture<T>) -> Option<u64> {
        self.shared().id_of(future.key())
    }

    /// Waits until nothing is queued and nothing runs, for as long as `timeout`. True if that was so at some moment.
    #[must_use]
    pub fn wait_idle(&self, timeout: Option<Duration>) -> bool {
        self.shared().wait_idle(timeout)
    }

    /// What there is on the server: the queues, their rates, and the workers. Listens to the workers for two seconds.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or does not answer.
    pub fn status(&self) -> Result<Status, ConnectError> {
        status::ask(&self.shared().settings.common)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

common_settings!(NatsBuilder);

impl NatsBuilder {
    /// How many tasks may be accepted and not started; by default any number. A further submission does as
    /// [`on_full`](Self::on_full) says.
    pub const fn queue_bound(mut self, bound: usize) -> Self {
        self.queue_bound = Some(bound);
        self
    }

    /// What a submission does when the queue is full; by default it waits.
    pub const fn on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// How many tasks the workers can run at once, which `map` goes by; by default the slots of those workers that are heard of.
    pub const fn parallelism(mut self, tasks: usize) -> Self {
        self.parallelism = Some(tasks);
        self
    }

    /// After how long without a server all that is not done fails with
    /// [`Broken`](executor_core::TaskErrorKind::Broken); by default 60 s.
    pub const fn give_up_after(mut self, patience: Duration) -> Self {
        self.give_up_after = patience;
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// If there is no connection within its time, or if a setting, a right or something else is wrong with it.
    pub fn connect(self) -> Result<NatsExecutor, ConnectError> {
        let shared = self.start(names::random(), false)?;
        Ok(NatsExecutor {
            handle: Arc::new(Handle { shared }),
        })
    }

    /// Connects to the session of another executor, to pick up results of its tasks; see [`Attached`].
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect), or if it cannot be the name of a session.
    pub fn attach(self, session: &str) -> Result<Attached, ConnectError> {
        if !names::is_name(session) {
            return Err(ConnectError::new(
                ConnectErrorKind::Invalid,
                format!("`{session}` cannot be a session: use what `session_id` says"),
            ));
        }
        Ok(Attached::new(self.start(session.to_owned(), true)?))
    }

    fn start(self, session: String, is_attached: bool) -> Result<Arc<Shared>, ConnectError> {
        self.common.check()?;
        Shared::start(Settings {
            common: self.common,
            queue_bound: self.queue_bound,
            on_full: self.on_full,
            parallelism: self.parallelism,
            give_up_after: self.give_up_after,
            session,
            is_attached,
        })
    }
}

impl Executor for NatsExecutor {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::local(self.shared().workers());
        capabilities.local = false;
        capabilities.kill = true;
        capabilities.task_timeout = true;
        capabilities.queue_bound = self.shared().settings.queue_bound;
        capabilities
    }

    fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected> {
        let job = if job.is_portable() && job.options().is_none() {
            job
        } else {
            self.capabilities().admit(job)?
        };
        self.shared().execute(job, admission)
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.shared().shutdown(mode);
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        self.shared().join(deadline)
    }

    fn stats(&self) -> Stats {
        self.shared().stats()
    }

    fn when_room(&self, _: JobKind, waker: &Waker) -> bool {
        self.shared().when_room(waker)
    }
}

impl fmt::Debug for NatsExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsExecutor")
            .field("queue", &self.shared().settings.common.queue)
            .field("session", &self.session_id())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.shutdown(Shutdown::Drain);
        // The thread that calls the callbacks cannot wait for itself; then all ends by itself.
        if !context::calls_callbacks_for(self.shared.home()) {
            self.shared.join_thread();
        }
    }
}
