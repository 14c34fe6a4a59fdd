//! Submitting without blocking the thread.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{Admission, Executor, Reason, SubmitError, Task, TaskFuture, cell::Submission};

/// The future of [`submit_async`](crate::ExecutorExt::submit_async): it waits for room in the queue of
/// an executor.
#[must_use = "nothing is submitted until this is awaited"]
pub struct SubmitAsync<'e, E: ?Sized, T: Task> {
    executor: &'e E,
    task: Option<T>,
    make: Make<E, T>,
}

/// Makes a job of the task, unless the executor cannot know it.
type Make<E, T> = fn(&E, T) -> Result<Submission<T>, SubmitError<T>>;

// Nothing in it is pinned: the task is moved out when it is submitted.
impl<E: ?Sized, T: Task> Unpin for SubmitAsync<'_, E, T> {}

impl<'e, E: ?Sized, T: Task> SubmitAsync<'e, E, T> {
    pub(crate) const fn new(executor: &'e E, task: T, make: Make<E, T>) -> Self {
        Self {
            executor,
            task: Some(task),
            make,
        }
    }
}

impl<E: Executor + ?Sized, T: Task> Future for SubmitAsync<'_, E, T> {
    type Output = Result<TaskFuture<T::Output>, SubmitError<T>>;

    /// # Panics
    ///
    /// If it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let task = this.task.take();
        let mut task = task.expect("a submission was polled after it was over");
        // Twice: there may be room by the time that the waker is to be left.
        for _ in 0..2 {
            let submission = match (this.make)(this.executor, task) {
                Ok(submission) => submission,
                Err(error) => return Poll::Ready(Err(error)),
            };
            let kind = submission.kind();
            let error = match submission.hand_to(this.executor, Admission::Now) {
                Ok(future) => return Poll::Ready(Ok(future)),
                Err(error) => error,
            };
            let reason;
            (task, reason) = error.into_parts();
            if !matches!(reason, Reason::Full { .. }) {
                return Poll::Ready(Err(SubmitError::new(task, reason)));
            }
            if this.executor.when_room(kind, context.waker()) {
                this.task = Some(task);
                return Poll::Pending;
            }
        }
        // Others were quicker, or the executor cannot tell: after everybody else has had a turn.
        this.task = Some(task);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<E: fmt::Debug + ?Sized, T: Task> fmt::Debug for SubmitAsync<'_, E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitAsync")
            .field("executor", &self.executor)
            .finish_non_exhaustive()
    }
}
