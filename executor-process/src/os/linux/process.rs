//! A worker as a process: started, watched, ended.

use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    process::{Command, ExitStatus},
};

use rustix::{
    io::Errno,
    process::{
        Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getppid, getrlimit,
        kill_process_group, pidfd_open, pidfd_send_signal, set_parent_process_death_signal,
        setrlimit, waitid,
    },
};

/// A child of this process, which leads a process group of its own.
pub(crate) struct Process {
    pid: Pid,
    /// Readable once the process has ended. Waiting through it finds this child and no other, and is
    /// not disturbed by what the program does with `SIGCHLD`.
    pidfd: OwnedFd,
}

impl Process {
    /// Starts `command` at the head of a new process group.
    ///
    /// The calling thread must live as long as the process: a worker asks to be ended with the thread
    /// that started it.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        // No `pre_exec`, and so the cheap way of starting a process: see `CommandExt::process_group`.
        let child = command.process_group(0).spawn()?;
        let pid = Pid::from_child(&child);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Self { pid, pidfd }),
            Err(error) => {
                // Without it the process cannot be watched.
                let mut child = child;
                child.kill().and_then(|()| child.wait())?;
                Err(error.into())
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Becomes readable when the process has ended.
    pub(crate) fn ended(&self) -> &impl AsFd {
        &self.pidfd
    }

    /// Asks the process and its group to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends the process and its group.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // Until it is reaped, which is the last thing that is done with it, its number is its own. An
        // error says that nobody is left there: the process itself may have left its group.
        let _nobody_left = kill_process_group(self.pid, signal);
        let _has_ended = pidfd_send_signal(&self.pidfd, signal);
    }

    /// How the process ended, in words; `None` while it has not. Afterwards it is gone, and so is
    /// whatever it has left in its group.
    pub(crate) fn reap(&self) -> io::Result<Option<String>> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        // A look first: until it is reaped, its number is its own, and so is that of its group.
        if let Ok(None) | Err(Errno::INTR) = waitid(
            WaitId::PidFd(self.pidfd.as_fd()),
            look | WaitIdOptions::NOWAIT,
        ) {
            return Ok(None);
        }
        self.kill();
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), look) {
            Ok(Some(status)) => {
                let raw = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => (code & 0xff) << 8,
                    (_, Some(signal)) => signal | if status.dumped() { 0x80 } else { 0 },
                    _ => 0,
                };
                Ok(Some(ExitStatus::from_raw(raw).to_string()))
            }
            Err(Errno::CHILD) => Ok(Some(String::from(
                "ended, and another part of this program has taken its exit status",
            ))),
            Ok(None) | Err(Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Ties the life of this process to that of the thread that started it, which `parent` is the process
/// of. False if that has ended already.
pub(crate) fn become_worker(parent: u32) -> io::Result<bool> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let now = getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    Ok(now == parent)
}

/// Limits how much memory this process can allocate.
pub(crate) fn limit_memory(bytes: u64) -> io::Result<()> {
    // The data segment is what is allocated; the address space would count the program too.
    let limit = Rlimit {
        current: Some(bytes),
        maximum: getrlimit(Resource::Data).maximum,
    };
    Ok(setrlimit(Resource::Data, limit)?)
}

/// How much memory this process has in use.
pub(crate) fn resident_bytes() -> io::Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .ok_or_else(|| io::Error::other("/proc/self/statm has another form"))?;
    Ok(pages * rustix::param::page_size() as u64)
}
