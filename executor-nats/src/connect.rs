//! The way to the server: settings that executors and workers share, the first connection, and what is wrong with it.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_nats::{ConnectErrorKind as Nats, ConnectOptions, Event, ServerError, jetstream};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::Instant,
};

use crate::{
    ConnectError, ConnectErrorKind,
    names::{self, Names},
};

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

/// What executors and workers are both told.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    pub(crate) url: String,
    pub(crate) queue: String,
    pub(crate) namespace: String,
    pub(crate) user: Option<String>,
    pub(crate) tls: Option<Tls>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) domain: Option<String>,
    pub(crate) lease: Duration,
    pub(crate) result_ttl: Duration,
    pub(crate) queue_ttl: Option<Duration>,
    pub(crate) max_stored: Option<u64>,
    pub(crate) replicas: usize,
    pub(crate) connect_timeout: Duration,
}

/// A connection, and what belongs to it.
pub(crate) struct Link {
    pub(crate) client: async_nats::Client,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) names: Names,
    pub(crate) events: UnboundedReceiver<Event>,
    pub(crate) refusals: Refusals,
}

/// The last refusal that the server told of. A missing right shows as a timeout, and here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<Option<(Instant, String)>>>);

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
}

impl Common {
    pub(crate) fn new() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".into(),
            queue: "default".into(),
            namespace: "exec".into(),
            user: None,
            tls: None,
            credentials: None,
            domain: None,
            lease: Duration::from_secs(30),
            result_ttl: Duration::from_secs(3600),
            queue_ttl: None,
            max_stored: None,
            replicas: 1,
            connect_timeout: Duration::from_secs(8),
        }
    }

    pub(crate) fn user(&self) -> String {
        match (&self.user, &self.credentials) {
            (Some(user), _) => user.clone(),
            (None, Some(Credentials::Password(user, _))) => user.clone(),
            _ => "anybody".into(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        for (what, name) in [
            ("queue", &self.queue),
            ("namespace", &self.namespace),
            ("user", &self.user()),
        ] {
            if !names::is_name(name) {
                return Err(ConnectError::new(
                    ConnectErrorKind::Invalid,
                    format!(
                        "`{name}` cannot be the name of a {what}: use 1 to 64 of the letters a to z, digits, - and _"
                    ),
                ));
            }
        }
        let host = self
            .url
            .rsplit_once("://")
            .map_or(&*self.url, |(_, host)| host);
        if host.is_empty() {
            return Err(ConnectError::new(
                ConnectErrorKind::Invalid,
                format!(
                    "`{}` is not the URL of a server: write nats://host:port or tls://host:port",
                    self.url
                ),
            ));
        }
        if self.lease < Duration::from_millis(100) {
            return Err(ConnectError::new(
                ConnectErrorKind::Invalid,
                format!(
                    "a lease of {:?} is too short: use 100 ms or more",
                    self.lease
                ),
            ));
        }
        Ok(())
    }

    /// Connects, within the time that is given for it. Who is not there yet may come up meanwhile; a refusal is final.
    pub(crate) async fn connect(&self, name: &str) -> Result<Link, ConnectError> {
        self.check()?;
        let deadline = Instant::now() + self.connect_timeout;
        let (sender, mut events) = unbounded_channel();
        let refusals = Refusals::default();
        let mut last = None;
        loop {
            let (sender, seen) = (sender.clone(), refusals.clone());
            let options = self.options(name).await?.event_callback(move |event| {
                if let Event::ServerError(ServerError::Other(text)) = &event {
                    seen.note(text);
                }
                // Nobody listens any more only when all is over.
                let _unheard = sender.send(event);
                async {}
            });
            let left = deadline.saturating_duration_since(Instant::now());
            let connecting = options.connection_timeout(left.min(Duration::from_secs(5)));
            match tokio::time::timeout(left, connecting.connect(&self.url)).await {
                Ok(Ok(client)) => {
                    // The first `Connected` is ours: later ones mean that the connection was lost.
                    let first = async {
                        while !matches!(events.recv().await, Some(Event::Connected) | None) {}
                    };
                    if tokio::time::timeout(PATIENCE, first).await.is_err() {
                        tracing::warn!("the client does not say that it is connected");
                    }
                    return self.link(client, events, refusals);
                }
                Ok(Err(error)) => {
                    let error = self.diagnose(error);
                    if error.kind() != ConnectErrorKind::Unreachable
                        || Instant::now() + RETRY > deadline
                    {
                        return Err(error);
                    }
                    last = Some(error);
                }
                Err(_) => {
                    // What it said before tells more than that it says nothing now.
                    return Err(last.unwrap_or_else(|| ConnectError::new(
                        ConnectErrorKind::Unreachable,
                        format!(
                            "`{}` takes connections, and then says nothing: is it a NATS server, and does it run?",
                            self.url
                        ),
                    )));
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn link(
        &self,
        client: async_nats::Client,
        events: UnboundedReceiver<Event>,
        refusals: Refusals,
    ) -> Result<Link, ConnectError> {
        let info = client.server_info();
        if !info.jetstream && self.domain.is_none() {
            return Err(ConnectError::new(
                ConnectErrorKind::NoJetStream,
                format!(
                    "the server at `{}` does not offer JetStream: start it with `-js`, or with a block `jetstream`",
                    self.url
                ),
            ));
        }
        if is_old(&info.version) {
            tracing::warn!(
                version = info.version,
                "this nats-server has known holes: use 2.12.6 or newer, better 2.14.3"
            );
        }
        let builder = jetstream::ContextBuilder::new().timeout(PATIENCE);
        let jetstream = match &self.domain {
            Some(domain) => jetstream::ContextBuilder::new()
                .domain(domain)
                .build(client.clone()),
            None => builder.build(client.clone()),
        };
        Ok(Link {
            jetstream,
            client,
            names: Names::new(self.namespace.clone()),
            events,
            refusals,
        })
    }

    async fn options(&self, name: &str) -> Result<ConnectOptions, ConnectError> {
        let invalid = |what: String, error: std::io::Error| {
            ConnectError::new(ConnectErrorKind::Invalid, what).because(error)
        };
        let mut options = ConnectOptions::new()
            .name(name)
            .subscription_capacity(1 << 18)
            .client_capacity(8192)
            .read_buffer_capacity(u16::MAX)
            .skip_subject_validation(true)
            .ping_interval(Duration::from_secs(10))
            .custom_inbox_prefix(format!("_INBOX_{}", self.user()))
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis((attempts as u64 * 20).min(500))
            });
        options = match self.credentials.clone() {
            None => options,
            Some(Credentials::Password(user, password)) => {
                options.user_and_password(user, password)
            }
            Some(Credentials::Token(token)) => options.token(token),
            Some(Credentials::Nkey(seed)) => options.nkey(seed),
            Some(Credentials::File(file)) => {
                options.credentials_file(&file).await.map_err(|error| {
                    let file = file.display();
                    invalid(format!("the credentials in `{file}` cannot be read"), error)
                })?
            }
        };
        if let Some(tls) = &self.tls {
            options = options.require_tls(true);
            let certificate = tls.certificate.iter().flat_map(|(file, key)| [file, key]);
            for file in tls.authority.iter().chain(certificate) {
                std::fs::metadata(file).map_err(|error| {
                    let file = file.display();
                    invalid(format!("`{file}` of TLS cannot be read"), error)
                })?;
            }
            if let Some(file) = &tls.authority {
                options = options.add_root_certificates(file.clone());
            }
            if let Some((file, key)) = &tls.certificate {
                options = options.add_client_certificate(file.clone(), key.clone());
            }
        }
        Ok(options)
    }

    fn diagnose(&self, error: async_nats::ConnectError) -> ConnectError {
        let url = &self.url;
        let whole = {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(next) = source {
                text = format!("{text}: {next}");
                source = next.source();
            }
            text.to_lowercase()
        };
        let is_tls = whole.contains("certificate") || whole.contains("tls");
        let (kind, text) = match error.kind() {
            Nats::ServerParse => (
                ConnectErrorKind::Invalid,
                format!(
                    "`{url}` is not the URL of a server: write nats://host:port or tls://host:port"
                ),
            ),
            Nats::Authentication | Nats::AuthorizationViolation => (
                ConnectErrorKind::Authentication,
                format!(
                    "the server at `{url}` refuses the user `{}`: check `credentials`",
                    self.user()
                ),
            ),
            _ if is_tls => (
                ConnectErrorKind::Tls,
                format!(
                    "no TLS with the server at `{url}`: check that both sides want it, and that `tls` names who signed its certificate"
                ),
            ),
            _ => (
                ConnectErrorKind::Unreachable,
                format!("no server answers at `{url}`: start nats-server, or check the URL"),
            ),
        };
        ConnectError::new(kind, text).because(error)
    }
}

impl Link {
    /// What a failed request means: a missing right shows as a timeout, and as an event before.
    pub(crate) fn explain(
        &self,
        what: &str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> ConnectError {
        let text = error.to_string();
        if let Some(refusal) = self.refusals.since(None) {
            return ConnectError::new(ConnectErrorKind::Permission, format!("{what}: {refusal}"));
        }
        let kind = if text.contains("10076") || text.contains("10039") || text.contains("10035") {
            ConnectErrorKind::NoJetStream
        } else {
            ConnectErrorKind::Server
        };
        ConnectError::new(kind, what).because(error)
    }
}

impl Refusals {
    fn note(&self, text: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), text.to_owned()));
    }

    /// What the server has refused since then, and what to do.
    pub(crate) fn since(&self, then: Option<Instant>) -> Option<String> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, text) = last.as_ref()?;
        let is_since = then.is_none_or(|then| *at >= then);
        is_since.then(|| format!("the server says `{text}`: give this user that right"))
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

/// How long a single answer of the server may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

const RETRY: Duration = Duration::from_millis(100);

/// Below 2.12.6.
fn is_old(version: &str) -> bool {
    let mut numbers = version
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or(0_u32));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) < (2, 12, 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_known_by_their_version() {
        assert!(is_old("2.9.10"));
        assert!(is_old("2.12.5"));
        assert!(!is_old("2.12.6"));
        assert!(!is_old("2.15.1-beta"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let shown = format!("{:?}", Credentials::Password("me".into(), "secret".into()));
        assert!(shown.contains("me") && !shown.contains("secret"), "{shown}");
    }
}
