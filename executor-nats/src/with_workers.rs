//! An executor that brings workers of its own.

use std::{sync::Arc, task::Waker, time::Instant};

use executor_core::{
    Admission, Capabilities, Executor, Job, JobKind, JoinError, Rejected, Shutdown, Stats,
    Unsupported,
};

use crate::{NatsExecutor, Worker};

/// A [`NatsExecutor`] beside a [`Worker`] of the same queue, in one program: what is submitted gets done, whoever else takes part.
///
/// A handle: once the last clone is dropped, the executor finishes what it accepted, and then the worker drains.
#[derive(Debug, Clone)]
pub struct WithWorkers {
    // In this order: whoever waits for its tasks needs somebody who runs them.
    executor: NatsExecutor,
    _worker: Arc<Worker>,
}

impl WithWorkers {
    /// These two. They should be of one queue.
    #[must_use]
    pub fn new(executor: NatsExecutor, worker: Worker) -> Self {
        Self {
            executor,
            _worker: Arc::new(worker),
        }
    }

    /// The executor without its workers.
    #[must_use]
    pub const fn executor(&self) -> &NatsExecutor {
        &self.executor
    }
}

impl Executor for WithWorkers {
    fn capabilities(&self) -> Capabilities {
        self.executor.capabilities()
    }

    fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected> {
        self.executor.execute(job, admission)
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.executor.shutdown(mode)
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        self.executor.join(deadline)
    }

    fn stats(&self) -> Stats {
        self.executor.stats()
    }

    fn when_room(&self, kind: JobKind, waker: &Waker) -> bool {
        self.executor.when_room(kind, waker)
    }
}
