//! The list of backends.

use std::error::Error;

use executor_core::Executor;
use executor_nats::{NatsExecutor, WithWorkers, Worker};
use executor_process::ProcessPoolExecutor;
use executor_rayon::RayonExecutor;
use executor_threads::ThreadPoolExecutor;
use executor_tokio::TokioExecutor;

use crate::over_nats::server::{self, QUEUE_TTL};

/// A backend: what it is called, and how it is opened with a number of workers.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Backend {
    /// Its name, in tables and on command lines.
    pub name: &'static str,
    /// Whether its workers are other processes, so that arguments and results are copied.
    pub is_remote: bool,
    /// Why it cannot be opened here.
    lacks: fn() -> Option<&'static str>,
    open: fn(usize) -> Box<dyn Executor>,
}

/// Every backend that can be opened here, the plainest first.
pub fn backends() -> impl Iterator<Item = &'static Backend> {
    BACKENDS
        .iter()
        .filter(|backend| (backend.lacks)().is_none())
}

/// A line for each backend that [`backends()`] leaves out: what it needs.
pub fn left_out() -> impl Iterator<Item = String> {
    BACKENDS.iter().filter_map(|backend| {
        let reason = (backend.lacks)()?;
        Some(format!("{} is left out: {reason}", backend.name))
    })
}

/// Whoever adds a backend adds a line, and it is in every sweep of `compare`, in `advise`, and in the criterion
/// benchmarks.
#[rustfmt::skip] // a line each
const BACKENDS: &[Backend] = &[
    Backend { name: "threads", is_remote: false, lacks: nothing, open: |workers| boxed(ThreadPoolExecutor::new(workers)) },
    Backend { name: "process", is_remote: true, lacks: nothing, open: |workers| boxed(ProcessPoolExecutor::new(workers)) },
    Backend { name: "rayon", is_remote: false, lacks: nothing, open: |workers| boxed(RayonExecutor::new(workers)) },
    Backend { name: "tokio", is_remote: false, lacks: nothing, open: |workers| boxed(TokioExecutor::new(workers)) },
    Backend { name: "nats", is_remote: true, lacks: server::lack, open: |workers| boxed(nats(workers)) },
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

    /// How tables name it beside its peers.
    pub(crate) fn ours(&self) -> String {
        format!("ours: {}", self.name)
    }
}

const fn nothing() -> Option<&'static str> {
    None
}

/// A queue of its own with a worker beside it, which runs its tasks in child processes.
fn nats(workers: usize) -> Result<WithWorkers, Box<dyn Error>> {
    let url = server::address();
    let queue = server::queue();
    let worker = Worker::builder()
        .url(&*url)
        .queue(&*queue)
        .queue_ttl(QUEUE_TTL)
        .slots(workers)
        .start()?;
    let executor = NatsExecutor::builder()
        .url(url)
        .queue(queue)
        .queue_ttl(QUEUE_TTL)
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
