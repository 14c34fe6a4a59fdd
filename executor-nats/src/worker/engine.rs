//! What the thread of a worker does.
//!
//! # Protocol
//!
//! One task of a runtime owns everything; others (bodies to fetch or store, children that end) report to it over a channel.
//!
//! A task comes with a subject to acknowledge it. From then on it is *held*, and the server hears so each third of a lease. It is started at
//! once, for the worker asks for no more than it has slots. Before that the submitter is told, so that its future is running before the task is:
//! what has come together is told of together, the connection is flushed once, and then all of it starts.
//! When it is done its result is published; when the server has confirmed that, the task is acknowledged. If the worker dies in between,
//! the task is run again, and its second result is refused: the first one counts.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use async_nats::{Event, Subject, Subscriber};
use bytes::Bytes;
use executor_core::{Executor, Shutdown, TaskError, TaskErrorKind};
use futures_util::StreamExt as _;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        watch,
    },
    time::{MissedTickBehavior, interval},
};

use super::{
    Ending,
    held::{Finishing, Held},
    leave::Leaving,
    pull::{Asked, EXPIRES},
    start::{NOT_HERE, TOGETHER},
};
use crate::{
    ConnectError,
    blobs::Blobs,
    connect::{Common, Link, PATIENCE},
    names::Names,
    publish,
    wire::{self, Level, Notice, Presence},
};

pub(super) struct Settings {
    pub(super) common: Common,
    pub(super) slots: usize,
    pub(super) max_attempts: u32,
    pub(super) name: String,
}

pub(super) struct Engine {
    pub(super) settings: Settings,
    pub(super) link: Link,
    pub(super) blobs: Blobs,
    pub(super) pool: Arc<dyn Executor>,
    pub(super) ending: watch::Receiver<Ending>,
    pub(super) inbox: String,
    pub(super) tasks: Subscriber,
    pub(super) answers: Subscriber,
    pub(super) tombstones: Subscriber,
    pub(super) reports: UnboundedReceiver<Report>,
    pub(super) reporter: UnboundedSender<Report>,
    pub(super) held: HashMap<Arc<str>, Held>,
    /// More than there are slots for: see [`pull`](super::pull).
    pub(super) waiting: VecDeque<Held>,
    /// Looked at and prepared: they start together, see [`launch`](Engine::launch).
    pub(super) starting: Vec<Held>,
    pub(super) finishing: HashMap<u64, Finishing>,
    pub(super) next_result: u64,
    /// Tombstones, with the time when they came.
    pub(super) dead: HashMap<Box<str>, (Level, Instant)>,
    /// Tasks up to this place in the stream may have older tombstones.
    pub(super) old_until: u64,
    pub(super) asked: Asked,
    pub(super) done: u64,
    pub(super) leaving: Leaving,
    /// The last request met nobody.
    pub(super) is_unheard: bool,
    /// There is no connection.
    pub(super) is_lost: bool,
}

/// What others tell the engine of a task.
pub(super) enum Report {
    Prepared(
        Arc<str>,
        Result<(Option<Level>, Option<Vec<u8>>), TaskError>,
    ),
    /// Whether it is cancelled is not known: it must not start.
    Unsure(Arc<str>),
    Done(Arc<str>),
    Stored(Arc<str>, Result<Bytes, String>),
    /// How many tasks wait in the queue, if the server says so; asked by a worker that ends.
    Waits(Option<u64>),
}

impl Engine {
    pub(super) async fn new(
        settings: Settings,
        link: Link,
        pool: Arc<dyn Executor>,
        ending: watch::Receiver<Ending>,
    ) -> Result<Self, ConnectError> {
        let began = Instant::now();
        let inbox = link.client.new_inbox();
        let subscribe = async |subject: String| {
            link.client
                .subscribe(subject.clone())
                .await
                .map_err(|error| link.explain(&format!("cannot listen to `{subject}`"), error))
        };
        let tombstones = subscribe(link.names.all('c')).await?;
        let tasks = subscribe(format!("{inbox}.p.*")).await?;
        let answers = subscribe(format!("{inbox}.a.*")).await?;
        link.client
            .flush()
            .await
            .map_err(|error| link.explain("the server does not answer", error))?;
        let (names, queue) = (&link.names, &settings.common.queue);
        let (tasks_of, consumer) = (names.tasks(), Names::consumer(queue));
        let api = publish::api(settings.common.domain.as_deref());
        let mut needed = vec![
            names.of('r', "~"),
            names.of('s', "~"),
            names.of('w', &settings.name),
            format!("{api}.CONSUMER.MSG.NEXT.{tasks_of}.{consumer}"),
            format!(
                "{api}.DIRECT.GET.{}.{}",
                names.cancels(),
                names.of('c', "~")
            ),
        ];
        if settings.common.domain.is_none() {
            // Elsewhere these subjects begin with more, which only a task tells.
            needed.push(format!("$JS.ACK.{tasks_of}.{consumer}.0.0.0.0.0"));
        }
        link.try_rights(&settings.common, began.into(), needed)
            .await?;
        let (reporter, reports) = unbounded_channel();
        let mut engine = Self {
            blobs: Blobs {
                common: settings.common.clone(),
                jetstream: link.jetstream.clone(),
                names: link.names.clone(),
                refusals: link.refusals.clone(),
            },
            settings,
            link,
            pool,
            ending,
            inbox,
            tasks,
            answers,
            tombstones,
            reports,
            reporter,
            held: HashMap::new(),
            waiting: VecDeque::new(),
            starting: Vec::new(),
            finishing: HashMap::new(),
            next_result: 0,
            dead: HashMap::new(),
            old_until: 0,
            asked: Asked::default(),
            done: 0,
            leaving: Leaving::default(),
            is_unheard: false,
            is_lost: false,
        };
        engine.note_age().await;
        Ok(engine)
    }

    pub(super) async fn run(mut self) {
        let mut beats = interval(self.settings.common.lease / 3);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut presence = interval(PRESENCE);
        loop {
            self.launch().await;
            self.pull().await;
            self.leave().await;
            if self.has_left() {
                break;
            }
            tokio::select! {
                biased;
                Some(event) = self.link.events.recv() => self.heed(event).await,
                Some(tombstone) = self.tombstones.next() => self.bury(&tombstone).await,
                Some(report) = self.reports.recv() => self.take_all(report).await,
                Some(answer) = self.answers.next() => self.confirm(&answer).await,
                Some(message) = self.tasks.next() => self.receive_all(message).await,
                _ = beats.tick() => self.beat().await,
                _ = presence.tick() => self.show(false).await,
                Ok(()) = self.ending.changed() => self.end().await,
            }
        }
        self.show(true).await;
        // While there is no connection it would wait for ever.
        let flush = tokio::time::timeout(PATIENCE, self.link.client.flush());
        if self.is_lost || !matches!(flush.await, Ok(Ok(()))) {
            tracing::warn!(
                "the server has not heard that this worker ends: its last tasks are given out again"
            );
        }
        // Processes end before the worker does.
        let pool = self.pool;
        let joined = tokio::task::spawn_blocking(move || {
            let told = pool.shutdown(Shutdown::Drain);
            debug_assert!(told.is_ok(), "every executor can drain");
            pool.join(None)
        });
        if !matches!(joined.await, Ok(Ok(()))) {
            tracing::error!("the pool of the worker has not ended well");
        }
    }

    /// Asks for as many tasks as there are free slots.
    async fn pull(&mut self) {
        let busy = self.held.len() + self.waiting.len() + self.finishing.len().saturating_sub(1000);
        let free = self.settings.slots.saturating_sub(busy);
        let wanted = self.asked.wanted(free, self.settings.slots);
        if self.is_draining() || wanted == 0 {
            return;
        }
        let names = &self.link.names;
        let consumer = Names::consumer(&self.settings.common.queue);
        let api = publish::api(self.settings.common.domain.as_deref());
        let subject = format!("{api}.CONSUMER.MSG.NEXT.{}.{consumer}", names.tasks());
        let ask = format!("{{\"batch\":{wanted},\"expires\":{}}}", EXPIRES.as_nanos());
        let sent = self
            .link
            .client
            .publish_with_reply(subject, format!("{}.p.{wanted}", self.inbox), ask.into())
            .await;
        if sent.is_ok() {
            self.asked.ask(wanted);
        }
    }

    async fn heed(&mut self, event: Event) {
        match event {
            Event::Disconnected => self.is_lost = true,
            Event::Connected => {
                self.is_lost = false;
                self.asked.forget();
                self.note_age().await;
                self.republish(Duration::ZERO).await;
            }
            Event::SlowConsumer(_) => {
                tracing::warn!("this worker reads too slowly: the server has dropped messages");
                self.asked.forget();
                self.note_age().await;
            }
            Event::ServerError(error) => tracing::error!(%error, "the server refuses something"),
            _ => {}
        }
    }

    /// Takes all that is reported by now, so that what is prepared starts together.
    async fn take_all(&mut self, first: Report) {
        self.take(first).await;
        for _ in 1..TOGETHER {
            let Ok(next) = self.reports.try_recv() else {
                break;
            };
            self.take(next).await;
        }
    }

    async fn take(&mut self, report: Report) {
        match report {
            Report::Waits(tasks) => self.heard(tasks).await,
            Report::Prepared(address, prepared) => {
                let Some(mut held) = self.held.remove(&address) else {
                    return;
                };
                match prepared {
                    Ok((Some(_), _)) => self.cancelled(held).await,
                    Ok((None, body)) => {
                        if let Some(body) = body {
                            held.body = body.into();
                        }
                        self.starting.push(held);
                    }
                    Err(error) => self.give_up(held, error).await,
                }
            }
            Report::Unsure(address) => {
                if let Some(held) = self.held.remove(&address) {
                    self.answer(held.ack, NOT_HERE).await;
                }
            }
            Report::Done(address) => self.finish(&address).await,
            Report::Stored(address, stored) => {
                if let Some(held) = self.held.remove(&address) {
                    match stored {
                        Ok(result) => self.publish(address, held.ack, result).await,
                        Err(why) => {
                            let error = TaskError::new(TaskErrorKind::PayloadLost(why));
                            self.give_up(held, error).await;
                        }
                    }
                }
            }
        }
        if self.held.len() + self.starting.len() < self.settings.slots
            && let Some(held) = self.waiting.pop_front()
        {
            self.read_tombstones().await;
            // Whether it is old is not known any more.
            self.prepare(held, true).await;
        }
    }

    /// Tells the server that what is held is worked on.
    async fn beat(&mut self) {
        if self.is_lost {
            // Nobody hears it, and what is not heard piles up until there is no room for it.
            return;
        }
        let held = self
            .held
            .values()
            .chain(&self.waiting)
            .map(|held| held.ack.clone());
        let finishing = self
            .finishing
            .values()
            .map(|finishing| finishing.ack.clone());
        let acks: Vec<Subject> = held.chain(finishing).collect();
        for ack in acks {
            self.answer(ack, "+WPI").await;
        }
        self.republish(Duration::from_secs(2)).await;
        if std::mem::take(&mut self.is_unheard) || self.asked.is_overdue() {
            self.asked.forget();
        }
        self.dead.retain(|_, (_, came)| came.elapsed() < DAY);
    }

    pub(super) async fn answer(&self, ack: Subject, word: &'static str) {
        if let Err(error) = self
            .link
            .client
            .publish(ack, Bytes::from_static(word.as_bytes()))
            .await
        {
            tracing::error!(%error, word, "an answer to the server cannot be sent");
        }
    }

    pub(super) async fn notice(&self, address: &str, notice: Notice) {
        let subject = self.link.names.of('s', address);
        if let Err(error) = self.link.client.publish(subject, wire::note(&notice)).await {
            tracing::error!(%error, "a submitter cannot be told of its task");
        }
    }

    async fn show(&mut self, leaves: bool) {
        let presence = Presence {
            worker: self.settings.name.clone(),
            queue: self.settings.common.queue.clone(),
            slots: self.settings.slots,
            running: self.held.len(),
            done: self.done,
            leaves,
        };
        let subject = self.link.names.of('w', &self.settings.name);
        if let Err(error) = self
            .link
            .client
            .publish(subject, wire::note(&presence))
            .await
        {
            tracing::error!(%error, "the worker cannot show that it is there");
        }
    }
}

const PRESENCE: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(86_400);

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
