use std::{error::Error, fmt, io};

/// Why a pool could not be built.
#[derive(Debug)]
pub struct BuildError {
    kind: BuildErrorKind,
}

/// What kept a pool from being built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// This program has not called `init`, so that it cannot be its own worker. Nothing was started.
    NotInitialized,
    /// A setting has a value that makes no sense.
    Setting {
        /// The name of the builder's method.
        name: &'static str,
        /// The value, and what is allowed.
        problem: String,
    },
    /// The task that was given as initializer is not registered in this program, or cannot be encoded.
    Initializer(String),
    /// The operating system refused something that every pool needs.
    System(io::Error),
}

impl BuildError {
    pub(crate) const fn new(kind: BuildErrorKind) -> Self {
        Self { kind }
    }

    pub(crate) fn setting(name: &'static str, problem: impl Into<String>) -> Self {
        Self::new(BuildErrorKind::Setting {
            name,
            problem: problem.into(),
        })
    }

    /// What was wrong.
    #[must_use]
    pub const fn kind(&self) -> &BuildErrorKind {
        &self.kind
    }

    /// Whether this program has not called `init`.
    #[must_use]
    pub const fn is_not_initialized(&self) -> bool {
        matches!(self.kind, BuildErrorKind::NotInitialized)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            BuildErrorKind::NotInitialized => f.write_str(
                "this program cannot serve as its own worker process: call \
                 `concurrent_futures::init()` first in `main` (in a test binary, write \
                 `concurrent_futures::worker_process!();` once at the top of a file), or give the \
                 builder a `worker_program`",
            ),
            BuildErrorKind::Setting { name, problem } => write!(f, "`{name}`: {problem}"),
            BuildErrorKind::Initializer(problem) => write!(f, "the initializer: {problem}"),
            BuildErrorKind::System(error) => {
                write!(f, "the system refused what a pool needs: {error}")
            }
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            BuildErrorKind::System(error) => Some(error),
            _ => None,
        }
    }
}
