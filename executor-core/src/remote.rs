//! Backends whose workers are elsewhere: what a future asks of them.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Instant,
};

use crate::{
    Home, JobKey, StopLevel, Unsupported,
    homes::{REMOTE, Table},
};

/// What a backend whose workers are elsewhere does for the futures of its jobs.
///
/// A future knows nothing of its backend but the [`Home`] that the job was bound to. Where that was
/// made by [`RemoteHome`], whatever cannot be decided in this process is asked here: whether a task that
/// was [handed over](crate::Job::hand_over) has been started, and to take it back or to end it.
pub trait Remote: Send + Sync {
    /// Whether a worker has started the task. It may wait for the answer: only a look at the state of a task that is
    /// not done asks.
    fn has_started(&self, job: JobKey) -> bool;

    /// Takes the task back from its worker and cancels it, if it has not been started.
    fn revoke(&self, job: JobKey) -> Revoked;

    /// Stops the task, which was not done a moment ago. `cancel` cancels it, if it has not been started;
    /// it calls [`revoke`](Self::revoke) if need be, so no lock may be held.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] if the backend cannot stop at this level.
    fn stop(
        &self,
        job: JobKey,
        level: StopLevel,
        cancel: &dyn Fn() -> bool,
    ) -> Result<(), Unsupported>;

    /// Whether tasks can be stopped at this level.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] if not.
    fn can_stop(&self, level: StopLevel) -> Result<(), Unsupported>;

    /// Somebody waits for the task who will not [`drive`](Self::drive) it: a waker or a callback was
    /// left with it. For backends that are slower to notice answers that nobody waits for.
    fn watch(&self, _job: JobKey) {}

    /// Reads the worker's answer on this thread, until `is_done` or `deadline`; see
    /// [`Future::drive`](crate::Future::drive). It may return at any time.
    fn drive(&self, _job: JobKey, _is_done: &dyn Fn() -> bool, _deadline: Option<Instant>) {}
}

/// The answer to [`Remote::revoke`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Revoked {
    /// It is cancelled now.
    Cancelled,
    /// A worker has started it.
    Started,
    /// No worker has it: it is queued, or being settled.
    NotHere,
}

/// The home of a backend's jobs, for as long as this value exists.
pub struct RemoteHome {
    home: Home,
}

impl RemoteHome {
    /// A home whose futures ask `remote`.
    #[must_use]
    pub fn new(remote: Weak<dyn Remote>) -> Self {
        Self {
            home: REMOTES.enter(REMOTE, remote),
        }
    }

    /// What jobs are [bound](crate::Job::bind) to.
    #[must_use]
    pub const fn home(&self) -> Home {
        self.home
    }
}

impl Drop for RemoteHome {
    fn drop(&mut self) {
        REMOTES.leave(self.home);
    }
}

impl fmt::Debug for RemoteHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteHome")
            .field("home", &self.home)
            .finish()
    }
}

static REMOTES: Table<dyn Remote> = Table::new(REMOTE);

/// The backend of a home, if it is a remote one and still exists.
#[inline]
pub(crate) fn of(home: u32) -> Option<Arc<dyn Remote>> {
    REMOTES.of(home)
}
