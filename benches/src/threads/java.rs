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
    command(workload, "thread-pool", scale)
}

/// The command that measures one workload on one pool, and prints nanoseconds a task.
fn command(workload: &str, pool: &str, scale: Scale) -> Result<Command, String> {
    static CLASSES: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let classes = CLASSES
        .get_or_init(compile)
        .as_ref()
        .map_err(String::clone)?;
    let arguments = arguments(workload, pool, scale)?;
    let mut command = Command::new("java");
    command.arg("-Xms1g").arg("-cp").arg(classes);
    command.arg("Pools").args(arguments);
    Ok(command)
}

/// What `Pools.java` calls our workloads, and how often they do what they measure.
const WORKLOADS: &[(&str, &str, u64)] = &[
    ("t1", "call", 20_000),
    ("t1i", "call-idle", 100),
    ("t2", "burst", 1_000_000),
    ("t3", "forget", 1_000_000),
    ("t4", "clients-4", 1_000_000),
    ("t5b", "tree", 200_000),
    ("t8", "start", 200),
];

fn arguments(workload: &str, pool: &str, scale: Scale) -> Result<[String; 3], String> {
    let number = |times| scale.of(times).to_string();
    let (name, times) = match workload {
        // not how many, but which one
        "t5a-join" => ("forks", String::from("27")),
        _ => WORKLOADS
            .iter()
            .find(|(ours, ..)| *ours == workload)
            .map(|&(_, name, times)| (name, number(times)))
            .ok_or_else(|| format!("Pools.java has no workload for `{workload}`"))?,
    };
    Ok([pool.to_owned(), name.to_owned(), times])
}

/// Compiles `Pools.java`, if there is a JDK.
fn compile() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("java/Pools.java");
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let classes = program.with_file_name("java-classes");
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

#[cfg(test)]
mod tests {
    use super::{WORKLOADS, arguments};
    use crate::harness::Scale;

    #[test]
    fn a_workload_becomes_the_arguments_of_the_program() {
        let of = |workload| arguments(workload, "fork-join", Scale::Full);
        assert_eq!(
            of("t2"),
            Ok(["fork-join", "burst", "1000000"].map(str::to_owned))
        );
        assert_eq!(
            of("t5a-join"),
            Ok(["fork-join", "forks", "27"].map(str::to_owned))
        );
        assert!(of("t0").is_err_and(|reason| reason.contains("`t0`")));
    }

    #[test]
    fn the_program_has_what_the_table_names() {
        let program = include_str!("../../java/Pools.java");
        for (_, name, _) in WORKLOADS {
            assert!(program.contains(&format!("case \"{name}\":")), "{name}");
        }
        for name in ["forks", "fork-join", "thread-pool"] {
            assert!(program.contains(&format!("case \"{name}\":")), "{name}");
        }
    }
}
