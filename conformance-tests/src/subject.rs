//! What is tested: how a backend makes executors for the trials, and what it can be configured to do.

use std::{
    any::Any, error::Error, fmt, path::PathBuf, process::Command, sync::Arc, time::Duration,
};

use executor_core::{Capabilities, Executor, LocalExecutor, Task as _};
use serde::{Deserialize, Serialize};

use crate::{
    guard,
    quirks::Quirk,
    surface,
    tasks::{Start, initialize},
};

/// How an executor is to be built for a trial.
///
/// Trials ask only for what the [`Factory`] says it offers; the rest has its default.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// How many workers, where there are any.
    pub workers: usize,
    /// How many tasks may be queued; `None` without a bound. Needs [`Factory::bounded`].
    pub queue: Option<usize>,
    /// What a submission does when the queue is full. Needs [`Factory::bounded`].
    pub on_full: OnFull,
    /// The order of the queue. Needs [`Factory::ordered`].
    pub order: Order,
    /// What each worker calls before its first task. Needs [`Factory::initialized`].
    pub initializer: Option<Initializer>,
}

/// What a submission does when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// It waits for room.
    Block,
    /// It gives the task back.
    Reject,
    /// It runs the task itself.
    CallerRuns,
}

/// Which queued task is started next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest.
    Fifo,
    /// The newest.
    Lifo,
    /// The one with the highest priority, and the oldest of those.
    Priority,
}

/// What a worker is to call before its first task: on a thread by [`call`](Self::call), in another
/// process as the task that [`portable`](Self::portable) gives.
#[derive(Debug, Clone)]
pub struct Initializer {
    start: Start,
    /// The file that each call makes longer by a byte.
    calls: PathBuf,
}

/// What an [`Initializer`] makes: the state that tasks read on their worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerState(pub u64);

/// Makes the executors of one backend, and says what they can be configured to do.
pub struct Factory<E> {
    build: MakeOf<E>,
    local: Option<Local<E>>,
    resize: Option<ResizeOf<E>>,
    wait_idle: Option<WaitIdleOf<E>>,
    victim: Option<MakeVictim>,
    offers: Offers,
    limit: Duration,
    pub(crate) quirks: Vec<Quirk>,
}

type Failure = Box<dyn Error + Send + Sync>;
type MakeOf<E> = Arc<dyn Fn(&Config) -> Result<E, Failure> + Send + Sync>;
type ResizeOf<E> = Arc<dyn Fn(&E, usize) -> Result<(), Failure> + Send + Sync>;
type WaitIdleOf<E> = Arc<dyn Fn(&E, Option<Duration>) -> bool + Send + Sync>;

pub(crate) type MakeVictim = Arc<dyn Fn() -> Command + Send + Sync>;
pub(crate) type Resize = Box<dyn Fn(usize) -> Result<(), String> + Send>;
pub(crate) type WaitIdle = Box<dyn Fn(Option<Duration>) -> bool + Send>;

/// What a factory can build beyond the default.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Offers {
    pub(crate) deferred: bool,
    pub(crate) bounded: bool,
    pub(crate) no_caller_runs: bool,
    pub(crate) native_async: bool,
    pub(crate) drop_leaves_async: bool,
    pub(crate) refuses_blocking_in_async: bool,
    pub(crate) shared_threads: bool,
    pub(crate) ordered: bool,
    pub(crate) initialized: bool,
    pub(crate) resize: bool,
    pub(crate) wait_idle: bool,
}

/// How the trials see the executor: itself, or behind a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Value,
    Boxed,
    Shared,
}

/// One backend in one form, its types erased: what trials are made for.
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) form: Form,
    pub(crate) offers: Offers,
    pub(crate) limit: Duration,
    pub(crate) capabilities: Capabilities,
    pub(crate) victim: Option<MakeVictim>,
    pub(crate) build: Build,
}

pub(crate) type Build = Box<dyn Fn(&Config) -> Result<Subject, String> + Send + Sync>;

/// An executor under test. It holds the only handles there are.
pub(crate) struct Subject {
    pub(crate) executor: Box<dyn Executor>,
    pub(crate) local: Option<Box<dyn LocalExecutor>>,
    pub(crate) resize: Option<Resize>,
    pub(crate) wait_idle: Option<WaitIdle>,
    /// Calls everything that users can call, on the form's own type.
    pub(crate) surface: Box<dyn FnOnce() + Send>,
}

/// How a local executor is erased, form by form; made where the type is known to be local.
struct Local<E> {
    value: fn(E) -> Box<dyn LocalExecutor>,
    boxed: fn(E) -> Box<dyn LocalExecutor>,
    shared: fn(Arc<E>) -> Box<dyn LocalExecutor>,
    surface: fn(E),
    surface_boxed: fn(E),
    surface_shared: fn(Arc<E>),
}

impl Config {
    /// An executor with this many workers, and defaults.
    #[must_use]
    pub const fn workers(workers: usize) -> Self {
        Self {
            workers,
            queue: None,
            on_full: OnFull::Block,
            order: Order::Fifo,
            initializer: None,
        }
    }

    pub(crate) const fn with_queue(mut self, bound: usize, on_full: OnFull) -> Self {
        self.queue = Some(bound);
        self.on_full = on_full;
        self
    }

    pub(crate) const fn with_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    pub(crate) fn with_initializer(mut self, initializer: &Initializer) -> Self {
        self.initializer = Some(initializer.clone());
        self
    }
}

impl Initializer {
    pub(crate) const fn new(start: Start, calls: PathBuf) -> Self {
        Self { start, calls }
    }

    /// What a worker that is a thread has to call.
    ///
    /// # Errors
    ///
    /// Where the trial wants the initializer to fail.
    ///
    /// # Panics
    ///
    /// Where the trial wants that.
    pub fn call(&self) -> Result<WorkerState, String> {
        self.portable().run()
    }

    /// The task that a worker has to run where it is another process.
    #[must_use]
    pub fn portable(&self) -> initialize {
        initialize::task(self.start.clone(), self.calls.clone())
    }

    /// How often it has been called so far.
    pub(crate) fn calls(&self) -> usize {
        std::fs::metadata(&self.calls)
            .map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX))
    }
}

impl<E: Executor + Clone + 'static> Factory<E> {
    /// Executors that run tasks somewhere else: trials with closures are left out.
    pub fn portable<F, X>(build: F) -> Self
    where
        F: Fn(&Config) -> Result<E, X> + Send + Sync + 'static,
        X: Into<Box<dyn Error + Send + Sync>>,
    {
        Self {
            build: Arc::new(move |config| build(config).map_err(Into::into)),
            local: None,
            resize: None,
            wait_idle: None,
            victim: None,
            offers: Offers::default(),
            limit: 2 * guard::limit(),
            quirks: Vec::new(),
        }
    }

    /// Executors of this process.
    pub fn local<F, X>(build: F) -> Self
    where
        E: LocalExecutor,
        F: Fn(&Config) -> Result<E, X> + Send + Sync + 'static,
        X: Into<Box<dyn Error + Send + Sync>>,
    {
        let local = Local {
            value: |executor| Box::new(executor),
            boxed: |executor| Box::new(Box::new(executor) as Box<dyn LocalExecutor>),
            shared: |executor| Box::new(executor),
            surface: |executor| surface::local(&executor),
            surface_boxed: |executor| {
                surface::local(&(Box::new(executor) as Box<dyn LocalExecutor>))
            },
            surface_shared: |executor| surface::local(&executor),
        };
        Self {
            local: Some(local),
            ..Self::portable(build)
        }
    }

    /// [`Config::queue`] and [`Config::on_full`] are honoured.
    #[must_use]
    pub const fn bounded(mut self) -> Self {
        self.offers.bounded = true;
        self
    }

    /// [`OnFull::CallerRuns`] is not honoured: tasks never run in the process that submits them.
    #[must_use]
    pub const fn no_caller_runs(mut self) -> Self {
        self.offers.no_caller_runs = true;
        self
    }

    /// Async tasks do not wait for a worker: a runtime polls them as soon as they are accepted, also while every
    /// worker is busy.
    #[must_use]
    pub const fn native_async(mut self) -> Self {
        self.offers.native_async = true;
        self
    }

    /// The drop of the last handle does not wait for async tasks: they go on by themselves.
    #[must_use]
    pub const fn drop_leaves_async(mut self) -> Self {
        self.offers.drop_leaves_async = true;
        self
    }

    /// Blocking waits, and submissions that would block, are refused where an async runtime of tokio's
    /// runs, since they would hold it up.
    #[must_use]
    pub const fn refuses_blocking_in_async(mut self) -> Self {
        self.offers.refuses_blocking_in_async = true;
        self
    }

    /// The executors run tasks on the threads of one pool that they share: a worker of one of them is a worker
    /// of all. So it may run a task of another one that it waits for, and does not wait for room there.
    #[must_use]
    pub const fn shared_threads(mut self) -> Self {
        self.offers.shared_threads = true;
        self
    }

    /// [`Config::order`] is honoured.
    #[must_use]
    pub const fn ordered(mut self) -> Self {
        self.offers.ordered = true;
        self
    }

    /// [`Config::initializer`] is honoured.
    #[must_use]
    pub const fn initialized(mut self) -> Self {
        self.offers.initialized = true;
        self
    }

    /// Tasks stay pending until somebody waits for them, since there are no workers.
    #[must_use]
    pub const fn deferred(mut self) -> Self {
        self.offers.deferred = true;
        self
    }

    /// The number of workers can be changed.
    #[must_use]
    pub fn resize<X>(
        mut self,
        resize: impl Fn(&E, usize) -> Result<(), X> + Send + Sync + 'static,
    ) -> Self
    where
        X: Into<Box<dyn Error + Send + Sync>>,
    {
        self.resize = Some(Arc::new(move |executor, n| {
            resize(executor, n).map_err(Into::into)
        }));
        self.offers.resize = true;
        self
    }

    /// The executor can be waited for until it is idle; true says that it is.
    #[must_use]
    pub fn wait_idle(
        mut self,
        wait_idle: impl Fn(&E, Option<Duration>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.wait_idle = Some(Arc::new(wait_idle));
        self.offers.wait_idle = true;
        self
    }

    /// How to start a program that makes an executor with two workers and calls
    /// [`victim_main`](crate::victim_main) with it: the suite kills it, and no worker may outlive it.
    ///
    /// The suite's own program will do: it asks [`is_victim`](crate::is_victim) what it is.
    #[must_use]
    pub fn victim(mut self, victim: impl Fn() -> Command + Send + Sync + 'static) -> Self {
        self.victim = Some(Arc::new(victim));
        self
    }

    /// A trial that takes longer has hung.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// A trial that this backend is known to fail, for a reason. If it passes, that is a failure:
    /// the quirk is to be removed.
    #[must_use]
    pub fn quirk(mut self, trial: &'static str, reason: &'static str) -> Self {
        self.quirks.push(Quirk::new(trial, reason));
        self
    }

    /// The backend in one form, if it can be built.
    pub(crate) fn backend(&self, name: &str, form: Form) -> Result<Backend, String> {
        let factory = self.clone();
        let build: Build = Box::new(move |config| {
            (factory.build)(config)
                .map(|executor| factory.subject(executor, form))
                .map_err(|error| format!("the executor could not be built: {error}"))
        });
        let capabilities = build(&Config::workers(2))?.executor.capabilities();
        Ok(Backend {
            name: name.to_owned(),
            form,
            offers: self.offers,
            limit: self.limit,
            capabilities,
            victim: self.victim.clone(),
            build,
        })
    }

    fn subject(&self, executor: E, form: Form) -> Subject {
        let resize = self.resize.clone().map(|resize| {
            let executor = executor.clone();
            let call = move |n| resize(&executor, n).map_err(|error: Failure| error.to_string());
            Box::new(call) as Resize
        });
        let wait_idle = self.wait_idle.clone().map(|wait_idle| {
            let executor = executor.clone();
            let call = move |timeout| wait_idle(&executor, timeout);
            Box::new(call) as WaitIdle
        });
        let local = self.local.as_ref();
        let own = executor.clone();
        let local_surface =
            local.map(|local| (local.surface, local.surface_boxed, local.surface_shared));
        let surface: Box<dyn FnOnce() + Send> = Box::new(move || match form {
            Form::Value => {
                surface::portable(&own);
                if let Some((value, _, _)) = local_surface {
                    value(own);
                }
            }
            Form::Boxed => {
                surface::portable(&(Box::new(own.clone()) as Box<dyn Executor>));
                if let Some((_, boxed, _)) = local_surface {
                    boxed(own);
                }
            }
            Form::Shared => {
                let shared = Arc::new(own);
                surface::portable(&shared);
                if let Some((_, _, local)) = local_surface {
                    local(shared);
                }
            }
        });
        let (executor, local): (Box<dyn Executor>, _) = match form {
            Form::Value => {
                let local = local.map(|local| (local.value)(executor.clone()));
                (Box::new(executor), local)
            }
            Form::Boxed => {
                let local = local.map(|local| (local.boxed)(executor.clone()));
                (Box::new(Box::new(executor) as Box<dyn Executor>), local)
            }
            Form::Shared => {
                let executor = Arc::new(executor);
                let local = local.map(|local| (local.shared)(Arc::clone(&executor)));
                (Box::new(executor), local)
            }
        };
        Subject {
            executor,
            local,
            resize,
            wait_idle,
            surface,
        }
    }
}

impl<E> Clone for Factory<E> {
    fn clone(&self) -> Self {
        Self {
            build: Arc::clone(&self.build),
            local: self.local.as_ref().map(|local| Local { ..*local }),
            resize: self.resize.clone(),
            wait_idle: self.wait_idle.clone(),
            victim: self.victim.clone(),
            offers: self.offers,
            limit: self.limit,
            quirks: self.quirks.clone(),
        }
    }
}

impl<E: Any> fmt::Debug for Factory<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory")
            .field("executor", &std::any::type_name::<E>())
            .field("offers", &self.offers)
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}

impl Form {
    pub(crate) const ALL: [Self; 3] = [Self::Value, Self::Boxed, Self::Shared];
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "value",
            Self::Boxed => "box",
            Self::Shared => "arc",
        })
    }
}
