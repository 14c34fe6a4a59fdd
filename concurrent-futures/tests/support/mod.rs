//! For tests of examples: the test program is also the example, when a variable says so. What is
//! tested then is what the source says, and never an older build of it.

use std::{
    env,
    fmt::Debug,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use libtest_mimic::Failed;

/// What a trial gives.
pub(crate) type Checked = Result<(), Failed>;

/// Set in the processes that are to be the example.
const BE_THE_EXAMPLE: &str = "CONCURRENT_FUTURES_TEST_IS_EXAMPLE";

/// Far more than any of these runs takes; a process that is still there then hangs.
const HANG: Duration = Duration::from_secs(120);

/// Whether this process is to be the example.
pub(crate) fn is_example() -> bool {
    env::var_os(BE_THE_EXAMPLE).is_some()
}

/// The example, with its output to be read.
pub(crate) fn example() -> Command {
    let this = env::current_exe().expect("a running program has a path");
    let mut command = Command::new(this);
    command.env(BE_THE_EXAMPLE, "1");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<Output, Failed> {
    end(command.spawn()?)
}

/// Waits for the child's end; ends it by force and fails if it hangs.
pub(crate) fn end(child: Child) -> Result<Output, Failed> {
    let pid = child.id();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(HANG) {
        Ok(output) => Ok(output?),
        Err(_) => {
            Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .status()?;
            Err(format!("the program was still running after {HANG:?}").into())
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Fails with all that the program has said.
pub(crate) fn ensure(holds: bool, output: &Output) -> Checked {
    if holds {
        return Ok(());
    }
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    Err(format!(
        "unexpected: {}, stdout {stdout:?}, stderr {stderr:?}",
        output.status
    )
    .into())
}

pub(crate) fn ensure_eq<A: PartialEq<B> + Debug, B: Debug>(found: A, right: B) -> Checked {
    if found == right {
        return Ok(());
    }
    Err(format!("{found:?} in place of {right:?}").into())
}
