//! What the pools ask of the system, as Linux counts it. Elsewhere nothing is known.

use std::{fs, io, process};

use executor_process::ProcessPoolExecutor;

use super::{burst, calls, calls::started_raw, started};
use crate::{
    harness::{Scale, workers},
    measure::switches::{field, sleeps_of},
    process::peers::{Subject, raw::Echo},
};

/// Context switches for each task of a burst.
pub(super) fn switches_in_burst<S: Subject>(scale: Scale) -> f64 {
    in_burst::<S>(scale, sleeps_of)
}

/// Context switches for each task that is waited for.
pub(super) fn switches_in_calls<S: Subject>(scale: Scale) -> f64 {
    in_calls::<S>(scale, sleeps_of)
}

/// The same for a message through bare pipes.
pub(super) fn switches_in_calls_raw(scale: Scale) -> f64 {
    in_calls_raw(scale, sleeps_of)
}

/// Reads and writes for each task of a burst.
pub(super) fn transfers_in_burst(scale: Scale) -> f64 {
    in_burst::<ProcessPoolExecutor>(scale, transfers)
}

/// Reads and writes for each task that is waited for.
pub(super) fn transfers_in_calls(scale: Scale) -> f64 {
    in_calls::<ProcessPoolExecutor>(scale, transfers)
}

/// The same for a message through bare pipes.
pub(super) fn transfers_in_calls_raw(scale: Scale) -> f64 {
    in_calls_raw(scale, transfers)
}

fn in_burst<S: Subject>(scale: Scale, count: Count) -> f64 {
    let pool = started::<S>(workers());
    let tasks = scale.of(if S::WINDOW < 100_000 { 20_000 } else { 100_000 });
    let sample = counted(count, tasks, || burst(&pool, tasks));
    pool.stop();
    sample
}

fn in_calls<S: Subject>(scale: Scale, count: Count) -> f64 {
    let pool = started::<S>(workers());
    let tasks = scale.of(20_000);
    let sample = counted(count, tasks, || calls(&pool, tasks));
    pool.stop();
    sample
}

fn in_calls_raw(scale: Scale, count: Count) -> f64 {
    let mut echo: Echo = started_raw();
    let messages = scale.of(20_000);
    let sample = counted(count, messages, || {
        (0..messages).for_each(|_| echo.round_trip());
    });
    echo.stop();
    sample
}

/// Counts something that one process, of this number, has done so far.
type Count = fn(u32) -> io::Result<u64>;

/// What was counted while `f` ran, for each task. Looking at the processes counts too, which is why there
/// are many tasks.
fn counted(count: Count, tasks: u64, f: impl FnOnce()) -> f64 {
    let total = || -> io::Result<u64> {
        let processes = family()?;
        processes.into_iter().map(count).sum()
    };
    let before = total();
    f();
    match (before, total()) {
        (Ok(before), Ok(after)) => (after - before) as f64 / tasks as f64,
        _ => f64::NAN,
    }
}

/// This process and its children.
fn family() -> io::Result<Vec<u32>> {
    let own = process::id();
    let mut family = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Others' processes may end at any time.
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else {
            continue;
        };
        // After the program's name in brackets: the state, and the parent.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let parent = fields.split_ascii_whitespace().nth(1);
        let parent = parent.and_then(|parent| parent.parse().ok());
        if id == own || parent == Some(own) {
            family.push(id);
        }
    }
    Ok(family)
}

/// How often it has read and written, whatever it was; other system calls are not known.
fn transfers(process: u32) -> io::Result<u64> {
    let counts = fs::read_to_string(format!("/proc/{process}/io"))?;
    Ok(field(&counts, "syscr:") + field(&counts, "syscw:"))
}
