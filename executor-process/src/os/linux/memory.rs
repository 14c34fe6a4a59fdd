//! Memory that a worker and its parent share.
//!
//! The other process may write at any time, whatever the protocol says, so nothing here ever makes a
//! reference to bytes of it: words are atomic, and bytes are copied. What was copied may be anything, and
//! is checked by whoever asked for it. The one exception is [`View`], where the other process is the
//! parent, which a worker trusts.

use std::{
    ffi::c_void,
    io,
    mem::MaybeUninit,
    ops::Range,
    os::fd::{AsFd, OwnedFd},
    ptr::{self, NonNull},
    slice,
    sync::{Arc, atomic::AtomicU64},
};

use executor_core::codec::LARGE_BUFFER;
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, memfd_create},
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap},
    param::page_size,
    process::{Resource, getrlimit},
};

/// Asks for pages of 2 MiB for memory that is about to be written: as many bytes in pages of 4 KiB take twice the time to
/// be written first, most of it for the faults.
pub(crate) fn ask_for_large_pages(memory: &mut [MaybeUninit<u8>]) {
    let (before, range) = (memory.as_ptr().addr(), memory.as_mut_ptr_range());
    let start = before.next_multiple_of(LARGE_PAGE) - before;
    let end = (range.end.addr() & !(LARGE_PAGE - 1)).saturating_sub(before);
    if let Some(whole) = memory.get_mut(start..end) {
        // SAFETY: whole pages of memory that is ours alone; the advice changes none of its bytes.
        let _refused_by_old_kernels = unsafe {
            madvise(
                whole.as_mut_ptr().cast(),
                whole.len(),
                Advice::LinuxHugepage,
            )
        };
    }
}

/// How large such a page is, at the least. Where it is larger the advice does less.
const LARGE_PAGE: usize = 2 << 20;

/// A shared mapping of a memory file, for as long as this value exists.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is shared by design, also between processes; all access is by atomic words or by
// copies of bytes that are not trusted.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// A memory file of `len` bytes, all zero, and its mapping here. It has memory where something was
    /// written, and nowhere else. Nobody can change its length: what is mapped can be read.
    pub(crate) fn create(len: usize) -> io::Result<(OwnedFd, Self)> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create(c"concurrent-futures", flags)?;
        ftruncate(&file, len as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let mapping = Self::of(&file, len)?;
        Ok((file, mapping))
    }

    /// As [`create`](Self::create), of the largest of these lengths that this process may have; they go
    /// down.
    pub(crate) fn create_largest(lens: &[usize]) -> io::Result<(OwnedFd, Self)> {
        // Beyond this limit it would not be refused: the process would be ended.
        let limit = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX);
        let mut refused = io::Error::other("the limit of the size of files leaves no room");
        for &len in lens.iter().filter(|&&len| len as u64 <= limit) {
            match Self::create(len) {
                Ok(created) => return Ok(created),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Maps all of `file`.
    pub(crate) fn of_all(file: &impl AsFd) -> io::Result<Self> {
        Self::map(file, length(file)?, ProtFlags::READ | ProtFlags::WRITE)
    }

    /// Maps `len` bytes of `file`, which must have as many: reading beyond its end would end the
    /// process. Both sides are the same program and agree on the length.
    pub(crate) fn of(file: &impl AsFd, len: usize) -> io::Result<Self> {
        Self::map(file, len, ProtFlags::READ | ProtFlags::WRITE)
    }

    fn map(file: &impl AsFd, len: usize, access: ProtFlags) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice; it aliases no Rust object.
        let start = unsafe { mmap(ptr::null_mut(), len, access, MapFlags::SHARED, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, len })
    }

    /// The word at `offset`.
    ///
    /// # Panics
    ///
    /// If the offset is no multiple of 8 within the mapping.
    #[inline]
    pub(crate) fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(
            offset.is_multiple_of(8) && offset + 8 <= self.len,
            "offset {offset} is not a word of the shared memory"
        );
        // SAFETY: in bounds and aligned (a mapping starts at a page), and alive as long as `self`. It is
        // only ever accessed by atomics and by byte copies of other places.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Panics
    ///
    /// If they do not fit.
    #[inline]
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        self.check(offset, bytes.len());
        // SAFETY: in bounds; no reference to this memory exists, so nothing overlaps.
        unsafe {
            copy(bytes.as_ptr(), self.start.as_ptr().add(offset), bytes.len());
        }
    }

    /// Copies from `offset` into `bytes`.
    ///
    /// # Panics
    ///
    /// If there are not as many.
    #[inline]
    pub(crate) fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.check(offset, bytes.len());
        // SAFETY: in bounds; no reference to this memory exists, so nothing overlaps. Every byte is a
        // valid u8, also one that the other process is changing.
        unsafe {
            ptr::copy_nonoverlapping(
                self.start.as_ptr().add(offset),
                bytes.as_mut_ptr(),
                bytes.len(),
            );
        }
    }

    /// Copies `len` bytes at `offset` to the end of `bytes`.
    ///
    /// # Panics
    ///
    /// If there are not as many.
    pub(crate) fn append(&self, offset: usize, len: usize, bytes: &mut Vec<u8>) {
        self.check(offset, len);
        bytes.reserve_exact(len);
        if len >= LARGE_BUFFER {
            ask_for_large_pages(bytes.spare_capacity_mut());
        }
        let filled = bytes.len();
        // SAFETY: in bounds, and there is room, which is initialised before it counts. Else as `read`.
        unsafe {
            ptr::copy_nonoverlapping(
                self.start.as_ptr().add(offset),
                bytes.as_mut_ptr().add(filled),
                len,
            );
            bytes.set_len(filled + len);
        }
    }

    /// Copies `len` bytes from `from` to `to`, which may overlap.
    ///
    /// # Panics
    ///
    /// If there are not as many.
    pub(crate) fn move_within(&self, from: usize, to: usize, len: usize) {
        self.check(from, len);
        self.check(to, len);
        let start = self.start.as_ptr();
        // SAFETY: both in bounds; no reference to this memory exists.
        unsafe { ptr::copy(start.add(from), start.add(to), len) };
    }

    /// Gives the memory of the whole pages of this range back to the system; they are zero then.
    ///
    /// # Panics
    ///
    /// If the range is not within the mapping.
    pub(crate) fn discard(&self, range: Range<usize>) {
        let page = page_size();
        let (start, end) = (range.start.next_multiple_of(page), range.end / page * page);
        let Some(len @ 1..) = end.checked_sub(start) else {
            return;
        };
        self.check(start, len);
        // SAFETY: in bounds; no reference to this memory exists, and zeros are as good as other bytes.
        let discarded = unsafe {
            madvise(
                self.start.as_ptr().add(start).cast::<c_void>(),
                len,
                Advice::LinuxRemove,
            )
        };
        debug_assert!(discarded.is_ok(), "a memory file can have holes");
    }

    /// How many bytes it has.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    fn check(&self, offset: usize, len: usize) {
        assert!(
            offset.checked_add(len).is_some_and(|end| end <= self.len),
            "{len} bytes at {offset} are beyond the shared memory of {} bytes",
            self.len
        );
    }
}

/// As [`ptr::copy_nonoverlapping`], without a call for what is short: most results of the items of a map are.
///
/// A result is a byte of header and a value, both of which were written a moment ago. A load of bytes that
/// are still on their way to the cache waits until they are there, unless one store wrote all of them: so
/// the first byte is copied for itself, and then the value by loads of its size.
///
/// # Safety
///
/// As there.
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: one byte, and two pieces of 8 (or 4) bytes, which may overlap each other, are all of 9 to 17
    // (or 5 to 9) bytes; the caller has seen to the rest.
    unsafe {
        if let 9..=17 = len {
            *to = *from;
            copy_word::<u64>(from.add(1), to.add(1));
            copy_word::<u64>(from.add(len - 8), to.add(len - 8));
        } else if let 5..=8 = len {
            *to = *from;
            copy_word::<u32>(from.add(1), to.add(1));
            copy_word::<u32>(from.add(len - 4), to.add(len - 4));
        } else if len < 5 {
            for i in 0..len {
                *to.add(i) = *from.add(i);
            }
        } else {
            ptr::copy_nonoverlapping(from, to, len);
        }
    }
}

/// # Safety
///
/// As for [`copy`], with the size of `W` for its length.
#[inline]
unsafe fn copy_word<W: Copy>(from: *const u8, to: *mut u8) {
    // SAFETY: the caller has seen to it.
    unsafe {
        to.cast::<W>()
            .write_unaligned(from.cast::<W>().read_unaligned())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `of` with this length, and nothing refers to it any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast::<c_void>(), self.len) };
        debug_assert!(unmapped.is_ok(), "a mapping of our own can be unmapped");
    }
}

/// Shared memory whose bytes are read in place: in a worker, the arguments of its tasks.
pub(crate) struct Arguments(Arc<Mapping>);

/// Some of these bytes.
///
/// To have a reference to them is sound since the parent is trusted, as the source of all that this process
/// does: it writes a task's arguments before it sends the task, and does not touch them until the worker
/// has let them go. The worker does so when it answers, unless there is a `View` of them still.
pub(crate) struct View {
    mapping: Arc<Mapping>,
    range: Range<usize>,
}

impl Arguments {
    /// Maps all of `file`, and cannot write to it, whatever a task does that is broken.
    pub(crate) fn map(file: &impl AsFd) -> io::Result<Self> {
        let mapping = Mapping::map(file, length(file)?, ProtFlags::READ)?;
        Ok(Self(Arc::new(mapping)))
    }

    /// The bytes at `offset`; `None` if there are not as many.
    pub(crate) fn view(&self, offset: usize, len: usize) -> Option<View> {
        let end = offset.checked_add(len).filter(|&end| end <= self.0.len)?;
        Some(View {
            mapping: Arc::clone(&self.0),
            range: offset..end,
        })
    }
}

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: in bounds, alive as long as `self`, and nobody writes to it: see the type.
        unsafe {
            slice::from_raw_parts(
                self.mapping.start.as_ptr().add(self.range.start),
                self.range.len(),
            )
        }
    }
}

fn length(file: &impl AsFd) -> io::Result<usize> {
    usize::try_from(fstat(file)?.st_size).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_keeps_to_the_memory_that_it_is_given() {
        let mut memory: Vec<u8> = Vec::with_capacity(3 * LARGE_PAGE);
        for range in [0..0, 1..100, 0..LARGE_PAGE, 17..3 * LARGE_PAGE] {
            ask_for_large_pages(&mut memory.spare_capacity_mut()[range]);
        }
        memory.resize(3 * LARGE_PAGE, 7);
        ask_for_large_pages(&mut []);
        assert!(memory.iter().all(|&byte| byte == 7));
    }

    #[test]
    fn what_is_written_is_read_on_the_other_side() {
        let (file, here) = Mapping::create_largest(&[usize::MAX / 2, 1 << 16]).unwrap();
        let there = Arc::new(Mapping::of_all(&file).unwrap());
        assert_eq!(there.len(), 1 << 16);
        here.write(5000, b"hello");
        here.move_within(5000, 5002, 5);
        let mut bytes = b"> ".to_vec();
        there.append(5000, 7, &mut bytes);
        assert_eq!(bytes, b"> hehello");
        let arguments = Arguments::map(&file).unwrap();
        let view = arguments.view(5002, 5).unwrap();
        assert_eq!(view.as_ref(), b"hello");
        drop(view);
        here.discard(5000..1 << 16);
        there.append(8192, 1, &mut bytes);
        assert_eq!(bytes.last(), Some(&0));
    }

    #[test]
    fn nobody_can_shorten_it() {
        let (file, _here) = Mapping::create(1 << 16).unwrap();
        assert!(ftruncate(&file, 0).is_err());
    }

    #[test]
    fn a_view_is_within_the_memory() {
        let (file, _memory) = Mapping::create(4096).unwrap();
        let arguments = Arguments::map(&file).unwrap();
        for (offset, len) in [(0, 4097), (4096, 1), (usize::MAX, 1), (1, usize::MAX)] {
            assert!(arguments.view(offset, len).is_none());
        }
        assert!(arguments.view(4096, 0).is_some());
    }
}
