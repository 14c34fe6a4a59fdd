//! The pools of CPython's library, for comparison.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::harness::Scale;

/// Measures a workload on `concurrent.futures.ProcessPoolExecutor`.
pub(crate) fn futures(workload: &str, scale: Scale) -> Result<Command, String> {
    command(workload, "futures", scale)
}

/// Measures a workload on `multiprocessing.Pool`.
pub(crate) fn multiprocessing(workload: &str, scale: Scale) -> Result<Command, String> {
    command(workload, "multiprocessing", scale)
}

/// The command that measures one workload on one pool, and prints the number.
fn command(workload: &str, pool: &str, scale: Scale) -> Result<Command, String> {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    FOUND.get_or_init(find).clone()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/pools.py");
    let size = match scale {
        Scale::Full => "full",
        Scale::Quick => "quick",
        Scale::Tiny => "tiny",
    };
    let mut command = Command::new("python3");
    command.arg(script).args([workload, pool, size]);
    Ok(command)
}

fn find() -> Result<(), String> {
    let status = Command::new("python3")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("no python3 ({error})"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("python3 does not run: {status}"))
    }
}
