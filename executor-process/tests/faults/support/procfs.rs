//! What the system knows of processes.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Sends a signal. A process that is gone needs none.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _is_gone = kill_process(pid, signal);
}

/// Whether this process exists and is no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// Whether this process was stopped by a signal.
pub(crate) fn is_stopped(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state == 'T')
}

/// The children of this process: their ids, and whether each is a zombie.
pub(crate) fn children() -> Vec<(u32, bool)> {
    let own = std::process::id();
    all()
        .filter_map(|pid| {
            let (state, parent) = stat(pid)?;
            (parent == own).then_some((pid, state == 'Z'))
        })
        .collect()
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    // Without the one that the listing itself needs.
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// How many threads this process has.
pub(crate) fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// The ids of all processes.
pub(crate) fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// State and parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses, and may have any character.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}
