//! The choice of a backend at run time.

use std::{env, error::Error, fmt, str::FromStr};

use executor_core::Executor;
#[cfg(feature = "process")]
use executor_process::ProcessPoolExecutor;
#[cfg(feature = "rayon")]
use executor_rayon::RayonExecutor;
#[cfg(feature = "threads")]
use executor_threads::ThreadPoolExecutor;
#[cfg(feature = "tokio")]
use executor_tokio::TokioExecutor;

/// A backend, to be chosen at run time: from a command line, say, or [by a variable](Self::from_env).
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
    /// Many machines, over the server at `NATS_URL`: [`NatsExecutor`](crate::NatsExecutor). Feature `nats`.
    ///
    /// [`open`](Self::open) also starts as many workers as asked for, in processes of this program, so that a program
    /// alone gets its results. Workers elsewhere take part if they serve the same queue: `NATS_QUEUE`, or else `default`. The
    /// program calls [`init`](crate::init()) first in its `main`.
    #[cfg(feature = "nats")]
    Nats,
    /// Rayon's threads, in a pool of the executor's own: [`RayonExecutor`]. Feature `rayon`.
    #[cfg(feature = "rayon")]
    Rayon,
    /// A tokio runtime of the executor's own: [`TokioExecutor`]. Feature `tokio`.
    #[cfg(feature = "tokio")]
    Tokio,
}

/// The names of all backends, also of those that are not in this build. A backend's name is also
/// the name of its feature.
const KNOWN: &[&str] = &["threads", "process", "nats", "rayon", "tokio"];

/// What [`Backend::from_env`] reads.
const VARIABLE: &str = "CONCURRENT_FUTURES_BACKEND";

/// What [`Backend::open`] reads for [`Backend::Nats`].
#[cfg(feature = "nats")]
const URL: &str = "NATS_URL";

/// The same, and need not be set.
#[cfg(feature = "nats")]
const QUEUE: &str = "NATS_QUEUE";

impl Backend {
    /// The backends of this build.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "threads")]
        Self::Threads,
        #[cfg(feature = "process")]
        Self::Process,
        #[cfg(feature = "nats")]
        Self::Nats,
        #[cfg(feature = "rayon")]
        Self::Rayon,
        #[cfg(feature = "tokio")]
        Self::Tokio,
    ];

    /// The backend that whoever started the program asks for: the variable `CONCURRENT_FUTURES_BACKEND` has
    /// its [name](Self::name). `None` if it is not set, or empty.
    ///
    /// A program reads it where it wants to; nothing in this library does so by itself.
    ///
    /// ```
    /// use concurrent_futures::{Backend, prelude::*};
    ///
    /// # #[cfg(feature = "threads")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let backend = Backend::from_env()?.unwrap_or(DefaultExecutor::BACKEND);
    /// let executor = backend.open(4)?;
    /// # assert_eq!(executor.capabilities().workers, 4);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "threads"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// If the variable names a backend that is not in this build, or none at all. Who misspells a name shall
    /// know, and not get another backend.
    pub fn from_env() -> Result<Option<Self>, UnknownBackend> {
        let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        match value.to_str().and_then(Self::find) {
            Some(backend) => Ok(Some(backend)),
            None => Err(UnknownBackend {
                name: value.to_string_lossy().into_owned(),
                origin: match value.to_str() {
                    Some(_) => Origin::Variable,
                    None => Origin::VariableNotUnicode,
                },
            }),
        }
    }

    /// The name that `parse` understands, which is also the name of the feature.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "threads")]
            Self::Threads => "threads",
            #[cfg(feature = "process")]
            Self::Process => "process",
            #[cfg(feature = "nats")]
            Self::Nats => "nats",
            #[cfg(feature = "rayon")]
            Self::Rayon => "rayon",
            #[cfg(feature = "tokio")]
            Self::Tokio => "tokio",
        }
    }

    /// An executor of this backend, with this many workers and else as it comes by default.
    ///
    /// # Errors
    ///
    /// If `workers` is 0, or if the backend cannot be started; for [`Nats`](Self::Nats) also if `NATS_URL` is not set.
    pub fn open(self, workers: usize) -> Result<Box<dyn Executor>, OpenError> {
        OpenError::require_workers(self, workers)?;
        match self {
            #[cfg(feature = "threads")]
            Self::Threads => boxed(self, ThreadPoolExecutor::new(workers)),
            #[cfg(feature = "process")]
            Self::Process => boxed(self, ProcessPoolExecutor::new(workers)),
            #[cfg(feature = "nats")]
            Self::Nats => {
                let (url, queue) = (OpenError::require_url()?, env::var(QUEUE));
                boxed(self, open_nats(&url, queue.ok(), workers))
            }
            #[cfg(feature = "rayon")]
            Self::Rayon => boxed(self, RayonExecutor::new(workers)),
            #[cfg(feature = "tokio")]
            Self::Tokio => boxed(self, TokioExecutor::new(workers)),
        }
    }

    fn find(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|backend| backend.name() == name)
    }
}

#[cfg(any(
    feature = "nats",
    feature = "process",
    feature = "rayon",
    feature = "threads",
    feature = "tokio"
))]
fn boxed<E: Executor + 'static>(
    backend: Backend,
    built: Result<E, impl Error + Send + Sync + 'static>,
) -> Result<Box<dyn Executor>, OpenError> {
    match built {
        Ok(executor) => Ok(Box::new(executor)),
        Err(error) => Err(OpenError::refused(backend, error)),
    }
}

#[cfg(feature = "nats")]
fn open_nats(
    url: &str,
    queue: Option<String>,
    workers: usize,
) -> Result<executor_nats::WithWorkers, executor_nats::ConnectError> {
    use executor_nats::{NatsExecutor, WithWorkers, Worker};

    let queue = queue.filter(|queue| !queue.is_empty());
    let queue = queue.as_deref().unwrap_or("default");
    let worker = Worker::builder().url(url).queue(queue).slots(workers);
    let worker = worker.start()?;
    let executor = NatsExecutor::builder().url(url).queue(queue);
    let executor = executor.parallelism(workers).connect()?;
    Ok(WithWorkers::new(executor, worker))
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        Self::find(name).ok_or_else(|| UnknownBackend {
            name: name.to_owned(),
            origin: Origin::Text,
        })
    }
}

/// There is no backend of this name in this build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownBackend {
    name: String,
    origin: Origin,
}

/// Where a name was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Text,
    Variable,
    VariableNotUnicode,
}

impl UnknownBackend {
    /// The name that was given. What is not Unicode in it shows as U+FFFD.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The environment variable that gave the name, if one did.
    #[must_use]
    pub const fn variable(&self) -> Option<&'static str> {
        match self.origin {
            Origin::Text => None,
            Origin::Variable | Origin::VariableNotUnicode => Some(VARIABLE),
        }
    }

    /// The feature of this crate that would bring a backend of this name.
    #[must_use]
    pub fn missing_feature(&self) -> Option<&'static str> {
        KNOWN.iter().copied().find(|known| *known == self.name)
    }
}

impl fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, origin } = self;
        if let Some(variable) = self.variable() {
            write!(f, "{variable}: ")?;
        }
        match self.missing_feature() {
            _ if *origin == Origin::VariableNotUnicode => {
                write!(f, "the name `{name}` is not Unicode")?
            }
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
    /// A variable that the backend needs is not set.
    #[cfg(feature = "nats")]
    NoUrl,
    /// The backend's own error.
    #[cfg(any(
        feature = "nats",
        feature = "process",
        feature = "rayon",
        feature = "threads",
        feature = "tokio"
    ))]
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

    /// The environment variable that the backend needs, and that is not set or empty.
    #[must_use]
    pub const fn missing_variable(&self) -> Option<&'static str> {
        match self.cause {
            #[cfg(feature = "nats")]
            Cause::NoUrl => Some(URL),
            _ => None,
        }
    }

    /// The value of `NATS_URL`.
    #[cfg(feature = "nats")]
    fn require_url() -> Result<String, Self> {
        match env::var(URL) {
            Ok(url) if !url.is_empty() => Ok(url),
            _ => Err(Self::new(Backend::Nats, Cause::NoUrl)),
        }
    }

    pub(crate) const fn require_workers(backend: Backend, workers: usize) -> Result<(), Self> {
        match workers {
            0 => Err(Self::new(backend, Cause::NoWorkers)),
            _ => Ok(()),
        }
    }

    #[cfg(any(
        feature = "nats",
        feature = "process",
        feature = "rayon",
        feature = "threads",
        feature = "tokio"
    ))]
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
            #[cfg(feature = "nats")]
            Cause::NoUrl => write!(
                f,
                "{URL} is not set: let it name a server, such as nats://127.0.0.1:4222, or connect with \
                 NatsExecutor::builder()"
            ),
            #[cfg(any(
                feature = "nats",
                feature = "process",
                feature = "rayon",
                feature = "threads",
                feature = "tokio"
            ))]
            Cause::Refused(error) => error.fmt(f),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::NoWorkers => None,
            #[cfg(feature = "nats")]
            Cause::NoUrl => None,
            #[cfg(any(
                feature = "nats",
                feature = "process",
                feature = "rayon",
                feature = "threads",
                feature = "tokio"
            ))]
            Cause::Refused(error) => Some(&**error),
        }
    }
}
