//! Pipes that do not block, watched by one epoll, and shared memory.

use std::{io, os::fd::OwnedFd, process::Command, sync::Arc, time::Duration};

use executor_core::spin;

use super::Readable;
use crate::{
    os::linux::{self, Interest, Kit, Poller, Process},
    wire::{
        WORKER_VARIABLE,
        inbox::Inbox,
        page::{self, CLAIMS, Page},
        results::Inbound,
    },
};

/// What of a worker an event is about: the low bits of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Replies,
    Tasks,
    Stderr,
    Ended,
}

pub(crate) struct SharedLink {
    process: Process,
    pub(crate) page: Arc<Page>,
    /// The arena of its large results.
    pub(crate) inbound: Arc<Inbound>,
    /// `None` once it is closed.
    tasks: Option<OwnedFd>,
    /// A waiter may read it too, while it drives.
    pub(crate) replies: Arc<OwnedFd>,
    /// `None` once the worker has closed it.
    stderr: Option<OwnedFd>,
    /// The worker has closed its side of the replies.
    is_closed: bool,
    poller: Arc<Poller>,
    token: u64,
    pub(crate) outgoing: Vec<u8>,
    /// How much of it is written.
    written: usize,
    /// How much was written since the start.
    sent: u64,
    /// Whether the poller watches for room in the pipe.
    waits_for_room: bool,
    /// How much of the stream of answers has come through the pipe, and how much is known.
    piped: u64,
    known: u64,
    copy: Vec<u8>,
}

/// Token of event `source` of the worker with this index.
const fn token(index: usize, source: Source) -> u64 {
    (index as u64) << 2 | source as u64
}

/// The worker and the event that a token is about.
pub(crate) const fn source_of(token: u64) -> (usize, Source) {
    let source = match token & 3 {
        0 => Source::Replies,
        1 => Source::Tasks,
        2 => Source::Stderr,
        _ => Source::Ended,
    };
    ((token >> 2) as usize, source)
}

impl SharedLink {
    /// Starts a worker. Only to be called on the pool's own thread: the worker ends with it.
    pub(crate) fn spawn(
        mut command: Command,
        index: usize,
        poller: &Arc<Poller>,
        arguments: OwnedFd,
    ) -> io::Result<Self> {
        let (results, inbound) = Inbound::create()?;
        let kit = Kit::new(page::LEN, arguments, results)?;
        kit.send()?;
        command
            .env(WORKER_VARIABLE, format!("shared:{}", std::process::id()))
            .stdin(kit.stdin)
            .stdout(kit.stderr.try_clone()?)
            .stderr(kit.stderr);
        let process = Process::spawn(&mut command)?;
        // With it go the parent's copies of the worker's ends: while they are open, a dead worker
        // seems alive.
        drop(command);
        let link = Self {
            process,
            page: Arc::new(Page::new(kit.memory)),
            inbound,
            tasks: Some(kit.tasks),
            replies: Arc::new(kit.replies),
            stderr: Some(kit.stderr_reader),
            is_closed: false,
            poller: Arc::clone(poller),
            token: token(index, Source::Replies),
            outgoing: Vec::new(),
            written: 0,
            sent: 0,
            waits_for_room: false,
            piped: 0,
            known: 0,
            copy: Vec::new(),
        };
        link.watch(index).inspect_err(|_| link.process.kill())?;
        Ok(link)
    }

    fn watch(&self, index: usize) -> io::Result<()> {
        let read = Interest::Read;
        self.poller.add(&*self.replies, self.token, read)?;
        if let Some(stderr) = &self.stderr {
            self.poller
                .add(stderr, token(index, Source::Stderr), read)?;
        }
        self.poller
            .add(self.process.ended(), token(index, Source::Ended), read)?;
        match &self.tasks {
            Some(tasks) => self
                .poller
                .add(tasks, token(index, Source::Tasks), Interest::Nothing),
            None => Ok(()),
        }
    }

    /// Leaves the answers to a waiter, or takes them back.
    pub(crate) fn watch_replies(&self, watch: bool) -> io::Result<()> {
        let interest = if watch {
            Interest::Read
        } else {
            Interest::Nothing
        };
        self.poller.modify(&*self.replies, self.token, interest)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(super) fn has_room(&self, next_seq: u64) -> bool {
        // What the worker says here need not be true.
        next_seq.saturating_sub(self.page.seen()) < CLAIMS
    }

    pub(super) fn running_for(&self, seq: u64) -> Option<Duration> {
        self.page.has_started(seq).then(|| {
            let started = self.page.started_at();
            Duration::from_nanos(linux::monotonic_nanos().saturating_sub(started))
        })
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(tasks) = &self.tasks else {
            self.outgoing.clear();
            self.written = 0;
            return Ok(());
        };
        let mut has_room = true;
        while has_room && self.written < self.outgoing.len() {
            match linux::write(tasks, &self.outgoing[self.written..]) {
                Ok(Some(count)) => {
                    self.written += count;
                    self.sent += count as u64;
                    self.page.note_sent(self.sent, spin::has_free_core());
                }
                Ok(None) => has_room = false,
                // It is dead, or of no use any more; what it was to do is with its flights.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.close();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        // Not moved to the front after each write: a long task is many writes.
        if self.written >= self.outgoing.len() / 2 {
            self.outgoing.drain(..self.written);
            self.written = 0;
        }
        if self.outgoing.is_empty() {
            self.outgoing.shrink_to(1 << 20);
        }
        if self.waits_for_room == has_room {
            self.waits_for_room = !has_room;
            let interest = if has_room {
                Interest::Nothing
            } else {
                Interest::Write
            };
            let token = self.token | Source::Tasks as u64;
            self.poller.modify(tasks, token, interest)?;
        }
        Ok(())
    }

    /// How many bytes of answers are known.
    pub(crate) const fn known(&self) -> u64 {
        self.known
    }

    pub(super) fn read(&mut self, inbox: &mut Inbox) -> io::Result<Readable> {
        let room = inbox.room();
        let size = room.len();
        let count = match linux::read(&self.replies, room)? {
            None => return Ok(Readable::Drained),
            Some(0) => {
                // It would be reported again and again until the process is gone.
                if !std::mem::replace(&mut self.is_closed, true) {
                    self.poller.remove(&*self.replies)?;
                }
                return Ok(Readable::Closed);
            }
            Some(count) => count,
        };
        inbox.filled(count);
        let known = self.known.saturating_sub(self.piped).min(count as u64);
        if known > 0 {
            inbox.skip(known as usize, count);
        }
        self.piped += count as u64;
        self.known = self.known.max(self.piped);
        // A short read has emptied the pipe.
        Ok(if count < size {
            Readable::Drained
        } else {
            Readable::More
        })
    }

    pub(super) fn pull(&mut self, inbox: &mut Inbox) {
        self.page.committed_beyond(self.known, &mut self.copy);
        let mut rest = &self.copy[..];
        while !rest.is_empty() {
            let room = inbox.room();
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            inbox.filled(count);
            rest = &rest[count..];
        }
        self.known += self.copy.len() as u64;
    }

    pub(super) fn rest_of_part(&self, results: &mut Vec<u8>) {
        let mut open = Vec::new();
        self.page.open_part(&mut open);
        results.append(&mut open);
    }

    pub(super) fn read_stderr(&mut self, bytes: &mut Vec<u8>) {
        let mut buffer = [0; 8192];
        // A bounded number of times: whoever writes without end must not hold up the others.
        for _ in 0..16 {
            let Some(stderr) = &self.stderr else { return };
            match linux::read(stderr, &mut buffer) {
                Ok(Some(count @ 1..)) => bytes.extend_from_slice(&buffer[..count]),
                Ok(None) => return,
                // It would be reported as closed again and again.
                Ok(Some(_)) | Err(_) => self.stderr = None,
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.outgoing.clear();
        self.written = 0;
        self.tasks = None;
    }

    pub(super) fn terminate(&self) -> bool {
        self.process.terminate();
        true
    }

    pub(super) fn kill(&self) {
        self.process.kill();
    }

    pub(super) fn reap(&mut self) -> io::Result<Option<String>> {
        self.process.reap()
    }
}
