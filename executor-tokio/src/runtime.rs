//! The runtime: somebody else's, or the executor's own.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime that ends with its executor.
#[derive(Debug)]
pub(crate) struct OwnRuntime {
    /// `None` once it has ended.
    runtime: Mutex<Option<Runtime>>,
}

impl OwnRuntime {
    /// A new runtime with this many threads for futures.
    pub(crate) fn build(workers: usize, name: &str) -> io::Result<(Self, Handle)> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_name(name)
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let runtime = Mutex::new(Some(runtime));
        Ok((Self { runtime }, handle))
    }

    /// Ends the runtime, after all tasks. Waits for its threads, unless this could be one of them.
    pub(crate) fn end(&self) {
        let runtime = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match runtime {
            Some(runtime) if Handle::try_current().is_ok() => runtime.shutdown_background(),
            runtime => drop(runtime),
        }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        self.end();
    }
}
