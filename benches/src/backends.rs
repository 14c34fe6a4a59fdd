//! The list of backends.

use std::{
    env,
    error::Error,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use executor_core::Executor;
use executor_nats::{NatsExecutor, WithWorkers, Worker};
use executor_process::ProcessPoolExecutor;
use executor_rayon::RayonExecutor;
use executor_threads::ThreadPoolExecutor;
use executor_tokio::TokioExecutor;

/// A backend: what it is called, and how it is opened with a number of workers.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Backend {
    /// Its name, in tables and on command lines.
    pub name: &'static str,
    /// Whether its workers are other processes, so that arguments and results are copied.
    pub is_remote: bool,
    /// The environment variable without which it cannot be opened.
    needs: Option<&'static str>,
    open: fn(usize) -> Box<dyn Executor>,
}

/// Every backend that can be opened here, the plainest first.
pub fn backends() -> impl Iterator<Item = &'static Backend> {
    BACKENDS.iter().filter(|backend| !backend.is_left_out())
}

/// A line for each backend that [`backends()`] leaves out: what it needs.
pub fn left_out() -> impl Iterator<Item = String> {
    BACKENDS.iter().filter_map(|backend| {
        let needs = backend.needs.filter(|_| backend.is_left_out())?;
        Some(format!("{} is left out: set {needs}", backend.name))
    })
}

/// Whoever adds a backend adds a line, and it is in every sweep of `compare`, in `advise`, and in the criterion
/// benchmarks.
#[rustfmt::skip] // a line each
const BACKENDS: &[Backend] = &[
    Backend { name: "threads", is_remote: false, needs: None, open: |workers| boxed(ThreadPoolExecutor::new(workers)) },
    Backend { name: "process", is_remote: true, needs: None, open: |workers| boxed(ProcessPoolExecutor::new(workers)) },
    Backend { name: "rayon", is_remote: false, needs: None, open: |workers| boxed(RayonExecutor::new(workers)) },
    Backend { name: "tokio", is_remote: false, needs: None, open: |workers| boxed(TokioExecutor::new(workers)) },
    Backend { name: "nats", is_remote: true, needs: Some(NATS_URL), open: |workers| boxed(nats(workers)) },
];

impl Backend {
    /// An executor with this many workers.
    ///
    /// # Panics
    ///
    /// If it cannot be started, or `workers` is 0.
    #[must_use]
    pub fn open(&self, workers: usize) -> Box<dyn Executor> {
        (self.open)(workers)
    }

    fn is_left_out(&self) -> bool {
        self.needs.is_some_and(|needs| env::var_os(needs).is_none())
    }

    /// How tables name it beside its peers.
    pub(crate) fn ours(&self) -> String {
        format!("ours: {}", self.name)
    }
}

/// Where the server is, which needs JetStream.
const NATS_URL: &str = "NATS_URL";

/// A queue of its own with a worker beside it, which runs its tasks in child processes.
fn nats(workers: usize) -> Result<WithWorkers, Box<dyn Error>> {
    /// The queue goes by itself.
    const TTL: Duration = Duration::from_secs(300);
    let url = env::var(NATS_URL)?;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let queue = format!("benches-{}-{number}", std::process::id());
    let worker = Worker::builder()
        .url(&*url)
        .queue(&*queue)
        .queue_ttl(TTL)
        .slots(workers)
        .start()?;
    let executor = NatsExecutor::builder()
        .url(url)
        .queue(queue)
        .queue_ttl(TTL)
        .parallelism(workers)
        .connect()?;
    Ok(WithWorkers::new(executor, worker))
}

fn boxed<E: Executor + 'static, Why: std::fmt::Display>(
    executor: Result<E, Why>,
) -> Box<dyn Executor> {
    match executor {
        Ok(executor) => Box::new(executor),
        Err(error) => panic!("the executor cannot be started: {error}"),
    }
}
