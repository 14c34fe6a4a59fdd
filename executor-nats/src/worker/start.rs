//! The start of a task: what comes is looked at, prepared where something has to be fetched, and handed to the pool.

use std::sync::Arc;

use async_nats::Message;
use executor_core::{
    ExecutorExt as _, Future as _, Reason, Registry, TaskError, TaskErrorKind, TaskOptions, Timeout,
};

use super::{
    engine::{Engine, Report, now},
    held::{Delivery, Held, Stage},
};
use crate::{
    publish,
    wire::{self, Notice, Outcome, TaskHead},
};

impl Engine {
    pub(super) async fn receive(&mut self, message: Message) {
        let queue = &self.settings.common.queue;
        let address = self
            .link
            .names
            .address_of_task(queue, message.subject.as_str());
        let Some(address) = address.map(Arc::<str>::from) else {
            self.asked.status(&message);
            if message.status.is_some_and(|status| status.as_u16() == 503) {
                // Nobody is there who could answer: it is asked again after a while.
                self.asked.ask(self.settings.slots);
                self.is_unheard = true;
            }
            return;
        };
        self.asked.came();
        let (Some(delivery), Some(ack)) = (Delivery::of(&message), message.reply) else {
            tracing::error!(
                task = &*address,
                "a task came without a way to acknowledge it"
            );
            return;
        };
        if self.is_draining {
            self.answer(ack, "-NAK").await;
            return;
        }
        if self.held.contains_key(&address) {
            // The lease ran out while this very worker has it: it goes on, under the new one.
            if let Some(held) = self.held.get_mut(&address) {
                held.ack = ack;
            }
            return;
        }
        self.read_tombstones().await;
        let opened = wire::open::<TaskHead<'static>>(&message.payload);
        let (head, body) = match opened {
            Ok(opened) => opened,
            Err(why) => {
                let error = TaskError::new(TaskErrorKind::Rejected(why));
                self.record(
                    address,
                    ack,
                    delivery.attempt,
                    Outcome::Failed(error),
                    Vec::new(),
                    None,
                )
                .await;
                return;
            }
        };
        let held = Held {
            address,
            ack,
            attempt: delivery.attempt,
            head,
            body,
            stage: Stage::Prepares,
        };
        if held.attempt > self.settings.max_attempts {
            let attempts = held.attempt - 1;
            let name = held.head.name.clone().into_owned();
            let kind = if self.knows(&held.head) {
                TaskErrorKind::WorkerLost { attempts }
            } else {
                TaskErrorKind::UnknownTask(name)
            };
            self.give_up(held, TaskError::new(kind)).await;
        } else if !self.knows(&held.head) {
            self.answer(held.ack, "-NAK {\"delay\":5000000000}").await;
        } else if self.held.len() >= self.settings.slots {
            self.waiting.push_back(held);
        } else {
            self.prepare(held, delivery.sequence <= self.old_until)
                .await;
        }
    }

    pub(super) fn knows(&self, head: &TaskHead<'_>) -> bool {
        Registry::global().signature(&head.name) == Some(head.signature)
    }

    /// Looks up and fetches what has to be there before the task starts.
    pub(super) async fn prepare(&mut self, held: Held, is_old: bool) {
        let blob = held.head.blob.clone();
        if blob.is_none() && !is_old {
            self.start(held).await;
            return;
        }
        let address = Arc::clone(&held.address);
        self.held.insert(Arc::clone(&address), held);
        let (blobs, reporter) = (self.blobs.clone(), self.reporter.clone());
        let client = self.link.client.clone();
        tokio::spawn(async move {
            let level = if is_old {
                publish::tombstone_of(&client, &blobs, &address).await
            } else {
                None
            };
            let prepared = match (level, &blob) {
                (None, Some(blob)) => blobs.get(blob).await.map(|body| (None, Some(body))),
                (level, _) => Ok((level, None)),
            };
            // The engine is gone only if the worker is.
            let _unheard = reporter.send(Report::Prepared(address, prepared));
        });
    }

    pub(super) async fn start(&mut self, mut held: Held) {
        if self.tombstone_for(&held.address).is_some() {
            self.cancelled(held).await;
            return;
        }
        if held.head.start_by.is_some_and(|by| now() > by) {
            let error = TaskError::new(TaskErrorKind::TimedOut(Timeout::Queue));
            self.give_up(held, error).await;
            return;
        }
        let body = Vec::from(std::mem::take(&mut held.body));
        let call = Registry::global().call(&held.head.name, held.head.is_chunk, body);
        let Some(call) = call else {
            self.answer(held.ack, "-NAK {\"delay\":5000000000}").await;
            return;
        };
        let mut options = TaskOptions::new()
            .with_id(Arc::clone(&held.address))
            .with_attempt(held.attempt);
        if let Some(timeout) = held.head.timeout {
            options = options.with_timeout(timeout);
        }
        if let Some(label) = held.head.label.clone() {
            options = options.with_name(label);
        }
        self.notice(&held.address, Notice::Started).await;
        // So that a submitter is not the last to know. Where there are many the connection is never idle.
        if self.held.len() < FEW && self.link.client.flush().await.is_err() {
            tracing::warn!("a submitter hears late of the start of its task");
        }
        match self.pool.relay(call, options) {
            Ok(future) => {
                let (address, reporter) = (Arc::clone(&held.address), self.reporter.clone());
                future.on_done(move |_| {
                    // The engine is gone only if the worker is.
                    let _unheard = reporter.send(Report::Done(address));
                });
                held.stage = Stage::Runs(Arc::new(future));
                self.held.insert(Arc::clone(&held.address), held);
            }
            Err(error) if matches!(error.reason(), Reason::Unsupported(_)) => {
                let error = TaskError::new(TaskErrorKind::Rejected(error.to_string()));
                self.give_up(held, error).await;
            }
            Err(error) => {
                tracing::error!(%error, "the pool of this worker takes no tasks: it drains, and others run them");
                self.answer(held.ack, "-NAK").await;
                self.drain().await;
            }
        }
    }
}

/// Fewer tasks than that, and each start is told at once.
const FEW: usize = 4;
