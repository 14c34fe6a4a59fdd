//! What futures ask the executor, whose workers alone know.

use std::sync::mpsc;

use executor_core::{JobKey, Remote, Revoked, StopLevel, Unsupported};

use super::{Order, Shared, state::Held};
use crate::wire::Level;

impl Remote for Shared {
    fn has_started(&self, job: JobKey) -> bool {
        self.catch_up();
        let state = self.state();
        let entry = state
            .number_of(job)
            .and_then(|number| state.tasks.get(&number));
        entry.is_some_and(|entry| matches!(entry.job, Held::Running(_)))
    }

    fn revoke(&self, job: JobKey) -> Revoked {
        let number = {
            let state = self.state();
            let Some(number) = state.number_of(job) else {
                return Revoked::NotHere;
            };
            if matches!(state.tasks.get(&number), Some(entry) if matches!(entry.job, Held::Running(_)))
            {
                return Revoked::Started;
            }
            number
        };
        if self.is_own_thread() {
            // A drop of the user's, in the middle of our own work: there is nobody to ask.
            return Revoked::Started;
        }
        let (reply, answer) = mpsc::sync_channel(1);
        if self.orders.send(Order::Cancel(number, reply)).is_err() {
            return Revoked::NotHere;
        }
        // The thread of the connection answers in a bounded time, and drops the order when it ends.
        let (revoked, job) = answer.recv().unwrap_or((Revoked::NotHere, None));
        if let Some(job) = job {
            self.state().figures.cancelled += 1;
            job.cancel();
            self.announce();
        }
        revoked
    }

    fn stop(
        &self,
        job: JobKey,
        level: StopLevel,
        cancel: &dyn Fn() -> bool,
    ) -> Result<(), Unsupported> {
        if cancel() || self.is_own_thread() {
            return Ok(());
        }
        let Some(number) = self.state().number_of(job) else {
            return Ok(());
        };
        let level = match level {
            StopLevel::Kill => Level::Kill,
            _ => Level::Signal,
        };
        let (reply, answer) = mpsc::sync_channel(1);
        if self.orders.send(Order::Stop(number, level, reply)).is_ok() {
            // As above; whoever ended meanwhile needs no stop.
            let _ended = answer.recv();
        }
        Ok(())
    }

    fn can_stop(&self, _level: StopLevel) -> Result<(), Unsupported> {
        Ok(())
    }
}
