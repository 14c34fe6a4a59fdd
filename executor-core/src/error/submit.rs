use std::{error::Error, fmt, sync::Arc, time::Duration};

use crate::{Job, Unsupported};

/// Why an executor did not accept a task.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Reason {
    /// The executor has been shut down.
    ShutDown,
    /// The queue is full, and holds this many tasks at the most.
    Full {
        /// The bound of the queue.
        bound: usize,
    },
    /// The queue stayed full for as long as the submission was willing to wait.
    TimedOut {
        /// How long it waited.
        waited: Duration,
    },
    /// The executor cannot run anything any more, for this cause.
    Broken {
        /// What broke it.
        cause: Arc<str>,
    },
    /// The executor lacks what the options or the task ask for.
    Unsupported(Unsupported),
    /// A worker submitted to its own full queue, and would have waited for itself.
    WouldDeadlock,
    /// The queue is full, and the thread belongs to an async runtime, which must not be blocked.
    BlockingInAsync,
    /// The task is not in the registry of this program.
    UnknownTask {
        /// The task's name.
        name: &'static str,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutDown => f.write_str("the executor has been shut down"),
            Self::Full { bound } => write!(f, "the queue is full (it holds {bound} tasks)"),
            Self::TimedOut { waited } => write!(f, "the queue stayed full for {waited:?}"),
            Self::Broken { cause } => write!(f, "the executor is broken: {cause}"),
            Self::Unsupported(what) => what.fmt(f),
            Self::WouldDeadlock => f.write_str(
                "a worker would wait for room in its own full queue: use try_submit, or a pool \
                 that runs in the caller when full",
            ),
            Self::BlockingInAsync => f.write_str(
                "the queue is full, and to wait for room would hold up the async runtime: use \
                 `submit_async(..).await`, or try_submit",
            ),
            Self::UnknownTask { name } => {
                let krate = name.split("::").next().unwrap_or(name);
                write!(
                    f,
                    "the task `{name}` is not registered in this program: the linker dropped its \
                     crate (add `use {krate} as _;` to the program), or it needs \
                     `Registry::global().with::<..>()`"
                )
            }
        }
    }
}

/// A job that an executor did not accept, given back with the reason.
#[derive(Debug)]
#[must_use]
pub struct Rejected {
    pub(crate) job: Job,
    pub(crate) reason: Reason,
}

impl Rejected {
    /// Gives `job` back for `reason`.
    pub const fn new(job: Job, reason: Reason) -> Self {
        Self { job, reason }
    }

    /// Why the job was not accepted.
    #[must_use]
    pub const fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The job and the reason, for a layer that hands the job to somebody else.
    #[must_use = "a job that is dropped settles as lost"]
    pub fn into_parts(self) -> (Job, Reason) {
        (self.job, self.reason)
    }
}

/// A task that was not accepted, given back with the reason.
pub struct SubmitError<T> {
    task: T,
    reason: Reason,
}

impl<T> SubmitError<T> {
    /// Gives `task` back for `reason`.
    #[must_use]
    pub const fn new(task: T, reason: Reason) -> Self {
        Self { task, reason }
    }

    /// Why the task was not accepted.
    #[must_use]
    pub const fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The task, to be submitted elsewhere or later.
    #[must_use]
    pub fn into_task(self) -> T {
        self.task
    }

    /// The task and the reason.
    #[must_use]
    pub fn into_parts(self) -> (T, Reason) {
        (self.task, self.reason)
    }

    /// Whether the executor has been shut down.
    #[must_use]
    pub const fn is_shut_down(&self) -> bool {
        matches!(self.reason, Reason::ShutDown)
    }

    /// Whether the queue was full, or stayed full for as long as the submission was to wait.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self.reason, Reason::Full { .. } | Reason::TimedOut { .. })
    }

    /// Whether the submission waited for room as long as it was told to.
    #[must_use]
    pub const fn is_timed_out(&self) -> bool {
        matches!(self.reason, Reason::TimedOut { .. })
    }

    /// Whether the executor cannot run anything any more.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        matches!(self.reason, Reason::Broken { .. })
    }

    /// Whether the executor lacks what was asked for.
    #[must_use]
    pub const fn is_unsupported(&self) -> bool {
        matches!(self.reason, Reason::Unsupported(_))
    }

    /// Whether a worker would have waited for itself.
    #[must_use]
    pub const fn is_would_deadlock(&self) -> bool {
        matches!(self.reason, Reason::WouldDeadlock)
    }

    /// Whether the task is missing from the registry.
    #[must_use]
    pub const fn is_unknown_task(&self) -> bool {
        matches!(self.reason, Reason::UnknownTask { .. })
    }
}

impl<T> fmt::Debug for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitError")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task not accepted: {}", self.reason)
    }
}

impl<T> Error for SubmitError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            Reason::Unsupported(what) => Some(what),
            _ => None,
        }
    }
}
