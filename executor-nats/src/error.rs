//! Why there is no connection, and why there is no future.

use std::{error::Error, fmt, sync::Arc};

/// Why an executor or a worker could not be connected. The text says what to do.
#[derive(Debug, Clone)]
pub struct ConnectError {
    kind: ConnectErrorKind,
    text: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What stands between a program and its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// A setting is wrong: the URL, a name, a number.
    Invalid,
    /// Nobody answers at the URL.
    Unreachable,
    /// TLS is wanted by one side only, or the certificate is not trusted.
    Tls,
    /// The server refused user and password, token, or key.
    Authentication,
    /// A right is missing.
    Permission,
    /// The server does not offer JetStream, or not to this account.
    NoJetStream,
    /// The server refused a stream or a consumer, or answered something unexpected.
    Server,
    /// The operating system refused a thread, or the pool of a worker could not be built.
    Local,
}

impl ConnectError {
    pub(crate) fn new(kind: ConnectErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            source: None,
        }
    }

    pub(crate) fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> ConnectErrorKind {
        self.kind
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// Why there is no future for a task of another connection.
#[derive(Debug, Clone)]
pub struct AttachError {
    kind: AttachErrorKind,
    text: String,
}

/// What stands between a program and a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttachErrorKind {
    /// There is a future for it already.
    HasFuture,
    /// The connection has ended.
    Ended,
}

impl AttachError {
    pub(crate) const fn new(kind: AttachErrorKind, text: String) -> Self {
        Self { kind, text }
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> AttachErrorKind {
        self.kind
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for AttachError {}
