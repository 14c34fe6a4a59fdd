//! What trials synchronise with, so that none has to sleep: gates, meetings, counters, tokens.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::guard::{self, Progress};

/// A gate that opens once; clones are the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    name: &'static str,
    shared: Arc<(Mutex<bool>, Condvar)>,
    /// The trial that made the gate.
    trial: Option<Progress>,
}

impl Gate {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            shared: Arc::default(),
            trial: Progress::current(),
        }
    }

    pub(crate) fn open(&self) {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.1.notify_all();
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the gate is open.
    ///
    /// # Panics
    ///
    /// If it stays closed: a trial has failed then, and its tasks must not hang for ever.
    #[track_caller]
    pub(crate) fn wait(&self) {
        guard::step(self.name);
        if !self.opens_within(guard::limit()) {
            let complaint = format!("gate `{}` was never opened", self.name);
            if let Some(trial) = &self.trial {
                trial.complain(complaint.clone());
            }
            panic!("{complaint}");
        }
    }

    pub(crate) fn opens_within(&self, limit: Duration) -> bool {
        let open = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.shared.1.wait_timeout_while(open, limit, |open| !*open);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A place where several tasks have to be at the same time.
#[derive(Clone)]
pub(crate) struct Meeting {
    size: usize,
    here: Arc<AtomicUsize>,
    all: Gate,
}

impl Meeting {
    pub(crate) fn of(size: usize) -> Self {
        Self {
            size,
            here: Arc::default(),
            all: Gate::new("a meeting of tasks"),
        }
    }

    /// Waits until as many are here as the meeting needs.
    #[track_caller]
    pub(crate) fn arrive(&self) {
        if self.here.fetch_add(1, Ordering::SeqCst) + 1 == self.size {
            self.all.open();
        }
        self.all.wait();
    }
}

/// Counts; clones are the same counter.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<AtomicUsize>);

impl Tally {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds one; what there was before.
    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    /// Adds one.
    pub(crate) fn bump(&self) {
        self.add();
    }

    pub(crate) fn subtract(&self) -> usize {
        self.0.fetch_sub(1, Ordering::SeqCst)
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A value that is counted as long as it lives.
    pub(crate) fn token(&self) -> Token {
        self.bump();
        Token(self.clone())
    }
}

/// A value whose life a [`Tally`] counts.
pub(crate) struct Token(Tally);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.subtract();
    }
}

/// Waits for a condition that has no latch: that another thread is blocked, that a figure has come up.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    guard::step(what);
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < guard::limit(), "never came to be: {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}
