//! The choice of a backend at run time.

use std::{error::Error, fmt, str::FromStr};

use executor_core::Executor;
#[cfg(feature = "process")]
use executor_process::ProcessPoolExecutor;
#[cfg(feature = "threads")]
use executor_threads::ThreadPoolExecutor;

/// A backend, to be chosen at run time: from a command line, say.
///
/// Only the backends whose features are enabled have a variant.
///
/// ```
/// # #[cfg(feature = "threads")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use concurrent_futures::{Backend, Executor};
///
/// let backend: Backend = "threads".parse()?;
/// let executor: Box<dyn Executor> = backend.open(2)?;
/// assert_eq!(executor.capabilities().workers, 2);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "threads"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Worker threads in this process: [`ThreadPoolExecutor`]. Feature `threads`.
    #[cfg(feature = "threads")]
    Threads,
    /// Worker processes, each of them this very program: [`ProcessPoolExecutor`]. Feature `process`.
    ///
    /// The program calls [`init`](crate::init()) first in its `main`.
    #[cfg(feature = "process")]
    Process,
}

/// The names of all backends, also of those that are not in this build. A backend's name is also
/// the name of its feature.
const KNOWN: &[&str] = &["threads", "process"];

impl Backend {
    /// The backends of this build.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "threads")]
        Self::Threads,
        #[cfg(feature = "process")]
        Self::Process,
    ];

    /// The name that `parse` understands, which is also the name of the feature.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "threads")]
            Self::Threads => "threads",
            #[cfg(feature = "process")]
            Self::Process => "process",
        }
    }

    /// An executor of this backend, with this many workers and else as it comes by default.
    ///
    /// # Errors
    ///
    /// If `workers` is 0, or if the backend cannot be started.
    pub fn open(self, workers: usize) -> Result<Box<dyn Executor>, OpenError> {
        OpenError::require_workers(self, workers)?;
        match self {
            #[cfg(feature = "threads")]
            Self::Threads => boxed(self, ThreadPoolExecutor::new(workers)),
            #[cfg(feature = "process")]
            Self::Process => boxed(self, ProcessPoolExecutor::new(workers)),
        }
    }
}

#[cfg(any(feature = "process", feature = "threads"))]
fn boxed<E: Executor + 'static>(
    backend: Backend,
    built: Result<E, impl Error + Send + Sync + 'static>,
) -> Result<Box<dyn Executor>, OpenError> {
    match built {
        Ok(executor) => Ok(Box::new(executor)),
        Err(error) => Err(OpenError::refused(backend, error)),
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        let found = Self::ALL.iter().find(|backend| backend.name() == name);
        found.copied().ok_or_else(|| UnknownBackend {
            name: name.to_owned(),
        })
    }
}

/// There is no backend of this name in this build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownBackend {
    name: String,
}

impl UnknownBackend {
    /// The name that was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The feature of this crate that would bring a backend of this name.
    #[must_use]
    pub fn missing_feature(&self) -> Option<&'static str> {
        KNOWN.iter().copied().find(|known| *known == self.name)
    }
}

impl fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name } = self;
        match self.missing_feature() {
            Some(feature) => write!(
                f,
                "the backend `{name}` is not in this build: enable the feature `{feature}` of \
                 concurrent-futures"
            )?,
            None => write!(f, "there is no backend `{name}`")?,
        }
        match Backend::ALL {
            [] => f.write_str(" (this build has none)"),
            [first, rest @ ..] => {
                write!(f, " (allowed here: {first}")?;
                rest.iter()
                    .try_for_each(|backend| write!(f, ", {backend}"))?;
                f.write_str(")")
            }
        }
    }
}

impl Error for UnknownBackend {}

/// A backend could not be started. Its [`source`](Error::source) is the backend's own error.
#[derive(Debug)]
pub struct OpenError {
    backend: &'static str,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// No workers were asked for.
    NoWorkers,
    /// The backend's own error.
    #[cfg(any(feature = "process", feature = "threads"))]
    Refused(Box<dyn Error + Send + Sync>),
}

impl OpenError {
    /// The name of the backend that was to be started.
    #[must_use]
    pub const fn backend(&self) -> &'static str {
        self.backend
    }

    /// Whether the number of workers was 0.
    #[must_use]
    pub const fn is_no_workers(&self) -> bool {
        matches!(self.cause, Cause::NoWorkers)
    }

    pub(crate) const fn require_workers(backend: Backend, workers: usize) -> Result<(), Self> {
        match workers {
            0 => Err(Self::new(backend, Cause::NoWorkers)),
            _ => Ok(()),
        }
    }

    #[cfg(any(feature = "process", feature = "threads"))]
    pub(crate) fn refused(
        backend: Backend,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::new(backend, Cause::Refused(error.into()))
    }

    const fn new(backend: Backend, cause: Cause) -> Self {
        let backend = backend.name();
        Self { backend, cause }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start the backend `{}`: ", self.backend)?;
        match &self.cause {
            Cause::NoWorkers => f.write_str("0 workers were asked for, and it needs at least 1"),
            #[cfg(any(feature = "process", feature = "threads"))]
            Cause::Refused(error) => error.fmt(f),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::NoWorkers => None,
            #[cfg(any(feature = "process", feature = "threads"))]
            Cause::Refused(error) => Some(&**error),
        }
    }
}
