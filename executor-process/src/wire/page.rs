//! The memory that a worker and its parent share: where what is, and who writes it.
//!
//! The protocol is in the text of [`super`].

use std::sync::atomic::Ordering;

use crate::os::linux::Mapping;

/// How many tasks may be under way to one worker, and be taken back, before it looks at the next.
pub(crate) const CLAIMS: u64 = 1024;

/// How many bytes of answers the ring holds.
pub(crate) const RING: u64 = 256 * 1024;

/// How many bytes of results of a chunk are collected before they become a frame.
pub(crate) const PART: usize = 256 * 1024;

/// Written by the worker.
mod at {
    pub(super) const STARTED_AT: usize = 0;
    pub(super) const SEEN: usize = 8;
    pub(super) const RESIDENT: usize = 16;
    pub(super) const COMMITTED: usize = 64;
    pub(super) const RESERVED: usize = 72;
    pub(super) const BASE: usize = 80;
    pub(super) const OPEN: usize = 88;
    /// Written by the parent.
    pub(super) const STOP: usize = 128;
    pub(super) const SENT: usize = 136;
    pub(super) const MAY_POLL: usize = 144;
    /// Written by both.
    pub(super) const CLAIMS: usize = 4096;
    pub(super) const RING: usize = CLAIMS + 8 * super::CLAIMS as usize;
    pub(super) const PART: usize = RING + super::RING as usize;
}

/// The length of it all.
pub(crate) const LEN: usize = at::PART + PART;

const OFFERED: u64 = 0;
const STARTED: u64 = 1;
const REVOKED: u64 = 2;

/// The memory that is shared with one worker.
pub(crate) struct Page {
    memory: Mapping,
}

impl Page {
    pub(crate) const fn new(memory: Mapping) -> Self {
        Self { memory }
    }

    fn claim_word(&self, seq: u64) -> &std::sync::atomic::AtomicU64 {
        self.memory.word(at::CLAIMS + 8 * (seq % CLAIMS) as usize)
    }
}

/// The parent's side.
impl Page {
    /// Offers task `seq` to the worker. Before the frame is sent.
    pub(crate) fn offer(&self, seq: u64) {
        self.claim_word(seq)
            .store(seq << 2 | OFFERED, Ordering::Release);
    }

    /// Takes task `seq` back. False if the worker has started it.
    #[must_use]
    pub(crate) fn revoke(&self, seq: u64) -> bool {
        self.claim_word(seq)
            .compare_exchange(
                seq << 2 | OFFERED,
                seq << 2 | REVOKED,
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok()
    }

    /// Whether the worker has started task `seq`.
    pub(crate) fn has_started(&self, seq: u64) -> bool {
        self.claim_word(seq).load(Ordering::Acquire) == seq << 2 | STARTED
    }

    /// When the worker started its last task, in nanoseconds of the common clock.
    pub(crate) fn started_at(&self) -> u64 {
        self.memory.word(at::STARTED_AT).load(Ordering::Acquire)
    }

    /// The last task that the worker has looked at, to start it or to skip it.
    pub(crate) fn seen(&self) -> u64 {
        self.memory.word(at::SEEN).load(Ordering::Acquire)
    }

    /// How much memory the worker used when it last looked.
    pub(crate) fn resident(&self) -> u64 {
        self.memory.word(at::RESIDENT).load(Ordering::Relaxed)
    }

    /// Asks task `seq` to stop, if the worker is running it.
    pub(crate) fn request_stop(&self, seq: u64) {
        self.memory.word(at::STOP).store(seq, Ordering::Release);
    }

    /// Says how many bytes of tasks were written to the pipe, and whether a core is free for a worker that
    /// polls for more.
    pub(crate) fn note_sent(&self, bytes: u64, may_poll: bool) {
        let may_poll = u64::from(may_poll);
        self.memory
            .word(at::MAY_POLL)
            .store(may_poll, Ordering::Relaxed);
        self.memory.word(at::SENT).store(bytes, Ordering::Release);
    }

    /// Whether the worker has committed more than the first `known` bytes of its answers.
    pub(crate) fn has_committed_beyond(&self, known: u64) -> bool {
        self.memory.word(at::COMMITTED).load(Ordering::Acquire) > known
    }

    /// Copies what is committed beyond the first `known` bytes of the stream, where the ring has it.
    pub(crate) fn committed_beyond(&self, known: u64, copy: &mut Vec<u8>) {
        let committed = self.memory.word(at::COMMITTED).load(Ordering::Acquire);
        copy.clear();
        if committed <= known || self.memory.word(at::BASE).load(Ordering::Acquire) > known {
            return;
        }
        let len = committed - known;
        if len > RING {
            return;
        }
        self.copy_out(known, len, copy);
        // An acquire fence orders the copy before this look.
        std::sync::atomic::fence(Ordering::Acquire);
        let reserved = self.memory.word(at::RESERVED).load(Ordering::Relaxed);
        if reserved.saturating_sub(known) > RING {
            copy.clear();
        }
    }

    /// Copies the complete results of the part that a dead worker was collecting.
    pub(crate) fn open_part(&self, copy: &mut Vec<u8>) {
        copy.clear();
        let committed = self.memory.word(at::COMMITTED).load(Ordering::Acquire);
        let open = self.memory.word(at::OPEN).load(Ordering::Acquire);
        let (start, len) = (open >> 32, (open & 0xffff_ffff) as usize);
        // Else it has become a frame, or is none.
        if start == committed & 0xffff_ffff && len <= PART {
            self.get_part(len, copy);
        }
    }

    fn copy_out(&self, position: u64, len: u64, copy: &mut Vec<u8>) {
        copy.resize(len as usize, 0);
        let start = (position % RING) as usize;
        let first = (RING as usize - start).min(copy.len());
        let (head, tail) = copy.split_at_mut(first);
        self.memory.read(at::RING + start, head);
        self.memory.read(at::RING, tail);
    }
}

/// The worker's side.
impl Page {
    /// Starts task `seq`, at this time. False if the parent has taken it back.
    pub(crate) fn start(&self, seq: u64, now: u64) -> bool {
        // In front of the claim, so that whoever sees the task started sees since when.
        self.memory
            .word(at::STARTED_AT)
            .store(now, Ordering::Relaxed);
        let started = self
            .claim_word(seq)
            .compare_exchange(
                seq << 2 | OFFERED,
                seq << 2 | STARTED,
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok();
        self.memory.word(at::SEEN).store(seq, Ordering::Release);
        started
    }

    /// Whether the parent asks task `seq` to stop.
    pub(crate) fn stop_requested(&self, seq: u64) -> bool {
        self.memory.word(at::STOP).load(Ordering::Acquire) == seq
    }

    /// Whether the parent has written more than the first `received` bytes of tasks.
    pub(crate) fn has_sent_beyond(&self, received: u64) -> bool {
        self.memory.word(at::SENT).load(Ordering::Acquire) > received
    }

    /// Whether a core was free when the parent last wrote.
    pub(crate) fn may_poll(&self) -> bool {
        self.memory.word(at::MAY_POLL).load(Ordering::Relaxed) == 1
    }

    pub(crate) fn note_resident(&self, bytes: u64) {
        self.memory
            .word(at::RESIDENT)
            .store(bytes, Ordering::Relaxed);
    }

    /// Says that bytes in front of `position` are about to be written.
    pub(crate) fn reserve(&self, position: u64) {
        self.memory
            .word(at::RESERVED)
            .store(position, Ordering::Relaxed);
        // The parent must see this before any byte that is written afterwards.
        std::sync::atomic::fence(Ordering::Release);
    }

    /// Says that the ring has nothing in front of `position`.
    pub(crate) fn rebase(&self, position: u64) {
        self.memory
            .word(at::BASE)
            .store(position, Ordering::Release);
    }

    /// Says that the stream is complete in front of `position`.
    pub(crate) fn commit(&self, position: u64) {
        self.memory
            .word(at::COMMITTED)
            .store(position, Ordering::Release);
    }

    /// Puts `bytes` into the part that is being collected.
    #[inline]
    pub(crate) fn put_part(&self, offset: usize, bytes: &[u8]) {
        self.memory.write(at::PART + offset, bytes);
    }

    /// Gets the part that is being collected back: its first `len` bytes.
    pub(crate) fn get_part(&self, len: usize, part: &mut Vec<u8>) {
        part.resize(len, 0);
        self.memory.read(at::PART, part);
    }

    /// Says that a part is being collected, which will be the frame at `start`, and of which `len` bytes are complete.
    #[inline]
    pub(crate) fn note_open(&self, start: u64, len: u64) {
        self.memory
            .word(at::OPEN)
            .store(start << 32 | len & 0xffff_ffff, Ordering::Release);
    }

    /// Puts `bytes` into the ring.
    pub(crate) fn put(&self, position: u64, bytes: &[u8]) {
        let start = (position % RING) as usize;
        let first = RING as usize - start;
        if bytes.len() <= first {
            return self.memory.write(at::RING + start, bytes);
        }
        self.memory.write(at::RING + start, &bytes[..first]);
        self.memory.write(at::RING, &bytes[first..]);
    }
}
