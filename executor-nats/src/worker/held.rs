//! Tasks that a worker has: which were given to it and are not acknowledged.

use std::{sync::Arc, time::Instant};

use async_nats::{Message, Subject};
use bytes::Bytes;
use executor_core::{Reply, TaskFuture};

use crate::wire::TaskHead;

/// A task that was given to this worker.
pub(super) struct Held {
    /// User, session and number.
    pub(super) address: Arc<str>,
    /// Where it is acknowledged.
    pub(super) ack: Subject,
    pub(super) attempt: u32,
    pub(super) head: TaskHead<'static>,
    pub(super) body: Bytes,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    /// Something has to be looked up or fetched before it can start.
    Prepares,
    Runs(Arc<TaskFuture<Reply>>),
    /// Its output is on its way to the store of large bodies.
    Stores,
}

/// A result that the server has not confirmed.
pub(super) struct Finishing {
    pub(super) address: Arc<str>,
    pub(super) ack: Subject,
    pub(super) result: Bytes,
    pub(super) sent: Instant,
}

/// What the subject of an acknowledgement says: how often the task was given, and its place in the stream.
pub(super) struct Delivery {
    pub(super) attempt: u32,
    pub(super) sequence: u64,
}

impl Delivery {
    /// `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>...`, with domain and account before the stream on newer servers.
    pub(super) fn of(message: &Message) -> Option<Self> {
        let subject = message.reply.as_ref()?.as_str();
        let tokens: Vec<&str> = subject.split('.').collect();
        let at = if tokens.len() >= 11 { 6 } else { 4 };
        Some(Self {
            attempt: tokens.get(at)?.parse().ok()?,
            sequence: tokens.get(at + 1)?.parse().ok()?,
        })
    }
}
