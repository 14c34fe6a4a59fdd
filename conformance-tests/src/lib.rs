//! The suite that every executor passes: each law as trials, chosen by what the executor can do.
//!
//! A backend's test file (`harness = false` in its manifest) is all that it takes:
//!
//! ```no_run
//! use std::{convert::Infallible, process::ExitCode};
//!
//! use conformance_tests::Factory;
//! use executor_core::testing::InlineExecutor;
//!
//! fn main() -> ExitCode {
//!     conformance_tests::main(|suite| {
//!         suite.add("inline", Factory::local(|_| Ok::<_, Infallible>(InlineExecutor::new())));
//!     })
//! }
//! ```
//!
//! # Trials
//!
//! A trial is named `backend::form::law::case`: `threads::arc::law11_shutdown::drop_drains`. Forms are
//! `value`, `box` (a `Box<dyn Executor>`) and `arc`. Names can be listed and filtered as for any
//! other test. What the backend does not offer, by its `Capabilities` and its [`Factory`], is not
//! tried; what its capabilities deny is tried, and must give a typed `Unsupported`.
//!
//! A trial that hangs is failed, with what it was waiting for. Trials synchronise with gates; where
//! time itself is the point they count in units that `CONFORMANCE_SCALE` multiplies (default 1). So
//! on a machine that is much slower, such as an emulated one, set it to 5.
//!
//! # Async tasks
//!
//! Tasks that are futures are tried on every backend: with a runtime ([`Factory::native_async`]) or without
//! one, where a worker drives each to its end. In a process of its own a task learns that it is to stop when it
//! runs next; so the trials in which a task ends where it sleeps are for workers of this process.
//!
//! Each future of a task is awaited under tokio, in both flavours, under smol and under the executor of the
//! futures crate. Whether code that runs in tokio may block is tried where the backend can see that
//! ([`Factory::refuses_blocking_in_async`]); elsewhere it may, at its own risk.
//!
//! # Threads of others
//!
//! A backend on a pool that belongs to somebody else has workers only while there is work, and how many of them
//! depends on [`Config::workers`], not on the pool. If all executors of the factory use one pool, it
//! says so ([`Factory::shared_threads`]).
//!
//! # Workers that are processes
//!
//! [`Factory::portable`] is for backends that run tasks elsewhere. The trials are the same, but for those
//! about closures and what they capture: a task is a script, which is a value and can be sent, and its gates
//! and counters are files in a directory of the trial. Where the capabilities say that tasks can be
//! killed there are trials of crashes, kills and ends, too. They need the program of the workers to know
//! these tasks ([`register_tasks`]), and processes on Unix to find `/bin/kill`.
//!
//! A worker must not outlive its parent, and only a parent that dies can show that: with
//! [`Factory::victim`] the suite starts one.
//!
//! # What this is not
//!
//! Nothing here measures speed, and nothing looks inside: the cell's races are model-checked in
//! `executor-core`.

#![forbid(unsafe_code)]

mod async_tasks;
mod block_on;
pub mod guard;
mod latch;
#[expect(
    clippy::unwrap_used,
    reason = "these are tests: an unwrap that fails is what they look for"
)]
mod laws;
mod model;
mod planned;
mod product;
mod quirks;
mod runtime;
mod script;
mod subject;
mod surface;
mod tasks;
mod victim;

use std::{fmt, process::ExitCode, sync::Arc};

use executor_core::Executor;
use libtest_mimic::{Arguments, Trial};

use self::{
    laws::{Bench, Law},
    quirks::Quirk,
    subject::{Backend, Form},
};
pub use self::{
    subject::{Config, Factory, Initializer, OnFull, Order, WorkerState},
    tasks::{Start, initialize, register as register_tasks},
    victim::{is_victim, victim_main},
};

/// The `main` of a backend's test file: runs the trials of all backends that `fill` adds, as the
/// arguments of the program say.
///
/// No trial at all is a failure: a suite that tests nothing must not pass.
pub fn main(fill: impl FnOnce(&mut Suite)) -> ExitCode {
    planned::quiet();
    let arguments = Arguments::from_args();
    let mut suite = Suite { trials: Vec::new() };
    fill(&mut suite);
    if suite.trials.is_empty() {
        eprintln!("no trials: add a backend to the suite");
        return ExitCode::FAILURE;
    }
    libtest_mimic::run(&arguments, suite.trials).exit_code()
}

/// The trials of some backends.
pub struct Suite {
    trials: Vec<Trial>,
}

impl Suite {
    /// Adds the trials of a backend.
    pub fn add<E: Executor + Clone + 'static>(&mut self, name: &str, factory: Factory<E>) {
        register(name, factory, &mut self.trials);
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("trials", &self.trials.len())
            .finish()
    }
}

/// Adds the trials of a backend to others.
pub fn register<E: Executor + Clone + 'static>(
    name: &str,
    factory: Factory<E>,
    trials: &mut Vec<Trial>,
) {
    trials.extend(checks(name, factory).into_iter().map(|check| {
        let name = check.name.clone();
        Trial::test(name, move || check.run().map_err(Into::into))
    }));
}

/// The trials of a backend, one by one: for a test of the suite itself, which wants to see some fail.
#[must_use]
pub fn checks<E: Executor + Clone + 'static>(name: &str, factory: Factory<E>) -> Vec<Check> {
    planned::collect();
    tasks::register();
    let mut checks = Vec::new();
    for form in Form::ALL {
        match factory.backend(name, form) {
            Err(error) => checks.push(Check::failure(format!("{name}::{form}::builds"), error)),
            Ok(backend) => add_laws(&Arc::new(backend), &factory.quirks, &mut checks),
        }
    }
    checks
}

/// One trial.
pub struct Check {
    name: String,
    run: Box<dyn FnOnce() -> Result<(), String> + Send>,
}

impl Check {
    /// The name: backend, form, law and case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs the trial, on a thread of its own.
    ///
    /// # Errors
    ///
    /// What went wrong, or what it was waiting for when the time was over.
    pub fn run(self) -> Result<(), String> {
        (self.run)()
    }

    fn failure(name: String, error: String) -> Self {
        Self {
            name,
            run: Box::new(|| Err(error)),
        }
    }

    fn of(backend: &Arc<Backend>, law: Law, quirk: Option<Quirk>) -> Self {
        let name = format!("{}::{}::{}", backend.name, backend.form, law.name);
        let (backend, trial) = (Arc::clone(backend), name.clone());
        let run = move || {
            let limit = backend.limit;
            let result = guard::run(&trial, limit, move || (law.run)(&Bench::new(backend)));
            match quirk {
                None => result,
                Some(quirk) => quirk.judge(result),
            }
        };
        Self {
            name,
            run: Box::new(run),
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn add_laws(backend: &Arc<Backend>, quirks: &[Quirk], checks: &mut Vec<Check>) {
    let laws = laws::all();
    let chosen: Vec<Law> = laws
        .into_iter()
        .filter(|law| law.needs.met_by(backend))
        .collect();
    let prefix = format!("{}::{}", backend.name, backend.form);
    if chosen.is_empty() {
        let error = String::from("not a single law can be tried on this backend");
        checks.push(Check::failure(format!("{prefix}::has_trials"), error));
    }
    for quirk in quirks {
        if !chosen.iter().any(|law| law.name == quirk.trial) {
            checks.push(Check::failure(
                format!("{prefix}::quirks::{}", quirk.trial),
                quirk.unknown(),
            ));
        }
    }
    for law in chosen {
        let quirk = quirks.iter().find(|quirk| quirk.trial == law.name).cloned();
        checks.push(Check::of(backend, law, quirk));
    }
}
