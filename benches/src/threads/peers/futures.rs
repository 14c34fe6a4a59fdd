use futures::{
    executor::{ThreadPool, ThreadPoolBuilder},
    future::RemoteHandle,
    task::SpawnExt as _,
};

use super::Subject;

/// The thread pool of the `futures` crate. Dropping it does not join its workers.
pub(crate) struct FuturesPool(ThreadPool);

impl Subject for FuturesPool {
    const NAME: &'static str = "futures ThreadPool";

    type Handle<R: Send + 'static> = RemoteHandle<R>;

    fn start(workers: usize) -> Self {
        Self(
            ThreadPoolBuilder::new()
                .pool_size(workers)
                .create()
                .expect("threads can be started"),
        )
    }

    fn submit<R, F>(&self, task: F) -> RemoteHandle<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        self.0
            .spawn_with_handle(async move { task() })
            .expect("the pool is open")
    }

    fn take<R: Send + 'static>(handle: RemoteHandle<R>) -> R {
        futures::executor::block_on(handle)
    }

    fn fire<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.0.spawn_ok(async move { task() });
    }
}
