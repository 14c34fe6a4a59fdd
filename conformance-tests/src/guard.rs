//! Keeps a trial that hangs from hanging the whole run, and says what it was waiting for.
//!
//! Public for what a backend has to try beside the suite: its own faults.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use executor_core::{Future as _, TaskError, TaskFuture};

use crate::planned;

thread_local! {
    static CURRENT: RefCell<Option<Progress>> = const { RefCell::new(None) };
}

/// How far a trial is; clones are the same trial.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<Notes>>);

struct Notes {
    /// What it does now.
    step: String,
    /// What went wrong on a thread whose panics nobody would see.
    complaint: Option<String>,
}

impl Progress {
    fn new() -> Self {
        let step = String::from("the start of the trial");
        Self(Arc::new(Mutex::new(Notes {
            step,
            complaint: None,
        })))
    }

    /// The trial that this thread runs, if it runs one.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Fails the trial, whatever becomes of it otherwise.
    pub(crate) fn complain(&self, complaint: String) {
        self.lock().complaint.get_or_insert(complaint);
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The delay of trials that are about time itself. `CONFORMANCE_SCALE` multiplies it, and all limits,
/// for machines that are slow or tools that make them so.
pub(crate) fn unit() -> Duration {
    Duration::from_millis(20) * scale()
}

/// How long something may take that should take no time at all, before it counts as hung.
pub(crate) fn limit() -> Duration {
    Duration::from_secs(20) * scale()
}

/// Lets time pass, where time is the point.
pub fn pass(duration: Duration) {
    let start = Instant::now();
    while let Some(left) = duration
        .checked_sub(start.elapsed())
        .filter(|left| !left.is_zero())
    {
        thread::park_timeout(left);
    }
}

/// Notes what the trial does now; a trial that hangs is reported with its latest note.
#[track_caller]
pub fn step(what: &str) {
    if let Some(progress) = Progress::current() {
        progress.lock().step = format!("{what} ({})", Location::caller());
    }
}

/// The result of a future that is about to be done.
///
/// # Errors
///
/// As the future's.
///
/// # Panics
///
/// If it is not done in time.
#[track_caller]
pub fn settle<T>(what: &str, future: TaskFuture<T>, patience: Duration) -> Result<T, TaskError> {
    step(what);
    let Ok(result) = future.result_timeout(patience) else {
        panic!("{what} has not settled after {patience:?}");
    };
    result
}

/// Waits until this is so.
///
/// # Panics
///
/// If it is not so in time.
#[track_caller]
pub fn eventually(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    step(what);
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < patience, "waited in vain until {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Runs a trial on a thread of its own.
///
/// # Errors
///
/// If it panics, or is not over within `limit`, with its latest [`step`].
pub fn run(
    name: &str,
    limit: Duration,
    body: impl FnOnce() + Send + 'static,
) -> Result<(), String> {
    let progress = Progress::new();
    let (sender, receiver) = mpsc::channel();
    let own = progress.clone();
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        CURRENT.set(Some(own));
        let result = catch_unwind(AssertUnwindSafe(body)).map_err(|payload| text(&*payload));
        // Nobody listens any more if the limit has passed.
        drop(sender.send(result));
    });
    let thread = thread.map_err(|error| format!("no thread for this trial: {error}"))?;
    match receiver.recv_timeout(limit) {
        Ok(result) => {
            drop(thread.join());
            let mut notes = progress.lock();
            result
                .map_err(|error| format!("{error}\nafter this step: {}", notes.step))
                .and_then(|()| notes.complaint.take().map_or(Ok(()), Err))
        }
        Err(RecvTimeoutError::Disconnected) => Err(String::from("the trial's thread died")),
        Err(RecvTimeoutError::Timeout) => {
            let step = &progress.lock().step;
            Err(format!(
                "`{name}` hung: it was not over after {limit:?}, waiting for {step}"
            ))
        }
    }
}

/// The text of a panic.
pub(crate) fn text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else if let Some(planned) = payload.downcast_ref::<planned::Planned>() {
        format!("{planned:?}")
    } else {
        String::from("a panic whose payload is not text")
    }
}

fn scale() -> u32 {
    static SCALE: OnceLock<u32> = OnceLock::new();
    *SCALE.get_or_init(|| match std::env::var("CONFORMANCE_SCALE") {
        Err(_) => 1,
        Ok(text) => match text.parse() {
            Ok(scale @ 1..) => scale,
            _ => panic!("CONFORMANCE_SCALE is {text:?}; it must be a whole number from 1"),
        },
    })
}
