//! Where the threads come from.

use std::sync::Arc;

use executor_core::HostKind;

use super::{Runner, Runners};

/// The pool of somebody else whose threads run jobs.
pub trait Lender: Send + Sync + 'static {
    /// Whether it is a pool of threads or an async runtime.
    fn kind(&self) -> HostKind;

    /// Has [`Runner::run`] called on one of its threads, soon. A runner that is dropped instead breaks
    /// the executor: the pool is gone.
    fn lend(&self, runner: Runner);

    /// Whether the current thread is one of the pool's, whatever it is doing. Such a thread runs the
    /// task that it waits for, and never waits for room. Asked of a pool of threads.
    fn is_own_thread(&self) -> bool {
        false
    }

    /// Whether the current thread must not block. Asked of an async runtime.
    fn must_not_block(&self) -> bool {
        false
    }

    /// A runner has run several jobs, and is between two: whatever else the pool has to do may be done
    /// now, also on this very stack.
    fn breathe(&self) {}

    /// Has [`Runners::join_in`] called on all other threads of the pool, as each of them becomes idle. For
    /// pools that may call a runner in the middle of a job, when this runner has been refused.
    fn offer(&self, _runners: &Arc<Runners>) {}
}
