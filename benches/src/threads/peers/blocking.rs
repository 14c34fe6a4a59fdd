use tokio::{runtime::Runtime, task::JoinHandle};

use super::{Subject, tokio::runtime};

/// `tokio::task::spawn_blocking`, with as many blocking threads as the others have workers. The
/// runtime's one other thread sleeps.
pub(crate) struct TokioBlocking(Runtime);

impl Subject for TokioBlocking {
    const NAME: &'static str = "tokio spawn_blocking";

    type Handle<R: Send + 'static> = JoinHandle<R>;

    fn start(workers: usize) -> Self {
        Self(runtime(1, workers))
    }

    fn submit<R, F>(&self, task: F) -> JoinHandle<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        self.0.spawn_blocking(task)
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
