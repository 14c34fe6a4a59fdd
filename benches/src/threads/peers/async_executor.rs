use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

use async_executor::{Executor, Task};
use futures::channel::oneshot;

use super::Subject;

/// `async_executor::Executor`, run by threads of its own, as its documentation shows.
pub(crate) struct AsyncExecutor {
    executor: Arc<Executor<'static>>,
    stop: Vec<oneshot::Sender<()>>,
    workers: Vec<JoinHandle<bool>>,
}

impl Subject for AsyncExecutor {
    const NAME: &'static str = "async-executor";

    type Handle<R: Send + 'static> = Task<R>;

    fn start(workers: usize) -> Self {
        let executor = Arc::new(Executor::new());
        let worker = |_| {
            let executor = Arc::clone(&executor);
            let (stop, stopped) = oneshot::channel::<()>();
            // The sender is dropped, never used: that is an error here, and the end of the run.
            let run = move || futures::executor::block_on(executor.run(stopped)).is_err();
            (stop, thread::spawn(run))
        };
        let (stop, workers) = (0..workers).map(worker).unzip();
        Self {
            executor,
            stop,
            workers,
        }
    }

    fn submit<R, F>(&self, task: F) -> Task<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        self.executor.spawn(async move { task() })
    }

    fn take<R: Send + 'static>(handle: Task<R>) -> R {
        futures::executor::block_on(handle)
    }

    fn fire<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.submit(task).detach();
    }
}

impl Drop for AsyncExecutor {
    fn drop(&mut self) {
        self.stop.clear();
        for worker in self.workers.drain(..) {
            worker.join().expect("no task of the benchmarks panics");
        }
    }
}
