use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::{Future, Outcome, State};
use crate::{StopLevel, TaskError, Unsupported};

/// The future that [`Future::shared`] gives: each clone gets a clone of the result.
#[must_use = "a future does nothing by itself"]
pub struct Shared<Fut: Future> {
    inner: Arc<Inner<Fut>>,
    /// The waker of the last poll, to be replaced by the next and forgotten on drop.
    polled: Option<Waker>,
}

struct Inner<Fut: Future> {
    future: Fut,
    result: OnceLock<Result<Fut::Value, TaskError>>,
}

impl<Fut: Future> Shared<Fut> {
    pub(super) fn new(future: Fut) -> Self {
        Self {
            inner: Arc::new(Inner {
                future,
                result: OnceLock::new(),
            }),
            polled: None,
        }
    }

    /// The result, if the task is done; without cloning it.
    #[must_use]
    pub fn peek(&self) -> Option<&Result<Fut::Value, TaskError>> {
        let Inner { future, result } = &*self.inner;
        if result.get().is_none() {
            if !future.is_done() {
                return None;
            }
            // All clones come through here, and the lock lets one of them take.
            result.get_or_init(|| future.take().unwrap_or_else(|| Err(TaskError::lost())));
        }
        result.get()
    }
}

impl<Fut> Future for Shared<Fut>
where
    Fut: Future + Sync,
    Fut::Value: Clone + Send + Sync,
{
    type Value = Fut::Value;

    fn state(&self) -> State {
        self.inner.future.state()
    }

    fn is_done(&self) -> bool {
        self.inner.future.is_done()
    }

    fn cancel(&self) -> bool {
        self.inner.future.cancel()
    }

    fn stop(&self, level: StopLevel) -> Result<(), Unsupported> {
        self.inner.future.stop(level)
    }

    fn take(&self) -> Option<Result<Self::Value, TaskError>> {
        self.peek().cloned()
    }

    fn peek_error(&self) -> Option<TaskError> {
        self.peek()?.as_ref().err().cloned()
    }

    fn subscribe(&self, waker: &Waker) -> bool {
        self.inner.future.subscribe(waker)
    }

    fn unsubscribe(&self, waker: &Waker) {
        self.inner.future.unsubscribe(waker);
    }

    fn help(&self) -> bool {
        self.inner.future.help()
    }

    fn drive(&self, deadline: Option<Instant>) {
        self.inner.future.drive(deadline);
    }

    fn would_deadlock(&self) -> bool {
        self.inner.future.would_deadlock()
    }

    fn on_done(&self, callback: impl FnOnce(Outcome) + Send + 'static) {
        self.inner.future.on_done(callback);
    }

    fn expires(&self) -> Option<Instant> {
        self.inner.future.expires()
    }
}

impl<Fut> std::future::Future for Shared<Fut>
where
    Fut: Future + Sync,
    Fut::Value: Clone + Send + Sync,
{
    type Output = Result<Fut::Value, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.help();
        if let Some(old) = self.polled.take_if(|old| !old.will_wake(cx.waker())) {
            self.unsubscribe(&old);
        }
        if !self.is_done() && self.subscribe(cx.waker()) {
            self.polled = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.polled = None;
        Poll::Ready(self.take().expect("the task is done, so there is a result"))
    }
}

impl<Fut: Future> Clone for Shared<Fut> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            polled: None,
        }
    }
}

impl<Fut: Future> Drop for Shared<Fut> {
    fn drop(&mut self) {
        if let Some(waker) = self.polled.take() {
            self.inner.future.unsubscribe(&waker);
        }
    }
}

impl<Fut: Future + fmt::Debug> fmt::Debug for Shared<Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.inner.future).finish()
    }
}
