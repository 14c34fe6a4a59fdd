//! A door that can be closed for good, and known to be empty.
//!
//! A submission is inside while it looks whether the executor is open and puts its job into the queue.
//! Workers leave a closed executor only once nobody is inside: then every job that was accepted is
//! in the queue, and a last look at that finds it.
//!
//! Each thread has a *slot*, in which it writes the gate that it is inside of. Entering writes the slot,
//! then looks whether the gate is open; closing closes, then looks at all slots. All of it is
//! sequentially consistent, so either the one that enters sees the gate closed, or the one that
//! closes sees it inside. Only its thread writes a slot: so leaving is a plain store, and submitters do
//! not share a cache line. (Hazard pointers, Michael, 2004, with a gate in the place of the pointer.)
//!
//! Slots live as long as the program, and are used again by later threads.

use std::{
    cell::{Cell, OnceCell},
    marker::PhantomData,
    sync::{Mutex, PoisonError, RwLock},
};

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// The door that submissions go through; whoever closes it can tell when the last of them is out.
#[derive(Debug)]
pub struct Gate {
    id: usize,
    closed: AtomicBool,
}

/// Somebody is inside, until this is dropped. It stays on its thread; of several, the last is dropped
/// first.
#[derive(Debug)]
#[must_use = "whoever drops this has left"]
pub struct Inside<'s> {
    slot: &'s Slot,
    outer: usize,
    /// Only its thread may write the slot: so this is not `Send`.
    stays: PhantomData<*const ()>,
}

/// The gate that one thread is inside of; 0 for none.
#[derive(Debug)]
struct Slot(CachePadded<AtomicUsize>);

/// All slots, and those whose threads have ended.
static ALL: RwLock<Vec<&'static Slot>> = RwLock::new(Vec::new());
static FREE: Mutex<Vec<&'static Slot>> = Mutex::new(Vec::new());

thread_local! {
    /// This thread's slot, once it has one. Without a destructor, for speed; `OWNER` has it.
    static SLOT: Cell<Option<&'static Slot>> = const { Cell::new(None) };
    static OWNER: OnceCell<Owner> = const { OnceCell::new() };
}

/// Gives a thread's slot back when the thread ends.
struct Owner(&'static Slot);

impl Gate {
    /// An open gate.
    #[must_use]
    pub fn new() -> Self {
        use std::sync::atomic::AtomicUsize;
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            id,
            closed: AtomicBool::new(false),
        }
    }

    /// Goes in, unless the gate is closed.
    ///
    /// What is done inside must not enter another gate, nor call what may: a thread's slot holds one, so
    /// that whoever looks meanwhile would find the outer gate empty.
    #[inline]
    pub fn enter(&self) -> Option<Inside<'static>> {
        self.enter_from(SLOT.get().unwrap_or_else(assign_slot))
    }

    #[inline]
    fn enter_from<'s>(&self, slot: &'s Slot) -> Option<Inside<'s>> {
        let outer = slot.0.swap(self.id, Ordering::SeqCst);
        order_for_loom();
        let inside = Inside {
            slot,
            outer,
            stays: PhantomData,
        };
        (!self.is_closed()).then_some(inside)
    }

    /// Closes the gate: nobody gets in from now on. Whoever is inside may stay.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether the gate has been closed.
    #[must_use]
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Whether the gate is closed and nobody is inside. Once true, it stays true, but for those
    /// who enter only to find it closed.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.is_closed() && {
            let slots = ALL.read().unwrap_or_else(PoisonError::into_inner);
            self.is_in_none_of(slots.iter().copied())
        }
    }

    fn is_in_none_of<'s>(&self, mut slots: impl Iterator<Item = &'s Slot>) -> bool {
        order_for_loom();
        slots.all(|slot| slot.0.load(Ordering::SeqCst) != self.id)
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: whoever sees the slot empty sees what was done inside.
        self.slot.0.store(self.outer, Ordering::Release);
    }
}

impl Slot {
    fn new() -> Self {
        Self(CachePadded::new(AtomicUsize::new(0)))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        SLOT.set(None);
        FREE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.0);
    }
}

#[cold]
fn assign_slot() -> &'static Slot {
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let slot = free.unwrap_or_else(|| {
        let slot: &'static Slot = Box::leak(Box::new(Slot::new()));
        ALL.write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(slot);
        slot
    });
    // A thread that is being torn down owns nothing any more: it uses the slot this once, and the slot is
    // not used again.
    if OWNER.try_with(|owner| owner.set(Owner(slot)).is_ok()) == Ok(true) {
        SLOT.set(Some(slot));
    }
    slot
}

/// Loom takes sequentially consistent accesses for acquire and release ones, and knows the order that
/// the gate needs only of fences. On real machines the accesses give it.
#[inline]
fn order_for_loom() {
    #[cfg(loom)]
    crate::sync::fence(Ordering::SeqCst);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{sync::Barrier, thread};

    use super::Gate;

    #[test]
    fn nobody_enters_a_closed_gate() {
        let gate = Gate::new();
        assert!(gate.enter().is_some());
        gate.close();
        assert!(gate.enter().is_none());
    }

    #[test]
    fn it_is_shut_once_the_last_one_has_left() {
        let gate = Gate::new();
        let (entered, may_leave) = (Barrier::new(2), Barrier::new(2));
        assert!(!gate.is_shut(), "it is open");
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                let inside = gate.enter();
                entered.wait();
                may_leave.wait();
                inside.is_some()
            });
            entered.wait();
            gate.close();
            let is_shut = gate.is_shut();
            may_leave.wait();
            assert!(other.join().unwrap());
            assert!(!is_shut, "somebody is inside");
        });
        assert!(gate.is_shut());
    }

    #[test]
    fn who_leaves_an_inner_gate_is_inside_the_outer_one_again() {
        let (outer, inner) = (Gate::new(), Gate::new());
        let inside = outer.enter();
        drop(inner.enter());
        outer.close();
        inner.close();
        assert!(inner.is_shut());
        assert!(!outer.is_shut());
        drop(inside);
        assert!(outer.is_shut());
    }

    #[test]
    fn other_gates_do_not_matter() {
        let (gate, other) = (Gate::new(), Gate::new());
        let inside = other.enter();
        gate.close();
        assert!(gate.is_shut());
        other.close();
        assert!(!other.is_shut());
        drop(inside);
        assert!(other.is_shut());
    }
}

/// A model of the promise: once the gate is shut, whatever was added inside is there.
#[cfg(all(test, loom))]
mod loom_gate {
    use std::sync::Arc;

    use loom::{sync::atomic::AtomicUsize, thread};

    use super::{Gate, Ordering, Slot};

    #[test]
    fn what_was_added_inside_is_seen_once_it_is_shut() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = builder.preemption_bound.or(Some(3));
        builder.check(|| {
            let gate = Arc::new(Gate::new());
            let queue = Arc::new(AtomicUsize::new(0));
            let slots = Arc::new([Slot::new(), Slot::new()]);
            let submitters = [0, 1].map(|at| {
                let (gate, queue, slots) =
                    (Arc::clone(&gate), Arc::clone(&queue), Arc::clone(&slots));
                thread::spawn(move || {
                    let Some(_inside) = gate.enter_from(&slots[at]) else {
                        return 0;
                    };
                    // Relaxed: it is the gate that makes it seen.
                    queue.fetch_add(1, Ordering::Relaxed);
                    1
                })
            });
            gate.close();
            while !gate.is_in_none_of(slots.iter()) {
                thread::yield_now();
            }
            let seen = queue.load(Ordering::Relaxed);
            let added: usize = submitters.map(|thread| thread.join().unwrap()).iter().sum();
            assert_eq!(added, seen);
        });
    }
}
