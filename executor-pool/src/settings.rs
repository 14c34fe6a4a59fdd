//! What builders are told, and how they refuse it.

use std::{error::Error, fmt};

use executor_core::Unsupported;

/// The order in which queued tasks are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum QueueOrder {
    /// The oldest first.
    ///
    /// Without a bound on the queue, an executor may steal work: what one of its own workers submits
    /// is then kept by that worker, which takes the newest of those first, and others take the oldest,
    /// as in every fork-join pool; and workers take tasks in batches. With a bound the order is
    /// strict for everybody.
    #[default]
    Fifo,
    /// The newest first.
    Lifo,
    /// The highest [priority](executor_core::TaskOptions::with_priority) first, and of those the
    /// oldest.
    Priority,
}

/// What a submission does when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnFull {
    /// Waits for room. A worker of this very executor gets
    /// [`WouldDeadlock`](executor_core::Reason::WouldDeadlock) instead.
    #[default]
    Block,
    /// Gives the task back, with [`Full`](executor_core::Reason::Full).
    Reject,
    /// Runs the task, before it returns.
    CallerRuns,
}

/// A pool that cannot be built or resized as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    message: String,
    unsupported: Option<Unsupported>,
}

impl BuildError {
    /// The refusal of a value, for backends. `message` names the value, and says what is allowed.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            unsupported: None,
        }
    }

    /// The refusal of what the backend can never do, for backends. `hint` says what to do instead.
    #[must_use]
    pub fn lacking(what: Unsupported, hint: impl fmt::Display) -> Self {
        Self {
            message: format!("{what}: {hint}"),
            unsupported: Some(what),
        }
    }

    /// What the backend lacks, if that is why; `None` if a value is out of range.
    #[must_use]
    pub const fn unsupported(&self) -> Option<Unsupported> {
        self.unsupported
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let what = self.unsupported.as_ref()?;
        Some(what)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use executor_core::{Feature, Unsupported};

    use super::BuildError;

    #[test]
    fn what_a_backend_lacks_is_typed_and_in_the_text() {
        let what = Unsupported::new(Feature::Resize);
        let error = BuildError::lacking(what, "set the workers where the pool is built");
        assert_eq!(error.unsupported(), Some(what));
        let source = error.source().expect("a source");
        assert_eq!(source.downcast_ref(), Some(&what));
        assert_eq!(
            error.to_string(),
            "this executor does not support changing the number of workers: \
             set the workers where the pool is built"
        );
    }

    #[test]
    fn a_value_out_of_range_is_no_lack() {
        let error = BuildError::new("max_workers is 0; it must be at least 1");
        assert_eq!(error.unsupported(), None);
        assert!(error.source().is_none());
        assert_eq!(error.to_string(), "max_workers is 0; it must be at least 1");
    }
}
