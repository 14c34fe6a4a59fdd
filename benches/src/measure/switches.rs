//! What the operating system says about the threads of this process.

use std::{fs, io, process};

/// How often the threads of this process other than the main one were switched away from, or went
/// to sleep, so far.
pub(crate) fn context_switches_of_others() -> io::Result<u64> {
    let mut switches = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        if task.file_name().to_str() == Some(&process::id().to_string()) {
            continue;
        }
        let status = fs::read_to_string(task.path().join("status"))?;
        switches += status
            .lines()
            .filter_map(|line| line.split_once("ctxt_switches:"))
            .filter_map(|(_, count)| count.trim().parse::<u64>().ok())
            .sum::<u64>();
    }
    Ok(switches)
}
