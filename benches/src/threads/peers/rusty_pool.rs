use std::time::Duration;

use rusty_pool::JoinHandle;

use super::Subject;

/// The `rusty_pool` crate, which starts its threads just in time.
pub(crate) struct RustyPool(rusty_pool::ThreadPool);

impl Subject for RustyPool {
    const NAME: &'static str = "rusty_pool";

    type Handle<R: Send + 'static> = JoinHandle<R>;

    fn start(workers: usize) -> Self {
        Self(rusty_pool::ThreadPool::new(
            workers,
            workers,
            Duration::from_secs(60),
        ))
    }

    fn submit<R, F>(&self, task: F) -> JoinHandle<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        self.0.evaluate(task)
    }

    fn take<R: Send + 'static>(handle: JoinHandle<R>) -> R {
        handle.await_complete()
    }

    fn fire<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.0.execute(task);
    }

    fn stop(self) {
        self.0.shutdown_join();
    }
}
