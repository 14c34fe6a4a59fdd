//! Trials of which none can hang the run, and waits that say what they wait for.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use executor_core::{Future as _, TaskError, TaskFuture};
use libtest_mimic::Trial;

use super::cluster::Bench;

/// How long something may take that is about to happen: a lease and a reconnect, on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A trial may take so long.
const LIMIT: Duration = Duration::from_secs(240);

thread_local! {
    static STEP: RefCell<Option<Arc<Mutex<String>>>> = const { RefCell::new(None) };
}

/// Adds a trial.
pub(crate) fn add(
    trials: &mut Vec<Trial>,
    name: &str,
    body: impl FnOnce(&mut Bench) + Send + 'static,
) {
    let own = name.to_owned();
    trials.push(Trial::test(name, move || {
        run(&own, body).map_err(Into::into)
    }));
}

/// The result of a future that is about to be done.
#[track_caller]
pub(crate) fn settle<T>(what: &str, future: TaskFuture<T>) -> Result<T, TaskError> {
    step(what);
    let Ok(result) = future.result_timeout(PATIENCE) else {
        panic!("{what} has not settled after {PATIENCE:?}");
    };
    result
}

/// Notes what the trial does now: what a hang is reported with.
#[track_caller]
pub(crate) fn step(what: &str) {
    let here = Location::caller();
    STEP.with_borrow(|step| {
        if let Some(step) = step {
            *step.lock().unwrap_or_else(PoisonError::into_inner) = format!("{what} ({here})");
        }
    });
}

/// Waits until this is so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    step(what);
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// Lets time pass, where time is the point.
pub(crate) fn pass(duration: Duration) {
    let start = Instant::now();
    while let Some(left) = duration.checked_sub(start.elapsed()) {
        thread::park_timeout(left.max(Duration::from_micros(50)));
    }
}

fn run(name: &str, body: impl FnOnce(&mut Bench) + Send + 'static) -> Result<(), String> {
    let step = Arc::new(Mutex::new(String::from("the start")));
    let own = Arc::clone(&step);
    let (sender, receiver) = channel();
    let thread = thread::Builder::new().name(name.to_owned());
    let thread = thread.spawn(move || {
        STEP.set(Some(own));
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let mut bench = Bench::new();
            let tried = catch_unwind(AssertUnwindSafe(|| body(&mut bench)));
            if let Err(payload) = tried {
                eprintln!(
                    "what the server complained of:\n{}",
                    bench.server.complaints()
                );
                resume_unwind(payload);
            }
        }));
        // Nobody listens any more if the limit has passed.
        drop(sender.send(tried.map_err(|payload| text(&*payload))));
    });
    let thread = thread.map_err(|error| format!("no thread for this trial: {error}"))?;
    let step = || step.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match receiver.recv_timeout(LIMIT) {
        Ok(result) => {
            drop(thread.join());
            result.map_err(|error| format!("{error}\nafter this step: {}", step()))
        }
        Err(RecvTimeoutError::Timeout) => {
            Err(format!("it hangs; its step after {LIMIT:?}: {}", step()))
        }
        Err(RecvTimeoutError::Disconnected) => Err(String::from("the trial's thread died")),
    }
}

fn text(payload: &(dyn Any + Send)) -> String {
    match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => String::from("a panic whose payload is not text"),
    }
}
