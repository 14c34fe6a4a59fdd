//! How a pool is to be: [`ThreadPoolBuilder`].

use std::{any::Any, fmt, sync::Arc, time::Duration};

use executor_pool::{BuildError, OnFull, QueueOrder};

use crate::{ThreadPoolExecutor, idle::MAX_WORKERS, shared::Settings};

/// Builds a [`ThreadPoolExecutor`].
///
/// ```
/// use std::time::Duration;
/// use executor_threads::{OnFull, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::builder()
///     .max_workers(4)
///     .thread_name("io")
///     .queue(100)
///     .on_full(OnFull::CallerRuns)
///     .keep_alive(Duration::from_secs(10))
///     .build()?;
/// # Ok::<(), executor_threads::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct ThreadPoolBuilder {
    settings: Settings,
    min_workers: usize,
    max_workers: Option<usize>,
    queue: Option<usize>,
    order: QueueOrder,
}

impl ThreadPoolBuilder {
    pub(crate) fn new() -> Self {
        Self {
            settings: Settings {
                thread_name: String::from("executor"),
                stack_size: None,
                keep_alive: None,
                initializer: None,
                on_start: None,
                on_stop: None,
                on_full: OnFull::default(),
            },
            min_workers: 0,
            max_workers: None,
            queue: None,
            order: QueueOrder::default(),
        }
    }

    /// The most workers that there may be. Default: the available parallelism, which respects
    /// affinity and cgroups. Workers are started just in time, and an idle one is used before a new
    /// one is started.
    pub const fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = Some(workers);
        self
    }

    /// How many workers are kept when they are idle for longer than [`keep_alive`](Self::keep_alive).
    /// Default: 0.
    pub const fn min_workers(mut self, workers: usize) -> Self {
        self.min_workers = workers;
        self
    }

    /// Ends workers that have been idle for this long. Default: they are kept.
    pub const fn keep_alive(mut self, idle: Duration) -> Self {
        self.settings.keep_alive = Some(idle);
        self
    }

    /// Names the threads: this, a dash, and the worker's index. Default: `executor`.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.settings.thread_name = name.into();
        self
    }

    /// The stack size of the workers, in bytes. Default: as `std::thread` has it.
    pub const fn stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_size = Some(bytes);
        self
    }

    /// Has each worker call `initializer` before its first task. What it returns is the worker's
    /// state: tasks read it with
    /// [`with_worker_state`](executor_core::context::with_worker_state). It need not be `Send`, since it
    /// never leaves its thread. An error or a panic breaks the pool: everything that is pending fails
    /// with it, and nothing is accepted any more.
    pub fn initializer<S, E>(
        mut self,
        initializer: impl Fn() -> Result<S, E> + Send + Sync + 'static,
    ) -> Self
    where
        S: 'static,
        E: fmt::Display,
    {
        self.settings.initializer = Some(Arc::new(move || match initializer() {
            Ok(state) => Ok(Box::new(state) as Box<dyn Any>),
            Err(error) => Err(error.to_string()),
        }));
        self
    }

    /// Calls `hook` with its index on each worker that starts, after the initializer.
    pub fn on_worker_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.settings.on_start = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` with its index on each worker that ends, after its last task.
    pub fn on_worker_stop(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.settings.on_stop = Some(Arc::new(hook));
        self
    }

    /// Bounds the queue: at most this many tasks wait to be started. Default: no bound.
    pub const fn queue(mut self, bound: usize) -> Self {
        self.queue = Some(bound);
        self
    }

    /// What a submission does when the queue is full. Default: [`OnFull::Block`].
    pub const fn on_full(mut self, policy: OnFull) -> Self {
        self.settings.on_full = policy;
        self
    }

    /// The order in which queued tasks are started. Default: [`QueueOrder::Fifo`].
    pub const fn queue_order(mut self, order: QueueOrder) -> Self {
        self.order = order;
        self
    }

    /// Builds the pool. No thread is started yet.
    ///
    /// # Errors
    ///
    /// If a value is out of range; the error names it, and says what is allowed.
    pub fn build(self) -> Result<ThreadPoolExecutor, BuildError> {
        let max = self.max_workers.unwrap_or_else(available);
        check_workers(max)?;
        if self.min_workers > max {
            return Err(BuildError::new(format!(
                "min_workers is {}, but max_workers is {max}; it must not be more",
                self.min_workers
            )));
        }
        if self.queue == Some(0) {
            return Err(BuildError::new(
                "the queue's bound is 0; it must be at least 1",
            ));
        }
        if self.settings.thread_name.contains('\0') {
            return Err(BuildError::new(format!(
                "the thread name {:?} contains a zero byte; no thread can have it",
                self.settings.thread_name
            )));
        }
        Ok(ThreadPoolExecutor::start(
            self.settings,
            self.min_workers,
            max,
            self.order,
            self.queue,
        ))
    }
}

impl fmt::Debug for ThreadPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolBuilder")
            .field("settings", &self.settings)
            .field("min_workers", &self.min_workers)
            .field("max_workers", &self.max_workers)
            .field("queue", &self.queue)
            .field("order", &self.order)
            .finish()
    }
}

pub(crate) fn check_workers(workers: usize) -> Result<(), BuildError> {
    if (1..=MAX_WORKERS).contains(&workers) {
        return Ok(());
    }
    Err(BuildError::new(format!(
        "max_workers is {workers}; it must be from 1 to {MAX_WORKERS}"
    )))
}

pub(crate) fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
