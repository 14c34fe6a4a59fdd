//! The pools of the Java library, for comparison.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::harness::Scale;

/// Measures a workload on the `ForkJoinPool`.
pub(super) fn fork_join(workload: &str, scale: Scale) -> Result<Command, String> {
    command(workload, "fork-join", scale)
}

/// Measures a workload on the `ThreadPoolExecutor`.
pub(super) fn executor(workload: &str, scale: Scale) -> Result<Command, String> {
    command(workload, "executor", scale)
}

/// The command that measures one workload on one pool, and prints nanoseconds a task.
fn command(workload: &str, pool: &str, scale: Scale) -> Result<Command, String> {
    static CLASSES: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let classes = CLASSES
        .get_or_init(compile)
        .as_ref()
        .map_err(String::clone)?;
    let tasks = scale.of(1_000_000).to_string();
    let mut command = Command::new("java");
    command.arg("-Xms1g").arg("-cp").arg(classes);
    command.args(["Pools", workload, pool, &tasks]);
    Ok(command)
}

/// Compiles `Pools.java`, if there is a JDK.
fn compile() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("java/Pools.java");
    let classes = env::temp_dir().join(format!("benches-java-{}", std::process::id()));
    let output = Command::new("javac")
        .arg("-d")
        .arg(&classes)
        .arg(source)
        .output();
    match output {
        Err(error) => Err(format!("no javac ({error})")),
        Ok(output) if !output.status.success() => {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
        Ok(_) => Ok(classes),
    }
}
