//! Many items in one job.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{Task, TaskError, context, panic};

/// A chunk that has run for this long gives back what it has not begun, unless its size is fixed:
/// its items are slower than was thought, and should be shared out.
const SPLIT_AFTER: Duration = Duration::from_millis(2);

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
pub(crate) struct ChunkOutput<Item, Output> {
    /// The results of the first items.
    pub(super) results: Vec<Result<Output, TaskError>>,
    /// The items that were not begun; an error where one was lost on its way back.
    pub(super) rest: Vec<Result<Item, TaskError>>,
    /// How long it took.
    pub(super) elapsed: Duration,
}

impl<Item, Output> ChunkOutput<Item, Output> {
    /// How many items the chunk had.
    pub(super) const fn len(&self) -> usize {
        self.results.len() + self.rest.len()
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

impl<S: Step<Item>, Item: Send> Task for Chunk<S, Item> {
    type Output = ChunkOutput<Item, S::Output>;

    fn run(self) -> Self::Output {
        let start = Instant::now();
        let mut results = Vec::with_capacity(self.items.len());
        let mut items = self.items.into_iter();
        let mut look_at = 1;
        loop {
            // Caught once for all items up to the next panic: that is free, once for each is not.
            let caught = panic::catch(|| {
                for item in items.by_ref() {
                    results.push(self.step.apply(item));
                    if results.len() >= look_at {
                        let late = self.splits && start.elapsed() >= SPLIT_AFTER;
                        if late || context::stop_requested() {
                            break;
                        }
                        look_at += look_at.min(LOOK_EVERY);
                    }
                }
            });
            match caught {
                Ok(()) => break,
                // The item that panicked is gone from the iterator, and this is its result.
                Err(error) => results.push(Err(error)),
            }
        }
        ChunkOutput {
            results,
            rest: items.map(Ok).collect(),
            elapsed: start.elapsed(),
        }
    }
}
