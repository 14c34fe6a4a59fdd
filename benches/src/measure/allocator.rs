//! The system's allocator, with a count that can be switched on.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

/// The system's allocator. While nobody counts, it costs a load and a predictable branch more.
#[derive(Debug)]
pub struct Counting;

/// What was allocated while counting.
#[derive(Debug, Clone, Copy)]
pub struct Allocated {
    /// Calls of the allocator that gave memory.
    pub calls: u64,
    /// Bytes asked for and not freed.
    pub live_bytes: i64,
}

static COUNTING: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);

/// Counts what all threads allocate while `f` runs.
pub fn count(f: impl FnOnce()) -> Allocated {
    let calls = CALLS.load(Ordering::SeqCst);
    let live_bytes = LIVE_BYTES.load(Ordering::SeqCst);
    COUNTING.store(true, Ordering::SeqCst);
    f();
    COUNTING.store(false, Ordering::SeqCst);
    Allocated {
        calls: CALLS.load(Ordering::SeqCst) - calls,
        live_bytes: LIVE_BYTES.load(Ordering::SeqCst) - live_bytes,
    }
}

fn changed(calls: u64, bytes: i64) {
    if COUNTING.load(Ordering::Relaxed) {
        CALLS.fetch_add(calls, Ordering::Relaxed);
        LIVE_BYTES.fetch_add(bytes, Ordering::Relaxed);
    }
}

// No layout is larger than `isize::MAX`.
const fn signed(size: usize) -> i64 {
    size as i64
}

// SAFETY: every call goes to `System` with the arguments that came, and the counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        changed(1, signed(layout.size()));
        // SAFETY: passed on from the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        changed(1, signed(layout.size()));
        // SAFETY: passed on from the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        changed(1, signed(size) - signed(layout.size()));
        // SAFETY: passed on from the caller.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        changed(0, -signed(layout.size()));
        // SAFETY: passed on from the caller.
        unsafe { System.dealloc(place, layout) }
    }
}
