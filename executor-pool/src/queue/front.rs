//! For the tests of the queues: an executor that is nothing but a queue.

use std::{sync::Arc, time::Instant};

use executor_core::{
    Admission, Capabilities, Executor, Job, JoinError, LocalExecutor, LocalExecutorExt as _,
    Rejected, Shutdown, Stats, TaskFuture, Unsupported,
};

use super::{Locked, Pushed};
use crate::{OnFull, QueueOrder};

/// Puts its jobs into the queue, and leaves them there.
#[derive(Debug, Clone)]
pub(super) struct Front {
    pub(super) queue: Arc<Locked>,
    pub(super) on_full: OnFull,
    pub(super) is_worker: bool,
}

impl Front {
    pub(super) fn new(bound: usize) -> Self {
        Self {
            queue: Arc::new(Locked::new(QueueOrder::Fifo, Some(bound))),
            on_full: OnFull::Reject,
            is_worker: false,
        }
    }

    /// One whose queue is full, with the futures of what is in it.
    pub(super) fn full(bound: usize) -> (Self, Vec<TaskFuture<()>>) {
        let front = Self::new(bound);
        let futures = (0..bound).map(|_| front.spawn(|| ()).unwrap()).collect();
        (front, futures)
    }
}

impl Executor for Front {
    fn capabilities(&self) -> Capabilities {
        Capabilities::local(1)
    }

    fn execute(&self, job: Job, admission: Admission) -> Result<(), Rejected> {
        match self
            .queue
            .admit(job, admission, self.on_full, self.is_worker)
        {
            Pushed::Queued => {}
            Pushed::RunHere(job) => drop(job.run()),
            Pushed::Rejected(rejected) => return Err(rejected),
        }
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> Result<(), Unsupported> {
        self.queue.close();
        Ok(())
    }

    fn join(&self, _: Option<Instant>) -> Result<(), JoinError> {
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

impl LocalExecutor for Front {
    fn wants_work(&self) -> bool {
        false
    }
}
