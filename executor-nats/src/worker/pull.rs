//! How many tasks the worker has asked for: asked and held never exceed the slots.
//!
//! A request asks for a number of tasks, and stays until it has them, or for [`EXPIRES`]. The server ends it with a status that says how
//! many it still owes. When a request is overdue, or the connection was lost, it is forgotten: what comes of it all the same waits in the worker, with
//! heartbeats, until a slot is free.

use std::time::{Duration, Instant};

use async_nats::{HeaderMap, Message};

/// How long the server keeps a request.
pub(super) const EXPIRES: Duration = Duration::from_secs(30);

/// What is asked for and has not come.
#[derive(Debug, Default)]
pub(super) struct Asked {
    open: usize,
    last: Option<Instant>,
}

impl Asked {
    /// How many to ask for, with this many free slots. Not one by one, where there are many.
    pub(super) fn wanted(&self, free: usize, slots: usize) -> usize {
        let wanted = free.saturating_sub(self.open);
        if self.open == 0 || wanted >= slots.div_ceil(2) {
            wanted
        } else {
            0
        }
    }

    pub(super) fn ask(&mut self, number: usize) {
        self.open += number;
        self.last = Some(Instant::now());
    }

    /// Whether something may come that was asked for.
    pub(super) const fn is_open(&self) -> bool {
        self.open > 0
    }

    pub(super) const fn came(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// The server says something else than a task.
    pub(super) fn status(&mut self, message: &Message) {
        let code = message.status.map_or(0, |status| status.as_u16());
        if code == IDLE {
            return;
        }
        let left = message.headers.as_ref().and_then(pending);
        // Without a number nobody knows how much of what was asked for will come.
        self.open = left.map_or(0, |left| self.open.saturating_sub(left));
    }

    /// Whether the requests are older than they can be.
    pub(super) fn is_overdue(&self) -> bool {
        self.open > 0
            && self
                .last
                .is_some_and(|last| last.elapsed() > EXPIRES + Duration::from_secs(5))
    }

    pub(super) const fn forget(&mut self) {
        self.open = 0;
    }
}

const IDLE: u16 = 100;

fn pending(headers: &HeaderMap) -> Option<usize> {
    headers.get("Nats-Pending-Messages")?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_asked_for_than_there_are_slots() {
        let mut asked = Asked::default();
        assert_eq!(asked.wanted(8, 8), 8);
        asked.ask(8);
        assert_eq!(asked.wanted(8, 8), 0);
        asked.came();
        assert_eq!(asked.wanted(7, 8), 0, "one runs, seven may come");
        for _ in 0..7 {
            asked.came();
        }
        assert_eq!(asked.wanted(1, 8), 1, "nothing is asked for: ask at once");
        asked.ask(1);
        assert_eq!(asked.wanted(3, 8), 0, "not one by one");
        assert_eq!(asked.wanted(5, 8), 4);
        asked.forget();
        assert_eq!(asked.wanted(5, 8), 5);
    }
}
