//! What comes: results, starts, and answers of the server; and results that may have been missed.
//!
//! Results come by a plain subscription, which may lose messages: when the connection is lost, or when this thread is too slow. So after each of these,
//! and now and then, the stream of results is asked for what is missing.

use std::time::{Duration, Instant};

use async_nats::Message;
use bytes::Bytes;
use executor_core::{TaskError, TaskErrorKind};
use futures_util::{FutureExt as _, StreamExt as _};

use super::io::{Body, Io, TICK, answer_to};
use crate::{
    names,
    publish::{self, Answer},
    wire::{self, Notice, Outcome, ResultHead},
};

/// For how many results the stream is asked now and then.
const SOME: usize = 1000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    All,
    Some,
}

impl Io {
    pub(super) fn body(&mut self, body: Body) {
        match body {
            Body::Argument(number, stored) => {
                self.open = self.open.saturating_sub(1);
                match stored {
                    Ok(message) => {
                        if let Some(entry) = self.shared.state().tasks.get_mut(&number) {
                            entry.message = Some(message);
                        }
                        self.again.push_back(number);
                    }
                    Err(error) => self.shared.fail(number, || error),
                }
            }
            Body::Output(number, outcome, fetched) => {
                let (outcome, body) = match fetched {
                    Ok(body) => (outcome, body),
                    Err(error) => (Outcome::Failed(error), Vec::new()),
                };
                self.settle(number, outcome, body.into());
            }
            Body::Found(number, Ok(payload)) => self.outcome(number, &payload),
            Body::Found(number, Err(error)) => self.shared.fail(number, || error),
        }
        self.shared.announce();
    }

    pub(super) fn result(&self, message: &Message) {
        let Some(number) = names::id_of(message.subject.as_str()) else {
            return;
        };
        self.outcome(number, &message.payload);
    }

    pub(super) fn outcome(&self, number: u64, payload: &Bytes) {
        if !self.shared.state().tasks.contains_key(&number) {
            return;
        }
        let (head, body) = match wire::open::<ResultHead>(payload) {
            Ok(opened) => opened,
            Err(why) => {
                self.shared
                    .fail(number, || TaskError::new(TaskErrorKind::PayloadLost(why)));
                return;
            }
        };
        let Some(blob) = head.blob else {
            self.settle(number, head.outcome, body);
            return;
        };
        let (blobs, reporter) = (self.blobs.clone(), self.reporter.clone());
        tokio::spawn(async move {
            let fetched = blobs.get(&blob).await;
            // Nobody listens any more only when all is over.
            let _unheard = reporter.send(Body::Output(number, head.outcome, fetched));
        });
    }

    pub(super) fn settle(&self, number: u64, outcome: Outcome, body: Bytes) {
        let callbacks = self.shared.state().settle(number, outcome, body);
        if let Some(callbacks) = callbacks {
            self.shared.caller.call(callbacks);
        }
    }

    pub(super) fn notice(&self, message: &Message) {
        let number = names::id_of(message.subject.as_str());
        let (Some(number), Some(notice)) = (number, wire::read_note(&message.payload)) else {
            return;
        };
        let mut state = self.shared.state();
        match notice {
            Notice::Started => state.begin(number),
            Notice::StopSeen => {
                if let Some(entry) = state.tasks.get_mut(&number) {
                    entry.has_seen_stop = true;
                }
            }
        }
    }

    /// An answer to a submission (`a`) or to a look for a result (`g`).
    pub(super) fn answer(&mut self, message: &Message) {
        let subject = message.subject.as_str();
        let Some(number) = names::id_of(subject) else {
            return;
        };
        if subject[self.inbox.len()..].starts_with(".g.") {
            if message.status.is_none() {
                self.outcome(number, &message.payload);
            }
            return;
        }
        if subject[self.inbox.len()..].starts_with(".y.") {
            // What was sent before has arrived before, on another subscription.
            while let Some(Some(notice)) =
                tokio::task::unconstrained(self.notices.next()).now_or_never()
            {
                self.notice(&notice);
            }
            if let Some(reply) = self.syncs.remove(&number) {
                answer_to(&reply, ());
            }
            return;
        }
        self.open = self.open.saturating_sub(1);
        let answer = publish::read_answer(message);
        let mut state = self.shared.state();
        let Some(entry) = state.tasks.get_mut(&number) else {
            return;
        };
        match answer {
            Answer::Stored { sequence } => {
                entry.sequence = Some(sequence);
                entry.message = None;
            }
            Answer::Occupied => {}
            Answer::Refused(why) => {
                // It waits for its turn already.
                entry.sent = Some(Instant::now());
                drop(state);
                tracing::debug!(why, "a submission waits");
                self.pause_until = Some(Instant::now() + TICK);
                self.again.push_back(number);
            }
        }
    }

    /// Asks the stream for results that may have been missed: for all, or for some of them in turn.
    pub(super) async fn repair(&mut self, what: Repair) {
        self.repaired = Instant::now();
        let mut numbers: Vec<u64> = {
            let state = self.shared.state();
            let published = state.tasks.iter().filter(|(_, entry)| {
                entry.message.is_none() && entry.sent.is_some_and(|sent| sent.elapsed() > TICK)
            });
            published.map(|(&number, _)| number).collect()
        };
        if what == Repair::Some && numbers.len() > SOME {
            numbers.sort_unstable();
            let next = numbers.partition_point(|&number| number < self.next_repair);
            numbers.rotate_left(next);
            numbers.truncate(SOME);
            self.next_repair = numbers.last().map_or(0, |last| last + 1);
        }
        if self.shared.settings.is_attached {
            self.look(numbers);
            return;
        }
        let domain = self.shared.settings.common.domain.as_deref();
        for number in numbers {
            let subject = self.link.names.of('r', &self.shared.address(number));
            let get = publish::direct_get(&self.link.names.results(), &subject, domain);
            let reply = format!("{}.g.{number}", self.inbox);
            let asking = self
                .link
                .client
                .publish_with_reply(get, reply, Bytes::new());
            if tokio::time::timeout(Duration::from_secs(1), asking)
                .await
                .is_err()
            {
                // There is no connection; the next one asks again.
                return;
            }
        }
    }
}
