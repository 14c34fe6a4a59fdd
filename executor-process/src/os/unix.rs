//! What the portable transport needs of a unix.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::Command,
};

use rustix::{
    io::{Errno, fcntl_dupfd_cloexec},
    process::{Pid, Signal, kill_process_group},
    stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout},
};

/// Where a worker's own descriptors begin: code that closes the first ones by number does no harm.
const FIRST_DESCRIPTOR: i32 = 64;

/// A copy of `fd` with a high number, or with any where the process may have so few.
pub(super) fn copy_high(fd: impl AsFd) -> io::Result<OwnedFd> {
    match fcntl_dupfd_cloexec(&fd, FIRST_DESCRIPTOR) {
        Err(Errno::INVAL) => Ok(fcntl_dupfd_cloexec(&fd, 3)?),
        copy => Ok(copy?),
    }
}

/// Has the process that `command` starts lead a group of its own.
pub(crate) fn lead_group(command: &mut Command) {
    command.process_group(0);
}

/// Asks a process group to end. False if there is no such way.
pub(crate) fn terminate_group(pid: u32) -> bool {
    signal_group(pid, Signal::TERM)
}

/// Ends a process group. False if there is no such way.
pub(crate) fn kill_group(pid: u32) -> bool {
    signal_group(pid, Signal::KILL)
}

fn signal_group(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process_group(pid, signal).is_ok())
}

/// Takes standard input and output away from this program, which finds an empty input from now on,
/// and whose output goes where its errors go.
pub(crate) fn take_standard_streams() -> io::Result<(impl Read + Send, impl Write + Send)> {
    let input = copy_high(stdin())?;
    let output = copy_high(stdout())?;
    silence()?;
    Ok((File::from(input), File::from(output)))
}

/// Leaves an empty standard input, and a standard output that goes where standard error goes.
pub(super) fn silence() -> io::Result<()> {
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(dup2_stdout(stderr())?)
}
