//! What is to be done once the pool's lock is let go: everything that may run the user's code or take
//! long.

use executor_core::{Job, StartedJob, TaskError, codec::Encoded};

use super::{MutexGuard, Shared, chores::Chore, state::State};
use crate::WorkerStderr;

/// Collected under the lock, and done without it.
#[derive(Default)]
pub(crate) struct Effects {
    /// Answered tasks.
    pub(crate) settled: Vec<(StartedJob, Result<Encoded, TaskError>)>,
    /// Chunks whose worker died, with the results that they had, and the error of the item that ran.
    pub(crate) interrupted: Vec<(StartedJob, Vec<u8>, TaskError)>,
    /// Tasks that will not be run.
    pub(crate) failed: Vec<(Job, TaskError)>,
    pub(crate) cancelled: Vec<Job>,
    /// What workers have written to standard error.
    pub(crate) stderr: Vec<u8>,
    /// There is room in the queue.
    pub(crate) has_room: bool,
    /// The pool has become idle, or has ended.
    pub(crate) is_quiet: bool,
}

impl Effects {
    pub(crate) fn is_empty(&self) -> bool {
        self.settled.is_empty()
            && self.interrupted.is_empty()
            && self.failed.is_empty()
            && self.cancelled.is_empty()
            && self.stderr.is_empty()
            && !self.has_room
            && !self.is_quiet
    }

    /// Lets go of the lock and does all of it; afterwards there is nothing to be done. Callbacks go to the pool's
    /// thread for chores, and so does what has to run the user's code before it is settled.
    pub(crate) fn carry_out(&mut self, shared: &Shared, state: MutexGuard<'_, State>) {
        let settles = self.let_go(state);
        for job in self.cancelled.drain(..) {
            shared.chores.add(Chore::Cancel(job));
        }
        self.settle(shared, settles);
    }

    /// As [`carry_out`](Self::carry_out), on a thread of the user's: what is cancelled is cancelled when
    /// this returns.
    pub(crate) fn carry_out_here(&mut self, shared: &Shared, state: MutexGuard<'_, State>) {
        let settles = self.let_go(state);
        for job in self.cancelled.drain(..) {
            job.cancel();
        }
        for (job, error) in self.failed.drain(..) {
            // Cancelled meanwhile, or failed now: it is settled in both cases.
            let _settled = job.fail(error);
        }
        self.settle(shared, settles);
    }

    /// The pool is not idle before what is settled here is settled. True if there is such.
    fn let_go(&self, mut state: MutexGuard<'_, State>) -> bool {
        let settles =
            !(self.settled.is_empty() && self.failed.is_empty() && self.cancelled.is_empty());
        state.settling += usize::from(settles);
        settles
    }

    fn settle(&mut self, shared: &Shared, settles: bool) {
        for (job, result) in self.settled.drain(..) {
            if let Some(callbacks) = job.settle(result) {
                shared.chores.add(Chore::Callbacks(callbacks));
            }
        }
        for (job, partial, error) in self.interrupted.drain(..) {
            // It decodes what the items gave.
            shared.chores.add(Chore::Interrupted {
                job,
                partial,
                error,
            });
        }
        for (job, error) in self.failed.drain(..) {
            if let Ok(job) = job.claim()
                && let Some(callbacks) = job.settle(Err(error))
            {
                shared.chores.add(Chore::Callbacks(callbacks));
            }
        }
        if settles {
            let mut state = shared.state();
            state.settling -= 1;
            self.is_quiet |= state.is_idle();
        }
        self.pass_stderr_on(shared);
        self.notify(shared);
    }

    fn pass_stderr_on(&mut self, shared: &Shared) {
        if self.stderr.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.stderr);
        // Not here: whoever reads it may be slow.
        if !matches!(shared.settings.stderr, WorkerStderr::Discard) {
            shared.chores.add(Chore::Stderr(bytes));
        }
    }

    fn notify(&mut self, shared: &Shared) {
        if std::mem::take(&mut self.has_room) {
            shared.announce_room();
        }
        if std::mem::take(&mut self.is_quiet) {
            shared.quiet.notify_all();
        }
    }
}
