//! Taking back what was published.
//!
//! `cancel` may say true only if the task never starts, and must say false only if it may have. The way:
//!
//! 1. The tombstone of the task is published, and stored: from now on no worker starts it, whenever it is given it. For a worker reads every
//!    tombstone that reached it before a task did, and looks up those that are older than its connection.
//! 2. Its place in the stream is known from the answer to its submission; a connection that has attached to the session looks it up. If the consumer of the queue has not given out that place,
//!    nobody has the task, and nobody will start it: it is cancelled, here and now. Whichever worker is given it later
//!    records the same.
//! 3. Otherwise a worker has it, or had. It answers the tombstone: *started*, or by recording that it is cancelled, whichever comes first.
//!    A worker that died does neither; after a while the answer is false, for the task may have run.
//!
//! A task that has waited for too long is taken back in the same way, and fails: so *not started in time* is true of it.
//!
//! Between 1 and 2 the task may be given out and be started only by a worker to which the tombstone came later than the task. Then
//! the consumer has given it out, so that the second step sees it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use executor_core::{Job, Revoked, Shutdown};
use futures_util::future::join_all;

use super::{
    Shared,
    attach::{AGAIN, UNDER_WAY},
    state::Held,
};
use crate::{
    connect::PATIENCE,
    names::Names,
    publish,
    wire::{self, Level},
};

/// What cancelling needs of the connection.
#[derive(Clone)]
pub(super) struct Canceller {
    pub(super) shared: Arc<Shared>,
    pub(super) client: async_nats::Client,
    pub(super) jetstream: async_nats::jetstream::Context,
    pub(super) names: Names,
}

/// What has become of a task.
enum Now {
    Gone,
    Runs,
    /// Published, with its place in the stream, if that is known yet.
    Published(Option<u64>),
}

impl Canceller {
    /// With the job, which the caller cancels: callbacks are not for the thread of the connection.
    pub(super) async fn cancel(&self, number: u64) -> (Revoked, Option<Job>) {
        match self.withdraw(&[number]).await.pop() {
            Some(job) => (Revoked::Cancelled, Some(job)),
            None => (self.verdict(number), None),
        }
    }

    /// Takes back what nobody has started, and gives it to the caller, who settles and counts it.
    pub(super) async fn withdraw(&self, numbers: &[u64]) -> Vec<Job> {
        let deadline = Instant::now() + ANSWER;
        {
            let mut state = self.shared.state();
            for number in numbers {
                if let Some(entry) = state.tasks.get_mut(number) {
                    entry.cancels += 1;
                }
            }
        }
        let mut jobs = self.try_withdraw(numbers, deadline).await;
        let mut state = self.shared.state();
        for number in numbers {
            if let Some(entry) = state.tasks.get_mut(number) {
                entry.cancels -= 1;
            }
            jobs.extend(state.cancelled.remove(number));
        }
        jobs
    }

    async fn try_withdraw(&self, numbers: &[u64], deadline: Instant) -> Vec<Job> {
        for some in numbers.chunks(TOMBSTONES) {
            let burying = some
                .iter()
                .map(async |&number| self.bury(&self.shared.address(number), Level::Cancel).await);
            if join_all(burying).await.contains(&false) {
                // Without a tombstone nothing can be said. Those that have one are cancelled by whoever is given them.
                return Vec::new();
            }
        }
        let mut jobs = Vec::new();
        for &number in numbers {
            if self.shared.settings.is_attached {
                self.look_up(number).await;
            } else {
                self.sequence(number, deadline).await;
            }
        }
        if let Some(given) = self.given_out().await {
            for &number in numbers {
                if matches!(self.now(number), Now::Published(Some(sequence)) if given < sequence) {
                    jobs.extend(self.take_back(number));
                }
            }
        }
        for &number in numbers {
            loop {
                let changed = self.shared.changed.notified();
                if !matches!(self.now(number), Now::Published(_)) {
                    break;
                }
                let left = deadline.saturating_duration_since(Instant::now());
                if tokio::time::timeout(left, changed).await.is_err() {
                    return jobs;
                }
            }
        }
        jobs
    }

    /// Asks for a running task to stop, and waits a moment until its worker has heard of it.
    pub(super) async fn stop(&self, number: u64, level: Level) {
        let deadline = Instant::now() + SEEN;
        if let Some(entry) = self.shared.state().tasks.get_mut(&number) {
            entry.has_seen_stop = false;
        }
        if !self.bury(&self.shared.address(number), level).await {
            return;
        }
        loop {
            let changed = self.shared.changed.notified();
            let is_over = self
                .shared
                .state()
                .tasks
                .get(&number)
                .is_none_or(|entry| entry.has_seen_stop);
            let left = deadline.saturating_duration_since(Instant::now());
            if is_over || tokio::time::timeout(left, changed).await.is_err() {
                return;
            }
        }
    }

    /// Gives back what nobody has started, to be cancelled; for a kill, ends the rest.
    pub(super) async fn end(&self, mode: Shutdown) -> Vec<Job> {
        let level = match mode {
            Shutdown::Drain => return Vec::new(),
            Shutdown::CancelPending => Level::Cancel,
            _ => Level::Kill,
        };
        let numbers: Vec<u64> = {
            let state = self.shared.state();
            state.tasks.keys().copied().collect()
        };
        if numbers.is_empty() {
            return Vec::new();
        }
        let user = self.shared.settings.common.user();
        let all = format!("{user}.{}.all", self.shared.settings.session);
        let is_buried = self.bury(&all, level).await;
        let deadline = Instant::now() + ANSWER;
        for &number in &numbers {
            self.sequence(number, deadline).await;
        }
        let mut jobs = Vec::new();
        if is_buried && let Some(given) = self.given_out().await {
            for &number in &numbers {
                if matches!(self.now(number), Now::Published(Some(sequence)) if given < sequence) {
                    jobs.extend(self.take_back(number));
                }
            }
        }
        self.shared.wake.notify_one();
        jobs
    }

    async fn bury(&self, address: &str, level: Level) -> bool {
        let subject = self.names.of('c', address);
        let publishing = async {
            let published = self.jetstream.publish(subject, wire::note(&level)).await;
            match published {
                Ok(answer) => answer.await.map(drop),
                Err(error) => Err(error),
            }
        };
        match tokio::time::timeout(PATIENCE, publishing).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a task cannot be stopped");
                false
            }
            Err(_) => {
                tracing::warn!("a task cannot be stopped: the server does not answer");
                false
            }
        }
    }

    /// Up to which place the consumer has given tasks out.
    async fn given_out(&self) -> Option<u64> {
        let subject = format!(
            "CONSUMER.INFO.{}.{}",
            self.names.tasks(),
            Names::consumer(&self.shared.settings.common.queue)
        );
        let domain = self.shared.settings.common.domain.as_deref();
        match publish::info(&self.client, domain, &subject).await {
            Ok(info) => info["delivered"]["stream_seq"].as_u64(),
            Err(error) => {
                tracing::warn!(
                    error,
                    subject,
                    "whether a task has been given out cannot be looked up"
                );
                None
            }
        }
    }

    /// The place of a task in the stream, once the server has said so.
    async fn sequence(&self, number: u64, deadline: Instant) -> Option<u64> {
        loop {
            let changed = self.shared.changed.notified();
            match self.now(number) {
                Now::Published(Some(sequence)) => return Some(sequence),
                Now::Published(None) => {}
                Now::Gone | Now::Runs => return None,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            tokio::time::timeout(left, changed).await.ok()?;
        }
    }

    /// Looks up the place of a task that another connection has submitted. It has none once it is done, or if the stream is of an
    /// older version, which cannot be asked: then a worker has to say what has become of it.
    async fn look_up(&self, number: u64) {
        let common = &self.shared.settings.common;
        let subject = self.names.task(&common.queue, &self.shared.address(number));
        let domain = common.domain.as_deref();
        let began = Instant::now();
        while matches!(self.now(number), Now::Published(None)) {
            match publish::last(&self.client, &self.names.tasks(), &subject, domain).await {
                // It is done, which shows in a moment, or it is not there yet.
                Ok(None) if began.elapsed() < UNDER_WAY => tokio::time::sleep(AGAIN).await,
                Ok(found) => {
                    let sequence = found.as_ref().and_then(publish::place);
                    if let Some(entry) = self.shared.state().tasks.get_mut(&number) {
                        entry.sequence = sequence;
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(error, subject, "the place of a task cannot be looked up");
                    return;
                }
            }
        }
    }

    fn now(&self, number: u64) -> Now {
        match self.shared.state().tasks.get(&number) {
            None => Now::Gone,
            Some(entry) => match entry.job {
                Held::Running(_) => Now::Runs,
                Held::Pending(_) => Now::Published(entry.sequence),
            },
        }
    }

    fn verdict(&self, number: u64) -> Revoked {
        match self.now(number) {
            // Its future knows how it ended.
            Now::Gone => Revoked::NotHere,
            Now::Runs | Now::Published(_) => Revoked::Started,
        }
    }

    fn take_back(&self, number: u64) -> Option<Job> {
        let mut state = self.shared.state();
        match &state.tasks.get(&number)?.job {
            Held::Pending(_) => {}
            Held::Running(_) => return None,
        }
        match state.remove(number) {
            Some(Held::Pending(job)) => Some(job),
            _ => None,
        }
    }
}

/// How many tombstones are under way at once.
const TOMBSTONES: usize = 256;

/// How long a worker may take to answer a tombstone.
const ANSWER: Duration = Duration::from_secs(3);

/// How long a task may take to see that it is to stop.
const SEEN: Duration = Duration::from_secs(1);
