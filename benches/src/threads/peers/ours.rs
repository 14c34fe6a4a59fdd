use executor_core::{Future as _, LocalExecutorExt as _, TaskFuture};
use executor_threads::ThreadPoolExecutor;

use super::Subject;

impl Subject for ThreadPoolExecutor {
    const NAME: &'static str = "ours";

    type Handle<R: Send + 'static> = TaskFuture<R>;

    fn start(workers: usize) -> Self {
        Self::new(workers).expect("there is at least one worker")
    }

    fn submit<R, F>(&self, task: F) -> TaskFuture<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        self.spawn(task)
            .expect("the pool is open, and its queue has no bound")
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
