//! The pools under measurement, each behind the same small trait.
//!
//! A new subject is a file with an implementation of [`Subject`], and a line in [`each_subject`].

mod async_executor;
mod async_task;
mod blocking;
mod crossbeam;
mod executors;
mod futures;
mod ours;
mod rayon;
mod rusty_pool;
mod scheduled;
mod threadpool;
mod tokio;

pub(crate) use self::{
    async_executor::AsyncExecutor,
    async_task::AsyncTask,
    blocking::TokioBlocking,
    crossbeam::Crossbeam,
    executors::WorkStealing,
    futures::FuturesPool,
    rayon::{Rayon, rayon_pool},
    rusty_pool::RustyPool,
    scheduled::Scheduled,
    threadpool::ThreadPool,
    tokio::TokioSpawn,
};

/// A pool of worker threads, as its users would use it.
pub(crate) trait Subject: Send + Sync + Sized + 'static {
    /// How the tables name it.
    const NAME: &'static str;

    /// What gives the result of one task: its own future or handle where the pool has one, and a
    /// `oneshot` channel where it has not.
    type Handle<R: Send + 'static>: Send + 'static;

    /// Builds a pool.
    fn start(workers: usize) -> Self;

    /// Submits a task whose result is wanted.
    fn submit<R, F>(&self, task: F) -> Self::Handle<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static;

    /// Waits for a result, on a thread that is not a worker.
    fn take<R: Send + 'static>(handle: Self::Handle<R>) -> R;

    /// Submits a task whose result nobody wants, in the cheapest way that the pool has.
    fn fire<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static;

    /// Ends the pool. Joins the workers where dropping the pool does.
    fn stop(self) {
        drop(self);
    }
}

/// Calls a macro with the list of all subjects, ours first.
macro_rules! each_subject {
    ($macro:ident ! ($($arguments:tt)*)) => {
        $macro! { ($($arguments)*)
            ::executor_threads::ThreadPoolExecutor,
            $crate::threads::peers::WorkStealing,
            $crate::threads::peers::Crossbeam,
            $crate::threads::peers::AsyncTask,
            $crate::threads::peers::Rayon,
            $crate::threads::peers::AsyncExecutor,
            $crate::threads::peers::TokioSpawn,
            $crate::threads::peers::TokioBlocking,
            $crate::threads::peers::RustyPool,
            $crate::threads::peers::ThreadPool,
            $crate::threads::peers::FuturesPool,
            $crate::threads::peers::Scheduled,
        }
    };
}

pub(crate) use each_subject;
