use std::{
    any::Any,
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{codec::CodecError, context};

/// Why a task has no output. Cheap to clone, one pointer wide.
///
/// The text of `Display` is for people and may change; programs ask [`kind`](Self::kind) or the
/// `is_*` queries.
#[derive(Clone)]
pub struct TaskError(Arc<TaskErrorKind>);

/// What went wrong with a task.
#[derive(Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TaskErrorKind {
    /// It panicked.
    Panicked(PanicReport),
    /// It was cancelled before it started.
    Cancelled,
    /// It took too long, in the queue or running.
    TimedOut(Timeout),
    /// It was dropped without being run: its executor gave it up. It has not run, or
    /// not to the end.
    Lost,
    /// The worker that ran it died.
    WorkerDied(WorkerDeath),
    /// Its argument or its output could not be encoded or decoded.
    Codec(CodecError),
    /// Its executor broke while it was queued, for this cause.
    Broken(String),
    /// Its executor did not accept it, for this reason. Only where there is no
    /// [`SubmitError`](crate::SubmitError) to say so, as in `map`.
    Rejected(String),
    /// The process that was to run it does not know a task of this name.
    UnknownTask(String),
    /// It was running when it was [killed](crate::StopLevel::Kill), or its executor was.
    Killed,
    /// It has brought down every worker that tried to run it, and is not tried again.
    Poisoned {
        /// How often it was tried.
        attempts: u32,
        /// The death of the last worker.
        death: WorkerDeath,
    },
    /// The thread that calls the callbacks of the executor would have waited for its own executor.
    /// The task goes on.
    WouldDeadlock,
    /// An async task would have blocked the thread that its runtime needs. The task that it would
    /// have waited for goes on.
    BlockingInAsync,
    /// It is an `async` task, was asked to stop, and ended at an `.await`.
    Stopped,
    /// Its worker, on another machine, was not heard of any more, as often as it was tried. It may have run, in part
    /// or in full.
    WorkerLost {
        /// How often it was given to a worker.
        attempts: u32,
    },
    /// Its argument or its output was kept apart from its message, and is not there any more: this says which,
    /// and where it should be.
    PayloadLost(String),
}

/// Which of a task's time limits passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Timeout {
    /// No worker started it in time; it has not run.
    Queue,
    /// It ran for too long; it may have had effects.
    Run,
    /// It was not done when the time of the wait for it was over. Given by iterators such as
    /// `map(..).timeout(d)`, which have no future to give back.
    Wait,
}

/// A panic, as far as it could be seen.
#[derive(Serialize, Deserialize)]
pub struct PanicReport {
    message: String,
    location: Option<String>,
    backtrace: Option<String>,
    #[serde(skip)]
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

/// The death of a worker, as far as it could be seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerDeath {
    /// Process id, where the worker is a process.
    pub pid: Option<u32>,
    /// Exit code or signal, in words.
    pub status: String,
    /// How long the task had been running.
    pub ran_for: Option<Duration>,
    /// The last of what the worker wrote to its standard error.
    pub stderr_tail: String,
}

impl WorkerDeath {
    /// A death with `status` (exit code or signal, in words) and nothing else known.
    pub fn new(status: impl Into<String>) -> Self {
        Self {
            pid: None,
            status: status.into(),
            ran_for: None,
            stderr_tail: String::new(),
        }
    }
}

impl fmt::Display for WorkerDeath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.status)?;
        if let Some(pid) = self.pid {
            write!(f, ", pid {pid}")?;
        }
        if let Some(ran_for) = self.ran_for {
            write!(f, ", after {ran_for:?}")?;
        }
        let tail = self.stderr_tail.trim_end();
        if !tail.is_empty() {
            write!(f, ", stderr ends with {tail:?}")?;
        }
        Ok(())
    }
}

impl TaskError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: TaskErrorKind) -> Self {
        Self(Arc::new(kind))
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(TaskErrorKind::Cancelled)
    }

    pub(crate) fn lost() -> Self {
        Self::new(TaskErrorKind::Lost)
    }

    pub(crate) fn stopped() -> Self {
        Self::new(TaskErrorKind::Stopped)
    }

    /// Why this thread may not wait.
    pub(crate) fn wait_refused() -> Self {
        Self::new(if context::settles() {
            TaskErrorKind::WouldDeadlock
        } else {
            TaskErrorKind::BlockingInAsync
        })
    }

    pub(crate) fn timed_out(which: Timeout) -> Self {
        Self::new(TaskErrorKind::TimedOut(which))
    }

    /// The error of everything that was pending when its executor broke for `cause`.
    pub fn broken(cause: impl Into<String>) -> Self {
        Self::new(TaskErrorKind::Broken(cause.into()))
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &TaskErrorKind {
        &self.0
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panicked(&self) -> bool {
        matches!(*self.0, TaskErrorKind::Panicked(_))
    }

    /// Whether the task was cancelled before it started.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.0, TaskErrorKind::Cancelled)
    }

    /// Whether a time limit passed; which one is in [`kind`](Self::kind).
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        matches!(*self.0, TaskErrorKind::TimedOut(_))
    }

    /// Whether the executor gave the task up.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(*self.0, TaskErrorKind::Lost)
    }

    /// Whether the worker died that ran the task.
    #[must_use]
    pub fn is_worker_died(&self) -> bool {
        matches!(*self.0, TaskErrorKind::WorkerDied(_))
    }

    /// Whether the argument or the output could not be encoded or decoded.
    #[must_use]
    pub fn is_codec(&self) -> bool {
        matches!(*self.0, TaskErrorKind::Codec(_))
    }

    /// Whether the task was ended by force.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        matches!(*self.0, TaskErrorKind::Killed)
    }

    /// Whether the task was given up after it had brought down several workers.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        matches!(*self.0, TaskErrorKind::Poisoned { .. })
    }

    /// The death of the worker, if that is what happened.
    #[must_use]
    pub fn worker_death(&self) -> Option<&WorkerDeath> {
        match &*self.0 {
            TaskErrorKind::WorkerDied(death) | TaskErrorKind::Poisoned { death, .. } => Some(death),
            _ => None,
        }
    }

    /// Whether the task ended at an `.await` because it was asked to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(*self.0, TaskErrorKind::Stopped)
    }

    /// Whether the executor broke while the task was queued.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(*self.0, TaskErrorKind::Broken(_))
    }

    /// Whether the task may have had effects, in part or in full. False means that it certainly has
    /// not been started, so that submitting it again cannot run it twice.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        match &*self.0 {
            TaskErrorKind::Cancelled
            | TaskErrorKind::Broken(_)
            | TaskErrorKind::Rejected(_)
            | TaskErrorKind::UnknownTask(_)
            | TaskErrorKind::TimedOut(Timeout::Queue) => false,
            TaskErrorKind::Codec(error) => error.is_of_output(),
            _ => true,
        }
    }

    /// The panic, if that is what happened.
    #[must_use]
    pub fn panic_report(&self) -> Option<&PanicReport> {
        match &*self.0 {
            TaskErrorKind::Panicked(report) => Some(report),
            _ => None,
        }
    }

    /// Panics in the caller with the task's own payload, as if it had been called directly.
    ///
    /// # Panics
    ///
    /// Always: with the payload where the task panicked in this process and nobody has taken the
    /// payload, else with the text of this error.
    #[track_caller]
    pub fn resume(&self) -> ! {
        match self.panic_report().and_then(PanicReport::take_payload) {
            Some(payload) => std::panic::resume_unwind(payload),
            None => panic!("{self}"),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskError").field(&self.0).finish()
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            TaskErrorKind::Panicked(report) => report.fmt(f),
            TaskErrorKind::Cancelled => f.write_str("task was cancelled before it started"),
            TaskErrorKind::TimedOut(Timeout::Queue) => {
                f.write_str("task was not started within its queue timeout")
            }
            TaskErrorKind::TimedOut(Timeout::Run) => {
                f.write_str("task ran longer than its timeout")
            }
            TaskErrorKind::TimedOut(Timeout::Wait) => {
                f.write_str("task was not done when the time to wait for it was over")
            }
            TaskErrorKind::Lost => {
                f.write_str("task was dropped by its executor without being run")
            }
            TaskErrorKind::WorkerDied(death) => {
                write!(f, "worker died while it ran the task: {death}")
            }
            TaskErrorKind::Killed => f.write_str("task was killed while it ran"),
            TaskErrorKind::Poisoned { attempts, death } => write!(
                f,
                "task brought down its worker in each of {attempts} attempts, the last one: {death}"
            ),
            TaskErrorKind::WouldDeadlock => f.write_str(
                "a callback cannot wait for a task of the executor that calls it: use `then` or \
                 `.await`, or wait on another thread",
            ),
            TaskErrorKind::BlockingInAsync => f.write_str(
                "a blocking wait inside of async code would hold up its runtime: use `.await`, or \
                 wait in `spawn_blocking`",
            ),
            TaskErrorKind::Stopped => f.write_str("task was asked to stop, and ended at an await"),
            TaskErrorKind::Codec(error) => error.fmt(f),
            TaskErrorKind::Broken(cause) => write!(f, "the executor broke: {cause}"),
            TaskErrorKind::Rejected(reason) => write!(f, "task not accepted: {reason}"),
            TaskErrorKind::UnknownTask(name) => {
                write!(f, "the worker does not know a task named `{name}`")
            }
            TaskErrorKind::WorkerLost { attempts } => write!(
                f,
                "the worker of the task was lost in each of {attempts} attempts: it died, or could not be reached for longer \
                 than its lease"
            ),
            TaskErrorKind::PayloadLost(what) => write!(f, "payload lost: {what}"),
        }
    }
}

impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.0 {
            TaskErrorKind::Codec(error) => Some(error),
            _ => None,
        }
    }
}

impl Serialize for TaskError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TaskError {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TaskErrorKind::deserialize(deserializer).map(Self::new)
    }
}

impl From<CodecError> for TaskError {
    fn from(error: CodecError) -> Self {
        Self::new(TaskErrorKind::Codec(error))
    }
}

impl PanicReport {
    pub(crate) fn new(
        payload: Box<dyn Any + Send>,
        location: Option<String>,
        backtrace: Option<String>,
    ) -> Self {
        let message = match payload.downcast_ref::<&str>() {
            Some(text) => (*text).to_owned(),
            None => match payload.downcast_ref::<String>() {
                Some(text) => text.clone(),
                None => String::from("the panic's payload is not text"),
            },
        };
        Self {
            message,
            location,
            backtrace,
            payload: Mutex::new(Some(payload)),
        }
    }

    /// The panic's message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// File, line and column of the panic, where the panic hook of this library saw it.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The backtrace as text, where `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for one.
    #[must_use]
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }

    /// Takes what was given to `panic_any`; `None` if somebody has taken it, or if the panic
    /// happened in another process.
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        self.payload
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl fmt::Debug for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanicReport")
            .field("message", &self.message)
            .field("location", &self.location)
            .field("backtrace", &self.backtrace)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task panicked: {}", self.message)?;
        match &self.location {
            Some(location) => write!(f, " (at {location})"),
            None => Ok(()),
        }
    }
}

/// What [`context::check`] gives when the task has been asked to stop; a task
/// passes it on with `?` and so ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task was asked to stop")
    }
}

impl Error for Stopped {}
