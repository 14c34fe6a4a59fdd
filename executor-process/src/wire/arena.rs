//! Shared memory for what is large: payloads of [`LARGE`](super::LARGE) bytes and more.
//!
//! There is one arena for the arguments of a pool's tasks, which its workers can only read, and one for the
//! results of each worker. An arena is a memory file whose length never changes ([`LENS`]), and which has
//! memory only where something was written. That is used again and again, since memory that is new costs
//! several times as much as the copy. So an arena keeps [`KEPT`] bytes at the most for as long as the pool,
//! or the worker, exists; what is beyond them is given back as it becomes free. What finds no room goes
//! through the pipe.
//!
//! Whoever writes to an arena shares it out: for the arguments, the parent, and it frees a task's block
//! when the task is answered. A worker shares out its results, and the parent says when it has them: see
//! [`Results`].

use std::{
    cell::RefCell,
    io,
    ops::Range,
    os::fd::OwnedFd,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use executor_core::codec::{Held, Shelf};

use super::frame::{Place, Violation};
use crate::os::linux::Mapping;

/// The lengths that an arena may have; the first that the system grants is taken.
#[cfg(target_pointer_width = "64")]
const LENS: &[usize] = &[256 << 20, 32 << 20];
#[cfg(not(target_pointer_width = "64"))]
const LENS: &[usize] = &[16 << 20];

/// So much at the start of an arena keeps its memory when it is free.
const KEPT: usize = 72 << 20;

/// Blocks begin and end at multiples of this, the size of a page: so the memory of each is its own.
const UNIT: usize = 4096;

/// How many results of one worker there may be at a time.
const SLOTS: usize = 64;

/// Shared memory, shared out in blocks.
pub(crate) struct Arena {
    memory: Mapping,
    free: Mutex<Free>,
}

/// Some bytes of an arena, which belong to whoever has this.
pub(crate) struct Block {
    arena: Arc<Arena>,
    offset: usize,
    /// How many bytes are written.
    len: usize,
    /// How many there are.
    size: usize,
}

impl Arena {
    /// A new arena, and its file for the other side.
    pub(crate) fn create() -> io::Result<(OwnedFd, Arc<Self>)> {
        let (file, memory) = Mapping::create_largest(LENS)?;
        Ok((file, Arc::new(Self::sharing(memory, 0))))
    }

    /// Shares out all of `memory` but its first `start` bytes.
    fn sharing(memory: Mapping, start: usize) -> Self {
        let free = Free(vec![(start, memory.len() - start)]);
        Self {
            memory,
            free: Mutex::new(free),
        }
    }

    /// A block with room for `len` bytes, if there is one.
    pub(crate) fn block(self: &Arc<Self>, len: usize) -> Option<Block> {
        let size = len.max(1).checked_next_multiple_of(UNIT)?;
        let offset = self.free().take(size)?;
        Some(Block {
            arena: Arc::clone(self),
            offset,
            len: 0,
            size,
        })
    }

    /// A block that holds `bytes`.
    pub(crate) fn block_of(self: &Arc<Self>, bytes: &[u8]) -> Option<Block> {
        let mut block = self.block(bytes.len())?;
        block.append(bytes).then_some(block)
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Block {
    /// Where it is in the arena.
    pub(crate) const fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes were written.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Writes `bytes` behind those that were written before. False, and nothing is written, if there is no
    /// room for so much.
    #[must_use]
    pub(crate) fn append(&mut self, bytes: &[u8]) -> bool {
        let Some(len) = self.len.checked_add(bytes.len()) else {
            return false;
        };
        if len > self.size && !self.grow(len) {
            return false;
        }
        self.arena.memory.write(self.offset + self.len, bytes);
        self.len = len;
        true
    }

    /// Makes room for `len` bytes in all.
    fn grow(&mut self, len: usize) -> bool {
        let Some(size) = len.checked_next_multiple_of(UNIT) else {
            return false;
        };
        let more = size - self.size;
        if self.arena.free().take_at(self.offset + self.size, more) {
            self.size = size;
            return true;
        }
        let Some(mut larger) = self.arena.block(len) else {
            return false;
        };
        let memory = &self.arena.memory;
        memory.move_within(self.offset, larger.offset, self.len);
        larger.len = self.len;
        // The smaller one is freed with what is dropped.
        *self = larger;
        true
    }

    /// Gives back the room that is not used.
    pub(crate) fn trim(&mut self) {
        let size = self.len.max(1).next_multiple_of(UNIT);
        let surplus = self.size - size;
        if surplus > 0 {
            self.size = size;
            self.arena.free().give(self.offset + size, surplus);
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let end = self.offset + self.size;
        // Before others can have it.
        self.arena
            .memory
            .discard(self.offset.max(KEPT).min(end)..end);
        self.arena.free().give(self.offset, self.size);
    }
}

/// What is free: offsets and lengths, in order, none next to another.
struct Free(Vec<(usize, usize)>);

impl Free {
    /// Takes `size` bytes, as far at the front as there are: what was used before comes before what was not.
    fn take(&mut self, size: usize) -> Option<usize> {
        let place = self.0.iter().position(|&(_, len)| len >= size)?;
        let (offset, _) = self.0[place];
        self.take_front(place, size);
        Some(offset)
    }

    /// Takes the `size` bytes at `offset`, if they are free.
    fn take_at(&mut self, offset: usize, size: usize) -> bool {
        let Ok(place) = self.0.binary_search_by_key(&offset, |&(start, _)| start) else {
            return false;
        };
        let fits = self.0[place].1 >= size;
        if fits {
            self.take_front(place, size);
        }
        fits
    }

    fn take_front(&mut self, place: usize, size: usize) {
        let (offset, len) = self.0[place];
        if len == size {
            self.0.remove(place);
        } else {
            self.0[place] = (offset + size, len - size);
        }
    }

    fn give(&mut self, offset: usize, size: usize) {
        let place = self.0.partition_point(|&(start, _)| start < offset);
        self.0.insert(place, (offset, size));
        if let Some(&(next, len)) = self.0.get(place + 1)
            && offset + size == next
        {
            self.0[place].1 += len;
            self.0.remove(place + 1);
        }
        if let Some((before, len)) = place.checked_sub(1).map(|before| self.0[before])
            && before + len == offset
        {
            self.0[place - 1].1 += self.0[place].1;
            self.0.remove(place);
        }
    }
}

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
            offset: block.offset as u64,
            len: block.len as u64,
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

/// Takes what is long in an encoding into an arena, and with it all the rest. It does not keep the arena.
pub(crate) struct ArenaShelf {
    arena: Weak<Arena>,
    block: RefCell<Option<Block>>,
}

/// Room for what follows on the last long piece, as a rule.
const SLACK: usize = 256;

impl ArenaShelf {
    pub(crate) fn new(arena: &Arc<Arena>) -> Rc<Self> {
        Rc::new(Self {
            arena: Arc::downgrade(arena),
            block: RefCell::new(None),
        })
    }

    /// Whether it is one of this arena.
    pub(crate) fn is_of(&self, arena: &Arc<Arena>) -> bool {
        Weak::as_ptr(&self.arena) == Arc::as_ptr(arena)
    }

    /// How long the encoding is, if it is here.
    pub(crate) fn len(&self) -> Option<usize> {
        self.block.borrow().as_ref().map(Block::len)
    }

    /// The encoding, if it is here.
    pub(crate) fn take(&self) -> Option<Block> {
        self.block.take()
    }

    /// Drops what an encoding that has failed has left.
    pub(crate) fn clear(&self) {
        drop(self.block.take());
    }
}

impl Shelf for ArenaShelf {
    fn put(&self, front: &[u8], long: &[u8]) -> bool {
        let mut block = self.block.borrow_mut();
        if block.is_none() {
            let arena = self.arena.upgrade();
            *block = arena.and_then(|arena| arena.block(front.len() + long.len() + SLACK));
        }
        let Some(block) = &mut *block else {
            return false;
        };
        let before = block.len;
        let is_put = block.append(front) && block.append(long);
        if !is_put {
            block.len = before;
        }
        is_put
    }

    fn finish(&self, rest: &[u8]) -> bool {
        let mut block = self.block.borrow_mut();
        let is_put = block.as_mut().is_some_and(|block| block.append(rest));
        match &mut *block {
            Some(block) if is_put => block.trim(),
            _ => *block = None,
        }
        is_put
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena(len: usize) -> Arc<Arena> {
        let (_file, memory) = Mapping::create(len).unwrap();
        Arc::new(Arena::sharing(memory, 0))
    }

    fn contents(block: &Block) -> Vec<u8> {
        let mut bytes = Vec::new();
        block
            .arena
            .memory
            .append(block.offset, block.len, &mut bytes);
        bytes
    }

    #[test]
    fn blocks_are_apart_and_come_again() {
        let arena = arena(10 * UNIT);
        let blocks: Vec<_> = (0..10_u8)
            .map(|n| arena.block_of(&[n; UNIT]).unwrap())
            .collect();
        assert!(arena.block(1).is_none(), "it is full");
        for (n, block) in (0..10_u8).zip(&blocks) {
            assert_eq!(contents(block), [n; UNIT]);
        }
        // Every other one first, so that there is something to be joined.
        let (even, odd): (Vec<_>, Vec<_>) = blocks
            .into_iter()
            .partition(|block| (block.offset / UNIT).is_multiple_of(2));
        drop(even);
        assert!(arena.block(UNIT + 1).is_none(), "no two are adjacent");
        drop(odd);
        assert_eq!(arena.free().0, [(0, 10 * UNIT)]);
        assert!(arena.block(10 * UNIT + 1).is_none());
        assert!(arena.block(usize::MAX).is_none());
        assert_eq!(arena.block(10 * UNIT).unwrap().offset, 0);
    }

    #[test]
    fn a_block_grows_where_it_is_or_elsewhere() {
        let arena = arena(8 * UNIT);
        let mut block = arena.block_of(&[1; UNIT]).unwrap();
        assert!(block.append(&[2; UNIT]));
        assert_eq!(block.offset, 0);
        let next = arena.block_of(&[9; 1]).unwrap();
        assert!(block.append(&[3; 1]));
        assert_eq!(block.offset, 3 * UNIT, "the next one was in its way");
        assert_eq!(
            contents(&block),
            [&[1; UNIT][..], &[2; UNIT], &[3]].concat()
        );
        assert!(!block.append(&[0; 8 * UNIT]));
        assert_eq!(block.len, 2 * UNIT + 1);
        drop(next);
        drop(block);
        assert_eq!(arena.free().0, [(0, 8 * UNIT)]);
    }

    #[test]
    fn what_a_block_does_not_use_is_free() {
        let arena = arena(8 * UNIT);
        let mut block = arena.block(6 * UNIT).unwrap();
        assert!(block.append(&[1; UNIT + 1]));
        block.trim();
        assert_eq!(arena.free().0, [(2 * UNIT, 6 * UNIT)]);
    }

    #[test]
    fn a_shelf_has_all_of_it_or_nothing() {
        let arena = arena(8 * UNIT);
        let shelf = ArenaShelf::new(&arena);
        assert!(shelf.put(b"a", &[1; UNIT]));
        assert!(shelf.put(b"bc", &[2; UNIT]));
        assert!(!shelf.put(b"d", &[3; 8 * UNIT]), "there is no such room");
        assert!(shelf.finish(b"end"));
        let block = shelf.take().unwrap();
        let whole = [b"a", &[1; UNIT][..], b"bc", &[2; UNIT], b"end"].concat();
        assert_eq!(contents(&block), whole);
        let shelf = ArenaShelf::new(&arena);
        assert!(shelf.put(b"", &[1; UNIT]));
        assert!(!shelf.finish(&[0; 8 * UNIT]));
        assert!(shelf.take().is_none());
        drop(block);
        assert_eq!(arena.free().0, [(0, 8 * UNIT)]);
    }

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
