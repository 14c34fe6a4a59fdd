//! What this program does when a trial starts it anew, in a process of its own.

use std::{
    env,
    path::Path,
    process::{Command, ExitCode, Output},
};

use crate::spawning;

/// The variable that names the role.
const ROLE: &str = "FAULTS_ROLE";

/// Starts a program, which is this one or becomes it, in a role, and waits for its end.
pub(crate) fn start_program(
    program: &Path,
    role: &str,
    prepare: impl FnOnce(&mut Command),
) -> Output {
    let mut command = Command::new(program);
    command.env(ROLE, role);
    prepare(&mut command);
    command.output().unwrap()
}

/// The roles that must not call `init`, or that not always do.
pub(crate) fn play_before_init() -> Option<ExitCode> {
    match env::var(ROLE).ok()?.as_str() {
        "uninitialized" => spawning::without_init(),
        "forgetful" => spawning::forgets_in_workers(),
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

/// The others.
pub(crate) fn play() -> Option<ExitCode> {
    match env::var(ROLE).ok()?.as_str() {
        "no_descriptors" => spawning::without_descriptors(),
        "few_descriptors" => spawning::with_few_descriptors(),
        "heals" => spawning::heals(),
        "no_processes" => spawning::without_processes(),
        other => panic!("there is no role {other:?}"),
    }
    Some(ExitCode::SUCCESS)
}
