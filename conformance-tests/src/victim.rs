//! The program that is killed, to see whether its workers outlive it.

use std::{
    env,
    io::{self, Read as _, Write as _},
    path::PathBuf,
};

use executor_core::{Executor, ExecutorExt as _, Future as _};

use crate::{
    latch::{Gate, Meeting, Tally},
    script::{facts, script},
};

/// Names the trial's directory to the victim.
pub(crate) const VARIABLE: &str = "CONFORMANCE_VICTIM";

/// What the victim prints behind the ids of its workers.
pub(crate) const READY: &str = "ready";

/// Whether this program was started to be killed: then it is to make an executor with two workers and to
/// call [`victim_main`].
#[must_use]
pub fn is_victim() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// What such a program does: prints the process ids of the workers, makes one of them busy for good,
/// and waits to be killed. It returns if whoever started it is gone.
///
/// # Errors
///
/// If the workers cannot be asked for their ids, or these cannot be printed.
pub fn victim_main(executor: &dyn Executor) -> io::Result<()> {
    let directory = env::var_os(VARIABLE)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other(format!("{VARIABLE} does not name a directory")))?;
    let workers = executor.capabilities().workers;
    let meeting = Meeting::at(
        workers,
        Tally::file(directory.join("victims")),
        Gate::file("the workers of the victim", directory.join("all-victims")),
    );
    let futures: Vec<_> = (0..workers)
        .map(|_| executor.submit(facts::task(Some(meeting.clone()))))
        .collect::<Result<_, _>>()
        .map_err(|error| io::Error::other(error.to_string()))?;
    let (started, never) = (
        Gate::file("a busy worker", directory.join("busy")),
        Gate::file("nothing", directory.join("never")),
    );
    let mut output = io::stdout().lock();
    for future in futures {
        let facts = future.result().map_err(io::Error::other)?;
        writeln!(output, "{}", facts.pid)?;
    }
    let _busy = executor
        .submit(script().open(&started).wait(&never).task())
        .map_err(|error| io::Error::other(error.to_string()))?;
    started.wait();
    writeln!(output, "{READY}")?;
    output.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    never.open();
    Ok(())
}
