//! Who a client is, and whom it trusts.

use std::{fmt, path::PathBuf};

use async_nats::ConnectOptions;

use crate::{ConnectError, ConnectErrorKind};

/// How a client shows who it is.
#[derive(Clone)]
#[non_exhaustive]
pub enum Credentials {
    /// A user and a password.
    Password(String, String),
    /// A token.
    Token(String),
    /// The seed of an nkey, which begins with `S`.
    Nkey(String),
    /// A file with a JWT and its key, as `nsc` makes them.
    File(PathBuf),
}

/// Whom a client trusts, and its own certificate.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Tls {
    authority: Option<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
}

impl Credentials {
    pub(crate) async fn show(
        self,
        options: ConnectOptions,
    ) -> Result<ConnectOptions, ConnectError> {
        Ok(match self {
            Self::Password(user, password) => options.user_and_password(user, password),
            Self::Token(token) => options.token(token),
            Self::Nkey(seed) => options.nkey(seed),
            Self::File(file) => options.credentials_file(&file).await.map_err(|error| {
                let file = file.display();
                let what = format!("the credentials in `{file}` cannot be read");
                ConnectError::new(ConnectErrorKind::Invalid, what).because(error)
            })?,
        })
    }
}

impl Tls {
    /// The authorities that the operating system trusts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authority in this PEM file, too.
    pub fn authority(mut self, file: impl Into<PathBuf>) -> Self {
        self.authority = Some(file.into());
        self
    }

    /// Shows the certificate in this PEM file, with the key in that one.
    pub fn certificate(mut self, file: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some((file.into(), key.into()));
        self
    }

    pub(crate) fn demand(
        &self,
        mut options: ConnectOptions,
    ) -> Result<ConnectOptions, ConnectError> {
        options = options.require_tls(true);
        let certificate = self.certificate.iter().flat_map(|(file, key)| [file, key]);
        for file in self.authority.iter().chain(certificate) {
            std::fs::metadata(file).map_err(|error| {
                let file = file.display();
                let what = format!("`{file}` of TLS cannot be read");
                ConnectError::new(ConnectErrorKind::Invalid, what).because(error)
            })?;
        }
        if let Some(file) = &self.authority {
            options = options.add_root_certificates(file.clone());
        }
        if let Some((file, key)) = &self.certificate {
            options = options.add_client_certificate(file.clone(), key.clone());
        }
        Ok(options)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(user, _) => f
                .debug_tuple("Password")
                .field(user)
                .finish_non_exhaustive(),
            Self::Token(_) => f.debug_tuple("Token").finish_non_exhaustive(),
            Self::Nkey(_) => f.debug_tuple("Nkey").finish_non_exhaustive(),
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let shown = format!("{:?}", Credentials::Password("me".into(), "secret".into()));
        assert!(shown.contains("me") && !shown.contains("secret"), "{shown}");
    }
}
