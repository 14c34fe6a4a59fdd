//! An executor that keeps what it is given: the cost of a backend that costs nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};

use executor_core::{
    Admission, Capabilities, Executor, Job, JoinError, Rejected, Shutdown, Stats, Unsupported,
};

use crate::OPERATIONS;

/// Keeps the jobs until the path comes for them.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    jobs: Arc<Mutex<Vec<Job>>>,
    is_local: bool,
}

impl Shelf {
    /// For jobs that run here.
    pub(crate) fn local() -> Self {
        Self::new(true)
    }

    /// For jobs that are encoded.
    pub(crate) fn remote() -> Self {
        Self::new(false)
    }

    fn new(is_local: bool) -> Self {
        // It never grows while anything is counted.
        let jobs = Vec::with_capacity(OPERATIONS as usize);
        Self {
            jobs: Arc::new(Mutex::new(jobs)),
            is_local,
        }
    }

    /// All jobs, in the order in which they came.
    pub(crate) fn take(&self) -> Vec<Job> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Job>> {
        self.jobs.lock().expect("nothing panics under the lock")
    }
}

impl Executor for Shelf {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::local(1);
        capabilities.local = self.is_local;
        capabilities
    }

    fn execute(&self, job: Job, _admission: Admission) -> Result<(), Rejected> {
        self.lock().push(job);
        Ok(())
    }

    fn shutdown(&self, _mode: Shutdown) -> Result<(), Unsupported> {
        Ok(())
    }

    fn join(&self, _deadline: Option<Instant>) -> Result<(), JoinError> {
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}
