//! The descriptors of a worker: made by the parent, sent over a socket, taken by the worker.
//!
//! All of them close on exec, so that none leaks into another child, whoever starts it. The worker's
//! standard input is one end of a socket pair, and over it come the others: no descriptor is ever
//! inherited by its number.

use std::{
    io,
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    io::ioctl_fionbio,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
    pipe::{PipeFlags, pipe_with},
};

use super::Mapping;
use crate::os::unix;

/// What the parent makes for one worker before it starts it.
pub(crate) struct Kit {
    /// The worker's standard input.
    pub(crate) stdin: OwnedFd,
    /// The worker's standard output and error.
    pub(crate) stderr: OwnedFd,
    /// The parent's end of the worker's errors.
    pub(crate) stderr_reader: OwnedFd,
    /// Where the parent writes tasks.
    pub(crate) tasks: OwnedFd,
    /// Where the parent reads replies.
    pub(crate) replies: OwnedFd,
    /// The memory that both share.
    pub(crate) memory: Mapping,
    socket: UnixStream,
    for_worker: [OwnedFd; FDS],
}

/// How many descriptors a worker is sent.
const FDS: usize = 5;

/// A worker's own ends.
pub(crate) struct WorkerEnds {
    pub(crate) tasks: OwnedFd,
    pub(crate) replies: OwnedFd,
    pub(crate) memory: Mapping,
    /// The file of the pool's arguments.
    pub(crate) arguments: OwnedFd,
    /// The file of this worker's results.
    pub(crate) results: OwnedFd,
}

impl Kit {
    /// `arguments` and `results` are files for the worker.
    pub(crate) fn new(memory_len: usize, arguments: OwnedFd, results: OwnedFd) -> io::Result<Self> {
        let (socket, stdin) = UnixStream::pair()?;
        let (worker_tasks, tasks) = pipe_with(PipeFlags::CLOEXEC)?;
        let (replies, worker_replies) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr_reader, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        for ours in [&tasks, &replies, &stderr_reader] {
            ioctl_fionbio(ours, true)?;
        }
        let (file, memory) = Mapping::create(memory_len)?;
        Ok(Self {
            stdin: stdin.into(),
            stderr,
            stderr_reader,
            tasks,
            replies,
            memory,
            socket,
            for_worker: [worker_tasks, worker_replies, file, arguments, results],
        })
    }

    /// Sends the worker its descriptors. They wait in the socket until it takes them.
    pub(crate) fn send(&self) -> io::Result<()> {
        let fds: [BorrowedFd<'_>; FDS] = self.for_worker.each_ref().map(AsFd::as_fd);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fits = control.push(SendAncillaryMessage::ScmRights(&fds));
        debug_assert!(fits, "the space was made for all descriptors");
        sendmsg(
            &self.socket,
            &[IoSlice::new(b"!")],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        Ok(())
    }
}

impl WorkerEnds {
    /// Takes the descriptors that the parent has sent over standard input; leaves an empty standard
    /// input, and a standard output that goes where standard error goes.
    pub(crate) fn take(memory_len: usize) -> io::Result<Self> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        recvmsg(
            rustix::stdio::stdin(),
            &mut [IoSliceMut::new(&mut byte)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                for fd in received {
                    fds.push(unix::copy_high(&fd)?);
                }
            }
        }
        let Ok([tasks, replies, file, arguments, results]) = <[OwnedFd; FDS]>::try_from(fds) else {
            return Err(io::Error::other(
                "the parent did not send this worker its pipes and its memory",
            ));
        };
        unix::silence()?;
        let memory = Mapping::of(&file, memory_len)?;
        Ok(Self {
            tasks,
            replies,
            memory,
            arguments,
            results,
        })
    }
}
