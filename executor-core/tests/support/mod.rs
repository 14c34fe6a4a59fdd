//! What executors of tests have in common.

/// The methods of an executor that keeps what it is given: it has nothing to end, and counts nothing.
macro_rules! keeps_all {
    () => {
        fn shutdown(&self, _: executor_core::Shutdown) -> Result<(), executor_core::Unsupported> {
            Ok(())
        }

        fn join(&self, _: Option<std::time::Instant>) -> Result<(), executor_core::JoinError> {
            Ok(())
        }

        fn stats(&self) -> executor_core::Stats {
            executor_core::Stats::default()
        }
    };
}

pub(crate) use keeps_all;
