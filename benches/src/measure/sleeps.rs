//! How often threads go to sleep, as Linux counts it. Elsewhere nothing is known.

use std::{fs, io};

/// How often a thread of this process went to sleep while `f` ran; each time, somebody had to wake it.
/// Not a number where the system does not say.
pub(crate) fn count(f: impl FnOnce()) -> f64 {
    let before = so_far();
    f();
    match (before, so_far()) {
        (Ok(before), Ok(after)) => after.saturating_sub(before) as f64,
        _ => f64::NAN,
    }
}

/// Those of all threads that there are now. A thread that gave way to another one and did not sleep is not
/// counted.
fn so_far() -> io::Result<u64> {
    let mut sleeps = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        sleeps += status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .and_then(|count| count.trim().parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(sleeps)
}
