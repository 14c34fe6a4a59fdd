//! Waiting for many futures.

mod as_completed;
mod select;

use std::time::{Duration, Instant};

pub use self::as_completed::{AsCompleted, as_completed};
pub(crate) use self::select::Select;
use crate::{Future, TaskError};

/// When [`wait`] is satisfied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReturnWhen {
    /// All futures are done.
    AllCompleted,
    /// One future is done, however it ended.
    FirstCompleted,
    /// One future has failed (to be cancelled is not to fail), or all are done.
    FirstException,
}

/// What [`wait`] found. Both lists keep the order in which the futures were given.
#[derive(Debug)]
pub struct Waited<F> {
    /// The futures that are done.
    pub done: Vec<F>,
    /// The others.
    pub not_done: Vec<F>,
}

/// Waits until `when` is satisfied, or for as long as `timeout`; that it ran out is no error, and
/// shows in what is not done.
///
/// ```
/// # use executor_core::{testing::InlineExecutor, LocalExecutorExt as _};
/// use executor_core::{ReturnWhen, wait};
/// # let executor = InlineExecutor::new();
///
/// let futures = vec![executor.spawn(|| 1)?, executor.spawn(|| 2)?];
/// let waited = wait(futures, ReturnWhen::AllCompleted, None);
/// assert_eq!((waited.done.len(), waited.not_done.len()), (2, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait<F: Future>(
    futures: impl IntoIterator<Item = F>,
    when: ReturnWhen,
    timeout: Option<Duration>,
) -> Waited<F> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut select = Select::new();
    for (place, future) in futures.into_iter().enumerate() {
        select.push(place, future);
    }
    let mut done = Vec::new();
    let mut satisfied = false;
    while !satisfied {
        let Some((place, future)) = select.next_before(deadline) else {
            break;
        };
        satisfied = match when {
            ReturnWhen::AllCompleted => false,
            ReturnWhen::FirstCompleted => true,
            ReturnWhen::FirstException => future
                .peek_error()
                .is_some_and(|error| !error.is_cancelled()),
        };
        done.push((place, future));
    }
    let mut not_done = Vec::new();
    for (place, future) in select.into_parts() {
        // Done meanwhile: say so.
        if future.is_done() {
            &mut done
        } else {
            &mut not_done
        }
        .push((place, future));
    }
    let sorted = |mut list: Vec<(usize, F)>| {
        list.sort_unstable_by_key(|(place, _)| *place);
        list.into_iter().map(|(_, future)| future).collect()
    };
    Waited {
        done: sorted(done),
        not_done: sorted(not_done),
    }
}

/// Waits for all results, and gives them in the order of the futures.
pub fn join_all<F: Future>(
    futures: impl IntoIterator<Item = F>,
) -> Vec<Result<F::Value, TaskError>> {
    let futures: Vec<F> = futures.into_iter().collect();
    futures.into_iter().map(Future::result).collect()
}

/// Waits for the first result that is not an error, and cancels the others.
///
/// # Errors
///
/// All errors, in the order in which they came, if there is no such result; none, if there are no
/// futures.
pub fn first_ok<F: Future>(
    futures: impl IntoIterator<Item = F>,
) -> Result<F::Value, Vec<TaskError>> {
    let mut select = Select::new();
    for future in futures {
        select.push((), future);
    }
    let mut errors = Vec::new();
    while let Some(((), future)) = select.next_before(None) {
        match future.result() {
            Ok(value) => {
                for (_, other) in select.into_parts() {
                    other.cancel();
                }
                return Ok(value);
            }
            Err(error) => errors.push(error),
        }
    }
    Err(errors)
}
