//! Tokio for one task, on a thread that has none.

use std::{cell::RefCell, future::Future, rc::Rc};

use tokio::runtime::{Builder, Runtime};

use crate::probe;

thread_local! {
    /// The runtime of this thread, once it has had a use for one.
    static RUNTIME: RefCell<Option<Rc<Runtime>>> = const { RefCell::new(None) };
}

/// Runs a future to its end on this thread, with tokio's timers and sockets: what `#[task(runtime = "tokio")]`
/// comes to on executors that have no runtime of their own.
///
/// The thread keeps a runtime for this, which has no other threads; what the future spawns on it goes on only
/// while a later future runs on this thread.
///
/// # Panics
///
/// If no runtime can be made, since the system gives it no file descriptors; or in async code that tokio
/// polls, where a thread must not block.
///
/// ```
/// assert_eq!(executor_tokio::block_on(async { 6 * 7 }), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    assert!(
        !probe::is_async(),
        "a task with a runtime of its own would block the async code that runs it: use `.await`"
    );
    let runtime = RUNTIME.with_borrow_mut(|slot| Rc::clone(slot.get_or_insert_with(make)));
    runtime.block_on(future)
}

fn make() -> Rc<Runtime> {
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => Rc::new(runtime),
        Err(error) => panic!("no tokio runtime can be made for a task: {error}"),
    }
}
