//! How an executor over rayon is to be: [`RayonBuilder`].

use std::{any::Any, fmt, sync::Arc, time::Duration};

use executor_core::{Feature, Unsupported};
use executor_pool::{
    BuildError, OnFull, QueueOrder,
    runners::{Initializer, RunnerSettings},
};
use rayon::ThreadPool;

use crate::{
    RayonExecutor,
    threads::{OwnPool, Threads},
};

/// Called with the index of a thread.
pub(crate) type Hook = dyn Fn(usize) + Send + Sync;

/// Builds a [`RayonExecutor`]: over a pool of its own, or, with [`pool`](Self::pool) and
/// [`global`](Self::global), over one that is there already.
///
/// It has the methods of the thread pool's builder; what rayon cannot honour is refused by
/// [`build`](Self::build).
///
/// ```
/// use executor_rayon::{OnFull, RayonExecutor};
///
/// let executor = RayonExecutor::builder()
///     .max_workers(4)
///     .thread_name("compute")
///     .queue(100)
///     .on_full(OnFull::CallerRuns)
///     .build()?;
///
/// // At most two jobs at once on the threads that everybody uses.
/// # let threads = rayon::current_num_threads();
/// let shared = RayonExecutor::builder().global().max_workers(2.min(threads)).build()?;
/// # Ok::<(), executor_rayon::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct RayonBuilder {
    source: Source,
    max_workers: Option<usize>,
    options: ThreadOptions,
    /// What was asked for that rayon cannot do.
    refused: Option<(Unsupported, &'static str)>,
    bound: Option<usize>,
    on_full: OnFull,
    order: QueueOrder,
    initializer: Option<Arc<Initializer>>,
}

/// Where the threads are to come from.
#[derive(Debug, Clone)]
enum Source {
    Own,
    Global,
    Shared(Arc<ThreadPool>),
}

/// How the threads of an own pool are to be.
#[derive(Clone)]
pub(crate) struct ThreadOptions {
    pub(crate) name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) on_start: Option<Arc<Hook>>,
    pub(crate) on_stop: Option<Arc<Hook>>,
}

const NAME: &str = "rayon";

impl RayonBuilder {
    pub(crate) fn new() -> Self {
        Self {
            source: Source::Own,
            max_workers: None,
            options: ThreadOptions {
                name: NAME.to_owned(),
                stack_size: None,
                on_start: None,
                on_stop: None,
            },
            refused: None,
            bound: None,
            on_full: OnFull::default(),
            order: QueueOrder::default(),
            initializer: None,
        }
    }

    /// Uses the threads of `pool`, which lives on when the executor is shut down.
    pub fn pool(mut self, pool: Arc<ThreadPool>) -> Self {
        self.source = Source::Shared(pool);
        self
    }

    /// Uses rayon's global pool. Submitted from a thread of another pool, a job runs there, as everything
    /// of rayon's that names no pool.
    pub fn global(mut self) -> Self {
        self.source = Source::Global;
        self
    }

    /// How many jobs run at once, at the most; in a pool of its own, that many threads are started.
    /// Default: the available parallelism; over a pool that is there, all of its threads.
    pub const fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = Some(workers);
        self
    }

    /// Refused unless it is 0: rayon's threads stay as long as their pool.
    pub const fn min_workers(self, workers: usize) -> Self {
        match workers {
            0 => self,
            _ => self.refuse(
                Feature::KeepAlive,
                "leave min_workers out, rayon keeps all threads",
            ),
        }
    }

    /// Refused: rayon's threads stay as long as their pool.
    pub const fn keep_alive(self, _idle: Duration) -> Self {
        self.refuse(
            Feature::KeepAlive,
            "leave keep_alive out, rayon keeps all threads",
        )
    }

    /// Names the threads and workers: this, a dash, and an index. Default: `rayon`.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.options.name = name.into();
        self
    }

    /// The stack size of the threads, in bytes. Default: as rayon has it. Only for a pool of its own.
    pub const fn stack_size(mut self, bytes: usize) -> Self {
        self.options.stack_size = Some(bytes);
        self
    }

    /// Has each thread call `initializer` before its first job. What it returns is the state that
    /// the jobs there can read, with [`with_worker_state`](executor_core::context::with_worker_state). It need not
    /// be `Send`, since it never leaves its thread. An error or a panic breaks the executor: everything
    /// that is pending fails with it, and nothing is accepted any more.
    pub fn initializer<S, E>(
        mut self,
        initializer: impl Fn() -> Result<S, E> + Send + Sync + 'static,
    ) -> Self
    where
        S: 'static,
        E: fmt::Display,
    {
        self.initializer = Some(Arc::new(move || match initializer() {
            Ok(state) => Ok(Box::new(state) as Box<dyn Any>),
            Err(error) => Err(error.to_string()),
        }));
        self
    }

    /// Calls `hook` with its index on each thread that starts. Only for a pool of its own.
    pub fn on_worker_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.options.on_start = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` with its index on each thread that ends. Only for a pool of its own.
    pub fn on_worker_stop(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.options.on_stop = Some(Arc::new(hook));
        self
    }

    /// Bounds the queue: at most this many jobs wait to be started. Default: no bound.
    pub const fn queue(mut self, bound: usize) -> Self {
        self.bound = Some(bound);
        self
    }

    /// What a submission does when the queue is full. Default: [`OnFull::Block`].
    pub const fn on_full(mut self, policy: OnFull) -> Self {
        self.on_full = policy;
        self
    }

    /// The order in which queued jobs are started. Default: [`QueueOrder::Fifo`].
    pub const fn queue_order(mut self, order: QueueOrder) -> Self {
        self.order = order;
        self
    }

    /// Builds the executor, and starts the threads of a pool of its own.
    ///
    /// # Errors
    ///
    /// If a value is out of range, if rayon cannot honour what was asked for (then
    /// [`unsupported`](BuildError::unsupported) says what), or if threads cannot be started.
    pub fn build(self) -> Result<RayonExecutor, BuildError> {
        if let Some((what, hint)) = self.refused {
            return Err(BuildError::lacking(what, hint));
        }
        if self.bound == Some(0) {
            return Err(BuildError::new(
                "the queue's bound is 0; it must be at least 1",
            ));
        }
        let name = self.options.name.clone();
        let (threads, limit) = match self.source {
            Source::Own => own(self.max_workers, self.options)?,
            Source::Global => existing(Threads::Global, self.max_workers, &self.options)?,
            Source::Shared(pool) => {
                existing(Threads::Shared(pool), self.max_workers, &self.options)?
            }
        };
        Ok(RayonExecutor::start(
            threads.clone(),
            RunnerSettings {
                lender: Box::new(threads),
                limit,
                name,
                bound: self.bound,
                order: self.order,
                on_full: self.on_full,
                initializer: self.initializer,
            },
        ))
    }

    const fn refuse(mut self, what: Feature, hint: &'static str) -> Self {
        self.refused = Some((Unsupported::new(what), hint));
        self
    }
}

/// A pool of its own.
fn own(max_workers: Option<usize>, options: ThreadOptions) -> Result<(Threads, usize), BuildError> {
    let available = || std::thread::available_parallelism().map_or(1, usize::from);
    let workers = max_workers.unwrap_or_else(available);
    let most = rayon::max_num_threads();
    if workers == 0 || workers > most {
        return Err(BuildError::new(format!(
            "max_workers is {workers}; it must be from 1 to {most}"
        )));
    }
    if options.name.contains('\0') {
        return Err(BuildError::new(format!(
            "the thread name {:?} contains a zero byte; no thread can have it",
            options.name
        )));
    }
    let pool = OwnPool::build(workers, options)?;
    Ok((Threads::Own(Arc::new(pool)), workers))
}

/// A pool that is there already.
fn existing(
    threads: Threads,
    max_workers: Option<usize>,
    options: &ThreadOptions,
) -> Result<(Threads, usize), BuildError> {
    if options.stack_size.is_some() || options.on_start.is_some() || options.on_stop.is_some() {
        return Err(BuildError::lacking(
            Unsupported::new(Feature::ThreadOptions),
            "give stack sizes and hooks to the builder of the pool itself",
        ));
    }
    let count = threads.count();
    let limit = max_workers.unwrap_or(count);
    if limit == 0 || limit > count {
        return Err(BuildError::new(format!(
            "max_workers is {limit}; the pool has {count} threads, so it must be from 1 to {count}"
        )));
    }
    Ok((threads, limit))
}

impl fmt::Debug for RayonBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RayonBuilder")
            .field("source", &self.source)
            .field("max_workers", &self.max_workers)
            .field("thread_name", &self.options.name)
            .field("queue", &self.bound)
            .field("on_full", &self.on_full)
            .field("queue_order", &self.order)
            .finish_non_exhaustive()
    }
}
