use std::{fmt, sync::Arc, thread, time::Duration};

use executor_core::{PortableTask, Registry, codec::Part};

use crate::{
    BuildError, BuildErrorKind, ProcessPoolExecutor, WorkerProgram, init,
    parent::{Settings, Shared},
    program::Program,
    wire::LONGEST_FRAME,
    worker,
};

/// The most workers that a pool can have.
const MOST_WORKERS: usize = 4096;

/// Builds a [`ProcessPoolExecutor`].
///
/// ```
/// use std::time::Duration;
/// use executor_process::{OnCrash, ProcessPoolExecutor};
///
/// # executor_process::init();
/// let pool = ProcessPoolExecutor::builder()
///     .max_workers(2)
///     .on_crash(OnCrash::Retry(2))
///     .max_tasks_per_worker(10_000)
///     .build()?;
/// # drop(pool);
/// # Ok::<(), executor_process::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct ProcessPoolBuilder {
    program: Program,
    name: String,
    min_workers: Option<usize>,
    max_workers: Option<usize>,
    queue_bound: Option<usize>,
    on_full: OnFull,
    on_crash: OnCrash,
    stderr: WorkerStderr,
    initializer: Option<Encode>,
    boot_timeout: Duration,
    kill_grace: Duration,
    idle_timeout: Option<Duration>,
    restart_limit: Option<(usize, Duration)>,
    max_tasks: Option<u64>,
    memory_limit: Option<u64>,
    max_resident: Option<u64>,
    max_frame: usize,
    is_portable: bool,
}

/// Gives an initializer's task id and encoded form.
type Encode = Arc<dyn Fn() -> Result<(u32, Vec<u8>), BuildError> + Send + Sync>;

/// What a submission does when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFull {
    /// It waits for room.
    #[default]
    Block,
    /// It gives the task back.
    Reject,
}

/// What becomes of a task whose worker has died while it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnCrash {
    /// It fails with [`WorkerDied`](executor_core::TaskErrorKind::WorkerDied). It may have had effects.
    #[default]
    Fail,
    /// It is run again, this often; then it fails with
    /// [`Poisoned`](executor_core::TaskErrorKind::Poisoned). Only for tasks that may run twice.
    Retry(u32),
    /// It fails, and so does everything else: the pool is broken, as with Python's
    /// `ProcessPoolExecutor`.
    BreakPool,
}

/// What becomes of what workers write to their standard error, and to their standard output, which is the
/// same there. The last 8 KiB of each worker are kept for the report of its death in any case.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum WorkerStderr {
    /// It goes to the standard error of this process.
    #[default]
    Inherit,
    /// It goes nowhere.
    Discard,
    /// It is given to this function, as it comes, on the pool's thread for callbacks.
    Capture(StderrSink),
}

/// A function that takes what workers write.
pub type StderrSink = Arc<dyn Fn(&[u8]) + Send + Sync>;

impl ProcessPoolBuilder {
    pub(crate) fn new() -> Self {
        Self {
            program: Program::Own,
            name: String::from("worker"),
            min_workers: None,
            max_workers: None,
            queue_bound: None,
            on_full: OnFull::default(),
            on_crash: OnCrash::default(),
            stderr: WorkerStderr::default(),
            initializer: None,
            boot_timeout: Duration::from_secs(10),
            kill_grace: Duration::from_secs(1),
            idle_timeout: None,
            restart_limit: None,
            max_tasks: None,
            memory_limit: None,
            max_resident: None,
            max_frame: 1 << 30,
            is_portable: false,
        }
    }

    /// At most this many workers. The default is the number of processors that this process may use.
    pub const fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = Some(workers);
        self
    }

    /// At least this many workers, idle or not; by default as many as there may be. With less, workers
    /// are started as they are needed, and end after the [idle timeout](Self::idle_timeout).
    pub const fn min_workers(mut self, workers: usize) -> Self {
        self.min_workers = Some(workers);
        self
    }

    /// Ends workers beyond [`min_workers`](Self::min_workers) that have had nothing to do for this long. By
    /// default they stay.
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Names the workers: `name-0`, `name-1`, ... The default is `worker`.
    pub fn worker_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Has workers run another program than this one, which then need not call [`init`](crate::init()).
    pub fn worker_program(mut self, program: WorkerProgram) -> Self {
        self.program = Program::Other(program);
        self
    }

    /// Bounds the queue: the tasks that no worker has started. By default it has no bound.
    pub const fn queue(mut self, tasks: usize) -> Self {
        self.queue_bound = Some(tasks);
        self
    }

    /// What a submission does when the queue is full: block, by default.
    pub const fn on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// What becomes of a task whose worker has died while it ran: it fails, by default.
    pub const fn on_crash(mut self, on_crash: OnCrash) -> Self {
        self.on_crash = on_crash;
        self
    }

    /// Lets at most `restarts` workers die within a time; one more breaks the pool. By default there is
    /// no such limit for workers that die of a task. Workers that cannot start break the pool anyway,
    /// after five in a row.
    pub const fn restart_limit(mut self, restarts: usize, within: Duration) -> Self {
        self.restart_limit = Some((restarts, within));
        self
    }

    /// Has each worker run this task before it takes others.
    ///
    /// What it returns stays in the worker, and its tasks can read it with
    /// [`with_worker_state`](executor_core::context::with_worker_state); of a `Result`, what is in `Ok`. A
    /// panic or an `Err` breaks the pool.
    pub fn initializer<T: PortableTask + Clone + Sync>(mut self, task: T) -> Self {
        self.initializer = Some(Arc::new(move || encode_initializer(&task)));
        self
    }

    /// How long a worker may take from its start until it is ready, the initializer included: 10
    /// seconds by default.
    pub const fn boot_timeout(mut self, timeout: Duration) -> Self {
        self.boot_timeout = timeout;
        self
    }

    /// How long a worker that is to be killed has between the polite signal and the other one: one
    /// second by default. Zero sends the other one at once.
    pub const fn kill_grace(mut self, grace: Duration) -> Self {
        self.kill_grace = grace;
        self
    }

    /// Replaces a worker after it has run this many tasks, or up to an eighth less, so that not all
    /// are replaced at once. For tasks that leak.
    pub const fn max_tasks_per_worker(mut self, tasks: u64) -> Self {
        self.max_tasks = Some(tasks);
        self
    }

    /// Limits what a worker can allocate, in bytes: beyond it, allocations fail, and end the worker.
    /// Linux only.
    pub const fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// Replaces a worker that uses more memory than this, in bytes, after a task. Linux only.
    pub const fn max_resident_memory(mut self, bytes: u64) -> Self {
        self.max_resident = Some(bytes);
        self
    }

    /// What becomes of what workers write to standard error.
    pub fn stderr(mut self, stderr: WorkerStderr) -> Self {
        self.stderr = stderr;
        self
    }

    /// The longest encoded argument or result, in bytes: 1 GiB by default, and less than 4 GiB. A worker that
    /// claims to send a longer one is ended.
    pub const fn max_message(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Uses the transport that every system has, where there is a faster one: for tests of it.
    #[doc(hidden)]
    pub const fn portable_transport(mut self) -> Self {
        self.is_portable = true;
        self
    }

    /// Builds the pool. Its workers start in the background.
    ///
    /// # Errors
    ///
    /// [`NotInitialized`](BuildErrorKind::NotInitialized) if this program has not called
    /// [`init`](crate::init()), and does not name another; or if a setting makes no sense.
    pub fn build(self) -> Result<ProcessPoolExecutor, BuildError> {
        if worker::is_unheeded_worker() {
            worker::refuse();
        }
        if matches!(self.program, Program::Own) && !init::is_initialized() {
            return Err(BuildError::new(BuildErrorKind::NotInitialized));
        }
        let settings = self.settings()?;
        let shared = Shared::start(settings)
            .map_err(|error| BuildError::new(BuildErrorKind::System(error)))?;
        Ok(ProcessPoolExecutor::of(shared))
    }

    fn settings(self) -> Result<Settings, BuildError> {
        let max_workers = self.max_workers.unwrap_or_else(available);
        check_workers(max_workers)?;
        let min_workers = self.min_workers.unwrap_or(max_workers);
        if min_workers > max_workers {
            return Err(BuildError::setting(
                "min_workers",
                format!("{min_workers} is more than max_workers, which is {max_workers}"),
            ));
        }
        if self.queue_bound == Some(0) {
            return Err(BuildError::setting(
                "queue",
                "a queue of 0 tasks takes none; at least 1 is needed",
            ));
        }
        if self.max_tasks == Some(0) {
            return Err(BuildError::setting(
                "max_tasks_per_worker",
                "a worker that may run 0 tasks is of no use; at least 1 is needed",
            ));
        }
        if self.max_frame < 1024 || self.max_frame > LONGEST_FRAME {
            return Err(BuildError::setting(
                "max_message",
                format!(
                    "{} bytes; from 1024 bytes to a little less than 4 GiB are allowed",
                    self.max_frame
                ),
            ));
        }
        if cfg!(not(target_os = "linux")) && self.memory_limit.is_some() {
            return Err(BuildError::setting(
                "memory_limit",
                "this system has no such limit",
            ));
        }
        if self.max_resident.is_some() && (cfg!(not(target_os = "linux")) || self.is_portable) {
            return Err(BuildError::setting(
                "max_resident_memory",
                "workers cannot report it on this system",
            ));
        }
        let initializer = self.initializer.map(|encode| encode()).transpose()?;
        Ok(Settings {
            program: self.program,
            name: self.name,
            min_workers,
            max_workers,
            queue_bound: self.queue_bound,
            on_full: self.on_full,
            on_crash: self.on_crash,
            stderr: self.stderr,
            initializer,
            boot_timeout: self.boot_timeout,
            kill_grace: self.kill_grace,
            idle_timeout: self.idle_timeout,
            restart_limit: self.restart_limit,
            max_tasks: self.max_tasks,
            memory_limit: self.memory_limit,
            max_resident: self.max_resident,
            max_frame: self.max_frame,
            is_portable: self.is_portable,
        })
    }
}

impl fmt::Debug for ProcessPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPoolBuilder")
            .field("program", &self.program)
            .field("min_workers", &self.min_workers)
            .field("max_workers", &self.max_workers)
            .field("on_crash", &self.on_crash)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WorkerStderr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inherit => "Inherit",
            Self::Discard => "Discard",
            Self::Capture(_) => "Capture",
        })
    }
}

pub(crate) fn check_workers(workers: usize) -> Result<(), BuildError> {
    if (1..=MOST_WORKERS).contains(&workers) {
        Ok(())
    } else {
        Err(BuildError::setting(
            "max_workers",
            format!("{workers} workers; 1 to {MOST_WORKERS} are allowed"),
        ))
    }
}

fn available() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn encode_initializer<T: PortableTask>(task: &T) -> Result<(u32, Vec<u8>), BuildError> {
    let problem = |text: String| BuildError::new(BuildErrorKind::Initializer(text));
    let id = Registry::global().table().id(T::NAME).ok_or_else(|| {
        problem(format!(
            "the task `{}` is not registered in this program",
            T::NAME
        ))
    })?;
    let mut body = Vec::new();
    T::ARGUMENTS
        .encode(Part::Task, task, &mut body)
        .map_err(|error| problem(error.to_string()))?;
    Ok((id, body))
}
