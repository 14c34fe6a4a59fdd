use std::{
    fmt,
    iter::FusedIterator,
    time::{Duration, Instant},
};
#[cfg(feature = "stream")]
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use super::Select;
use crate::Future;
#[cfg(feature = "stream")]
use crate::park;

/// Gives the futures back one by one, each as it is done.
///
/// More can be added on the way, with [`push`](AsCompleted::push). Dropping the iterator lets
/// the tasks of the futures that it holds go on.
///
/// ```
/// # use executor_core::{testing::InlineExecutor, LocalExecutorExt as _};
/// use executor_core::{Future as _, as_completed};
/// # let executor = InlineExecutor::new();
///
/// let mut sum = 0;
/// for future in as_completed([executor.spawn(|| 1)?, executor.spawn(|| 2)?]) {
///     sum += future.result()?;
/// }
/// assert_eq!(sum, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed<F: Future>(futures: impl IntoIterator<Item = F>) -> AsCompleted<F> {
    let mut all = AsCompleted::new();
    for future in futures {
        all.push(future);
    }
    all
}

/// The iterator of [`as_completed`].
///
/// A future costs the same however many there are, and those that are done are taken in batches.
#[must_use = "iterators are lazy"]
pub struct AsCompleted<F: Future> {
    select: Select<(), F>,
    deadline: Option<Instant>,
}

impl<F: Future> AsCompleted<F> {
    /// Nothing yet; see [`push`](Self::push).
    pub fn new() -> Self {
        Self {
            select: Select::new(),
            deadline: None,
        }
    }

    /// Adds a future. Also while iterating, and after the iteration has ended.
    pub fn push(&mut self, future: F) {
        self.select.push((), future);
    }

    /// Ends the iteration this long after this call, done or not; [`remaining`](Self::remaining) then
    /// has the rest.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.deadline = Instant::now().checked_add(timeout);
        self
    }

    /// The next future that is done, if there is one within `timeout`.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<F> {
        self.next_before(Instant::now().checked_add(timeout))
    }

    /// How many futures have not been given back.
    #[must_use]
    pub fn len(&self) -> usize {
        self.select.len()
    }

    /// Whether all futures have been given back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.select.is_empty()
    }

    /// The futures that have not been given back, in no order.
    #[must_use]
    pub fn remaining(self) -> Vec<F> {
        self.select
            .into_parts()
            .map(|((), future)| future)
            .collect()
    }

    fn next_before(&mut self, deadline: Option<Instant>) -> Option<F> {
        self.select.next_before(deadline).map(|((), future)| future)
    }
}

impl<F: Future> Iterator for AsCompleted<F> {
    type Item = F;

    fn next(&mut self) -> Option<F> {
        self.next_before(self.deadline)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.len();
        (if self.deadline.is_some() { 0 } else { len }, Some(len))
    }
}

/// As the iterator, for async code (feature `stream`). A [`timeout`](AsCompleted::timeout) is noticed when the stream
/// is polled; who needs to be woken by it uses that of the runtime.
#[cfg(feature = "stream")]
impl<F: Future> futures_core::Stream for AsCompleted<F>
where
    Self: Unpin,
{
    type Item = F;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F>> {
        let this = self.get_mut();
        let polled = this.select.poll_next(context);
        if polled.is_pending() && park::passed(this.deadline) {
            return Poll::Ready(None);
        }
        polled.map(|next| next.map(|((), future)| future))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        Iterator::size_hint(self)
    }
}

impl<F: Future> FusedIterator for AsCompleted<F> {}

impl<F: Future> Default for AsCompleted<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Future> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("remaining", &self.len())
            .finish_non_exhaustive()
    }
}
