use super::Subject;

/// The `threadpool` crate, with a `oneshot` for the result. Dropping it does not join its workers.
pub(crate) struct ThreadPool(threadpool::ThreadPool);

impl Subject for ThreadPool {
    const NAME: &'static str = "threadpool + oneshot";

    type Handle<R: Send + 'static> = oneshot::Receiver<R>;

    fn start(workers: usize) -> Self {
        Self(threadpool::ThreadPool::new(workers))
    }

    fn submit<R, F>(&self, task: F) -> oneshot::Receiver<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.fire(move || drop(sender.send(task())));
        receiver
    }

    fn take<R: Send + 'static>(handle: oneshot::Receiver<R>) -> R {
        handle.recv().expect("every task sends its result")
    }

    fn fire<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.0.execute(task);
    }
}
