//! The end of a task: its result is published until the server confirms it, and only then the task is acknowledged.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{Message, Subject};
use bytes::Bytes;
use executor_core::{Future as _, Reply, TaskError, TaskErrorKind};

use super::{
    Ending,
    engine::{Engine, Report},
    held::{Finishing, Held, Stage},
};
use crate::{
    blobs::LARGE,
    names,
    publish::{self, Answer},
    wire::{self, Outcome, ResultHead},
};

impl Engine {
    pub(super) async fn finish(&mut self, address: &Arc<str>) {
        let Some(mut held) = self.held.remove(address) else {
            return;
        };
        let Stage::Runs(future) = &held.stage else {
            return;
        };
        let reply = future
            .take()
            .unwrap_or_else(|| Err(TaskError::new(TaskErrorKind::Lost)));
        self.done += 1;
        let (outcome, body) = match reply {
            Ok(Reply::Output(output)) => (Outcome::Output, output.into_vec()),
            Ok(Reply::Interrupted { partial, error }) => (Outcome::Interrupted(error), partial),
            // A stop came after we had said that it starts, and before the pool did start it.
            Err(error) if error.is_cancelled() => (Outcome::Cancelled, Vec::new()),
            Err(error) => (Outcome::Failed(error), Vec::new()),
        };
        let is_cut = *self.ending.borrow() == Ending::Kills
            && match &outcome {
                Outcome::Failed(error) | Outcome::Interrupted(error) => error.is_killed(),
                Outcome::Cancelled => true,
                Outcome::Output => false,
            };
        if is_cut {
            // Not its own fault: another worker runs it, unless it has a tombstone.
            self.give_back(held.ack).await;
            return;
        }
        if body.len() < LARGE {
            let Held {
                ack, attempt, head, ..
            } = held;
            self.record(Arc::clone(address), ack, attempt, outcome, body, head.blob)
                .await;
            return;
        }
        let (blobs, reporter, attempt) = (self.blobs.clone(), self.reporter.clone(), held.attempt);
        let address = Arc::clone(address);
        held.stage = Stage::Stores;
        self.held.insert(Arc::clone(&address), held);
        tokio::spawn(async move {
            let stored = blobs.put(&body).await.map(|blob| {
                let head = ResultHead {
                    outcome,
                    attempt,
                    blob: Some(blob),
                };
                wire::seal(Vec::new(), &head)
            });
            // The engine is gone only if the worker is.
            let _unheard = reporter.send(Report::Stored(address, stored));
        });
    }

    pub(super) async fn cancelled(&mut self, held: Held) {
        self.record(
            held.address,
            held.ack,
            held.attempt,
            Outcome::Cancelled,
            Vec::new(),
            held.head.blob,
        )
        .await;
    }

    pub(super) async fn give_up(&mut self, held: Held, error: TaskError) {
        let outcome = Outcome::Failed(error);
        self.record(
            held.address,
            held.ack,
            held.attempt,
            outcome,
            Vec::new(),
            held.head.blob,
        )
        .await;
    }

    pub(super) async fn record(
        &mut self,
        address: Arc<str>,
        ack: Subject,
        attempt: u32,
        outcome: Outcome,
        body: Vec<u8>,
        argument: Option<wire::BlobRef>,
    ) {
        let head = ResultHead {
            outcome,
            attempt,
            blob: None,
        };
        if let Some(argument) = argument {
            let blobs = self.blobs.clone();
            tokio::spawn(async move { blobs.remove(&argument).await });
        }
        self.publish(address, ack, wire::seal(body, &head)).await;
    }

    pub(super) async fn publish(&mut self, address: Arc<str>, ack: Subject, result: Bytes) {
        let number = self.next_result;
        self.next_result += 1;
        let finishing = Finishing {
            address,
            ack,
            result,
            sent: Instant::now(),
        };
        self.send(number, &finishing).await;
        self.finishing.insert(number, finishing);
    }

    pub(super) async fn send(&self, number: u64, finishing: &Finishing) {
        let subject = self.link.names.of('r', &finishing.address);
        let reply = format!("{}.a.{number}", self.inbox);
        let client = &self.link.client;
        let sent = client.publish_with_reply(subject, reply, finishing.result.clone());
        if let Err(error) = sent.await {
            tracing::error!(%error, task = &*finishing.address, "a result cannot be sent");
        }
    }

    /// The server has a result, or does not take it.
    pub(super) async fn confirm(&mut self, answer: &Message) {
        let Some(number) = names::id_of(answer.subject.as_str()) else {
            return;
        };
        match publish::read_answer(answer) {
            Answer::Stored { .. } | Answer::Occupied => {
                if let Some(finishing) = self.finishing.remove(&number) {
                    self.answer(finishing.ack, "+ACK").await;
                }
            }
            // It is sent again after a while; the lease goes on meanwhile.
            Answer::Refused(why) => tracing::warn!(why, "a result is not taken, and sent again"),
        }
    }

    pub(super) async fn republish(&mut self, age: Duration) {
        let mut late: Vec<u64> = Vec::new();
        for (&number, finishing) in &mut self.finishing {
            if finishing.sent.elapsed() >= age {
                finishing.sent = Instant::now();
                late.push(number);
            }
        }
        for number in late {
            if let Some(finishing) = self.finishing.get(&number) {
                self.send(number, finishing).await;
            }
        }
    }
}
