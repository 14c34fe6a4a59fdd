use std::fmt;

/// A [`join`](crate::Executor::join) that could not wait until the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinError {
    kind: JoinErrorKind,
}

/// Why a join ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinErrorKind {
    /// The deadline passed first. The shutdown goes on; join again, or escalate it.
    StillRunning {
        /// How many workers had not ended.
        workers: usize,
    },
    /// A worker of the executor asked, and would have waited for itself.
    WouldDeadlock,
}

impl JoinError {
    /// The deadline passed while `workers` had not ended.
    #[must_use]
    pub const fn still_running(workers: usize) -> Self {
        Self {
            kind: JoinErrorKind::StillRunning { workers },
        }
    }

    /// The caller is a worker of the executor that it wants to join.
    #[must_use]
    pub const fn would_deadlock() -> Self {
        Self {
            kind: JoinErrorKind::WouldDeadlock,
        }
    }

    /// Why the join ended early.
    #[must_use]
    pub const fn kind(&self) -> JoinErrorKind {
        self.kind
    }

    /// Whether the deadline passed.
    #[must_use]
    pub const fn is_still_running(&self) -> bool {
        matches!(self.kind, JoinErrorKind::StillRunning { .. })
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            JoinErrorKind::StillRunning { workers } => {
                write!(
                    f,
                    "the deadline passed while {workers} workers were still running"
                )
            }
            JoinErrorKind::WouldDeadlock => f.write_str(
                "a worker cannot join its own executor: join from the thread that owns it",
            ),
        }
    }
}

impl std::error::Error for JoinError {}
