//! The list of backends.

use executor_core::Executor;
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
    open: fn(usize) -> Box<dyn Executor>,
}

/// Every backend, the plainest first. Whoever adds one adds a line, and it is in every sweep of `compare`, in
/// `advise`, and in the criterion benchmarks.
#[rustfmt::skip] // a line each
pub const BACKENDS: &[Backend] = &[
    Backend { name: "threads", is_remote: false, open: |workers| boxed(ThreadPoolExecutor::new(workers)) },
    Backend { name: "process", is_remote: true, open: |workers| boxed(ProcessPoolExecutor::new(workers)) },
    Backend { name: "rayon", is_remote: false, open: |workers| boxed(RayonExecutor::new(workers)) },
    Backend { name: "tokio", is_remote: false, open: |workers| boxed(TokioExecutor::new(workers)) },
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

fn boxed<E: Executor + 'static, Error: std::fmt::Display>(
    executor: Result<E, Error>,
) -> Box<dyn Executor> {
    match executor {
        Ok(executor) => Box::new(executor),
        Err(error) => panic!("the executor cannot be started: {error}"),
    }
}
