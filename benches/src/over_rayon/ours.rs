use std::sync::Arc;

use executor_core::{Future as _, LocalExecutorExt as _, TaskFuture};
use executor_rayon::RayonExecutor;

use crate::threads::peers::{Subject, rayon_pool};

/// Over a pool that is built as the peer builds its own.
impl Subject for RayonExecutor {
    const NAME: &'static str = "ours";

    type Handle<R: Send + 'static> = TaskFuture<R>;

    fn start(workers: usize) -> Self {
        Self::with_pool(Arc::new(rayon_pool(workers)))
    }

    fn submit<R, F>(&self, task: F) -> TaskFuture<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        self.spawn(task)
            .expect("the executor is open, and its queue has no bound")
    }

    fn take<R: Send + 'static>(handle: TaskFuture<R>) -> R {
        handle.result().expect("no task of the benchmarks fails")
    }

    fn fire<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static,
    {
        drop(self.submit(task));
    }
}
