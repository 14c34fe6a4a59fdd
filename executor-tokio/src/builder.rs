//! How an executor over tokio is to be: [`TokioBuilder`].

use std::{fmt, time::Duration};

use executor_core::{Feature, Unsupported};
use executor_pool::{BuildError, OnFull, QueueOrder, runners::RunnerSettings};
use tokio::runtime::Handle;

use crate::{
    TokioExecutor, blocking::Blocking, executor::Parts, runtime::OwnRuntime, tasks::Tasks,
};

/// How many calls may be queued, unless the builder is told otherwise.
const QUEUE: usize = 10_000;

/// How many futures may be under way, unless the builder is told otherwise.
const MAX_ASYNC: usize = 10_000;

/// Builds a [`TokioExecutor`]: over a runtime of its own, or, with [`handle`](Self::handle), over
/// one that is there already.
///
/// It has the methods of the thread pool's builder; what tokio cannot honour is refused by
/// [`build`](Self::build).
///
/// ```
/// use executor_tokio::{OnFull, TokioExecutor};
///
/// let executor = TokioExecutor::builder()
///     .max_workers(4) // calls on blocking threads at once
///     .queue(100)
///     .on_full(OnFull::Reject)
///     .max_async(1000) // futures under way
///     .build()?;
/// # Ok::<(), executor_tokio::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct TokioBuilder {
    handle: Option<Handle>,
    max_workers: Option<usize>,
    max_async: usize,
    name: Option<String>,
    /// What was asked for that tokio cannot do.
    refused: Option<(Unsupported, &'static str)>,
    bound: usize,
    on_full: OnFull,
    order: QueueOrder,
}

impl TokioBuilder {
    pub(crate) const fn new() -> Self {
        Self {
            handle: None,
            max_workers: None,
            max_async: MAX_ASYNC,
            name: None,
            refused: None,
            bound: QUEUE,
            on_full: OnFull::Block,
            order: QueueOrder::Fifo,
        }
    }

    /// Uses the runtime of this handle, which lives on when the executor is shut down. Default: a runtime of
    /// its own, with timers and sockets, which ends with it.
    pub fn handle(mut self, handle: Handle) -> Self {
        self.handle = Some(handle);
        self
    }

    /// How many calls run at once on blocking threads, at the most. A runtime of its own gets as many threads
    /// for futures. Default: the available parallelism.
    pub const fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = Some(workers);
        self
    }

    /// How many futures may be under way, started or not, before a submission meets back-pressure.
    /// Default: 10,000.
    pub const fn max_async(mut self, tasks: usize) -> Self {
        self.max_async = tasks;
        self
    }

    /// Bounds the queue of calls: at most this many wait to be started. Default: 10,000.
    pub const fn queue(mut self, bound: usize) -> Self {
        self.bound = bound;
        self
    }

    /// What a submission does when there is no room. Default: [`OnFull::Block`], and in async code, where
    /// that is no good, an error.
    pub const fn on_full(mut self, policy: OnFull) -> Self {
        self.on_full = policy;
        self
    }

    /// The order in which queued calls are started. Default: [`QueueOrder::Fifo`].
    pub const fn queue_order(mut self, order: QueueOrder) -> Self {
        self.order = order;
        self
    }

    /// Names the workers, and the threads of a runtime of its own. Default: `tokio`.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Refused unless it is 0: tokio's blocking threads come and go.
    pub const fn min_workers(self, workers: usize) -> Self {
        match workers {
            0 => self,
            _ => self.refuse(Feature::KeepAlive, "leave min_workers out"),
        }
    }

    /// Refused: tokio ends its blocking threads when it likes; see its own `thread_keep_alive`.
    pub const fn keep_alive(self, _idle: Duration) -> Self {
        self.refuse(
            Feature::KeepAlive,
            "set thread_keep_alive of a runtime, and give its handle",
        )
    }

    /// Refused: see tokio's own `thread_stack_size`.
    pub const fn stack_size(self, _bytes: usize) -> Self {
        self.refuse(
            Feature::ThreadOptions,
            "set thread_stack_size of a runtime, and give its handle",
        )
    }

    /// Refused: tokio's blocking threads come and go, so that there is nothing to be initialized.
    pub fn initializer<S, E>(
        self,
        _initializer: impl Fn() -> Result<S, E> + Send + Sync + 'static,
    ) -> Self
    where
        S: 'static,
        E: fmt::Display,
    {
        self.refuse(
            Feature::Initializer,
            "make the state in the task, or use a thread pool",
        )
    }

    /// Builds the executor.
    ///
    /// # Errors
    ///
    /// If a value is out of range, if tokio cannot honour what was asked for (then
    /// [`unsupported`](BuildError::unsupported) says what), or if a runtime cannot be started.
    pub fn build(self) -> Result<TokioExecutor, BuildError> {
        if let Some((what, hint)) = self.refused {
            return Err(BuildError::lacking(what, hint));
        }
        let available = || std::thread::available_parallelism().map_or(1, usize::from);
        let limit = self.max_workers.unwrap_or_else(available);
        for (name, value) in [
            ("max_workers", limit),
            ("max_async", self.max_async),
            ("the queue's bound", self.bound),
        ] {
            if value == 0 {
                return Err(BuildError::new(format!(
                    "{name} is 0; it must be at least 1"
                )));
            }
        }
        if limit > MAX_WORKERS {
            return Err(BuildError::new(format!(
                "max_workers is {limit}; it must be from 1 to {MAX_WORKERS}"
            )));
        }
        let name = self.name.unwrap_or_else(|| String::from("tokio"));
        if name.contains('\0') {
            return Err(BuildError::new(format!(
                "the thread name {name:?} contains a zero byte; no thread can have it"
            )));
        }
        let (runtime, handle) = match self.handle {
            Some(handle) => (None, handle),
            None => {
                let (runtime, handle) = OwnRuntime::build(limit, &name).map_err(|error| {
                    BuildError::new(format!("tokio could not start a runtime: {error}"))
                })?;
                (Some(runtime), handle)
            }
        };
        Ok(TokioExecutor::start(Parts {
            tasks: Tasks::new(handle.clone(), self.max_async, self.on_full),
            runtime,
            calls: RunnerSettings {
                lender: Box::new(Blocking(handle)),
                limit,
                name,
                bound: Some(self.bound),
                order: self.order,
                on_full: self.on_full,
                initializer: None,
            },
        }))
    }

    const fn refuse(mut self, what: Feature, hint: &'static str) -> Self {
        self.refused = Some((Unsupported::new(what), hint));
        self
    }
}

/// The most blocking threads that a runtime of its own has.
pub(crate) const MAX_WORKERS: usize = 4096;

impl fmt::Debug for TokioBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioBuilder")
            .field("handle", &self.handle)
            .field("max_workers", &self.max_workers)
            .field("max_async", &self.max_async)
            .field("queue", &self.bound)
            .field("on_full", &self.on_full)
            .field("queue_order", &self.order)
            .finish_non_exhaustive()
    }
}
