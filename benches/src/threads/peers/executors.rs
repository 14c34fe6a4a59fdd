use executors::{
    Executor,
    crossbeam_workstealing_pool::{self, ThreadPool},
    parker::{SmallThreadData, StaticParker},
};

use super::Subject;

/// The work-stealing pool of the `executors` crate, with a `oneshot` for the result.
pub(crate) struct WorkStealing(ThreadPool<StaticParker<SmallThreadData>>);

impl Subject for WorkStealing {
    const NAME: &'static str = "executors + oneshot";

    type Handle<R: Send + 'static> = oneshot::Receiver<R>;

    fn start(workers: usize) -> Self {
        Self(crossbeam_workstealing_pool::small_pool(workers))
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

    fn stop(self) {
        self.0
            .shutdown()
            .expect("the pool was not shut down before");
    }
}
