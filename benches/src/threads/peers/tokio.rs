use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

use super::Subject;

/// `tokio::spawn` of a future that is ready at its first poll, on the multi-thread runtime.
pub(crate) struct TokioSpawn(Runtime);

impl Subject for TokioSpawn {
    const NAME: &'static str = "tokio spawn";

    type Handle<R: Send + 'static> = JoinHandle<R>;

    fn start(workers: usize) -> Self {
        Self(runtime(workers, 1))
    }

    fn submit<R, F>(&self, task: F) -> JoinHandle<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        self.0.spawn(async move { task() })
    }

    fn take<R: Send + 'static>(handle: JoinHandle<R>) -> R {
        futures::executor::block_on(handle).expect("no task of the benchmarks fails")
    }

    fn fire<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static,
    {
        drop(self.submit(task));
    }
}

pub(super) fn runtime(workers: usize, blocking: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(blocking)
        .build()
        .expect("threads can be started")
}
