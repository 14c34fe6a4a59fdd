//! Waiting for many descriptors.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll},
    io::Errno,
};

/// An epoll instance.
pub(crate) struct Poller {
    epoll: OwnedFd,
}

/// What a descriptor is watched for. That it was closed by the other side is reported in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Nothing,
    Read,
    Write,
}

/// Something has happened to the descriptor that was added with this token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) token: u64,
}

/// A counter that wakes whoever polls for it.
pub(crate) struct EventFd {
    fd: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        })
    }

    pub(crate) fn add(&self, fd: &impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(
            &self.epoll,
            fd,
            epoll::EventData::new_u64(token),
            flags(interest),
        )?)
    }

    pub(crate) fn modify(&self, fd: &impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(
            &self.epoll,
            fd,
            epoll::EventData::new_u64(token),
            flags(interest),
        )?)
    }

    pub(crate) fn remove(&self, fd: &impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Waits for events, `timeout` at the most, and replaces `events` by them.
    pub(crate) fn wait(
        &self,
        events: &mut Vec<Event>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let mut list = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }; 64];
        events.clear();
        match epoll::wait(&self.epoll, &mut list, timeout.map(timespec).as_ref()) {
            Ok(n) => {
                events.extend(list[..n].iter().map(|event| Event {
                    token: event.data.u64(),
                }));
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { fd })
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Wakes whoever polls for this, now or later.
    pub(crate) fn notify(&self) {
        // Full means that it has been notified very often and not been cleared: then it wakes as well.
        let notified = super::write(&self.fd, &1_u64.to_ne_bytes());
        debug_assert!(notified.is_ok(), "an event counter can be written");
    }

    /// Forgets all notifications.
    pub(crate) fn clear(&self) {
        let cleared = super::read(&self.fd, &mut [0; 8]);
        debug_assert!(cleared.is_ok(), "an event counter can be read");
    }
}

/// Waits until one of two descriptors can be read, or until `timeout`.
pub(crate) fn wait_readable(
    first: &impl AsFd,
    second: &impl AsFd,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let mut fds = [
        PollFd::new(first, PollFlags::IN),
        PollFd::new(second, PollFlags::IN),
    ];
    match poll(&mut fds, timeout.map(timespec).as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn flags(interest: Interest) -> epoll::EventFlags {
    match interest {
        Interest::Nothing => epoll::EventFlags::empty(),
        Interest::Read => epoll::EventFlags::IN,
        Interest::Write => epoll::EventFlags::OUT,
    }
}

fn timespec(duration: Duration) -> Timespec {
    // More than a month is for ever enough: whoever waits looks at the clock afterwards.
    let duration = duration.min(Duration::from_secs(2_000_000));
    Timespec {
        tv_sec: duration.as_secs().cast_signed(),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
