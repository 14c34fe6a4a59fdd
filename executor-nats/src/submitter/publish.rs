//! What is waiting goes to the server, as far as it keeps up, and again while there is no answer.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use bytes::Bytes;
use executor_core::{TaskError, TaskErrorKind};

use super::{
    io::{BATCH, Body, Io},
    state::Held,
};
use crate::{
    blobs::LARGE,
    wire::{self, TaskHead},
};

/// Submissions that the server has not confirmed.
const OPEN: usize = 4000;

impl Io {
    /// Publishes what is waiting, as far as the server keeps up.
    pub(super) async fn publish(&mut self) {
        if self.lost_since.is_some() || self.pause_until.is_some_and(|until| Instant::now() < until)
        {
            return;
        }
        self.pause_until = None;
        loop {
            let mut batch = Vec::new();
            {
                let mut state = self.shared.state();
                while batch.len() < BATCH && self.open + batch.len() < OPEN {
                    let next = self.again.pop_front().or_else(|| state.waiting.pop_front());
                    let Some(number) = next else { break };
                    let Some(entry) = state.tasks.get_mut(&number) else {
                        continue;
                    };
                    let Some(message) = entry.message.clone() else {
                        continue;
                    };
                    // Once it is handed over, the workers are asked whether it can be cancelled.
                    let is_first = entry.sent.is_none();
                    if is_first && matches!(&entry.job, Held::Pending(job) if !job.hand_over()) {
                        state.remove(number);
                        state.figures.cancelled += 1;
                        continue;
                    }
                    let now = Instant::now();
                    state.note_sent(number, now);
                    self.unanswered.push_back((now, number));
                    batch.push((number, message));
                }
            }
            if batch.is_empty() {
                return;
            }
            let is_last = batch.len() < BATCH;
            for (number, message) in batch {
                self.open += 1;
                if message.len() > LARGE {
                    self.store(number, message);
                } else {
                    self.send(number, message).await;
                }
            }
            if is_last {
                return;
            }
        }
    }

    pub(super) async fn send(&mut self, number: u64, message: Bytes) {
        let common = &self.shared.settings.common;
        let subject = self
            .link
            .names
            .task(&common.queue, &self.shared.address(number));
        let mut headers = HeaderMap::new();
        headers.insert(
            "Nats-Msg-Id",
            format!("{}.{number}", self.shared.settings.session),
        );
        let reply = format!("{}.a.{number}", self.inbox);
        let client = &self.link.client;
        let sending = client.publish_with_reply_and_headers(subject, reply, headers, message);
        // While there is no connection it would wait for ever; then it is sent again later.
        match tokio::time::timeout(Duration::from_secs(1), sending).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => {
                self.open = self.open.saturating_sub(1);
                let why = format!("the message of the task cannot be sent: {error}");
                self.shared
                    .fail(number, || TaskError::new(TaskErrorKind::Rejected(why)));
            }
        }
    }

    /// Stores a large body, and then publishes a message that says where it is.
    pub(super) fn store(&self, number: u64, message: Bytes) {
        let (blobs, reporter) = (self.blobs.clone(), self.reporter.clone());
        tokio::spawn(async move {
            let stored = match wire::open::<TaskHead<'static>>(&message) {
                Ok((head, body)) => blobs.put(&body).await.map(|blob| {
                    let blob = Some(blob);
                    wire::seal(Vec::new(), &TaskHead { blob, ..head })
                }),
                Err(why) => Err(why),
            };
            let stored = stored.map_err(|why| TaskError::new(TaskErrorKind::Rejected(why)));
            // Nobody listens any more only when all is over.
            let _unheard = reporter.send(Body::Argument(number, stored));
        });
    }

    /// Sends again what has had no answer for this long.
    pub(super) fn resend(&mut self, age: Duration) {
        while let Some(&(sent, number)) = self.unanswered.front()
            && sent.elapsed() >= age
        {
            self.unanswered.pop_front();
            let state = self.shared.state();
            // Large ones are on their way to the store; others have an answer, or have been sent again since.
            let is_late = state.tasks.get(&number).is_some_and(|entry| {
                let message = entry.message.as_ref();
                entry.sent == Some(sent) && message.is_some_and(|message| message.len() <= LARGE)
            });
            if is_late {
                self.open = self.open.saturating_sub(1);
                self.again.push_back(number);
            }
        }
    }
}
