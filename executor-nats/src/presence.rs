//! Which workers are there: they say so every two seconds. Nothing is decided by it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::wire::Presence;

/// Workers of a queue that have been heard of lately.
pub(crate) struct Seen {
    queue: String,
    workers: HashMap<String, (Presence, Instant)>,
}

const SILENCE: Duration = Duration::from_secs(7);

impl Seen {
    pub(crate) fn new(queue: String) -> Self {
        Self {
            queue,
            workers: HashMap::new(),
        }
    }

    pub(crate) fn note(&mut self, presence: Presence) {
        if presence.queue != self.queue {
            return;
        }
        if presence.leaves {
            self.workers.remove(&presence.worker);
        } else {
            let name = presence.worker.clone();
            self.workers.insert(name, (presence, Instant::now()));
        }
    }

    /// Forgets who is silent; whether there was one.
    pub(crate) fn forget(&mut self) -> bool {
        let before = self.workers.len();
        self.workers
            .retain(|_, (_, heard)| heard.elapsed() < SILENCE);
        before != self.workers.len()
    }

    pub(crate) fn slots(&self) -> usize {
        self.workers.values().map(|(worker, _)| worker.slots).sum()
    }
}
