use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::Switch;
use crate::{
    Admission, Capabilities, Executor, Job, JoinError, Reason, Registry, Rejected, Shutdown, Stats,
    TaskError, Unsupported,
    codec::{self, Part},
};

/// Sends each task through its encoded form and back, as a backend with other processes does, but
/// without the processes: inside the call that submits it.
///
/// What works here has a registered name, and survives the codec in both directions.
#[derive(Debug, Clone, Default)]
pub struct RoundTripExecutor {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    switch: Switch,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl RoundTripExecutor {
    /// An executor that knows the tasks of [`Registry::global`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Executor for RoundTripExecutor {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            background: false,
            local: false,
            ..Capabilities::local(1)
        }
    }

    fn execute(&self, job: Job, _admission: Admission) -> Result<(), Rejected> {
        if self.shared.switch.is_off() {
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        let mut job = self.capabilities().admit(job)?;
        let mut sent = Vec::new();
        let mut received = Vec::new();
        let result = job
            .encode(&mut sent)
            .map(|call| call.and_then(|call| Registry::global().run(&call, &mut received)));
        let (Some(result), Ok(job)) = (result, job.claim()) else {
            return Ok(());
        };
        let count = match result {
            Ok(()) => {
                job.complete(received.into_boxed_slice());
                &self.shared.succeeded
            }
            Err(error) => {
                job.fail(sent_back(&error));
                &self.shared.failed
            }
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

/// An error as it arrives from another process: its payload, for one, stays behind.
fn sent_back(error: &TaskError) -> TaskError {
    let mut bytes = Vec::new();
    codec::encode(Part::Output, error, &mut bytes)
        .and_then(|()| codec::decode(Part::Output, &bytes))
        .unwrap_or_else(TaskError::from)
}
