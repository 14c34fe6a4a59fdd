//! Many items in one job.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use super::encoded::Received;
use crate::{Task, TaskError, context, panic};

/// A chunk that has run for this long gives back what it has not begun, unless its size is fixed:
/// its items are slower than was thought, and should be shared out.
const SPLIT_AFTER: Duration = Duration::from_millis(2);

/// As [`SPLIT_AFTER`], in another process, where chunks are longer.
pub(super) const SPLIT_AFTER_ELSEWHERE: Duration = Duration::from_millis(4);

/// How many items may go by between two looks at the clock, which costs as much as a cheap item.
const LOOK_EVERY: usize = 32;

/// What is done with each item of a map.
pub trait Step<Item>: Clone + Send {
    /// What an item becomes.
    type Output: Send;

    /// Treats one item.
    ///
    /// # Errors
    ///
    /// If the item is none: its encoded form could not be decoded.
    fn apply(&self, item: Item) -> Result<Self::Output, TaskError>;
}

/// The [`Step`] of a map over tasks: run the task.
#[derive(Debug, Clone, Copy)]
pub struct RunTask(());

/// The [`Step`] of a map with a closure: call it.
pub struct Apply<F>(Arc<F>);

/// Many items in one job.
pub(crate) struct Chunk<S, Item> {
    step: S,
    pub(super) items: Vec<Item>,
    /// Whether it may give back items that it has not begun.
    pub(super) splits: bool,
}

/// What a chunk gives back.
pub(crate) enum ChunkOutput<Item, Output> {
    /// It ran in this process.
    Ran(Results<Item, Output>),
    /// It ran in another: what came back, and how to read it. Whoever takes the results reads it, so that
    /// no user's code runs where it is received.
    Received(Received<Item>, fn(Received<Item>) -> Results<Item, Output>),
}

/// The results of a chunk.
pub(crate) struct Results<Item, Output> {
    /// Those of the first items.
    pub(super) done: Vec<Result<Output, TaskError>>,
    /// The items that were not begun.
    pub(super) rest: Vec<Item>,
    /// How long it took, where that is known.
    pub(super) elapsed: Option<Duration>,
}

/// When a chunk stops before its end.
pub(super) struct Pace {
    start: Instant,
    splits_after: Option<Duration>,
    done: usize,
    look_at: usize,
}

impl<Item, Output> ChunkOutput<Item, Output> {
    /// The results.
    pub(super) fn open(self) -> Results<Item, Output> {
        match self {
            Self::Ran(results) => results,
            Self::Received(received, read) => read(received),
        }
    }
}

impl Pace {
    /// Begins now; `splits_after` says from when on what is not begun is given back, if it may be.
    pub(super) fn new(splits_after: Option<Duration>) -> Self {
        Self {
            start: Instant::now(),
            splits_after,
            done: 0,
            look_at: 1,
        }
    }

    /// Counts an item that is done. True if it was the last for now.
    #[inline]
    pub(super) fn is_over(&mut self) -> bool {
        self.done += 1;
        self.done >= self.look_at && self.look()
    }

    #[inline(never)]
    fn look(&mut self) -> bool {
        self.look_at = self.done + self.done.min(LOOK_EVERY);
        let late = self
            .splits_after
            .is_some_and(|limit| self.start.elapsed() >= limit);
        late || context::stop_requested()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl RunTask {
    pub(super) const fn new() -> Self {
        Self(())
    }
}

impl<F> Apply<F> {
    pub(crate) fn new(f: F) -> Self {
        Self(Arc::new(f))
    }
}

impl<T: Task> Step<T> for RunTask {
    type Output = T::Output;

    #[inline]
    fn apply(&self, task: T) -> Result<T::Output, TaskError> {
        Ok(task.run())
    }
}

impl<F, Item, R> Step<Item> for Apply<F>
where
    F: Fn(Item) -> R + Send + Sync,
    R: Send,
{
    type Output = R;

    #[inline]
    fn apply(&self, item: Item) -> Result<R, TaskError> {
        Ok((self.0)(item))
    }
}

impl<F> Clone for Apply<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for Apply<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apply").finish_non_exhaustive()
    }
}

impl<S, Item> Chunk<S, Item> {
    pub(super) const fn new(step: S, items: Vec<Item>, splits: bool) -> Self {
        Self {
            step,
            items,
            splits,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.items.len()
    }
}

impl<T: Task> Chunk<RunTask, T> {
    /// Runs the items as futures, one after the other.
    pub(crate) async fn run_as_futures<M, F>(self, start: M) -> ChunkOutput<T, T::Output>
    where
        M: Fn(T) -> F,
        F: Future<Output = T::Output>,
    {
        let mut pace = Pace::new(self.splits.then_some(SPLIT_AFTER));
        let mut done = Vec::with_capacity(self.items.len());
        let mut items = self.items.into_iter();
        for item in items.by_ref() {
            done.push(caught(async { start(item).await }).await);
            if pace.is_over() {
                break;
            }
        }
        ChunkOutput::Ran(Results {
            done,
            rest: items.collect(),
            elapsed: Some(pace.elapsed()),
        })
    }
}

/// The output of a future, or its panic.
async fn caught<F: Future>(future: F) -> Result<F::Output, TaskError> {
    let mut future = pin!(future);
    poll_fn(
        |context| match panic::catch(|| future.as_mut().poll(context)) {
            Ok(polled) => polled.map(Ok),
            Err(error) => Poll::Ready(Err(error)),
        },
    )
    .await
}

impl<S: Step<Item>, Item: Send> Task for Chunk<S, Item> {
    type Output = ChunkOutput<Item, S::Output>;

    fn run(self) -> Self::Output {
        let mut pace = Pace::new(self.splits.then_some(SPLIT_AFTER));
        let mut done = Vec::with_capacity(self.items.len());
        let mut items = self.items.into_iter();
        loop {
            // Caught once for all items up to the next panic: that is free, once for each is not.
            let caught = panic::catch(|| {
                for item in items.by_ref() {
                    done.push(self.step.apply(item));
                    if pace.is_over() {
                        break;
                    }
                }
            });
            match caught {
                Ok(()) => break,
                // The item that panicked is gone from the iterator, and this is its result.
                Err(error) => done.push(Err(error)),
            }
            if pace.is_over() {
                break;
            }
        }
        ChunkOutput::Ran(Results {
            done,
            rest: items.collect(),
            elapsed: Some(pace.elapsed()),
        })
    }
}
