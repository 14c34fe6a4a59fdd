//! What was sent to a worker and not answered.

use std::{collections::VecDeque, ops::Deref};

use executor_core::spin::TakenCore;

use super::entry::Flight;

/// Flights, oldest first. While there are any, the worker needs a core, and whoever waits in this process
/// must know.
#[derive(Default)]
pub(crate) struct Flights {
    list: VecDeque<Flight>,
    core: Option<TakenCore>,
}

impl Flights {
    pub(crate) fn push_back(&mut self, flight: Flight) {
        self.core.get_or_insert_default();
        self.list.push_back(flight);
    }

    pub(crate) fn pop_front(&mut self) -> Option<Flight> {
        let flight = self.list.pop_front();
        self.note_end();
        flight
    }

    pub(crate) fn remove(&mut self, place: usize) -> Option<Flight> {
        let flight = self.list.remove(place);
        self.note_end();
        flight
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut Flight> {
        self.list.front_mut()
    }

    /// All of them.
    pub(crate) fn take(&mut self) -> VecDeque<Flight> {
        self.core = None;
        std::mem::take(&mut self.list)
    }

    fn note_end(&mut self) {
        if self.list.is_empty() {
            self.core = None;
        }
    }
}

impl Deref for Flights {
    type Target = VecDeque<Flight>;

    fn deref(&self) -> &VecDeque<Flight> {
        &self.list
    }
}
