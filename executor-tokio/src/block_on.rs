//! Tokio for one task, on a thread that has none.

use std::{future, future::Future, sync::LazyLock, thread};

use tokio::{
    runtime::{Builder, Handle},
    task::coop,
};

/// The runtime of all such tasks of this process: its one thread looks after timers and sockets, and the
/// tasks are polled by the threads that run them. So one of them may wait for another one on the same stack, which two
/// runtimes on one thread cannot do.
static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no tokio runtime can be made for tasks: {error}"),
    };
    let handle = runtime.handle().clone();
    let driver = thread::Builder::new().name(String::from("tokio-tasks"));
    if let Err(error) = driver.spawn(move || runtime.block_on(future::pending::<()>())) {
        panic!("no thread can be started for the tokio runtime of tasks: {error}");
    }
    handle
});

/// Runs a future to its end on this thread, with tokio's timers and sockets: what `#[task(runtime = "tokio")]`
/// comes to on executors that have no runtime of their own.
///
/// The runtime is a current-thread one that all such tasks of the process share; it has a thread of its own, which
/// runs what they spawn.
///
/// # Panics
///
/// If the runtime cannot be made, since the system gives it no file descriptors or no thread.
///
/// ```
/// use std::time::Duration;
///
/// let answer = executor_tokio::block_on(async {
///     tokio::time::sleep(Duration::from_millis(1)).await;
///     6 * 7
/// });
/// assert_eq!(answer, 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let _entered = RUNTIME.enter();
    // Without a budget, also where this is called in the middle of another poll of tokio's: nobody would renew it.
    executor_core::block_on(coop::unconstrained(future))
}
