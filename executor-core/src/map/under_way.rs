//! The chunks of a map that are submitted.

use std::{collections::VecDeque, time::Instant};
#[cfg(feature = "stream")]
use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::chunk::ChunkOutput;
use crate::{Future as _, StopLevel, TaskError, TaskFuture, Timeout, park, wait::Select};

type ChunkFuture<Item, Output> = TaskFuture<ChunkOutput<Item, Output>>;

/// The chunks that are submitted, with their item counts.
pub(super) enum UnderWay<Item, Output> {
    Ordered(VecDeque<(usize, Pending<Item, Output>)>),
    Unordered(
        Select<usize, ChunkFuture<Item, Output>>,
        VecDeque<(usize, TaskError)>,
    ),
}

pub(super) enum Pending<Item, Output> {
    Chunk(ChunkFuture<Item, Output>),
    /// Could not be submitted: this error for each item.
    Refused(TaskError),
}

/// What there is to fetch next.
pub(super) enum Next<Item, Output> {
    /// A chunk of so many items is done.
    Done(usize, Result<ChunkOutput<Item, Output>, TaskError>),
    /// No chunk is under way.
    Nothing,
    /// The deadline passed first.
    TimeIsUp,
}

impl<Item, Output> UnderWay<Item, Output> {
    /// Adds a chunk, before all others where there is an order.
    pub(super) fn put_in_front(&mut self, len: usize, pending: Pending<Item, Output>) {
        match (self, pending) {
            (Self::Ordered(queue), pending) => queue.push_front((len, pending)),
            (Self::Unordered(set, _), Pending::Chunk(future)) => set.push(len, future),
            (Self::Unordered(_, refused), Pending::Refused(error)) => {
                refused.push_back((len, error));
            }
        }
    }

    pub(super) fn stop_all(&self) {
        match self {
            Self::Ordered(queue) => {
                for (_, pending) in queue {
                    if let Pending::Chunk(future) = pending {
                        stop(future);
                    }
                }
            }
            Self::Unordered(set, _) => set.pending().for_each(stop),
        }
    }

    /// Adds a chunk, after all others where there is an order.
    pub(super) fn put_behind(&mut self, len: usize, pending: Pending<Item, Output>) {
        match self {
            Self::Ordered(queue) => queue.push_back((len, pending)),
            Self::Unordered(..) => self.put_in_front(len, pending),
        }
    }

    /// How many chunks are under way.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ordered(queue) => queue.len(),
            Self::Unordered(set, refused) => set.len() + refused.len(),
        }
    }

    /// Waits for the next chunk: the first, or without an order the first that is done.
    pub(super) fn next(&mut self, deadline: Option<Instant>) -> Next<Item, Output> {
        match self {
            Self::Ordered(queue) => match queue.pop_front() {
                None => Next::Nothing,
                Some((len, Pending::Refused(error))) => Next::Done(len, Err(error)),
                Some((len, Pending::Chunk(future))) => match wait(future, deadline) {
                    Ok(result) => Next::Done(len, result),
                    Err(future) => {
                        queue.push_front((len, Pending::Chunk(future)));
                        Next::TimeIsUp
                    }
                },
            },
            Self::Unordered(set, refused) => match refused.pop_front() {
                Some((len, error)) => Next::Done(len, Err(error)),
                None => match set.next_before(deadline) {
                    Some((len, future)) => Next::Done(len, future.result()),
                    None if set.is_empty() => Next::Nothing,
                    None => Next::TimeIsUp,
                },
            },
        }
    }

    /// As [`next`](Self::next), without waiting.
    #[cfg(feature = "stream")]
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next<Item, Output>> {
        match self {
            Self::Ordered(queue) => {
                let result = match queue.front_mut() {
                    None => return Poll::Ready(Next::Nothing),
                    Some((_, Pending::Refused(error))) => Err(error.clone()),
                    Some((_, Pending::Chunk(future))) => ready!(Pin::new(future).poll(context)),
                };
                let len = queue.pop_front().map_or(0, |(len, _)| len);
                Poll::Ready(Next::Done(len, result))
            }
            Self::Unordered(set, refused) => {
                if let Some((len, error)) = refused.pop_front() {
                    return Poll::Ready(Next::Done(len, Err(error)));
                }
                set.poll_next(context).map(|done| match done {
                    None => Next::Nothing,
                    Some((len, future)) => Next::Done(len, future.result()),
                })
            }
        }
    }

    /// Stops everything; what is not done becomes an error.
    pub(super) fn expire(&mut self) {
        let error = TaskError::timed_out(Timeout::Wait);
        match self {
            Self::Ordered(queue) => {
                for (_, pending) in queue {
                    if let Pending::Chunk(future) = pending
                        && !is_kept(future)
                    {
                        *pending = Pending::Refused(error.clone());
                    }
                }
            }
            Self::Unordered(set, refused) => {
                for (len, future) in std::mem::replace(set, Select::new()).into_parts() {
                    if is_kept(&future) {
                        set.push(len, future);
                    } else {
                        refused.push_back((len, error.clone()));
                    }
                }
            }
        }
    }
}

/// Whether a chunk was done by now. If not it is stopped, and how it ends then does not matter any more.
fn is_kept<Item, Output>(future: &ChunkFuture<Item, Output>) -> bool {
    let is_done = future.is_done() && !future.is_cancelled();
    if !is_done {
        stop(future);
    }
    is_done
}

fn stop<Item, Output>(future: &ChunkFuture<Item, Output>) {
    // Where running tasks cannot be signalled they run on, and nobody waits for them.
    let _unsupported = future.stop(StopLevel::Signal);
}

fn wait<T>(
    future: TaskFuture<T>,
    deadline: Option<Instant>,
) -> Result<Result<T, TaskError>, TaskFuture<T>> {
    let is_done = park::wait_for_more(&future, deadline);
    // Without a deadline it is done, or may not be waited for: the result says so.
    if is_done || deadline.is_none() {
        Ok(future.result())
    } else {
        Err(future)
    }
}
