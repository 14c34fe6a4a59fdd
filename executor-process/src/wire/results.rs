//! The results of one worker in its [arena](super::arena): how it and its parent take turns.

use std::{
    io,
    ops::Range,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use executor_core::codec::Held;

use super::{
    arena::{Arena, Block, KEPT, LENS, UNIT},
    frame::{Place, Violation},
};
use crate::os::linux::Mapping;

/// How many results of one worker there may be at a time.
const SLOTS: usize = 64;

/// The worker's side of the arena of its results.
///
/// The arena begins with a word for each of [`SLOTS`] results. The worker sets one to 1 before it sends a
/// result, and names it; the parent sets it to 0 when it has copied the result, and not before does the
/// worker use that memory again.
pub(crate) struct Results {
    arena: Arc<Arena>,
    sent: [Option<Block>; SLOTS],
    /// How many of them there are.
    count: usize,
}

impl Results {
    /// The worker's side, of the file that its parent has sent.
    pub(crate) fn of(file: &OwnedFd) -> io::Result<Self> {
        let memory = Mapping::of_all(file)?;
        Ok(Self {
            arena: Arc::new(Arena::sharing(memory, UNIT)),
            sent: [const { None }; SLOTS],
            count: 0,
        })
    }

    /// The arena, if one more result can be sent; after what the parent has let go was freed.
    pub(crate) fn arena(&mut self) -> Option<&Arc<Arena>> {
        if self.count > 0 {
            self.free();
        }
        (self.count < SLOTS).then_some(&self.arena)
    }

    /// The arena, whatever is in it.
    pub(crate) const fn all(&self) -> &Arc<Arena> {
        &self.arena
    }

    fn free(&mut self) {
        let memory = &self.arena.memory;
        for (slot, sent) in self.sent.iter_mut().enumerate() {
            // The parent's copy comes before the next use of these bytes.
            if sent.is_some() && memory.word(8 * slot).load(Ordering::Acquire) == 0 {
                *sent = None;
                self.count -= 1;
            }
        }
    }

    /// Leaves a result to the parent, who has to be told where it is.
    ///
    /// # Panics
    ///
    /// If no more can be sent.
    pub(crate) fn send(&mut self, mut block: Block) -> Place {
        let slot = self.sent.iter().position(Option::is_none);
        let slot = slot.expect("there is an arena for one more result");
        block.trim();
        let place = Place {
            slot: slot as u32,
            offset: block.offset() as u64,
            len: block.len() as u64,
        };
        // Whoever reads of it in the frame that follows sees this, and the bytes.
        self.word(slot).store(1, Ordering::Release);
        self.sent[slot] = Some(block);
        self.count += 1;
        place
    }

    fn word(&self, slot: usize) -> &AtomicU64 {
        self.arena.memory.word(8 * slot)
    }
}

/// The parent's side of the arena of a worker's results. It outlives the worker for as long as there is a
/// result in it.
pub(crate) struct Inbound {
    memory: Mapping,
    /// The slots whose results are here, a bit for each.
    held: AtomicU64,
}

/// A result where its worker left it. The memory is the worker's again when this is dropped.
pub(crate) struct HeldResult {
    inbound: Arc<Inbound>,
    slot: u32,
    offset: usize,
    len: usize,
}

impl Inbound {
    /// A new arena for the results of one worker, and its file for the worker.
    pub(crate) fn create() -> io::Result<(OwnedFd, Arc<Self>)> {
        let (file, memory) = Mapping::create_largest(LENS)?;
        let inbound = Self {
            memory,
            held: AtomicU64::new(0),
        };
        Ok((file, Arc::new(inbound)))
    }

    /// The result that a worker says is there, of at most `cap` bytes.
    pub(crate) fn hold(
        self: &Arc<Self>,
        place: Place,
        cap: usize,
    ) -> Result<HeldResult, Violation> {
        let Place { slot, offset, len } = place;
        let range = usize::try_from(offset).ok().zip(usize::try_from(len).ok());
        let (offset, len) = range
            .filter(|&(offset, len)| {
                let end = offset.checked_add(len);
                len <= cap && end.is_some_and(|end| end <= self.memory.len())
            })
            .ok_or_else(|| {
                Violation(format!(
                    "a result claims to be {len} bytes at {offset} of {}, and up to {cap} are allowed",
                    self.memory.len()
                ))
            })?;
        let is_free = 1_u64
            .checked_shl(slot)
            .is_some_and(|bit| self.held.fetch_or(bit, Ordering::AcqRel) & bit == 0);
        if !is_free {
            return Err(Violation(format!(
                "result {slot} of {SLOTS} is none, or is in use already"
            )));
        }
        Ok(HeldResult {
            inbound: Arc::clone(self),
            slot,
            offset,
            len,
        })
    }
}

impl Held for HeldResult {
    fn len(&self) -> usize {
        self.len
    }

    fn append_to(&self, range: Range<usize>, bytes: &mut Vec<u8>) {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        let offset = self.offset + start;
        self.inbound.memory.append(offset, end - start, bytes);
    }
}

impl Drop for HeldResult {
    fn drop(&mut self) {
        let (memory, end) = (&self.inbound.memory, self.offset + self.len);
        memory.discard(self.offset.max(KEPT).min(end)..end);
        self.inbound
            .held
            .fetch_and(!(1 << self.slot), Ordering::AcqRel);
        // After the copy: from here on the worker may write there.
        memory
            .word(8 * self.slot as usize)
            .store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_held_until_they_are_let_go() {
        let (file, inbound) = Inbound::create().unwrap();
        let mut results = Results::of(&file).unwrap();
        let whole = results.arena().unwrap().free().0.clone();
        let mut held = Vec::new();
        for n in 0..SLOTS as u8 {
            let block = results.arena().unwrap().block_of(&[n; 100]).unwrap();
            let place = results.send(block);
            held.push(inbound.hold(place, 100).unwrap());
        }
        assert!(results.arena().is_none(), "there are enough");
        for (n, held) in held.iter().enumerate() {
            let mut bytes = Vec::new();
            held.append_to(1..usize::MAX, &mut bytes);
            assert_eq!(bytes, [n as u8; 99]);
            held.append_to(101..102, &mut bytes);
            assert_eq!((bytes.len(), held.len()), (99, 100));
        }
        drop(held);
        assert_eq!(results.arena().unwrap().free().0, whole);
    }

    #[test]
    fn false_claims_are_refused() {
        let (_file, inbound) = Inbound::create().unwrap();
        let end = inbound.memory.len() as u64;
        let place = |slot, offset, len| Place { slot, offset, len };
        for wrong in [
            place(64, 0, 1),
            place(u32::MAX, 0, 1),
            place(0, end, 1),
            place(0, end + 1, 0),
            place(0, 0, 1001),
            place(0, u64::MAX, 1),
            place(0, 1, u64::MAX),
        ] {
            assert!(inbound.hold(wrong, 1000).is_err(), "{wrong:?}");
        }
        let held = inbound.hold(place(63, end - 1, 1), 1000).unwrap();
        assert!(inbound.hold(place(63, 0, 1), 1000).is_err(), "in use");
        drop(held);
        drop(inbound.hold(place(63, 0, 1), 1000).unwrap());
    }
}
