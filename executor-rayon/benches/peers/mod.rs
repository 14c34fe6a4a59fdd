//! Ours, and rayon as it is without us.

mod ours;
#[path = "../../../executor-threads/benches/peers/rayon.rs"]
mod rayon;

pub(crate) use self::rayon::Rayon;

/// Rayon's threads, as their users would use them.
pub(crate) trait Subject: Send + Sync + Sized + 'static {
    /// How the tables name it.
    const NAME: &'static str;

    /// What gives the result of one task.
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

    /// Submits a task whose result nobody wants.
    fn fire<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static;
}
