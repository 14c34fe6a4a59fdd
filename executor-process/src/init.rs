//! How a program becomes ready to be its own worker.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::worker;

static IS_INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Lets this program serve as its own worker process. Call it first in `main`.
///
/// In a process that a pool has started as a worker, it serves tasks and does not return. In any other it
/// notes that it was called, which costs nothing, and pools can be built from then on.
///
/// What comes before it runs in each worker too, so nothing should; register tasks by hand
/// ([`Registry::with`](executor_core::Registry::with)) if need be.
///
/// A program whose `main` is not its own uses [`worker_process!`](crate::worker_process) instead.
///
/// ```
/// executor_process::init(); // before anything else in `main`
/// ```
pub fn init() {
    // First, since tasks in a worker may make pools of their own.
    IS_INITIALIZED.store(true, Ordering::Release);
    worker::main();
}

pub(crate) fn is_initialized() -> bool {
    IS_INITIALIZED.load(Ordering::Acquire)
}

/// Lets a program whose `main` is not its own serve as its own worker process: a test binary, a doc test.
/// Write it once, at the top of a file of that program.
///
/// It does what [`init`](crate::init()) does, but before `main`: a worker of a test binary serves tasks,
/// and no test runs in it.
///
/// ```
/// use executor_core::{ExecutorExt as _, Future as _};
/// use executor_macros::task;
/// use executor_process::ProcessPoolExecutor;
///
/// executor_process::worker_process!();
///
/// #[task(crate = "executor_core")]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = ProcessPoolExecutor::new(1)?;
/// assert_eq!(pool.submit(square::task(12))?.result()?, 144);
/// # Ok(())
/// # }
/// ```
///
/// - It belongs into the program itself: `tests/*.rs`, `main.rs`, or a library's `#[cfg(test)]` module for its
///   unit tests. In a library's code the linker may leave it out, and where it does not, it decides for
///   programs that did not ask for it.
/// - Where `main` is your own, call [`init`](crate::init()): that is plain code, and works everywhere.
/// - A worker that serves before `main` lacks what std sets up for `main`: when a task overflows the stack,
///   the worker dies by SIGSEGV without std's message, and its main thread has no name.
/// - The tasks may be in this crate or in any other. Those that [register by
///   themselves](executor_core#features) are known in such a worker; those that `main` would list by hand
///   are not.
#[macro_export]
macro_rules! worker_process {
    () => {
        $crate::__worker_process_hook!();
    };
}
