//! What the server does not allow: it tells of it by events, and a request that it refuses has no answer.
//!
//! Most of what a client may lack it needs when it connects, or a task fails for the lack of it. The rest would be missed too late, or never: a worker
//! that may not record results would run its tasks for ever. That is tried at the start, by messages that change nothing.

use std::sync::{Arc, Mutex, PoisonError};

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    ConnectError, ConnectErrorKind,
    connect::{Common, Link},
    publish,
};

/// The refusals that the server told of, the last of each kind, in the order of their times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<Vec<(Instant, String)>>>);

/// So many are remembered.
const MOST: usize = 16;

impl Refusals {
    pub(crate) fn note(&self, text: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, other)| other != text);
        if all.len() == MOST {
            all.remove(0);
        }
        all.push((Instant::now(), text.to_owned()));
    }

    /// What the server has refused since then, and what to do.
    pub(crate) fn since(&self, then: Option<Instant>) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = all
            .iter()
            .filter(|(at, _)| then.is_none_or(|then| *at >= then));
        let texts: Vec<String> = since.map(|(_, text)| format!("`{text}`")).collect();
        let right = match texts.len() {
            0 => return None,
            1 => "that right",
            _ => "these rights",
        };
        let texts = texts.join(" and ");
        Some(format!("the server says {texts}: give this user {right}"))
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

    /// Sends something to each of these subjects that changes nothing there, and sees whether the server has refused that, or anything
    /// else since `began`.
    pub(crate) async fn try_rights(
        &self,
        common: &Common,
        began: Instant,
        subjects: Vec<String>,
    ) -> Result<(), ConnectError> {
        let failed = |error| self.explain("the server does not answer", error);
        for subject in subjects {
            let mut headers = HeaderMap::new();
            // No stream has this name, so none takes the message.
            headers.insert("Nats-Expected-Stream", "~");
            let trying =
                self.client
                    .publish_with_headers(subject, headers, Bytes::from_static(b"+WPI"));
            trying.await.map_err(failed)?;
        }
        // What the server refuses it tells of before it answers this. Whoever needs the answer itself finds out why there is none.
        let what = format!("STREAM.INFO.{}", self.names.tasks());
        let answer = publish::info(&self.client, common.domain.as_deref(), &what).await;
        // The event has come, and another task passes it on.
        tokio::task::yield_now().await;
        match (self.refusals.since(Some(began)), answer) {
            (Some(refusal), _) => Err(ConnectError::new(
                ConnectErrorKind::Permission,
                format!("a right is missing: {refusal}"),
            )),
            (None, Err(error)) => Err(ConnectError::new(
                ConnectErrorKind::Server,
                format!(
                    "the stream `{}` cannot be looked at: {error}",
                    self.names.tasks()
                ),
            )),
            (None, Ok(_)) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_refused_is_told_of_once() {
        let refusals = Refusals::default();
        assert_eq!(refusals.since(None), None);
        refusals.note("no a");
        let text = refusals.since(None).unwrap();
        assert!(
            text.contains("`no a`") && text.contains("that right"),
            "{text}"
        );
        for _ in 0..2 {
            refusals.note("no b");
        }
        let text = refusals.since(None).unwrap();
        assert!(
            text.contains("`no a` and `no b`: give this user these"),
            "{text}"
        );
        for number in 0..100 {
            refusals.note(&number.to_string());
        }
        assert_eq!(refusals.since(None).unwrap().matches('`').count(), 2 * MOST);
        assert_eq!(
            refusals.since(Some(Instant::now() + crate::connect::PATIENCE)),
            None
        );
    }
}
