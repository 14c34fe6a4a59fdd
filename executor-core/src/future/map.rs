use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::{Future, Outcome, State};
use crate::{StopLevel, TaskError, Unsupported, panic};

/// The future that [`Future::map`] gives.
#[must_use = "`f` runs when the result is taken"]
pub struct Map<Fut, F> {
    inner: Fut,
    f: Mutex<Option<F>>,
}

impl<Fut, F> Map<Fut, F> {
    pub(super) const fn new(inner: Fut, f: F) -> Self {
        Self {
            inner,
            f: Mutex::new(Some(f)),
        }
    }
}

impl<Fut, F, U> Future for Map<Fut, F>
where
    Fut: Future + Unpin,
    F: FnOnce(Fut::Value) -> U + Send + Unpin,
{
    type Value = U;

    fn state(&self) -> State {
        self.inner.state()
    }

    // Not by the state, for which a backend may have to ask elsewhere.
    fn is_done(&self) -> bool {
        self.inner.is_done()
    }

    fn cancel(&self) -> bool {
        self.inner.cancel()
    }

    fn stop(&self, level: StopLevel) -> Result<(), Unsupported> {
        self.inner.stop(level)
    }

    fn take(&self) -> Option<Result<U, TaskError>> {
        let value = match self.inner.take()? {
            Ok(value) => value,
            Err(error) => return Some(Err(error)),
        };
        let f = self
            .f
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        Some(panic::catch(|| f(value)))
    }

    fn peek_error(&self) -> Option<TaskError> {
        self.inner.peek_error()
    }

    fn subscribe(&self, waker: &Waker) -> bool {
        self.inner.subscribe(waker)
    }

    fn unsubscribe(&self, waker: &Waker) {
        self.inner.unsubscribe(waker);
    }

    fn help(&self) -> bool {
        self.inner.help()
    }

    fn drive(&self, deadline: Option<Instant>) {
        self.inner.drive(deadline);
    }

    fn would_deadlock(&self) -> bool {
        self.inner.would_deadlock()
    }

    fn on_done(&self, callback: impl FnOnce(Outcome) + Send + 'static) {
        self.inner.on_done(callback);
    }

    fn expires(&self) -> Option<Instant> {
        self.inner.expires()
    }
}

impl<Fut, F, U> std::future::Future for Map<Fut, F>
where
    Fut: Future + Unpin,
    F: FnOnce(Fut::Value) -> U + Send + Unpin,
{
    type Output = Result<U, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(result) = Pin::new(&mut self.inner).poll(cx) else {
            return Poll::Pending;
        };
        let f = self
            .f
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let f = f.expect("a future was polled after it had given its result");
        Poll::Ready(result.and_then(|value| panic::catch(|| f(value))))
    }
}

impl<Fut: fmt::Debug, F> fmt::Debug for Map<Fut, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Map").field(&self.inner).finish()
    }
}
