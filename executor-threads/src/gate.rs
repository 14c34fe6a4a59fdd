//! A door that can be closed for good, and known to be empty.
//!
//! A submission is inside while it looks whether the pool is open and puts its job into the queue.
//! Workers leave a closed pool only once nobody is inside: then every job that was accepted is in
//! the queue, and a last look at that finds it.
//!
//! Entering counts, then looks; closing closes, then counts. All of it is sequentially consistent, so
//! either the one that enters sees the gate closed, or the one that closes sees it inside. The
//! counts are spread over several cache lines, since every submission writes one.

use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crossbeam_utils::CachePadded;

const SHARDS: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: AtomicBool,
    inside: [CachePadded<AtomicUsize>; SHARDS],
}

/// Somebody is inside.
pub(crate) struct Inside<'g>(&'g AtomicUsize);

thread_local! {
    /// This thread's shard, from 1; 0 while it has none.
    static SHARD: Cell<usize> = const { Cell::new(0) };
}

impl Gate {
    /// Goes in, unless the gate is closed.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        let count = &*self.inside[shard()];
        count.fetch_add(1, Ordering::SeqCst);
        let inside = Inside(count);
        (!self.closed.load(Ordering::SeqCst)).then_some(inside)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Whether the gate is closed and nobody is inside. Once true, it stays true, but for those
    /// who enter only to find it closed.
    pub(crate) fn is_shut(&self) -> bool {
        self.is_closed() && self.inside.iter().all(|count| count.load(Ordering::SeqCst) == 0)
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[inline]
fn shard() -> usize {
    match SHARD.get() {
        0 => assign_shard(),
        shard => shard - 1,
    }
}

#[cold]
fn assign_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let shard = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    SHARD.set(shard + 1);
    shard
}
