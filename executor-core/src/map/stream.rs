//! A map as a stream, for async code.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use super::{Map, Next, Step, Waits};
use crate::{Executor, TaskError, park};

/// As the iterator, for async code (feature `stream`): nothing here blocks the thread, also while the executor
/// has no room.
///
/// A [`timeout`](Map::timeout) is noticed when the stream is polled; who needs to be woken by it uses that of the
/// runtime.
impl<E, I, S> Stream for Map<E, I, S>
where
    E: Executor,
    I: Iterator<Item: Send>,
    S: Step<I::Item, Output: 'static>,
    Self: Unpin,
{
    type Item = Result<S::Output, TaskError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.waits = Waits::Polling;
        let is_over = this.ready.len() == 0 && !ready!(this.poll_refill(context));
        Poll::Ready(this.give(is_over))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        Iterator::size_hint(self)
    }
}

impl<E, I, S> Map<E, I, S>
where
    E: Executor,
    I: Iterator<Item: Send>,
    S: Step<I::Item, Output: 'static>,
{
    /// Makes some results ready. False at the end.
    fn poll_refill(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        loop {
            self.fill();
            let next = match self.under_way.poll_next(context) {
                Poll::Ready(next) => next,
                Poll::Pending if park::passed(self.deadline) && !self.expired => Next::TimeIsUp,
                Poll::Pending => return Poll::Pending,
            };
            if matches!(next, Next::Nothing) && self.backlog.is_some() {
                // The queue is full of others' tasks.
                if park::passed(self.deadline) {
                    self.expire();
                    continue;
                }
                if !self.executor.when_room(self.kind, context.waker()) {
                    self.fill();
                    if self.backlog.is_none() {
                        continue;
                    }
                    // Others were quicker, or the executor cannot tell.
                    context.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            let has_fetched = self.fetched(next);
            if !self.take_in(has_fetched) {
                return Poll::Ready(false);
            }
            if self.ready.len() > 0 {
                return Poll::Ready(true);
            }
        }
    }
}
