//! The thread of the connection: it publishes what is waiting, reads what comes, and does what is asked of it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, atomic::Ordering, mpsc},
    time::{Duration, Instant},
};

use async_nats::{Event, ServerError, Subscriber};
use bytes::Bytes;
use executor_core::{Shutdown, TaskError, TaskErrorKind, Timeout};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Order, Settings, Shared, callbacks::Chore, cancel::Canceller, lock, results::Repair};
use crate::{
    ConnectError,
    blobs::Blobs,
    connect::Link,
    names,
    presence::Seen,
    publish, setup,
    wire::{self, Outcome, Presence},
    worker::{refused, runtime},
};

/// How many messages are published, or read, before something else has its turn.
pub(super) const BATCH: usize = 256;

pub(super) const TICK: Duration = Duration::from_millis(250);

/// After which a submission without an answer is sent again.
const RESEND: Duration = Duration::from_secs(2);

/// When it is asked again whether a task that waits for too long has started.
const EXPIRE_AGAIN: Duration = Duration::from_secs(5);

/// How often the stream is asked for results that are missing.
const REPAIR: Duration = Duration::from_secs(5);

/// How long tasks may outlive a shutdown that kills them.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Io {
    pub(super) shared: Arc<Shared>,
    pub(super) link: Link,
    pub(super) blobs: Blobs,
    pub(super) canceller: Canceller,
    pub(super) orders: UnboundedReceiver<Order>,
    pub(super) bodies: UnboundedReceiver<Body>,
    pub(super) reporter: UnboundedSender<Body>,
    pub(super) inbox: String,
    pub(super) answers: Subscriber,
    pub(super) results: Subscriber,
    pub(super) notices: Subscriber,
    pub(super) presence: Subscriber,
    pub(super) seen: Seen,
    /// Submissions under way.
    pub(super) open: usize,
    pub(super) again: VecDeque<u64>,
    /// What was sent, in order; who has had an answer is passed over.
    pub(super) unanswered: VecDeque<(Instant, u64)>,
    /// The stream is full or not there: not before this time.
    pub(super) pause_until: Option<Instant>,
    pub(super) lost_since: Option<Instant>,
    pub(super) repaired: Instant,
    /// Whose turn it is then.
    pub(super) next_repair: u64,
    pub(super) kill_by: Option<Instant>,
    /// Who waits for an answer that comes behind all notices.
    pub(super) syncs: HashMap<u64, mpsc::SyncSender<()>>,
    pub(super) next_sync: u64,
}

/// A large body that has been stored or fetched.
pub(super) enum Body {
    Argument(u64, Result<Bytes, TaskError>),
    Output(u64, Outcome, Result<Vec<u8>, TaskError>),
    /// A result that was looked for.
    Found(u64, Result<Bytes, TaskError>),
}

pub(super) fn start(settings: Settings) -> Result<Arc<Shared>, ConnectError> {
    let (sender, orders) = unbounded_channel();
    let runtime = runtime()?;
    let shared = Shared::new(settings, sender);
    let io = runtime.block_on(Io::new(Arc::clone(&shared), orders))?;
    let own = Arc::clone(&shared);
    let thread = std::thread::Builder::new()
        .name("nats-executor".into())
        .spawn(move || {
            runtime.block_on(io.run());
            runtime.shutdown_background();
            own.caller.finish();
            own.state().has_ended = true;
            own.announce();
        })
        .map_err(refused)?;
    *lock(&shared.thread) = Some(thread);
    Ok(shared)
}

impl Io {
    async fn new(
        shared: Arc<Shared>,
        orders: UnboundedReceiver<Order>,
    ) -> Result<Self, ConnectError> {
        let common = &shared.settings.common;
        let session = &shared.settings.session;
        let link = common.connect(&format!("executor {session}")).await?;
        setup::set_up(common, &link).await?;
        let began = Instant::now();
        let inbox = link.client.new_inbox();
        let subscribe = async |subject: String| {
            let subscribed = link.client.subscribe(subject.clone()).await;
            subscribed
                .map_err(|error| link.explain(&format!("cannot listen to `{subject}`"), error))
        };
        let of_session = format!("{}.{session}.*", common.user());
        let answers = subscribe(format!("{inbox}.*.*")).await?;
        let results = subscribe(link.names.of('r', &of_session)).await?;
        let notices = subscribe(link.names.of('s', &of_session)).await?;
        let presence = subscribe(link.names.all('w')).await?;
        // What else it lacks fails a task, or a cancel, and nothing that was not asked for.
        link.try_rights(common, began.into(), Vec::new()).await?;
        let (reporter, bodies) = unbounded_channel();
        Ok(Self {
            blobs: Blobs {
                common: common.clone(),
                jetstream: link.jetstream.clone(),
                names: link.names.clone(),
                refusals: link.refusals.clone(),
            },
            canceller: Canceller {
                shared: Arc::clone(&shared),
                client: link.client.clone(),
                jetstream: link.jetstream.clone(),
                names: link.names.clone(),
            },
            seen: Seen::new(common.queue.clone()),
            shared,
            link,
            orders,
            bodies,
            reporter,
            inbox,
            answers,
            results,
            notices,
            presence,
            open: 0,
            again: VecDeque::new(),
            unanswered: VecDeque::new(),
            pause_until: None,
            lost_since: None,
            repaired: Instant::now(),
            next_repair: 0,
            kill_by: None,
            syncs: HashMap::new(),
            next_sync: 0,
        })
    }

    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut ticks = tokio::time::interval(TICK);
        loop {
            self.publish().await;
            {
                let state = shared.state();
                if state.tasks.is_empty() && (state.shutdown.is_some() || state.broken.is_some()) {
                    break;
                }
            }
            tokio::select! {
                () = shared.wake.notified() => {}
                Some(event) = self.link.events.recv() => self.heed(event).await,
                Some(order) = self.orders.recv() => self.obey(order).await,
                Some(message) = self.results.next() => {
                    self.result(&message);
                    for _ in 0..BATCH {
                        let Some(Some(message)) = self.results.next().now_or_never() else { break };
                        self.result(&message);
                    }
                    self.shared.announce();
                }
                Some(message) = self.notices.next() => {
                    self.notice(&message);
                    for _ in 0..BATCH {
                        let Some(Some(message)) = self.notices.next().now_or_never() else { break };
                        self.notice(&message);
                    }
                    self.shared.announce();
                }
                Some(message) = self.answers.next() => {
                    self.answer(&message);
                    for _ in 0..BATCH {
                        let Some(Some(message)) = self.answers.next().now_or_never() else { break };
                        self.answer(&message);
                    }
                    self.shared.changed.notify_waiters();
                }
                Some(message) = self.presence.next() => {
                    if let Some(presence) = wire::read_note::<Presence>(&message.payload) {
                        self.seen.note(presence);
                        self.shared.seen_slots.store(self.seen.slots(), Ordering::Relaxed);
                    }
                }
                Some(body) = self.bodies.recv() => self.body(body),
                _ = ticks.tick() => self.tick().await,
            }
        }
        // Who waits for an answer gets it by the drop of the orders.
    }

    async fn heed(&mut self, event: Event) {
        match event {
            Event::Disconnected => {
                self.lost_since.get_or_insert_with(Instant::now);
            }
            Event::Connected => {
                self.lost_since = None;
                // Answers may be lost: what has none is sent again, and the server knows it by its number.
                self.resend(Duration::ZERO);
                self.repair(Repair::All).await;
            }
            Event::SlowConsumer(_) => self.repair(Repair::All).await,
            Event::ServerError(ServerError::Other(text)) => self.refused(&text),
            _ => {}
        }
    }

    /// The server does not allow something, and says to what subject.
    fn refused(&self, text: &str) {
        tracing::error!(text, "the server refuses something");
        let Some(subject) = text.split('"').nth(1) else {
            return;
        };
        let Some(number) = names::id_of(subject) else {
            return;
        };
        let queue = &self.shared.settings.common.queue;
        let (is_task, is_result) = (
            self.link.names.address_of_task(queue, subject).is_some(),
            subject.contains(&format!(".DIRECT.GET.{}.", self.link.names.results())),
        );
        let why =
            format!("the server says `{text}`: give the user the right to publish to `{subject}`");
        let kind = if is_task {
            TaskErrorKind::Rejected(why)
        } else if is_result && self.shared.settings.is_attached {
            TaskErrorKind::PayloadLost(format!("the result of task {number}: {why}"))
        } else {
            return;
        };
        self.shared.fail(number, || TaskError::new(kind));
        self.shared.announce();
    }

    async fn obey(&mut self, order: Order) {
        let canceller = self.canceller.clone();
        match order {
            Order::Cancel(number, reply) => {
                tokio::spawn(async move {
                    answer_to(&reply, canceller.cancel(number).await);
                });
            }
            Order::Look(number) => self.look(vec![number]),
            Order::Sync(reply) => {
                let number = self.next_sync;
                self.next_sync += 1;
                self.syncs.insert(number, reply);
                let back = format!("{}.y.{number}", self.inbox);
                // Any answer of the server will do: this one is soon there, and a right to it is needed all the same.
                let nobody = self.link.names.of('r', &self.shared.address(0));
                let domain = self.shared.settings.common.domain.as_deref();
                let get = publish::direct_get(&self.link.names.results(), &nobody, domain);
                let client = &self.link.client;
                let asking = client.publish_with_reply(get, back, Bytes::new());
                if self.lost_since.is_some()
                    || !matches!(tokio::time::timeout(TICK, asking).await, Ok(Ok(())))
                {
                    self.syncs.remove(&number);
                }
            }
            Order::Stop(number, level, reply) => {
                tokio::spawn(async move {
                    canceller.stop(number, level).await;
                    answer_to(&reply, ());
                });
            }
            Order::End(mode, reply) => {
                if mode == Shutdown::Kill {
                    self.kill_by = Some(Instant::now() + KILL_PATIENCE);
                }
                tokio::spawn(async move { answer_to(&reply, canceller.end(mode).await) });
            }
        }
    }

    async fn tick(&mut self) {
        self.resend(RESEND);
        self.expire();
        if self.seen.forget() {
            self.shared
                .seen_slots
                .store(self.seen.slots(), Ordering::Relaxed);
        }
        if self.repaired.elapsed() > REPAIR && self.lost_since.is_none() {
            self.repair(Repair::Some).await;
        }
        let patience = self.shared.settings.give_up_after;
        if self
            .lost_since
            .is_some_and(|since| since.elapsed() > patience)
        {
            let url = &self.shared.settings.common.url;
            self.shared.give_up(&format!(
                "the server at `{url}` has not been reached for {patience:?}"
            ));
        }
        if self.kill_by.is_some_and(|by| Instant::now() > by) {
            let numbers: Vec<u64> = self.shared.state().tasks.keys().copied().collect();
            for number in numbers {
                self.shared
                    .fail(number, || TaskError::new(TaskErrorKind::Killed));
            }
            self.shared.announce();
        }
    }

    /// Fails what has been queued for too long: at once what is still here, and the rest unless a worker has started it.
    fn expire(&self) {
        let (here, published): (Vec<u64>, Vec<u64>) = {
            let mut state = self.shared.state();
            let overdue = state.overdue(Instant::now());
            overdue
                .into_iter()
                .partition(|number| state.tasks[number].sent.is_none())
        };
        let error = || TaskError::new(TaskErrorKind::TimedOut(Timeout::Queue));
        for &number in &here {
            self.shared.fail(number, error);
        }
        if !here.is_empty() {
            self.shared.announce();
        }
        if published.is_empty() {
            return;
        }
        let (shared, canceller) = (Arc::clone(&self.shared), self.canceller.clone());
        tokio::spawn(async move {
            let jobs = canceller.withdraw(&published).await;
            let mut state = shared.state();
            state.figures.failed += jobs.len() as u64;
            // Who is neither here nor running has a worker that is silent, or there is no connection: it is asked again.
            let later = Instant::now() + EXPIRE_AGAIN;
            for number in published {
                if state.tasks.contains_key(&number) {
                    state.deadlines.insert((later, number));
                }
            }
            drop(state);
            for job in jobs {
                shared.caller.call(Chore::Fail(job, error()));
            }
            shared.announce();
            shared.wake.notify_one();
        });
    }
}

pub(super) fn answer_to<T>(reply: &mpsc::SyncSender<T>, value: T) {
    // Who asked waits for it, or has been ended with its thread.
    let _unheard = reply.try_send(value);
}
