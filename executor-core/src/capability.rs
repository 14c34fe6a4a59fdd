//! What a backend can do, what it is doing, and how it is told to stop: plain data.

use std::{fmt, time::Duration};

use crate::{Outcome, Ran};

/// What a backend can do.
///
/// A call outside these is answered by a typed [`Unsupported`], never by silence or by something
/// that is nearly the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// How many tasks can run at once, at the most; at least 1.
    ///
    /// 1 also for a backend whose `submit` runs the task before it returns; such a backend says
    /// `background: false`.
    pub workers: usize,
    /// Tasks run while the caller goes on.
    pub background: bool,
    /// Tasks run in this process, so that closures can be spawned and memory can be shared.
    pub local: bool,
    /// A running task can be told to stop, and can see it ([`StopLevel::Signal`]).
    pub signal: bool,
    /// A running task can be ended by force ([`StopLevel::Kill`]).
    pub kill: bool,
    /// [`TaskOptions::with_priority`](crate::TaskOptions::with_priority) is honoured.
    pub priorities: bool,
    /// [`TaskOptions::with_timeout`](crate::TaskOptions::with_timeout) is enforced.
    pub task_timeout: bool,
    /// How many tasks may be queued before a submit meets back-pressure; `None` without a bound.
    pub queue_bound: Option<usize>,
}

impl Capabilities {
    /// A backend that runs tasks on `workers` threads of this process, with an unbounded queue,
    /// and can signal a running task; the base from which a backend lists its differences.
    #[must_use]
    pub const fn local(workers: usize) -> Self {
        Self {
            workers,
            background: true,
            local: true,
            signal: true,
            kill: false,
            priorities: false,
            task_timeout: false,
            queue_bound: None,
        }
    }

    /// Refuses a shutdown that is beyond these capabilities. For backends, at the top of
    /// [`Executor::shutdown`](crate::Executor::shutdown).
    ///
    /// # Errors
    ///
    /// [`Unsupported`] for [`Shutdown::Kill`], where nothing can be killed.
    pub const fn check_shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        match mode {
            Shutdown::Kill if !self.kill => Err(Unsupported::new(Feature::Kill)),
            _ => Ok(()),
        }
    }
}

/// How hard a running task is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopLevel {
    /// Sets the flag that the task can read with
    /// [`context::stop_requested`](crate::context::stop_requested); it ends when it chooses to.
    Signal,
    /// Ends the worker that runs the task. Only for backends whose workers are processes.
    Kill,
}

/// How a shutdown treats the work that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Shutdown {
    /// Everything accepted is finished.
    Drain,
    /// What runs is finished, what is queued is cancelled.
    CancelPending,
    /// What is queued is cancelled, what runs is ended by force. Needs [`Capabilities::kill`].
    Kill,
}

/// A feature that a backend may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// Ending a running task by force.
    Kill,
    /// Priorities among queued tasks.
    Priorities,
    /// Telling a running task to stop.
    Signal,
    /// A limit on how long a task runs.
    TaskTimeout,
    /// Changing the number of workers.
    Resize,
    /// Running a task that cannot leave the process.
    LocalTasks,
    /// Something that each worker does before its first task.
    Initializer,
    /// Ending workers that have been idle for long.
    KeepAlive,
    /// Saying how threads are made that are there already.
    ThreadOptions,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "killing a running task (use a process pool, or ask it to stop with StopLevel::Signal)",
            Self::Priorities => "priorities (build the pool with queue_order(QueueOrder::Priority))",
            Self::Signal => "signalling a running task",
            Self::TaskTimeout => "a limit on the run time of a task (use a process pool, or `result_timeout` to limit the wait)",
            Self::Resize => "changing the number of workers",
            Self::LocalTasks => "running a closure in another process (make it a #[task] fn)",
            Self::Initializer => "an initializer for its workers",
            Self::KeepAlive => "ending workers that have been idle for long",
            Self::ThreadOptions => "names, stack sizes and hooks for threads that are not its own",
        })
    }
}

/// The backend lacks the feature that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported {
    feature: Feature,
}

impl Unsupported {
    /// The refusal of `feature`.
    #[must_use]
    pub const fn new(feature: Feature) -> Self {
        Self { feature }
    }

    /// What was asked for.
    #[must_use]
    pub const fn feature(&self) -> Feature {
        self.feature
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this executor does not support {}", self.feature)
    }
}

impl std::error::Error for Unsupported {}

/// A look at an executor's work. The figures are read one after another while work goes on, so
/// they need not add up unless the executor is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Workers alive, busy or idle.
    pub workers: usize,
    /// Tasks accepted that no worker has started.
    pub queued: usize,
    /// Tasks running.
    pub running: usize,
    /// Tasks that returned.
    pub succeeded: u64,
    /// Tasks that panicked, timed out, were lost or could not be run.
    pub failed: u64,
    /// Tasks that were cancelled before they started. A backend may count one only when its queue
    /// comes to it.
    pub cancelled: u64,
}

impl Stats {
    /// Tasks that are done, however they ended.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.succeeded + self.failed + self.cancelled
    }

    /// Counts a job that is about to be run. For backends that keep their figures in one place.
    pub const fn begin(&mut self) {
        self.running += 1;
    }

    /// Counts what became of a job that [`begin`](Self::begin) has counted. What was run
    /// elsewhere counts there.
    pub const fn end(&mut self, ran: Ran) {
        self.running -= 1;
        match ran {
            Ran::Here(Outcome::Succeeded) => self.succeeded += 1,
            Ran::Here(Outcome::Failed) => self.failed += 1,
            Ran::Here(Outcome::Cancelled) | Ran::Cancelled => self.cancelled += 1,
            Ran::Elsewhere => {}
        }
    }
}

/// How a submission behaves when the executor's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// As the executor was built to: block, refuse, or run the task in the caller.
    Policy,
    /// Refuse at once.
    Now,
    /// Wait for room, this long.
    Within(Duration),
}
