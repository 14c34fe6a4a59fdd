//! Another process picks up the results of a session.

use std::{fmt, sync::Arc};

use executor_core::{PortableTask, TaskFuture};

use crate::{AttachError, submitter::Shared};

/// A connection that picks up results of tasks which another one has submitted: while they are kept, and after that one is gone.
///
/// It says which task it means by the number of [`NatsExecutor::task_id`](crate::NatsExecutor::task_id). Made by
/// [`NatsBuilder::attach`](crate::NatsBuilder::attach), with the same user and the same queue.
///
/// Dropped, it ends: its futures that are not done fail with [`Broken`](executor_core::TaskErrorKind::Broken), and their
/// tasks go on.
#[must_use = "dropped, its futures fail"]
pub struct Attached {
    shared: Arc<Shared>,
}

impl Attached {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The session whose results it picks up.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.shared.settings.session
    }

    /// A future for the task of this number, which is a `T`: done at once if there is a result, and otherwise as soon as there is.
    ///
    /// It can be stopped and cancelled as that of the submitter can: a cancel of a task that is queued is true, and the task never
    /// runs. The submitter hears of it from the worker that would have run the task. That it runs is seen here only if its worker says
    /// so after this; that it is done always.
    ///
    /// A task that the server does not know, or not any more, fails with
    /// [`PayloadLost`](executor_core::TaskErrorKind::PayloadLost). A result that is not of a `T` fails with the error of its codec.
    ///
    /// # Errors
    ///
    /// If there is a future for it already, or if the connection has ended.
    pub fn future<T: PortableTask>(&self, task: u64) -> Result<TaskFuture<T::Output>, AttachError> {
        self.shared.expect::<T>(task)
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached")
            .field("session", &self.session_id())
            .finish_non_exhaustive()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let session = self.session_id();
        self.shared.give_up(&format!(
            "the connection that had attached to the session `{session}` was dropped: attach again"
        ));
        if !executor_core::context::calls_callbacks_for(self.shared.home()) {
            self.shared.join_thread();
        }
    }
}
