//! A worker's connection through pipes and shared memory.

use std::{io, os::fd::OwnedFd, sync::Arc};

use executor_core::{
    codec::{self, Shelf},
    spin,
};

use super::{Input, Output, Shared};
use crate::{
    os::linux::{self, Arguments, WorkerEnds},
    wire::{
        LARGE,
        arena::{ArenaShelf, Block, Filling},
        frame::FromWorker,
        inbox::Inbox,
        page::{self, PART, Page, RING},
        results::Results,
    },
};

/// So much is written at once, at the most.
const BATCH: usize = 32 * 1024;

/// Takes the descriptors that the parent has sent, and serves.
pub(super) fn serve() -> io::Result<()> {
    codec::prepare_large_buffers(linux::ask_for_large_pages);
    let ends = WorkerEnds::take(page::LEN)?;
    let page = Arc::new(Page::new(ends.memory));
    let results = Results::of(&ends.results)?;
    let mut input = Tasks {
        fd: ends.tasks,
        // The parent is trusted, but for the address space of this process.
        inbox: Inbox::new(u32::MAX as usize),
        page: Arc::clone(&page),
        received: 0,
    };
    let output = Journal {
        fd: ends.replies,
        arguments: Arguments::map(&ends.arguments)?,
        filling: Filling::of(results.all()),
        results,
        page: Arc::clone(&page),
        unsent: Vec::new(),
        committed: 0,
        sent: 0,
        open: None,
        part_len: 0,
        part: Vec::new(),
        held_since: None,
    };
    super::serve(
        &mut input,
        output,
        Box::new(move |seq| page.stop_requested(seq)),
    )
}

struct Tasks {
    fd: OwnedFd,
    inbox: Inbox,
    page: Arc<Page>,
    /// How many bytes have come.
    received: u64,
}

impl Input for Tasks {
    fn next(
        &mut self,
        idle: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<Option<(u8, &[u8])>> {
        let (kind, body) = loop {
            if let Some(frame) = self.inbox.next()? {
                break frame;
            }
            if self.inbox.is_empty() {
                idle()?;
                self.poll();
            }
            match linux::read(&self.fd, self.inbox.room())? {
                Some(0) => return Ok(None),
                Some(count) => {
                    self.inbox.filled(count);
                    self.received += count as u64;
                }
                None => {}
            }
        };
        Ok(Some((kind, self.inbox.body(body))))
    }
}

impl Tasks {
    /// Waits a moment for the next task while a core is free: a parent that calls one task after the other
    /// then wakes nobody.
    fn poll(&self) {
        if self.page.may_poll() {
            spin::until(|| self.page.has_sent_beyond(self.received));
        }
    }
}

/// The stream of answers; see the protocol.
struct Journal {
    fd: OwnedFd,
    page: Arc<Page>,
    arguments: Arguments,
    results: Results,
    /// Has the output of a task put there if it is large.
    filling: Filling,
    /// What is in the ring and was not written to the pipe.
    unsent: Vec<u8>,
    committed: u64,
    sent: u64,
    /// The task whose part is being collected.
    open: Option<u64>,
    /// How many bytes of results it has. They are in shared memory, and only there.
    part_len: usize,
    /// For the frame that it becomes.
    part: Vec<u8>,
    held_since: Option<u64>,
}

impl Output for Journal {
    fn now(&self) -> u64 {
        linux::monotonic_nanos()
    }

    fn start(&mut self, seq: u64, now: u64) -> io::Result<bool> {
        // The task before may have failed while its output was encoded.
        drop(self.filling.take());
        Ok(self.page.start(seq, now))
    }

    fn shared_arguments(&self, offset: u64, len: u64) -> io::Result<Shared> {
        let range = usize::try_from(offset).ok().zip(usize::try_from(len).ok());
        let view = range.and_then(|(offset, len)| self.arguments.view(offset, len));
        let beyond = || {
            io::Error::other(format!(
                "{len} bytes at {offset} are beyond the pool's arguments"
            ))
        };
        Ok(Arc::new(view.ok_or_else(beyond)?))
    }

    fn shelf(&mut self) -> Option<&'static dyn Shelf> {
        self.results.arena()?;
        Some(&ArenaShelf)
    }

    fn length(&self, body: &[u8]) -> usize {
        self.filling.len().unwrap_or(body.len())
    }

    fn done(&mut self, seq: u64, nanos: u64, body: &[u8], now: u64) -> io::Result<()> {
        let block = self.filling.take().or_else(|| self.large(body));
        let frame = match block {
            None => FromWorker::Done { seq, nanos, body },
            Some(block) => FromWorker::DoneShared {
                seq,
                nanos,
                place: self.results.send(block),
            },
        };
        self.send(&frame, now)
    }

    #[inline]
    fn part(&mut self, seq: u64, results: &[u8]) -> io::Result<()> {
        let has_room = self.part_len + results.len() <= PART && results.len() < LARGE;
        if self.open != Some(seq) || !has_room {
            return self.begin_part(seq, results);
        }
        self.collect(results);
        Ok(())
    }

    fn send(&mut self, frame: &FromWorker<'_>, now: u64) -> io::Result<()> {
        self.close_part(now)?;
        self.append(frame, now)
    }

    fn held_since(&self) -> Option<u64> {
        self.held_since
    }

    fn flush(&mut self) -> io::Result<()> {
        self.close_part(0)?;
        self.write_unsent()
    }

    fn note_memory(&mut self) -> io::Result<()> {
        self.page.note_resident(linux::resident_bytes()?);
        Ok(())
    }
}

impl Journal {
    /// Adds to the part that is being collected.
    #[inline]
    fn collect(&mut self, results: &[u8]) {
        self.page.put_part(self.part_len, results);
        self.part_len += results.len();
        self.page.note_open(self.committed, self.part_len as u64);
    }

    /// Begins a new part with these results, unless they are large enough for a frame of their own.
    #[cold]
    fn begin_part(&mut self, seq: u64, results: &[u8]) -> io::Result<()> {
        if let Some(block) = self.large(results) {
            let place = self.results.send(block);
            return self.send(&FromWorker::PartShared { seq, place }, self.now());
        }
        let now = self.now();
        self.close_part(now)?;
        if results.len() > PART {
            let bytes = results;
            return self.append(&FromWorker::Part { seq, bytes }, now);
        }
        self.open = Some(seq);
        self.collect(results);
        Ok(())
    }

    /// Adds a frame to the stream.
    fn append(&mut self, frame: &FromWorker<'_>, now: u64) -> io::Result<()> {
        let start = self.unsent.len();
        frame.write(&mut self.unsent);
        let len = (self.unsent.len() - start) as u64;
        if start as u64 + len > RING {
            // The older ones leave the ring before it is written over.
            let newest = self.unsent.split_off(start);
            self.flush()?;
            self.unsent = newest;
        }
        self.held_since.get_or_insert(now);
        let end = self.committed + len;
        self.page.reserve(end);
        if len > RING {
            self.page.rebase(end);
            self.committed = end;
            self.write_unsent()?;
            self.page.commit(end);
            return Ok(());
        }
        let start = self.unsent.len() - len as usize;
        self.page.put(self.committed, &self.unsent[start..]);
        self.committed = end;
        self.page.commit(end);
        if self.unsent.len() >= BATCH {
            self.write_unsent()?;
        }
        Ok(())
    }

    /// These bytes in shared memory, if they are many and there is room.
    fn large(&mut self, bytes: &[u8]) -> Option<Block> {
        if bytes.len() < LARGE {
            return None;
        }
        self.results.arena()?.block_of(bytes)
    }

    /// Makes a frame of the part that is being collected. Whenever this process dies, the parent finds either
    /// the one or the other: what was collected counts as long as nothing more was committed.
    fn close_part(&mut self, now: u64) -> io::Result<()> {
        let Some(seq) = self.open.take() else {
            return Ok(());
        };
        let mut part = std::mem::take(&mut self.part);
        let len = std::mem::take(&mut self.part_len);
        self.page.get_part(len, &mut part);
        match self.large(&part) {
            Some(block) => {
                let place = self.results.send(block);
                self.append(&FromWorker::PartShared { seq, place }, now)?;
            }
            None => self.append(&FromWorker::Part { seq, bytes: &part }, now)?,
        }
        self.part = part;
        Ok(())
    }

    fn write_unsent(&mut self) -> io::Result<()> {
        let mut rest = &self.unsent[..];
        while !rest.is_empty() {
            // The worker's end blocks.
            let count = linux::write(&self.fd, rest)?.unwrap_or(0);
            rest = &rest[count..];
        }
        self.sent += self.unsent.len() as u64;
        self.unsent.clear();
        self.unsent.shrink_to(4 * BATCH);
        self.held_since = None;
        Ok(())
    }
}
