use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::Switch;
use crate::{
    Admission, Capabilities, Executor, Job, JoinError, LocalExecutor, Outcome, Ran, Reason,
    Rejected, Shutdown, Stats, Unsupported,
};

/// Runs each task inside the call that submits it.
///
/// ```
/// use executor_core::{Future as _, LocalExecutorExt as _, testing::InlineExecutor};
///
/// let future = InlineExecutor::new().spawn(|| 6 * 7)?;
/// assert!(future.is_done());
/// assert_eq!(future.result()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct InlineExecutor {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    switch: Switch,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl InlineExecutor {
    /// An executor that runs each task inside the call that submits it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Executor for InlineExecutor {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            background: false,
            ..Capabilities::local(1)
        }
    }

    fn execute(&self, job: Job, _admission: Admission) -> Result<(), Rejected> {
        if self.shared.switch.is_off() {
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        let job = self.capabilities().admit(job)?;
        let count = match job.run() {
            Ran::Here(Outcome::Succeeded) => &self.shared.succeeded,
            _ => &self.shared.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.capabilities().check_shutdown(mode)?;
        self.shared.switch.turn_off(mode);
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        self.shared.switch.wait(deadline)
    }

    fn stats(&self) -> Stats {
        Stats {
            succeeded: self.shared.succeeded.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            ..Stats::default()
        }
    }
}

impl LocalExecutor for InlineExecutor {
    fn wants_work(&self) -> bool {
        false
    }
}
