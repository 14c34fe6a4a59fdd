//! Tombstones: what is not to start, and what is to stop.
//!
//! A task with a tombstone is never started. The subscription to tombstones is there before anything is asked for, and both come over one
//! connection, in order: so whoever reads all tombstones that have arrived, and then takes a task, has read each one that
//! was stored before the task was given out. Tombstones that are older than the subscription can only be of tasks that are older, too: those are
//! looked up one by one. A lost connection counts as a new subscription.

use std::{sync::Arc, time::Instant};

use async_nats::Message;
use executor_core::{Future as _, StopLevel};
use futures_util::{FutureExt as _, StreamExt as _};

use super::{engine::Engine, held::Stage};
use crate::{
    publish,
    wire::{self, Level, Notice},
};

impl Engine {
    /// Which tasks may have tombstones that nobody will tell of any more.
    pub(super) async fn note_age(&mut self) {
        let what = format!("STREAM.INFO.{}", self.link.names.tasks());
        let domain = self.settings.common.domain.as_deref();
        match publish::info(&self.link.client, domain, &what).await {
            Ok(info) if info["state"]["last_seq"].is_u64() => {
                self.old_until = info["state"]["last_seq"].as_u64().unwrap_or(u64::MAX);
            }
            _ => self.old_until = u64::MAX,
        }
    }

    /// Reads every tombstone that has arrived.
    pub(super) async fn read_tombstones(&mut self) {
        while let Some(Some(tombstone)) =
            tokio::task::unconstrained(self.tombstones.next()).now_or_never()
        {
            self.bury(&tombstone).await;
        }
    }

    pub(super) async fn bury(&mut self, tombstone: &Message) {
        let names = self.link.names.clone();
        let address = names.address('c', tombstone.subject.as_str());
        let (Some(address), Some(level)) = (address, wire::read_note::<Level>(&tombstone.payload))
        else {
            return;
        };
        self.dead.insert(address.into(), (level, Instant::now()));
        match address.strip_suffix(".all") {
            None => self.stop(address, level).await,
            Some(session) => {
                let of_session =
                    |held: &&Arc<str>| held.rsplit_once('.').is_some_and(|(its, _)| its == session);
                let all: Vec<Arc<str>> = {
                    let waiting = self.waiting.iter().map(|held| &held.address);
                    let all = self.held.keys().chain(waiting);
                    all.filter(of_session).cloned().collect()
                };
                for address in all {
                    self.stop(&address, level).await;
                }
            }
        }
    }

    /// Does to a task that is held what its tombstone says. One that only prepares sees it when it starts.
    pub(super) async fn stop(&mut self, address: &str, level: Level) {
        let Some(held) = self.held.get(address) else {
            let place = self
                .waiting
                .iter()
                .position(|held| &*held.address == address);
            if let Some(held) = place.and_then(|place| self.waiting.remove(place)) {
                self.cancelled(held).await;
            }
            return;
        };
        let Stage::Runs(future) = &held.stage else {
            return;
        };
        let stop = match level {
            Level::Cancel => {
                self.notice(address, Notice::Started).await;
                return;
            }
            Level::Signal => StopLevel::Signal,
            Level::Kill => StopLevel::Kill,
        };
        let future = Arc::clone(future);
        let (client, subject) = (self.link.client.clone(), self.link.names.of('s', address));
        // It may wait for the child to hear of it.
        let told = tokio::task::spawn_blocking(move || future.stop(stop));
        tokio::spawn(async move {
            if let Ok(Err(error)) = told.await {
                tracing::warn!(%error, "a task cannot be stopped by this worker");
            }
            if let Err(error) = client.publish(subject, wire::note(&Notice::StopSeen)).await {
                tracing::error!(%error, "a submitter cannot be told of its task");
            }
        });
    }

    pub(super) fn tombstone_for(&self, address: &str) -> Option<Level> {
        let of = |address: &str| self.dead.get(address).map(|(level, _)| *level);
        of(address).or_else(|| {
            let (session, _) = address.rsplit_once('.')?;
            of(&format!("{session}.all"))
        })
    }
}
