//! Trials: each over both transports, and none can hang the run.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use conformance_tests::guard;
pub(crate) use conformance_tests::guard::{pass, step};
use executor_core::{ExecutorExt as _, TaskError, TaskFuture};
use executor_process::{ProcessPoolBuilder, ProcessPoolExecutor, WorkerStderr};
use libtest_mimic::Trial;
use tempfile::TempDir;

use super::{
    latch::{Gate, Tally},
    tasks::{double, note},
};

/// How long something may take that should take no time at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A trial may take so long.
const LIMIT: Duration = Duration::from_secs(60);

/// What a trial is given: its transport, and a directory of its own.
pub(crate) struct Bench {
    pub(crate) is_portable: bool,
    place: TempDir,
}

impl Bench {
    /// A builder of pools with this transport, of this many workers, which are not heard.
    pub(crate) fn builder(&self, workers: usize) -> ProcessPoolBuilder {
        let builder = ProcessPoolExecutor::builder()
            .max_workers(workers)
            .stderr(WorkerStderr::Discard);
        if self.is_portable {
            builder.portable_transport()
        } else {
            builder
        }
    }

    /// A pool of this many workers.
    pub(crate) fn pool(&self, workers: usize) -> ProcessPoolExecutor {
        step("the pool is built");
        self.builder(workers).build().unwrap()
    }

    /// The path of a file of this trial.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A gate of this trial.
    pub(crate) fn gate(&self, name: &str) -> Gate {
        Gate::at(self.path(name))
    }

    /// A tally of this trial.
    pub(crate) fn tally(&self, name: &str) -> Tally {
        Tally::at(self.path(name))
    }

    /// The trial's directory.
    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }
}

/// Tasks that nothing should happen to.
pub(crate) struct Neighbours {
    tally: Tally,
    futures: Vec<(u64, TaskFuture<u64>)>,
}

impl Neighbours {
    /// Submits one for each of these numbers, which no other tally of the trial has.
    pub(crate) fn submit(
        pool: &ProcessPoolExecutor,
        tally: &Tally,
        numbers: std::ops::Range<u64>,
    ) -> Self {
        step("neighbours are submitted");
        let futures = numbers
            .map(|number| {
                let future = pool.submit(note::task(tally.clone(), number));
                (number, future.unwrap())
            })
            .collect();
        Self {
            tally: tally.clone(),
            futures,
        }
    }

    /// Each gave its result, and ran once.
    #[track_caller]
    pub(crate) fn check(self) {
        for (number, future) in self.futures {
            let result = settle(&format!("neighbour {number}"), future);
            assert_eq!(result.unwrap(), number);
            assert_eq!(self.tally.count(number), 1, "runs of neighbour {number}");
        }
    }
}

/// The result of a future that is about to be done.
#[track_caller]
pub(crate) fn settle<T>(what: &str, future: TaskFuture<T>) -> Result<T, TaskError> {
    guard::settle(what, future, PATIENCE)
}

/// The pool gives right results.
#[track_caller]
pub(crate) fn check_serves(pool: &ProcessPoolExecutor) {
    step("the pool is asked to serve");
    let futures: Vec<_> = (0..8)
        .map(|number| pool.submit(double::task(number)).unwrap())
        .collect();
    for (number, future) in (0..8).zip(futures) {
        let result = settle("a task after the fault", future);
        assert_eq!(result.unwrap(), 2 * number);
    }
}

/// Waits until this is so.
#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    guard::eventually(what, PATIENCE, is_so);
}

/// Adds a trial for each transport.
pub(crate) fn add(
    trials: &mut Vec<Trial>,
    name: &str,
    body: impl FnOnce(&Bench) + Clone + Send + 'static,
) {
    for is_portable in [false, true] {
        add_for(trials, name, is_portable, body.clone());
    }
}

/// Adds a trial for one transport.
pub(crate) fn add_for(
    trials: &mut Vec<Trial>,
    name: &str,
    is_portable: bool,
    body: impl FnOnce(&Bench) + Send + 'static,
) {
    let transport = if is_portable { "portable" } else { "shared" };
    let name = format!("{transport}::{name}");
    let own = name.clone();
    trials.push(Trial::test(name, move || {
        let tried = guard::run(&own, LIMIT, move || {
            let place = TempDir::with_prefix("faults").unwrap();
            body(&Bench { is_portable, place });
        });
        tried.map_err(Into::into)
    }));
}
