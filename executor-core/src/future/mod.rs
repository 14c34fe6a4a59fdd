//! A result that does not exist yet: the [`Future`] trait, and the future that every executor returns.

mod map;
mod shared;
mod then;

use std::{
    task::Waker,
    time::{Duration, Instant},
};

pub use self::{map::Map, shared::Shared, then::Then};
use crate::{
    StopLevel, TaskError, Unsupported,
    cell::state::{CANCELLED, CLAIMED, DONE, FAILED, Snapshot},
    park,
};

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It returned.
    Succeeded,
    /// It has an error: it panicked, timed out, was lost, ...
    Failed,
    /// It was cancelled before it started.
    Cancelled,
}

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Accepted; no worker has started it, and it can be cancelled.
    Pending,
    /// A worker has started it.
    Running,
    /// Done.
    Done(Outcome),
}

/// A result that does not exist yet.
///
/// Everything here agrees on one meaning of *done*: the outcome is final. A cancelled future is
/// done from the moment [`cancel`](Self::cancel) returns true.
///
/// Each future is also a `std::future::Future` whose output is `Result<Value, TaskError>`, and
/// works under any async runtime. Dropping a future lets its task go on, unobserved.
///
/// The prelude brings this trait in as `_`, so that `Future` keeps its usual meaning.
///
/// # Waiting inside a worker
///
/// A thread that waits for a task of the executor whose worker it is runs that very task itself
/// if it has not been started (never another one, which might need a lock that the waiter holds), so
/// that such waits cannot deadlock. A wait with a time limit may then take as long as the task does.
pub trait Future:
    std::future::Future<Output = Result<<Self as Future>::Value, TaskError>> + Send
{
    /// What the task gives back.
    type Value;

    /// Where the task is.
    fn state(&self) -> State;

    /// Cancels the task if it has not been started. True if it was cancelled now: then it never
    /// runs, it has been dropped, and the future is done.
    fn cancel(&self) -> bool;

    /// Stops the task: a pending one is cancelled, a running one is stopped at this level, and for
    /// one that is done nothing happens.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] if the executor cannot stop at this level, whatever state the task is in.
    fn stop(&self, level: StopLevel) -> Result<(), Unsupported>;

    /// Takes the result, if the task is done. The first call gets it; after that there is none,
    /// and [`result`](Self::result) must not be called.
    fn take(&self) -> Option<Result<Self::Value, TaskError>>;

    /// The error, if the task is done and has one; without waiting, and without taking it.
    fn peek_error(&self) -> Option<TaskError>;

    /// Has `waker` woken once the task is done. False if it is done already: then `waker` is not
    /// kept. A waker that is registered already is not registered again.
    fn subscribe(&self, waker: &Waker) -> bool;

    /// Forgets `waker`.
    fn unsubscribe(&self, waker: &Waker);

    /// Runs the task on this thread, if it has not been started and this thread is a worker of its
    /// executor. True if it ran. Every wait calls this first.
    fn help(&self) -> bool;

    /// Does the work of the executor that stands between the task and its result on this thread, until
    /// the task is done or `deadline` passes, if that is quicker than to sleep until others have done
    /// it: a thread that reads a worker's answer itself needs no other thread to wake it.
    ///
    /// It may return at any time. Every blocking wait calls this before it sleeps.
    fn drive(&self, _deadline: Option<Instant>) {}

    /// Whether a blocking wait on this thread is refused: it could never end, since it is this thread
    /// that calls the callbacks of the task's executor; or it would hold up the async tasks of the
    /// executor's runtime.
    fn would_deadlock(&self) -> bool {
        false
    }

    /// Calls `callback` once the task is done, on the thread that settles it; at once, on this
    /// thread, if it is done already. Callbacks are called in the order in which they were added. A
    /// panic in one goes to the [callback hook](crate::set_callback_panic_hook) and no further.
    fn on_done(&self, callback: impl FnOnce(Outcome) + Send + 'static)
    where
        Self: Sized;

    /// Until when it makes sense to sleep, if the task gives up by itself at some time. A blocking
    /// wait then calls [`help`](Self::help) again.
    fn expires(&self) -> Option<Instant> {
        None
    }

    /// Whether the outcome is final.
    fn is_done(&self) -> bool {
        matches!(self.state(), State::Done(_))
    }

    /// Whether a worker has started the task and it is not done.
    fn is_running(&self) -> bool {
        self.state() == State::Running
    }

    /// Whether the task was cancelled.
    fn is_cancelled(&self) -> bool {
        self.state() == State::Done(Outcome::Cancelled)
    }

    /// Waits until the task is done. Returns at once where that
    /// [would deadlock](Self::would_deadlock).
    fn wait(&self)
    where
        Self: Sized,
    {
        park::wait_until_done(self, None);
    }

    /// Waits until the task is done, this long at the most. True if it is done.
    fn wait_timeout(&self, timeout: Duration) -> bool
    where
        Self: Sized,
    {
        park::wait_until_done(self, Some(timeout))
    }

    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// Whatever kept the task from giving one; or
    /// [`WouldDeadlock`](crate::TaskErrorKind::WouldDeadlock) or
    /// [`BlockingInAsync`](crate::TaskErrorKind::BlockingInAsync), and then the task goes on.
    ///
    /// # Panics
    ///
    /// If the result has been [taken](Self::take).
    fn result(self) -> Result<Self::Value, TaskError>
    where
        Self: Sized,
    {
        if !park::wait_until_done(&self, None) {
            return Err(TaskError::wait_refused());
        }
        self.take()
            .expect("the result of this future was taken before")
    }

    /// Waits for the result, this long at the most.
    ///
    /// # Errors
    ///
    /// The future itself, if the time is over first. The task goes on: wait again, or stop it.
    ///
    /// # Panics
    ///
    /// If the result has been [taken](Self::take).
    fn result_timeout(self, timeout: Duration) -> Result<Result<Self::Value, TaskError>, Self>
    where
        Self: Sized,
    {
        if self.wait_timeout(timeout) {
            Ok(self.result())
        } else {
            Err(self)
        }
    }

    /// Waits for the outcome, and gives the error if there is one. The result stays where it is.
    fn error(&self) -> Option<TaskError>
    where
        Self: Sized,
    {
        self.wait();
        self.peek_error()
    }

    /// A future of what `f` makes of the value. `f` runs where the result is taken; errors pass it
    /// by, and a panic in it becomes the error.
    fn map<U, F>(self, f: F) -> Map<Self, F>
    where
        Self: Sized,
        F: FnOnce(Self::Value) -> U + Send,
    {
        Map::new(self, f)
    }

    /// A future of the future that `f` makes of the value. `f` is called as soon as this future is
    /// done, on the thread that settles it; it should submit, and not compute. Errors pass it by, and
    /// a panic in it becomes the error.
    fn then<G, F>(self, f: F) -> Then<Self, G, F>
    where
        Self: Sized + Sync + 'static,
        G: Future + Sync + 'static,
        F: FnOnce(Self::Value) -> G + Send + 'static,
    {
        Then::new(self, f)
    }

    /// A future that can be cloned, and gives each clone the result.
    fn shared(self) -> Shared<Self>
    where
        Self: Sized,
        Self::Value: Clone,
    {
        Shared::new(self)
    }
}

impl Outcome {
    pub(crate) fn of(seen: Snapshot) -> Option<Self> {
        seen.is(DONE).then(|| {
            if seen.is(CANCELLED) {
                Self::Cancelled
            } else if seen.is(FAILED) {
                Self::Failed
            } else {
                Self::Succeeded
            }
        })
    }
}

impl State {
    pub(crate) fn of(seen: Snapshot) -> Self {
        match Outcome::of(seen) {
            Some(outcome) => Self::Done(outcome),
            None if seen.is(CLAIMED) => Self::Running,
            None => Self::Pending,
        }
    }
}
