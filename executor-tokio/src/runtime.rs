//! The runtime: somebody else's, or the executor's own.

use std::{
    cell::Cell,
    io, ptr,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Instant,
};

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime that ends with its executor.
#[derive(Debug)]
pub(crate) struct OwnRuntime {
    /// `None` once it is to end.
    runtime: Mutex<Option<Runtime>>,
    end: Arc<End>,
}

/// The end of a runtime, to be waited for.
#[derive(Debug, Default)]
struct End {
    is_over: Mutex<bool>,
    changed: Condvar,
}

/// A runtime on its way out.
struct Ending {
    runtime: Option<Runtime>,
    end: Arc<End>,
}

thread_local! {
    /// The end of the own runtime that this thread belongs to, which lives as long as the thread.
    static RUNTIME: Cell<*const End> = const { Cell::new(ptr::null()) };
}

impl OwnRuntime {
    /// A new runtime with this many threads for futures.
    pub(crate) fn build(workers: usize, name: &str) -> io::Result<(Self, Handle)> {
        let end = Arc::<End>::default();
        let of_thread = Arc::clone(&end);
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_name(name)
            .on_thread_start(move || RUNTIME.set(Arc::as_ptr(&of_thread)))
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let runtime = Mutex::new(Some(runtime));
        Ok((Self { runtime, end }, handle))
    }

    /// Whether this is one of the runtime's threads, which must not wait for its end.
    pub(crate) fn is_current(&self) -> bool {
        ptr::eq(RUNTIME.get(), Arc::as_ptr(&self.end))
    }

    /// Ends the runtime, after all tasks. What they have left on its blocking threads is not waited for.
    pub(crate) fn end(&self) {
        let runtime = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(runtime) = runtime else { return };
        let ending = Ending {
            runtime: Some(runtime),
            end: Arc::clone(&self.end),
        };
        // On a thread of its own: this one may be one that must not wait, or not for so long.
        let ender = thread::Builder::new().name(String::from("tokio-end"));
        // Without the thread the runtime ends in the background.
        drop(ender.spawn(move || ending.wait()));
    }

    /// Waits until the runtime's threads have ended. False if the deadline passed first.
    pub(crate) fn join(&self, deadline: Option<Instant>) -> bool {
        self.end.wait(deadline)
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        self.end();
    }
}

impl Ending {
    fn wait(mut self) {
        // Waits for its threads.
        drop(self.runtime.take());
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        *self
            .end
            .is_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.end.changed.notify_all();
    }
}

impl End {
    fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_over {
            is_over = match deadline {
                None => self
                    .changed
                    .wait(is_over)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    let waited = self.changed.wait_timeout(is_over, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }
}
