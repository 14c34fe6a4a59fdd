//! Executors for tests: predictable, and without threads of their own.

mod inline;
mod manual;
mod round_trip;

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

pub use self::{inline::InlineExecutor, manual::ManualExecutor, round_trip::RoundTripExecutor};
use crate::{JoinError, Shutdown};

/// Whether an executor without workers has been shut down, and how.
#[derive(Debug, Default)]
struct Switch {
    mode: Mutex<Option<Shutdown>>,
    changed: Condvar,
}

impl Switch {
    fn is_off(&self) -> bool {
        self.lock().is_some()
    }

    fn turn_off(&self, mode: Shutdown) {
        let mut now = self.lock();
        *now = (*now).max(Some(mode));
        self.changed.notify_all();
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        let mut mode = self.lock();
        while mode.is_none() {
            mode = match deadline {
                None => self
                    .changed
                    .wait(mode)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(JoinError::still_running(0));
                    }
                    let waited = self.changed.wait_timeout(mode, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Shutdown>> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
