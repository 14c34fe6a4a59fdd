//! The other end: a worker pulls tasks of a queue, has them run, and records their results.

mod arguments;
mod engine;
mod finish;
mod held;
mod leave;
mod pull;
mod start;
mod tombstones;

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use executor_core::Executor;
use executor_process::{ProcessPoolBuilder, ProcessPoolExecutor};
use executor_threads::ThreadPoolExecutor;
use tokio::sync::watch;

pub use self::arguments::worker_main;
use self::engine::Engine;
pub(crate) use self::engine::now;
use crate::{ConnectError, ConnectErrorKind, Credentials, Tls, connect::Common, names, setup};

/// Where a worker runs its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Isolation {
    /// In processes of its own: one that dies fails its task alone, and a task can be killed. The program calls
    /// [`executor_process::init`] first.
    #[default]
    Process,
    /// On threads: quicker, and a task that crashes takes the worker along.
    Threads,
}

/// How a [`Worker`] is to be.
#[derive(Debug)]
#[must_use]
pub struct WorkerBuilder {
    common: Common,
    slots: usize,
    isolation: Isolation,
    processes: Option<ProcessPoolBuilder>,
    max_attempts: u32,
    name: Option<String>,
}

/// A worker that runs on a thread of this process; dropped, it drains and is waited for.
pub struct Worker {
    stop: watch::Sender<Ending>,
    thread: Mutex<Option<JoinHandle<()>>>,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Runs,
    Drains,
    Kills,
}

impl Worker {
    /// A worker with the settings that [`WorkerBuilder`] begins with.
    pub fn builder() -> WorkerBuilder {
        WorkerBuilder {
            common: Common::new(),
            slots: std::thread::available_parallelism().map_or(1, usize::from),
            isolation: Isolation::Process,
            processes: None,
            max_attempts: 3,
            name: None,
        }
    }

    /// What it is called, by `status` and in logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Pulls nothing more, and ends once its tasks are done. Does not wait for that.
    pub fn drain(&self) {
        self.end(Ending::Drains);
    }

    /// Ends at once: what runs is killed, where it can be, and goes back to the queue, as does what has not begun. Others are given
    /// it at once, and not after the lease; to be given to this worker counts as an attempt.
    ///
    /// Tasks on [threads](Isolation::Threads) cannot be killed: they are waited for, and their results are recorded. If the server is out
    /// of reach the worker ends all the same, and what it has runs elsewhere once the lease is over.
    pub fn kill(&self) {
        self.end(Ending::Kills);
    }

    /// Waits until it has ended.
    pub fn join(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!(worker = self.name, "the thread of the worker has panicked");
        }
    }

    fn end(&self, ending: Ending) {
        self.stop.send_if_modified(|now| {
            let is_more = ending > *now;
            *now = ending.max(*now);
            is_more
        });
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.drain();
        self.join();
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

macro_rules! common_settings {
    ($builder:ident) => {
        impl $builder {
            /// Where the server is: `nats://host:port` or `tls://host:port`. By default on this machine, port 4222. With commas between
            /// them, those of a cluster: any one that answers is taken, and another one when that is gone.
            pub fn url(mut self, url: impl Into<String>) -> Self {
                self.common.url = url.into();
                self
            }

            /// The queue: tasks of one are never run by workers of another. By default `default`.
            pub fn queue(mut self, queue: impl Into<String>) -> Self {
                self.common.queue = queue.into();
                self
            }

            /// What all names on the server begin with; by default `exec`. Programs of different ones do not see each other.
            pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
                self.common.namespace = namespace.into();
                self
            }

            /// The user in the subjects, which the rights of the server can be about. By default that of the password.
            pub fn user(mut self, user: impl Into<String>) -> Self {
                self.common.user = Some(user.into());
                self
            }

            /// Speaks TLS, and nothing else.
            pub fn tls(mut self, tls: Tls) -> Self {
                self.common.tls = Some(tls);
                self
            }

            /// Shows the server who this is.
            pub fn credentials(mut self, credentials: Credentials) -> Self {
                self.common.credentials = Some(credentials);
                self
            }

            /// The domain of the JetStream that holds the queue, where the server is a leaf node with its own.
            pub fn domain(mut self, domain: impl Into<String>) -> Self {
                self.common.domain = Some(domain.into());
                self
            }

            /// How long a worker that is not heard of keeps its tasks; by default 30 s. Who makes the queue decides.
            pub fn lease(mut self, lease: Duration) -> Self {
                self.common.lease = lease;
                self
            }

            /// How long results are kept; by default an hour. Who makes the streams decides.
            pub fn result_ttl(mut self, ttl: Duration) -> Self {
                self.common.result_ttl = ttl;
                self
            }

            /// Has the server forget the queue when no worker has asked for this long; by default never. Its tasks are left without one
            /// until it is made again.
            pub fn queue_ttl(mut self, ttl: Duration) -> Self {
                self.common.queue_ttl = Some(ttl);
                self
            }

            /// How many bytes the stream of tasks, and that of results, may hold; by default what the server allows.
            /// A submission to a full stream waits.
            pub fn max_stored(mut self, bytes: u64) -> Self {
                self.common.max_stored = Some(bytes);
                self
            }

            /// How many servers of a cluster hold each message; by default 1. Who makes the streams decides.
            pub fn replicas(mut self, replicas: usize) -> Self {
                self.common.replicas = replicas;
                self
            }

            /// How long the first connection may take; by default 10 s.
            pub fn connect_timeout(mut self, timeout: Duration) -> Self {
                self.common.connect_timeout = timeout;
                self
            }
        }
    };
}

pub(crate) use common_settings;

common_settings!(WorkerBuilder);

impl WorkerBuilder {
    /// How many tasks it runs at once; by default as many as there are processors.
    pub const fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// Where it runs them; by default in processes.
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// How the pool of its processes is built; their number is that of the slots.
    pub fn processes(mut self, builder: ProcessPoolBuilder) -> Self {
        self.processes = Some(builder);
        self
    }

    /// How often a task is given to a worker before it fails with
    /// [`WorkerLost`](executor_core::TaskErrorKind::WorkerLost); by default 3.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// What it is called; by default something random.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Connects, and pulls tasks from now on.
    ///
    /// # Errors
    ///
    /// If there is no connection within its time, or if a setting, a right or something else is wrong with it.
    pub fn start(self) -> Result<Worker, ConnectError> {
        let (stop, ending) = watch::channel(Ending::Runs);
        let name = self.name.clone().unwrap_or_else(names::random);
        if !names::is_name(&name) || self.slots == 0 || self.max_attempts == 0 {
            return Err(ConnectError::new(
                ConnectErrorKind::Invalid,
                format!(
                    "a worker `{name}` of {} slots and {} attempts cannot be: numbers start at 1, names are letters, digits, - and _",
                    self.slots, self.max_attempts
                ),
            ));
        }
        self.common.check()?;
        let pool = self.pool()?;
        let runtime = runtime()?;
        let link = runtime.block_on(async {
            let link = self.common.connect(&name).await?;
            setup::set_up(&self.common, &link).await?;
            Ok(link)
        })?;
        let settings = engine::Settings {
            common: self.common.clone(),
            slots: self.slots,
            max_attempts: self.max_attempts,
            name: name.clone(),
        };
        let engine = runtime.block_on(Engine::new(settings, link, pool, ending))?;
        let thread = std::thread::Builder::new()
            .name("nats-worker".into())
            .spawn(move || {
                runtime.block_on(engine.run());
                // A stop that still waits for its child must not hold up the end.
                runtime.shutdown_background();
            })
            .map_err(refused)?;
        Ok(Worker {
            stop,
            thread: Mutex::new(Some(thread)),
            name,
        })
    }

    /// Runs until the program is told to end (SIGTERM, SIGINT), then drains.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn run(self) -> Result<(), ConnectError> {
        let runtime = runtime()?;
        let mut told = runtime.block_on(async { Told::new() }).map_err(refused)?;
        let worker = self.start()?;
        runtime.block_on(told.wait());
        worker.drain();
        worker.join();
        Ok(())
    }

    fn pool(&self) -> Result<Arc<dyn Executor>, ConnectError> {
        let failed = |error: &dyn fmt::Display| {
            ConnectError::new(
                ConnectErrorKind::Local,
                format!("the pool of the worker cannot be built: {error}"),
            )
        };
        Ok(match self.isolation {
            Isolation::Process => {
                let builder = self
                    .processes
                    .clone()
                    .unwrap_or_else(ProcessPoolExecutor::builder);
                let built = builder.max_workers(self.slots).build();
                Arc::new(built.map_err(|error| failed(&error))?)
            }
            Isolation::Threads => {
                let built = ThreadPoolExecutor::new(self.slots);
                Arc::new(built.map_err(|error| failed(&error))?)
            }
        })
    }
}

/// Waits for the word to end.
struct Told {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Told {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            signals: [
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
            ],
        })
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "as elsewhere")]
    const fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn wait(&mut self) {
        let [terminate, interrupt] = &mut self.signals;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn wait(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            tracing::error!("the program cannot be told to end");
        }
    }
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, ConnectError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(refused)
}

pub(crate) fn refused(error: io::Error) -> ConnectError {
    ConnectError::new(
        ConnectErrorKind::Local,
        "the operating system refuses a thread or a runtime",
    )
    .because(error)
}
