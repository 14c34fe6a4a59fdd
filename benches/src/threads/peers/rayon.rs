use rayon::ThreadPoolBuilder;

use super::Subject;

/// `rayon::spawn`, with a `oneshot` for the result.
pub(crate) struct Rayon(rayon::ThreadPool);

/// A pool of rayon's own.
pub(crate) fn rayon_pool(workers: usize) -> rayon::ThreadPool {
    let builder = ThreadPoolBuilder::new().num_threads(workers);
    builder.build().expect("threads can be started")
}

impl Subject for Rayon {
    const NAME: &'static str = "rayon + oneshot";

    type Handle<R: Send + 'static> = oneshot::Receiver<R>;

    fn start(workers: usize) -> Self {
        Self(rayon_pool(workers))
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
        self.0.spawn(task);
    }
}
