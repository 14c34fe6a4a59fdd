use std::{
    fmt,
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::{
    CellRef, JobKey, Ran,
    state::{CLAIMED, DONE, HANDED, REGISTERING, Snapshot, WAITER},
    waiter::Waiter,
};
use crate::{
    Feature, Future, Outcome, State, StopLevel, TaskError, Unsupported, context, park, remote,
};

/// The future that every executor returns. One pointer wide.
///
/// Dropping it lets the task go on, unobserved.
#[must_use = "dropping a future lets its task go on unobserved; say `drop(..)` if that is meant"]
pub struct TaskFuture<T> {
    cell: CellRef,
    value: PhantomData<fn() -> T>,
}

impl<T> TaskFuture<T> {
    /// # Safety
    ///
    /// The future's reference of the cell is given to the new value, and `T` is the type of the
    /// task's output.
    pub(crate) unsafe fn from_cell(cell: CellRef) -> Self {
        Self {
            cell,
            value: PhantomData,
        }
    }

    pub(crate) const fn cell(&self) -> CellRef {
        self.cell
    }

    /// The cell with the future's reference, for whoever takes over.
    pub(crate) fn into_cell(self) -> CellRef {
        let cell = self.cell;
        mem::forget(self);
        cell
    }

    /// The name of the submission, or else of the task.
    #[must_use]
    pub fn name(&self) -> &str {
        self.cell.name()
    }

    /// The identity of its job: what a backend knows the task by, once the job is in a queue.
    #[must_use]
    pub fn key(&self) -> JobKey {
        JobKey::of(self.cell)
    }

    /// Runs the task in order to wait for it, if it is one of this worker's executor. Gives the result if nobody else
    /// is concerned: then the job lay on top of the worker's own queue. Else it gives the future back.
    #[inline]
    fn run_own(self) -> Result<Result<T, TaskError>, Self> {
        let Some((job, ran)) = context::reclaim(self.cell) else {
            // Whether it ran shows in its state.
            let _ran = context::help_in_place(self.cell);
            return Err(self);
        };
        if job.cell() == self.cell && self.cell.snapshot().is_untouched() {
            job.into_cell();
            // SAFETY: the job's and the future's reference, each taken from its owner. Nobody has touched the
            // task, and nobody can, since there is no third reference.
            let (outcome, result) = unsafe { self.into_cell().run_and_take() };
            ran(Ran::Here(outcome));
            return Ok(result);
        }
        // Somebody has left a callback, or holds a reference.
        ran(job.run());
        Err(self)
    }

    fn result_now(self, seen: Snapshot) -> Result<T, TaskError> {
        // SAFETY: `seen` shows that the task is done; the future's reference is taken from the future.
        unsafe { self.into_cell().take_and_release(seen) }
    }
}

impl<T> Future for TaskFuture<T> {
    type Value = T;

    fn state(&self) -> State {
        let state = State::of(self.cell.snapshot());
        // What was handed to a worker elsewhere is running as soon as that worker says so.
        if state == State::Pending
            && self.cell.snapshot().is(HANDED)
            && let Some(remote) = remote::of(self.cell.home())
            && remote.has_started(JobKey::of(self.cell))
        {
            return match State::of(self.cell.snapshot()) {
                State::Pending => State::Running,
                later => later,
            };
        }
        state
    }

    fn cancel(&self) -> bool {
        self.cell.cancel()
    }

    fn stop(&self, level: StopLevel) -> Result<(), Unsupported> {
        if let Some(remote) = remote::of(self.cell.home()) {
            return if self.is_done() {
                remote.can_stop(level)
            } else {
                remote.stop(JobKey::of(self.cell), level, &|| self.cancel())
            };
        }
        match level {
            StopLevel::Signal => {
                if !self.cancel() {
                    self.cell.request_stop();
                }
                Ok(())
            }
            StopLevel::Kill => Err(Unsupported::new(Feature::Kill)),
        }
    }

    fn take(&self) -> Option<Result<T, TaskError>> {
        // SAFETY: `T` is the output's type, and the reference is the future's.
        unsafe { self.cell.take() }
    }

    fn peek_error(&self) -> Option<TaskError> {
        // SAFETY: the reference is the future's.
        unsafe { self.cell.error() }
    }

    fn subscribe(&self, waker: &Waker) -> bool {
        self.cell.register(Waiter::Waker(waker.clone())).is_ok()
    }

    fn unsubscribe(&self, waker: &Waker) {
        self.cell.unregister(Some(waker));
    }

    fn help(&self) -> bool {
        context::help(self.cell)
    }

    fn drive(&self, deadline: Option<Instant>) {
        if let Some(remote) = remote::of(self.cell.home()) {
            remote.drive(JobKey::of(self.cell), &|| self.is_done(), deadline);
        }
    }

    fn would_deadlock(&self) -> bool {
        !self.is_done() && context::refuses_wait(self.cell.home())
    }

    fn on_done(&self, callback: impl FnOnce(Outcome) + Send + 'static) {
        if let Err(callback) = self.cell.register(Waiter::Callback(Box::new(callback))) {
            callback.fire(self.cell.outcome().unwrap_or(Outcome::Cancelled));
        }
    }

    fn expires(&self) -> Option<Instant> {
        self.cell
            .options()?
            .start_by
            .filter(|_| !self.cell.snapshot().is(CLAIMED))
    }

    #[inline]
    fn is_done(&self) -> bool {
        self.cell.snapshot().is(DONE)
    }

    #[inline]
    fn result(self) -> Result<T, TaskError> {
        let mut seen = self.cell.snapshot();
        if seen.is(DONE) {
            return self.result_now(seen);
        }
        let future = if seen.is(CLAIMED) {
            self
        } else {
            match self.run_own() {
                Ok(result) => return result,
                Err(future) => future,
            }
        };
        if !park::wait_until_done(&future, None) {
            return Err(TaskError::wait_refused());
        }
        seen = future.cell.snapshot();
        future.result_now(seen)
    }
}

impl<T> std::future::Future for TaskFuture<T> {
    type Output = Result<T, TaskError>;

    /// # Panics
    ///
    /// If it is polled after it has given the result.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.is_done() && !self.help() {
            // A future that is polled is not waited for in another way: the new waker replaces.
            if self.cell.snapshot().is(WAITER | REGISTERING) {
                self.cell.unregister(None);
            }
            if self.subscribe(cx.waker()) {
                return Poll::Pending;
            }
        }
        Poll::Ready(
            self.take()
                .expect("a future was polled after it had given its result"),
        )
    }
}

impl<T> Drop for TaskFuture<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the future's reference, given up once.
        unsafe { self.cell.drop_future() };
    }
}

impl<T> fmt::Debug for TaskFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskFuture")
            .field("task", &self.name())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
