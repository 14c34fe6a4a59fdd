use executor_core::Registry;

/// Prepares this program; call it first in `main`.
///
/// It checks that no two `#[task]` functions of the program have the same name, so that a clash
/// shows at the start and not at the first call that could mean either.
///
/// A backend whose workers are processes (features `process` and `nats`) starts this very program again as its
/// worker. Such a program must call `init` before anything that a worker should not do, since in a worker
/// `init` serves tasks and does not return. For the backends that run in this process, calling it is
/// good practice and costs next to nothing: the program is then ready for any backend.
///
/// A program whose `main` is not its own, such as a test binary, writes `worker_process!();` instead.
///
/// # Panics
///
/// If two tasks have one name; the message names it.
///
/// ```
/// concurrent_futures::init(); // before anything else in `main`
/// ```
pub fn init() {
    Registry::global();
    #[cfg(any(feature = "nats", feature = "process"))]
    executor_process::init();
}
