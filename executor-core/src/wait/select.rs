//! Waiting for whichever of many futures is done next, at a cost that does not grow with their
//! number.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
    time::Instant,
};

#[cfg(feature = "stream")]
use std::task::{Context, Poll};

use crate::{Future, context, host, park, spin};

/// Futures with keys, to be had back in the order in which they are done.
///
/// Each future gets a waker that puts its place on a list; the waiter takes the whole list at once.
pub(crate) struct Select<K, F: Future> {
    places: Vec<Option<Entry<K, F>>>,
    free: Vec<usize>,
    signals: Arc<Signals>,
    /// Places whose futures are done, or look again.
    batch: VecDeque<usize>,
    /// Places whose futures this thread has not tried to run; see [`Future::help`].
    unhelped: VecDeque<usize>,
    /// The place whose future was asked last whether this thread may wait.
    witness: usize,
}

struct Entry<K, F> {
    key: K,
    future: F,
    waker: Waker,
}

/// Where the wakers of all places meet.
#[derive(Default)]
struct Signals {
    any: AtomicBool,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    places: Vec<usize>,
    sleeper: Option<Waker>,
}

struct Signal {
    place: usize,
    signals: Arc<Signals>,
}

impl<K, F: Future> Select<K, F> {
    pub(crate) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            signals: Arc::default(),
            batch: VecDeque::new(),
            unhelped: VecDeque::new(),
            witness: 0,
        }
    }

    pub(crate) fn push(&mut self, key: K, future: F) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        let signal = Signal {
            place,
            signals: Arc::clone(&self.signals),
        };
        let waker = Waker::from(Arc::new(signal));
        if future.subscribe(&waker) {
            self.unhelped.push_back(place);
        } else {
            self.batch.push_back(place);
        }
        self.places[place] = Some(Entry { key, future, waker });
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The futures that have not been given back.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &F> {
        self.places.iter().flatten().map(|entry| &entry.future)
    }

    /// The next future that is done; `None` if there is none left, or none by `deadline`.
    pub(crate) fn next_before(&mut self, deadline: Option<Instant>) -> Option<(K, F)> {
        loop {
            if let Some(done) = self.next_of_batch() {
                return Some(done);
            }
            if self.is_empty() {
                return None;
            }
            self.batch.extend(self.signals.take());
            if !self.batch.is_empty() {
                continue;
            }
            // Before it helps: a deadline that has passed makes it a look, which runs nothing.
            if park::passed(deadline) {
                return None;
            }
            if self.help() {
                continue;
            }
            if self.refuses_wait() {
                return None;
            }
            let signals = &self.signals;
            if !spin::moment(|| signals.any.load(Ordering::Acquire)) {
                signals.sleep(deadline);
            }
        }
    }

    /// As [`next_before`](Self::next_before), without waiting.
    #[cfg(feature = "stream")]
    pub(crate) fn poll_next(&mut self, context: &Context<'_>) -> Poll<Option<(K, F)>> {
        loop {
            if let Some(done) = self.next_of_batch() {
                return Poll::Ready(Some(done));
            }
            if self.is_empty() {
                return Poll::Ready(None);
            }
            self.batch.extend(self.signals.take());
            if !self.batch.is_empty() || self.help() {
                continue;
            }
            if self.signals.leave(context.waker().clone()) {
                return Poll::Pending;
            }
        }
    }

    /// What is left, in the order of the places.
    pub(crate) fn into_parts(mut self) -> impl Iterator<Item = (K, F)> {
        let places = std::mem::take(&mut self.places);
        self.free.clear();
        places.into_iter().flatten().map(|entry| {
            entry.future.unsubscribe(&entry.waker);
            (entry.key, entry.future)
        })
    }

    fn next_of_batch(&mut self) -> Option<(K, F)> {
        while let Some(place) = self.batch.pop_front() {
            // A late signal may name a place that is empty, or has a new future.
            let Some(entry) = &self.places[place] else {
                continue;
            };
            if entry.future.is_done() {
                let entry = self.places[place].take()?;
                self.free.push(place);
                return Some((entry.key, entry.future));
            }
            // Woken without being done: a chain has moved on to its next step.
            if entry.future.subscribe(&entry.waker) {
                self.unhelped.push_back(place);
            } else {
                self.batch.push_back(place);
            }
        }
        None
    }

    /// Whether this thread must not sleep until one of them is done.
    fn refuses_wait(&mut self) -> bool {
        if context::settles() {
            return self.pending().any(Future::would_deadlock);
        }
        // One stands for all, since looking at each of many before each sleep would take longer than to
        // wait: whether a thread belongs to a runtime is the same for all futures of an executor.
        host::any_runtime() && {
            let places = self.places.len();
            let found = (self.witness..places)
                .chain(0..self.witness)
                .find(|place| self.places[*place].is_some());
            self.witness = found.unwrap_or(0);
            found
                .and_then(|place| self.places[place].as_ref())
                .is_some_and(|entry| entry.future.would_deadlock())
        }
    }

    /// Runs one of the tasks here, where that is allowed and needed.
    fn help(&mut self) -> bool {
        while let Some(place) = self.unhelped.pop_front() {
            if self.places[place]
                .as_ref()
                .is_some_and(|entry| entry.future.help())
            {
                return true;
            }
        }
        false
    }
}

impl<K, F: Future> Drop for Select<K, F> {
    fn drop(&mut self) {
        for entry in self.places.iter().flatten() {
            entry.future.unsubscribe(&entry.waker);
        }
    }
}

impl Signals {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<usize> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut list = self.lock();
        self.any.store(false, Ordering::Relaxed);
        std::mem::take(&mut list.places)
    }

    fn sleep(&self, deadline: Option<Instant>) {
        if self.leave(park::thread_waker()) {
            park::sleep(deadline);
        }
    }

    /// Has `sleeper` woken by the next signal. False if there is one.
    fn leave(&self, sleeper: Waker) -> bool {
        let mut list = self.lock();
        if !list.places.is_empty() {
            return false;
        }
        list.sleeper = Some(sleeper);
        true
    }
}

impl Signal {
    fn send(&self) {
        let sleeper = {
            let mut list = self.signals.lock();
            list.places.push(self.place);
            self.signals.any.store(true, Ordering::Release);
            list.sleeper.take()
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.send();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.send();
    }
}
