//! How an executor ends: what is taken back, what is waited for, and what fails.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use executor_core::{Job, JoinError, Shutdown, TaskError, TaskErrorKind, context};

use super::{
    Order, Shared, lock, sleep,
    state::{Held, State},
};

impl Shared {
    pub(crate) fn shutdown(&self, mode: Shutdown) {
        {
            let mut state = self.state();
            if state.shutdown >= Some(mode) {
                return;
            }
            state.shutdown = Some(mode);
        }
        if mode == Shutdown::Drain || self.is_own_thread() {
            self.wake.notify_one();
            self.announce();
            return;
        }
        let waiting: Vec<Job> = {
            let mut state = self.state();
            let waiting = std::mem::take(&mut state.waiting);
            let held = waiting
                .into_iter()
                .filter_map(|number| state.remove(number));
            let jobs = held.filter_map(|held| match held {
                Held::Pending(job) => Some(job),
                Held::Running(_) => None,
            });
            let jobs: Vec<Job> = jobs.collect();
            state.figures.cancelled += jobs.len() as u64;
            jobs
        };
        for job in waiting {
            job.cancel();
        }
        let (reply, answer) = mpsc::sync_channel(1);
        // The thread of the connection is gone only if all is over. It answers in a bounded time: what is cancelled is so when
        // this returns.
        if self.orders.send(Order::End(mode, reply)).is_ok() {
            let jobs = answer.recv().unwrap_or_default();
            self.state().figures.cancelled += jobs.len() as u64;
            for job in jobs {
                job.cancel();
            }
        }
        self.announce();
    }

    pub(crate) fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        if context::calls_callbacks_for(self.home()) {
            return Err(JoinError::would_deadlock());
        }
        if !self.watch(deadline, |state| state.has_ended) {
            return Err(JoinError::still_running(self.state().tasks.len().max(1)));
        }
        self.join_thread();
        Ok(())
    }

    /// Waits for the thread of the connection, unless that is the caller.
    pub(crate) fn join_thread(&self) {
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let joined = thread.join();
            debug_assert!(
                joined.is_ok(),
                "the thread of the connection does not panic"
            );
        }
    }

    pub(crate) fn wait_idle(&self, timeout: Option<Duration>) -> bool {
        if context::calls_callbacks_for(self.home()) {
            return false;
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.watch(deadline, |state| state.tasks.is_empty() || state.has_ended)
    }

    fn watch(&self, deadline: Option<Instant>, reached: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state();
        while !reached(&state) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            state = sleep(&self.quiet, state, left);
        }
        true
    }

    /// Fails everything; nothing is accepted any more.
    pub(crate) fn give_up(&self, cause: &str) {
        let cause: Arc<str> = cause.into();
        let numbers: Vec<u64> = {
            let mut state = self.state();
            state.broken = Some(Arc::clone(&cause));
            state.tasks.keys().copied().collect()
        };
        for number in numbers {
            self.fail(number, || {
                TaskError::new(TaskErrorKind::Broken(cause.to_string()))
            });
        }
        self.wake.notify_one();
        self.announce();
    }
}
