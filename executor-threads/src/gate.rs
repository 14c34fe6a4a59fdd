//! A door that can be closed for good, and known to be empty.
//!
//! A submission is inside while it looks whether the pool is open and puts its job into the queue.
//! Workers leave a closed pool only once nobody is inside: then every job that was accepted is in
//! the queue, and a last look at that finds it.
//!
//! Entering counts, then looks; closing closes, then counts. All of it is sequentially consistent, so
//! either the one that enters sees the gate closed, or the one that closes sees it inside. The
//! counts are spread over several cache lines, since every submission writes one.

use std::{array, cell::Cell};

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicBool, AtomicUsize, Ordering};

const SHARDS: usize = if cfg!(loom) { 1 } else { 8 };

#[derive(Debug)]
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
    pub(crate) fn new() -> Self {
        let inside = array::from_fn(|_| CachePadded::new(AtomicUsize::new(0)));
        Self {
            closed: AtomicBool::new(false),
            inside,
        }
    }

    /// Goes in, unless the gate is closed.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        let count = &*self.inside[shard()];
        count.fetch_add(1, Ordering::SeqCst);
        order_for_loom();
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
        if !self.is_closed() {
            return false;
        }
        order_for_loom();
        self.inside
            .iter()
            .all(|count| count.load(Ordering::SeqCst) == 0)
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Loom takes sequentially consistent accesses for acquire and release ones, and knows the order that
/// the gate needs only of fences. On real machines the accesses give it.
#[inline]
fn order_for_loom() {
    #[cfg(loom)]
    crate::sync::fence(Ordering::SeqCst);
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
    use std::sync::atomic::AtomicUsize;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let shard = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    SHARD.set(shard + 1);
    shard
}

/// A model of the promise: once the gate is shut, whatever was added inside is there.
#[cfg(all(test, loom))]
mod loom_gate {
    use std::sync::Arc;

    use loom::{sync::atomic::AtomicUsize, thread};

    use super::{Gate, Ordering};

    #[test]
    fn what_was_added_inside_is_seen_once_it_is_shut() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = builder.preemption_bound.or(Some(3));
        builder.check(|| {
            let gate = Arc::new(Gate::new());
            let queue = Arc::new(AtomicUsize::new(0));
            let submitter = {
                let (gate, queue) = (Arc::clone(&gate), Arc::clone(&queue));
                thread::spawn(move || {
                    let Some(_inside) = gate.enter() else {
                        return 0;
                    };
                    // Relaxed: it is the gate that makes it seen.
                    queue.store(1, Ordering::Relaxed);
                    1
                })
            };
            gate.close();
            while !gate.is_shut() {
                thread::yield_now();
            }
            let seen = queue.load(Ordering::Relaxed);
            assert_eq!(submitter.join().unwrap(), seen);
        });
    }
}
