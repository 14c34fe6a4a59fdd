//! The way to the server: settings that executors and workers share, the first connection, and what is wrong with it.

use std::time::Duration;

use async_nats::{ConnectErrorKind as Nats, ConnectOptions, Event, ServerError, jetstream};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::Instant,
};

use crate::{
    ConnectError, ConnectErrorKind, Credentials, Tls,
    names::{self, Names},
    refusals::Refusals,
};

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

    /// Those of the servers of a cluster, of which any one will do.
    fn urls(&self) -> impl Iterator<Item = &str> {
        self.url.split(',').map(str::trim)
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
        let host = |url: &str| {
            url.rsplit_once("://")
                .map_or(url.len(), |(_, host)| host.len())
        };
        if self.urls().any(|url| host(url) == 0) {
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
            let urls: Vec<&str> = self.urls().collect();
            match tokio::time::timeout(left, connecting.connect(&urls[..])).await {
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
        if let Some(credentials) = self.credentials.clone() {
            options = credentials.show(options).await?;
        }
        if let Some(tls) = &self.tls {
            options = tls.demand(options)?;
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
}
