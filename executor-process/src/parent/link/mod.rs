//! The parent's side of the connection to one worker, over either transport.

pub(crate) mod portable;
#[cfg(target_os = "linux")]
pub(crate) mod shared;

use std::{io, time::Duration};

use executor_core::codec::Held;

use self::portable::PortableLink;
#[cfg(target_os = "linux")]
use self::shared::SharedLink;
use super::entry::Flight;
use crate::wire::{
    frame::{Place, Violation},
    inbox::Inbox,
};

/// A worker process and the way to it.
pub(crate) enum Link {
    #[cfg(target_os = "linux")]
    Shared(SharedLink),
    Portable(PortableLink),
}

/// What reading from a worker has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readable {
    /// There may be more.
    More,
    /// Nothing more for now.
    Drained,
    /// The worker has closed its side.
    Closed,
}

macro_rules! each {
    ($self:expr, $link:ident => $value:expr) => {
        match $self {
            #[cfg(target_os = "linux")]
            Link::Shared($link) => $value,
            Link::Portable($link) => $value,
        }
    };
}

impl Link {
    pub(crate) fn pid(&self) -> u32 {
        each!(self, link => link.pid())
    }

    /// How many tasks may be sent ahead of the answers, however short they are.
    pub(crate) fn most_ahead(&self) -> usize {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared(_) => 256,
            Self::Portable(_) => 1,
        }
    }

    /// Whether one more task may be sent, as far as the worker's memory of them goes.
    pub(crate) fn has_room(&self, next_seq: u64) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared(link) => link.has_room(next_seq),
            Self::Portable(_) => true,
        }
    }

    /// Says that the worker may start task `seq`, before it hears of it.
    pub(crate) fn offer(&self, seq: u64) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared(link) => link.page.offer(seq),
            Self::Portable(_) => {}
        }
    }

    /// Takes task `seq` back. False if the worker has started it, or may have.
    pub(crate) fn revoke(&self, seq: u64) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared(link) => link.page.revoke(seq),
            Self::Portable(_) => false,
        }
    }

    /// Whether the worker has certainly started the task. After its death this is the last word.
    pub(crate) fn has_started(&self, flight: &Flight) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared(link) => link.page.has_started(flight.seq),
            Self::Portable(_) => flight.started.is_some(),
        }
    }

    /// How long the task has been running, if it is.
    pub(crate) fn running_for(&self, flight: &Flight) -> Option<Duration> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared(link) => link.running_for(flight.seq),
            Self::Portable(_) => flight.started.map(|started| started.elapsed()),
        }
    }

    /// Asks the running task to stop. True if it can see that by now; else the worker will say when.
    pub(crate) fn request_stop(&mut self, seq: u64) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared(link) => {
                link.page.request_stop(seq);
                true
            }
            Self::Portable(link) => {
                link.request_stop(seq);
                false
            }
        }
    }

    /// How much memory the worker used when it last looked, where it does.
    pub(crate) fn resident(&self) -> u64 {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared(link) => link.page.resident(),
            Self::Portable(_) => 0,
        }
    }

    /// The result of at most `cap` bytes that the worker says is in its arena.
    pub(crate) fn hold(&self, place: Place, cap: usize) -> Result<Box<dyn Held>, Violation> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared(link) => Ok(Box::new(link.inbound.hold(place, cap)?)),
            Self::Portable(_) => {
                let Place { len, .. } = place;
                Err(Violation(format!(
                    "it has left {len} of at most {cap} bytes in memory that it does not share"
                )))
            }
        }
    }

    /// Bytes to be written by [`flush`](Self::flush).
    pub(crate) fn outgoing(&mut self) -> &mut Vec<u8> {
        each!(self, link => &mut link.outgoing)
    }

    /// Writes what can be written now. Bytes that a dead worker will never read are no error: its death is
    /// noticed elsewhere.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        each!(self, link => link.flush())
    }

    /// Reads answers.
    pub(crate) fn read(&mut self, inbox: &mut Inbox) -> io::Result<Readable> {
        each!(self, link => link.read(inbox))
    }

    /// Gets answers that the worker has collected and not sent.
    pub(crate) fn pull(&mut self, inbox: &mut Inbox) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared(link) => link.pull(inbox),
            Self::Portable(_) => {}
        }
    }

    /// The complete results of the chunk that a dead worker was running, beyond those that were sent.
    pub(crate) fn rest_of_part(&self, results: &mut Vec<u8>) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared(link) => link.rest_of_part(results),
            Self::Portable(_) => {}
        }
    }

    /// Reads what the worker has written to its standard error.
    pub(crate) fn read_stderr(&mut self, bytes: &mut Vec<u8>) {
        each!(self, link => link.read_stderr(bytes));
    }

    /// Tells the worker that nothing more will come: it exits when it is done.
    pub(crate) fn close(&mut self) {
        each!(self, link => link.close());
    }

    /// Asks the process and its group to end. False if there is no way to ask.
    pub(crate) fn terminate(&self) -> bool {
        each!(self, link => link.terminate())
    }

    /// Ends the process and its group.
    pub(crate) fn kill(&self) {
        each!(self, link => link.kill());
    }

    /// How the process ended; `None` while it has not.
    pub(crate) fn reap(&mut self) -> io::Result<Option<String>> {
        each!(self, link => link.reap())
    }
}
