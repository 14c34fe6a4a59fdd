//! The end of a worker: it takes nothing more, and gives back what it has not begun.
//!
//! What was asked for may be on its way, and would wait for its lease if nobody read it. The server forgets a request when the subscription ends
//! that its answers go to; but once the client has ended one, it drops what still comes for it. So a worker
//!
//! 1. asks for nothing more, and asks how many tasks wait. If there are some, its requests are about to be filled: it waits for that, for a moment.
//! 2. ends the subscription, and asks once more: what was sent before has arrived before the answer.
//!
//! A task that comes to an empty queue just then, and in a piece of its own, is left to its lease.
//!
//! What it gets meanwhile is given back after the subscription has ended, in the order of the connection: before, the server
//! could give it to the same worker again, and again, until its attempts are used up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::Subject;
use executor_core::Shutdown;

use super::{
    Ending,
    engine::{Engine, Report},
    held::{self, Held},
};
use crate::{connect::PATIENCE, names::Names, publish};

/// How far the end is.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    stage: Stage,
    /// To be given back once the subscription has ended.
    back: Vec<Subject>,
    /// Until then the server may confirm the results of one that is killed.
    killed_by: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Stays,
    /// It has asked how many tasks wait.
    Asks,
    /// Its requests are about to be filled; not longer than until then.
    Fills(Instant),
    /// It has ended the subscription, and waits for an answer.
    Unsubscribes,
    /// Nothing comes any more.
    Gone,
}

impl Engine {
    pub(super) fn is_draining(&self) -> bool {
        self.leaving.stage != Stage::Stays
    }

    pub(super) async fn end(&mut self) {
        self.drain().await;
        if *self.ending.borrow() == Ending::Kills && self.leaving.killed_by.is_none() {
            self.leaving.killed_by = Some(Instant::now() + PATIENCE);
            let (pool, has_tasks) = (Arc::clone(&self.pool), !self.held.is_empty());
            tokio::task::spawn_blocking(move || {
                if let Err(error) = pool.shutdown(Shutdown::Kill)
                    && has_tasks
                {
                    tracing::warn!(%error, "what runs is waited for");
                }
            });
        }
    }

    /// Takes nothing more, and gives back what has not started.
    pub(super) async fn drain(&mut self) {
        if self.is_draining() {
            return;
        }
        self.leaving.stage = Stage::Asks;
        let waiting = std::mem::take(&mut self.waiting);
        self.leaving
            .back
            .extend(waiting.into_iter().map(|held| held.ack));
        if self.is_lost || !self.asked.is_open() {
            self.unsubscribe().await;
        } else {
            self.ask_what_waits();
        }
    }

    /// Gives a task back that this worker does not run.
    pub(super) async fn give_back(&mut self, ack: Subject) {
        match self.leaving.stage {
            Stage::Asks | Stage::Fills(_) => self.leaving.back.push(ack),
            _ => self.answer(ack, "-NAK").await,
        }
    }

    /// The server has said how many tasks wait, or does not answer.
    pub(super) async fn heard(&mut self, waiting: Option<u64>) {
        match self.leaving.stage {
            Stage::Asks if waiting.is_some_and(|waiting| waiting > 0) => {
                self.leaving.stage = Stage::Fills(Instant::now() + FILL);
            }
            Stage::Asks => self.unsubscribe().await,
            Stage::Unsubscribes => self.leaving.stage = Stage::Gone,
            _ => {}
        }
    }

    /// Takes the next step, if it is time.
    pub(super) async fn leave(&mut self) {
        if let Stage::Fills(until) = self.leaving.stage
            && (!self.asked.is_open() || self.is_lost || Instant::now() > until)
        {
            self.unsubscribe().await;
        }
    }

    /// Whether nothing is left to do. One that is killed does not wait for a server that is away, or for bodies: what it has runs elsewhere
    /// once its lease is over.
    pub(super) fn has_left(&self) -> bool {
        if self.leaving.stage != Stage::Gone {
            return false;
        }
        let by = self.leaving.killed_by;
        if by.is_some_and(|by| self.is_lost || Instant::now() > by) {
            let runs = |task: &Held| matches!(task.stage, held::Stage::Runs(_));
            return !self.held.values().any(runs);
        }
        self.held.is_empty() && self.finishing.is_empty()
    }

    async fn unsubscribe(&mut self) {
        if let Err(error) = self.tasks.drain().await {
            tracing::warn!(%error, "tasks that come now run elsewhere, once their lease is over");
        }
        for ack in std::mem::take(&mut self.leaving.back) {
            self.answer(ack, "-NAK").await;
        }
        if self.is_lost {
            self.leaving.stage = Stage::Gone;
        } else {
            self.leaving.stage = Stage::Unsubscribes;
            self.ask_what_waits();
        }
    }

    fn ask_what_waits(&self) {
        let common = &self.settings.common;
        let (tasks, consumer) = (self.link.names.tasks(), Names::consumer(&common.queue));
        let what = format!("CONSUMER.INFO.{tasks}.{consumer}");
        let (client, domain) = (self.link.client.clone(), common.domain.clone());
        let reporter = self.reporter.clone();
        tokio::spawn(async move {
            let info = publish::info(&client, domain.as_deref(), &what).await;
            let waiting = info.ok().and_then(|info| info["num_pending"].as_u64());
            // The engine is gone only if the worker is.
            let _unheard = reporter.send(Report::Waits(waiting));
        });
    }
}

/// How long a request may take to be filled while there are tasks.
const FILL: Duration = Duration::from_secs(1);
