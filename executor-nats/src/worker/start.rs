//! The start of a task: what comes is looked at, prepared where something has to be fetched, and handed to the pool.

use std::{
    sync::Arc,
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use async_nats::{Client, Message};
use executor_core::{
    Call, ExecutorExt as _, Future as _, Reason, Registry, TaskError, TaskErrorKind, TaskOptions,
    Timeout,
};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    engine::{Engine, Report, now},
    held::{Delivery, Held, Stage},
};
use crate::{
    blobs::Blobs,
    publish,
    wire::{self, Level, Notice, Outcome, TaskHead},
};

impl Engine {
    /// Receives all that has come by now, so that it starts together.
    pub(super) async fn receive_all(&mut self, first: Message) {
        self.receive(first).await;
        for _ in 1..TOGETHER {
            let next = tokio::task::unconstrained(self.tasks.next()).now_or_never();
            let Some(Some(message)) = next else { break };
            self.receive(message).await;
        }
    }

    async fn receive(&mut self, message: Message) {
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
        if self.is_draining() {
            self.give_back(ack).await;
            return;
        }
        let mut starting = self.starting.iter_mut();
        let twin = starting.find(|held| held.address == address);
        if let Some(held) = twin.or_else(|| self.held.get_mut(&address)) {
            // The lease ran out while this very worker has it: it goes on, under the new one.
            held.ack = ack;
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
            self.answer(held.ack, NOT_HERE).await;
        } else if self.held.len() + self.starting.len() >= self.settings.slots {
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
            self.starting.push(held);
            return;
        }
        let address = Arc::clone(&held.address);
        self.held.insert(Arc::clone(&address), held);
        let (blobs, reporter) = (self.blobs.clone(), self.reporter.clone());
        let client = self.link.client.clone();
        tokio::spawn(async move {
            let level = if is_old {
                match looked_up(&client, &blobs, &address).await {
                    Ok(level) => level,
                    Err(error) => {
                        tracing::warn!(error, "whether a task is cancelled cannot be looked up");
                        // The engine is gone only if the worker is.
                        let _unheard = reporter.send(Report::Unsure(address));
                        return;
                    }
                }
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

    /// Starts what is to be started: all of it is told to the submitters, with one flush, before any of it runs.
    pub(super) async fn launch(&mut self) {
        if self.starting.is_empty() {
            return;
        }
        let mut calls = Vec::with_capacity(self.starting.len());
        for mut held in std::mem::take(&mut self.starting) {
            match self.call(&mut held) {
                Ok(call) => {
                    self.notice(&held.address, Notice::Started).await;
                    calls.push((held, call));
                }
                Err(Refusal::Cancelled) => self.cancelled(held).await,
                Err(Refusal::Late) => {
                    let error = TaskError::new(TaskErrorKind::TimedOut(Timeout::Queue));
                    self.give_up(held, error).await;
                }
                Err(Refusal::Unknown) => self.answer(held.ack, NOT_HERE).await,
            }
        }
        if calls.is_empty() {
            return;
        }
        // While there is no connection it would wait for ever: then the notices come late, and the tasks are not held up.
        let flush = tokio::time::timeout(FLUSH, self.link.client.flush());
        if !matches!(flush.await, Ok(Ok(()))) {
            tracing::warn!("submitters hear late of the start of their tasks");
        }
        let mut calls = calls.into_iter();
        for (held, call) in calls.by_ref() {
            if !self.start(held, call).await {
                break;
            }
        }
        for (held, _) in calls {
            self.give_back(held.ack).await;
        }
    }

    /// The call of a task, unless it must not start.
    fn call(&self, held: &mut Held) -> Result<Call, Refusal> {
        if self.tombstone_for(&held.address).is_some() {
            return Err(Refusal::Cancelled);
        }
        if held.head.start_by.is_some_and(|by| now() > by) {
            return Err(Refusal::Late);
        }
        let body = Vec::from(std::mem::take(&mut held.body));
        let call = Registry::global().call(&held.head.name, held.head.is_chunk, body);
        call.ok_or(Refusal::Unknown)
    }

    /// Hands a task to the pool. False if the pool takes none any more.
    async fn start(&mut self, mut held: Held, call: Call) -> bool {
        let mut options = TaskOptions::new()
            .with_id(Arc::clone(&held.address))
            .with_attempt(held.attempt);
        if let Some(timeout) = held.head.timeout {
            options = options.with_timeout(timeout);
        }
        if let Some(label) = held.head.label.clone() {
            options = options.with_name(label);
        }
        match self.pool.relay(call, options) {
            Ok(future) => {
                // Not a callback: pools of processes have those called on a thread for it, which is one wake-up more.
                let done = Waker::from(Arc::new(Done {
                    address: Arc::clone(&held.address),
                    reporter: self.reporter.clone(),
                }));
                if !future.subscribe(&done) {
                    done.wake();
                }
                held.stage = Stage::Runs(Arc::new(future));
                self.held.insert(Arc::clone(&held.address), held);
                true
            }
            Err(error) if matches!(error.reason(), Reason::Unsupported(_)) => {
                let error = TaskError::new(TaskErrorKind::Rejected(error.to_string()));
                self.give_up(held, error).await;
                true
            }
            Err(error) => {
                tracing::error!(%error, "the pool of this worker takes no tasks: it drains, and others run them");
                self.drain().await;
                self.give_back(held.ack).await;
                false
            }
        }
    }
}

/// Reports the end of a task.
struct Done {
    address: Arc<str>,
    reporter: UnboundedSender<Report>,
}

impl Wake for Done {
    fn wake(self: Arc<Self>) {
        // The engine is gone only if the worker is.
        let _unheard = self.reporter.send(Report::Done(Arc::clone(&self.address)));
    }
}

/// Why a task is not started.
enum Refusal {
    /// It has a tombstone.
    Cancelled,
    /// It has waited for too long.
    Late,
    /// This program has no task of its name.
    Unknown,
}

/// The tombstone of a task, if it has one. While the server is away it is asked again: to give the task back would use up one
/// of its attempts, and it has not been run.
async fn looked_up(client: &Client, blobs: &Blobs, address: &str) -> Result<Option<Level>, String> {
    let began = Instant::now();
    loop {
        match publish::tombstone_of(client, blobs, address).await {
            Err(_) if began.elapsed() < AWAY => tokio::time::sleep(AGAIN).await,
            known => return known,
        }
    }
}

/// How long a server may be away before a task that waits for its answer is given back.
const AWAY: Duration = Duration::from_secs(60);

/// How long until it is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// What does not run here goes back to the queue, for another worker, after some time.
pub(super) const NOT_HERE: &str = "-NAK {\"delay\":5000000000}";

/// How many tasks are told of with one flush.
pub(super) const TOGETHER: usize = 256;

/// How long a flush may take.
const FLUSH: Duration = Duration::from_secs(1);
