//! All of the process pool, whose `BuildError` and `OnFull` have the names of the thread pool's.
//!
//! What is not in doubt is at the top of the crate as well.

pub use executor_process::{
    BuildError, BuildErrorKind, OnCrash, OnFull, ProcessPoolBuilder, ProcessPoolExecutor,
    WorkerProgram, WorkerStderr,
};

#[cfg(test)]
mod tests {
    use std::process;

    use executor_core::{ExecutorExt as _, Future as _};

    use super::ProcessPoolExecutor;

    executor_process::worker_process!();

    #[executor_macros::task(crate = "executor_core")]
    fn own_pid() -> u32 {
        process::id()
    }

    #[test]
    fn the_unit_tests_of_a_library_can_be_a_worker() {
        let pool = ProcessPoolExecutor::new(1).unwrap();
        let pid = pool.submit(own_pid::task()).unwrap().result().unwrap();
        assert_ne!(pid, process::id());
        assert_eq!(pool.worker_pids(), [pid]);
    }
}
