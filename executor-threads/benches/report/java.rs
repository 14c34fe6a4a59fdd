//! The pools of the Java library, for comparison.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// `Pools.java`, compiled.
pub(super) struct Java {
    classes: PathBuf,
}

impl Java {
    /// Compiles the program, if there is a JDK.
    pub(super) fn compile() -> Result<Self, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/java/Pools.java");
        let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("java");
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
            Ok(_) => Ok(Self { classes }),
        }
    }

    /// The command that measures one workload on one pool, and prints nanoseconds a task.
    pub(super) fn command(&self, workload: &str, pool: &str, tasks: u64) -> Command {
        let mut command = Command::new("java");
        command.arg("-Xms1g").arg("-cp").arg(&self.classes);
        command.args(["Pools", workload, pool, &tasks.to_string()]);
        command
    }
}
