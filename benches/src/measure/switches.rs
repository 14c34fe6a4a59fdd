//! Context switches, as Linux counts them. Elsewhere nothing is known.

use std::{fs, io, process};

/// How often a thread of this process went to sleep while `f` ran; each time, somebody had to wake it.
/// Not a number where the system does not say.
pub(crate) fn sleeps(f: impl FnOnce()) -> f64 {
    let so_far = || sleeps_of(process::id());
    let before = so_far();
    f();
    match (before, so_far()) {
        (Ok(before), Ok(after)) => after.saturating_sub(before) as f64,
        _ => f64::NAN,
    }
}

/// How often the threads went to sleep that a process has now. A thread that gave way to another one and did not sleep is
/// not counted.
pub(crate) fn sleeps_of(process: u32) -> io::Result<u64> {
    Ok(statuses(process)?
        .iter()
        .map(|(_, status)| field(status, "voluntary_ctxt_switches:"))
        .sum())
}

/// How often the threads of this process other than the main one were switched away from, or went
/// to sleep, so far.
pub(crate) fn all_of_others() -> io::Result<u64> {
    let own = process::id();
    let others = statuses(own)?.into_iter().filter(|(id, _)| *id != own);
    Ok(others
        .map(|(_, status)| {
            field(&status, "voluntary_ctxt_switches:")
                + field(&status, "nonvoluntary_ctxt_switches:")
        })
        .sum())
}

/// The number in a line of a file below `/proc`, behind this name; 0 if there is none.
pub(crate) fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        .unwrap_or(0)
}

/// The threads of a process, each with what the system says about it.
fn statuses(process: u32) -> io::Result<Vec<(u32, String)>> {
    fs::read_dir(format!("/proc/{process}/task"))?
        .map(|thread| {
            let thread = thread?;
            let id = thread.file_name().to_str().and_then(|id| id.parse().ok());
            let status = fs::read_to_string(thread.path().join("status"))?;
            Ok((id.unwrap_or(0), status))
        })
        .collect()
}
