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
//! [`results`](super::results).

use std::{
    cell::RefCell,
    io, mem,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use executor_core::codec::Shelf;

use crate::os::linux::Mapping;

/// The lengths that an arena may have; the first that the system grants is taken.
#[cfg(target_pointer_width = "64")]
pub(super) const LENS: &[usize] = &[256 << 20, 32 << 20];
#[cfg(not(target_pointer_width = "64"))]
pub(super) const LENS: &[usize] = &[16 << 20];

/// So much at the start of an arena keeps its memory when it is free.
pub(super) const KEPT: usize = 72 << 20;

/// Blocks begin and end at multiples of this, the size of a page: so the memory of each is its own.
pub(super) const UNIT: usize = 4096;

/// Shared memory, shared out in blocks.
pub(crate) struct Arena {
    pub(super) memory: Mapping,
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
    pub(super) fn sharing(memory: Mapping, start: usize) -> Self {
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

    pub(super) fn free(&self) -> MutexGuard<'_, Free> {
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
pub(super) struct Free(pub(super) Vec<(usize, usize)>);

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

/// Takes what is long in an encoding into an arena, and with it all the rest: that of the innermost
/// [`Filling`] of this thread.
pub(crate) struct ArenaShelf;

/// An encoding that may go to an arena.
struct Target {
    /// Not kept: a thread remembers it when the pool is gone.
    arena: Weak<Arena>,
    block: Option<Block>,
    /// How many encodings are within one another.
    depth: usize,
}

thread_local! {
    static TARGET: RefCell<Target> = const {
        RefCell::new(Target {
            arena: Weak::new(),
            block: None,
            depth: 0,
        })
    };
}

/// Room for what follows on the last long piece, as a rule.
const SLACK: usize = 256;

/// While there is one, the [`ArenaShelf`] of this thread fills a block of its arena.
pub(crate) struct Filling {
    /// The encoding that this one is within, if it is of another arena, and what there is of it.
    outer: (Option<Weak<Arena>>, Option<Block>),
}

impl Filling {
    pub(crate) fn of(arena: &Arc<Arena>) -> Self {
        TARGET.with_borrow_mut(|target| {
            target.depth += 1;
            let is_same = Weak::as_ptr(&target.arena) == Arc::as_ptr(arena);
            let other = (!is_same).then(|| mem::replace(&mut target.arena, Arc::downgrade(arena)));
            Self {
                outer: (other, target.block.take()),
            }
        })
    }

    /// How long the encoding is, if it is in the arena.
    pub(crate) fn len(&self) -> Option<usize> {
        TARGET.with_borrow(|target| target.block.as_ref().map(Block::len))
    }

    /// The encoding, if it is in the arena.
    pub(crate) fn take(&self) -> Option<Block> {
        TARGET.with_borrow_mut(|target| target.block.take())
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        let (arena, block) = mem::take(&mut self.outer);
        let left = TARGET.with_borrow_mut(|target| {
            target.depth -= 1;
            // The next encoding is for the same pool, as a rule.
            if let (Some(arena), 1..) = (arena, target.depth) {
                target.arena = arena;
            }
            mem::replace(&mut target.block, block)
        });
        // Of an encoding that has failed.
        drop(left);
    }
}

impl Shelf for ArenaShelf {
    fn put(&self, front: &[u8], long: &[u8]) -> bool {
        TARGET.with_borrow_mut(|Target { arena, block, .. }| {
            if block.is_none() {
                let arena = arena.upgrade();
                *block = arena.and_then(|arena| arena.block(front.len() + long.len() + SLACK));
            }
            let Some(block) = block else { return false };
            let before = block.len;
            let is_put = block.append(front) && block.append(long);
            if !is_put {
                block.len = before;
            }
            is_put
        })
    }

    fn finish(&self, rest: &[u8]) -> bool {
        TARGET.with_borrow_mut(|Target { block, .. }| {
            let is_put = block.as_mut().is_some_and(|block| block.append(rest));
            match block {
                Some(block) if is_put => block.trim(),
                _ => *block = None,
            }
            is_put
        })
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
        let filling = Filling::of(&arena);
        assert!(ArenaShelf.put(b"a", &[1; UNIT]));
        {
            let (_file, memory) = Mapping::create(2 * UNIT).unwrap();
            let other = Arc::new(Arena::sharing(memory, 0));
            let within = Filling::of(&other);
            assert!(ArenaShelf.put(b"x", b"y") && ArenaShelf.finish(b"z"));
            assert_eq!(within.len(), Some(3));
            assert_eq!(contents(&within.take().unwrap()), b"xyz");
        }
        assert!(ArenaShelf.put(b"bc", &[2; UNIT]));
        assert!(
            !ArenaShelf.put(b"d", &[3; 8 * UNIT]),
            "there is no such room"
        );
        assert!(ArenaShelf.finish(b"end"));
        let block = filling.take().unwrap();
        let whole = [b"a", &[1; UNIT][..], b"bc", &[2; UNIT], b"end"].concat();
        assert_eq!(contents(&block), whole);
        assert!(ArenaShelf.put(b"", &[1; UNIT]));
        assert!(!ArenaShelf.finish(&[0; 8 * UNIT]));
        assert!(filling.take().is_none());
        assert!(ArenaShelf.put(b"half", &[1; UNIT]));
        drop(filling);
        drop(block);
        assert_eq!(arena.free().0, [(0, 8 * UNIT)]);
    }
}
