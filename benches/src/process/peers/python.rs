//! The pools of Python: CPython's own, loky and pebble.
//!
//! `python/pools.py` measures one workload on one pool. Its interpreter is that of `target/python-venv`, if there is one,
//! and else `python3`: `python/requirements.txt` says how to make it. What is missing is skipped, with its reason.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::harness::Scale;

/// Measures a workload on `concurrent.futures.ProcessPoolExecutor`, by fork.
pub(crate) fn futures(workload: &str, scale: Scale) -> Result<Command, String> {
    command(workload, "processes-fork", scale)
}

/// Measures a workload on `concurrent.futures.ProcessPoolExecutor`, by spawn.
pub(crate) fn futures_spawned(workload: &str, scale: Scale) -> Result<Command, String> {
    command(workload, "processes-spawn", scale)
}

/// Measures a workload on `concurrent.futures.ThreadPoolExecutor`.
pub(crate) fn threads(workload: &str, scale: Scale) -> Result<Command, String> {
    command(workload, "threads", scale)
}

/// Measures a workload on `multiprocessing.Pool`, by fork.
pub(crate) fn multiprocessing(workload: &str, scale: Scale) -> Result<Command, String> {
    command(workload, "multiprocessing-fork", scale)
}

/// Measures a workload on loky.
pub(crate) fn loky(workload: &str, scale: Scale) -> Result<Command, String> {
    command(workload, "loky", scale)
}

/// Measures a workload on pebble.
pub(crate) fn pebble(workload: &str, scale: Scale) -> Result<Command, String> {
    command(workload, "pebble", scale)
}

/// Workers, unless a workload has more.
const WORKERS: u64 = 2;

/// Workers for tasks that sleep.
const SLEEPERS: u64 = 8;

/// What `pools.py` calls our workloads, how often they do what they measure, and with how many workers.
#[rustfmt::skip] // a table
const WORKLOADS: &[(&str, &str, u64, u64)] = &[
    ("t1",          "call",           5000,      WORKERS),
    ("t1i",         "call-idle",      300,       WORKERS),
    ("t2",          "burst",          100_000,   WORKERS),
    ("p1",          "call",           500,       WORKERS),
    ("p1-idle",     "call-idle",      300,       WORKERS),
    ("p2",          "burst",          20_000,    WORKERS),
    ("p3-even",     "even",           20_000,    WORKERS),
    ("p3-uneven",   "uneven",         20_000,    WORKERS),
    ("p3-naps",     "naps",           400,       SLEEPERS),
    ("p4-10us",     "map-10us",       20_000,    WORKERS),
    ("p5",          "map-noop",       1_000_000, WORKERS),
    ("p6-1MiB",     "payload-1MiB",   100,       WORKERS),
    ("p6-64MiB",    "payload-64MiB",  5,         WORKERS),
    ("p7",          "start",          30,        WORKERS),
    ("p8-fails",    "kill-failed",    50,        1),
    ("p8-replaced", "kill-replaced",  50,        1),
    ("p9-burst",    "switches-burst", 20_000,    WORKERS),
    ("p9-call",     "switches-call",  5000,      WORKERS),
];

/// The command that measures one workload on one pool, and prints the number.
fn command(workload: &str, pool: &str, scale: Scale) -> Result<Command, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let arguments = arguments(workload, pool, scale)?;
    let python = FOUND.get_or_init(find).as_ref().map_err(String::clone)?;
    let mut command = Command::new(python);
    command
        // `python3 -B`, for the workers that it starts as well
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/pools.py"))
        .args(arguments);
    Ok(command)
}

fn arguments(workload: &str, pool: &str, scale: Scale) -> Result<[String; 4], String> {
    let (_, name, times, workers) = WORKLOADS
        .iter()
        .find(|(ours, ..)| *ours == workload)
        .ok_or_else(|| format!("pools.py has no workload for `{workload}`"))?;
    Ok([
        pool.to_owned(),
        (*name).to_owned(),
        scale.of(*times).to_string(),
        workers.to_string(),
    ])
}

/// An interpreter that runs.
fn find() -> Result<PathBuf, String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python-venv/bin/python");
    let python = if own.exists() { own } else { "python3".into() };
    let status = Command::new(&python)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("no python3 ({error})"))?;
    if status.success() {
        Ok(python)
    } else {
        Err(format!("{} does not run: {status}", python.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::{WORKLOADS, arguments};
    use crate::harness::Scale;

    const SCRIPT: &str = include_str!("../../../python/pools.py");

    #[test]
    fn a_workload_becomes_the_arguments_of_the_script() {
        let full = arguments("p3-naps", "loky", Scale::Full).expect("it is in the table");
        assert_eq!(full, ["loky", "naps", "400", "8"]);
    }

    #[test]
    fn a_workload_that_is_not_in_the_table_is_named() {
        let reason = arguments("p0", "loky", Scale::Full).expect_err("there is none");
        assert!(reason.contains("`p0`"), "{reason}");
    }

    #[test]
    fn the_script_has_what_the_table_names() {
        for (_, name, ..) in WORKLOADS {
            assert!(SCRIPT.contains(&format!("\n    \"{name}\": ")), "{name}");
        }
        let pools = ["processes-fork", "processes-spawn", "threads"];
        for name in pools
            .iter()
            .chain(&["multiprocessing-fork", "loky", "pebble"])
        {
            assert!(SCRIPT.contains(&format!("\n    \"{name}\": ")), "{name}");
        }
    }
}
