//! Trials of which none can hang the run, and waits that say what they wait for.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use conformance_tests::guard;
pub(crate) use conformance_tests::guard::{pass, step};
use executor_core::{TaskError, TaskFuture};
use libtest_mimic::Trial;

use super::cluster::Bench;

/// How long something may take that is about to happen: a lease and a reconnect, on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A trial may take so long.
const LIMIT: Duration = Duration::from_secs(240);

/// Adds a trial.
pub(crate) fn add(
    trials: &mut Vec<Trial>,
    name: &str,
    body: impl FnOnce(&mut Bench) + Send + 'static,
) {
    let own = name.to_owned();
    trials.push(Trial::test(name, move || {
        let tried = guard::run(&own, LIMIT, || {
            let mut bench = Bench::new();
            let tried = catch_unwind(AssertUnwindSafe(|| body(&mut bench)));
            if let Err(payload) = tried {
                eprintln!(
                    "what the server complained of:\n{}",
                    bench.server.complaints()
                );
                resume_unwind(payload);
            }
        });
        tried.map_err(Into::into)
    }));
}

/// The result of a future that is about to be done.
#[track_caller]
pub(crate) fn settle<T>(what: &str, future: TaskFuture<T>) -> Result<T, TaskError> {
    guard::settle(what, future, PATIENCE)
}

/// Waits until this is so.
#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    guard::eventually(what, PATIENCE, is_so);
}
