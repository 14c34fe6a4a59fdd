//! Linux: shared memory, epoll, process descriptors, descriptors sent over a socket.

mod descriptors;
mod memory;
mod poll;
mod process;

pub(crate) use self::{
    descriptors::{Kit, WorkerEnds},
    memory::{Arguments, Mapping, ask_for_large_pages},
    poll::{Event, EventFd, Interest, Poller, wait_readable},
    process::{Process, become_worker, limit_memory, resident_bytes},
};

use std::{io, os::fd::OwnedFd};

/// Nanoseconds of the clock that all processes of this machine share.
pub(crate) fn monotonic_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // Neither is ever negative for this clock.
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Reads once; `Ok(None)` if there is nothing to read now.
pub(crate) fn read(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    no_block(|| rustix::io::read(fd, &mut *buffer))
}

/// Writes once; `Ok(None)` if there is no room now.
pub(crate) fn write(fd: &OwnedFd, bytes: &[u8]) -> io::Result<Option<usize>> {
    no_block(|| rustix::io::write(fd, bytes))
}

fn no_block(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(n) => return Ok(Some(n)),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}
