//! Fork-join without allocation, over any executor of this process.
//!
//! `join(a, b)` leaves `b` in its own stack frame, on a list of the forks that this thread has open,
//! calls `a`, and then calls `b`. Only when the executor says that a worker has nothing to do is the
//! *oldest* open fork of the thread promoted: its `b`, the largest piece of work there is, becomes a
//! job. So forks cost a few loads and stores, jobs are made only as often as workers run dry, and no
//! timer or helper thread is needed. (Lazy task creation: Mohr, Kranz, Halstead, 1991.)
//!
//! # Who may touch what
//!
//! The list, and the `promoted` field of the forks on it, belong to the thread. `b` belongs to the
//! frame until the job of a promoted fork is claimed. The job does not own `b`: it has a
//! pointer to the frame, and takes `b` from there when it runs. So a job that is cancelled, or lost,
//! by its executor takes nothing with it, and the frame calls `b` itself. The frame does not go away
//! before its job is done or cancelled: that is what [`Fork::finish`] and, when `a` panics,
//! [`Open::drop`] are for. Once the job is `DONE` it no longer looks at the frame.

use std::{
    cell::{Cell, UnsafeCell},
    ptr,
};

use crate::{Admission, Future as _, LocalExecutor, TaskFuture, cell::Job, park};

thread_local! {
    static FORKS: Forks = const {
        Forks { oldest: Cell::new(ptr::null()), newest: Cell::new(ptr::null()) }
    };
}

/// The open forks of a thread that have not been promoted: a list through their frames.
struct Forks {
    oldest: Cell<*const Node>,
    newest: Cell<*const Node>,
}

struct Node {
    older: Cell<*const Self>,
    newer: Cell<*const Self>,
    promote: unsafe fn(*const Self),
}

/// The frame of one `join`.
#[repr(C)]
struct Fork<'e, E: ?Sized, B, RB> {
    // First, so that a pointer to the node is a pointer to the fork.
    node: Node,
    executor: &'e E,
    b: UnsafeCell<Option<B>>,
    promoted: Cell<Option<TaskFuture<RB>>>,
    listed: Cell<bool>,
}

/// Sees a fork through while `a` runs, which may panic.
struct Open<'f, 'e, E: ?Sized, B, RB>(&'f Fork<'e, E, B, RB>);

/// Calls `a` and `b`, perhaps at the same time, and gives both results: `b` goes to another worker of
/// `executor` if one is idle, and is otherwise called by the caller after `a`. Allocates only in
/// the first case.
///
/// ```
/// use executor_core::{LocalExecutor, join, testing::InlineExecutor};
///
/// fn fibonacci(executor: &impl LocalExecutor, n: u64) -> u64 {
///     if n < 2 {
///         return n;
///     }
///     let (a, b) = join(executor, || fibonacci(executor, n - 1), || fibonacci(executor, n - 2));
///     a + b
/// }
/// assert_eq!(fibonacci(&InlineExecutor::new(), 10), 55);
/// ```
///
/// # Panics
///
/// If `a` or `b` does, after neither is running any more. If `a` panics, `b` may not be called.
#[inline]
pub fn join<E, A, B, RA, RB>(executor: &E, a: A, b: B) -> (RA, RB)
where
    E: LocalExecutor + ?Sized,
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    let fork = Fork {
        node: Node {
            older: Cell::new(ptr::null()),
            newer: Cell::new(ptr::null()),
            promote: Fork::<E, B, RB>::promote,
        },
        executor,
        b: UnsafeCell::new(Some(b)),
        promoted: Cell::new(None),
        listed: Cell::new(true),
    };
    FORKS.with(|forks| forks.push(&fork.node));
    let open = Open(&fork);
    if executor.wants_work() {
        promote_oldest();
    }
    let ra = a();
    std::mem::forget(open);
    let rb = fork.finish();
    (ra, rb)
}

#[cold]
fn promote_oldest() {
    FORKS.with(|forks| {
        let oldest = forks.oldest.get();
        if !oldest.is_null() {
            // SAFETY: a fork on the list is open, so its frame is there.
            unsafe { ((*oldest).promote)(oldest) };
        }
    });
}

impl<E, B, RB> Fork<'_, E, B, RB>
where
    E: LocalExecutor + ?Sized,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    /// Hands `b` to the executor.
    ///
    /// # Safety
    ///
    /// `node` is the node of an open, listed fork of these types, of this thread.
    unsafe fn promote(node: *const Node) {
        // SAFETY: the node is the first field of its fork.
        let fork = unsafe { &*node.cast::<Self>() };
        fork.unlist();
        let frame = Frame(&raw const fork.b);
        // SAFETY: the job borrows the frame, through a pointer. `finish` and `Open::drop` keep the frame
        // until the job is done or cancelled, and the closure has nothing to drop.
        let (job, future) = unsafe { Job::borrowing(move || frame.run(), (), None) };
        // A job that was refused is dropped, and so is lost: the frame will call `b` itself.
        if fork.executor.execute(job, Admission::Now).is_ok() {
            fork.promoted.set(Some(future));
        }
    }

    /// Gets the result of `b`: calls it, unless another worker does.
    #[inline]
    fn finish(&self) -> RB {
        self.unlist();
        let Some(future) = self.promoted.take() else {
            return self.call();
        };
        // Cancelled: the job will never look at the frame.
        if future.cancel() {
            return self.call();
        }
        // Not by `result`, which may be refused: the job uses this frame.
        park::wait_for_borrower(&future);
        match future.result() {
            Ok(value) => value,
            // SAFETY: the job is done and no longer looks at the frame.
            Err(_) if unsafe { (*self.b.get()).is_some() } => self.call(),
            Err(error) => error.resume(),
        }
    }

    #[inline]
    fn call(&self) -> RB {
        // SAFETY: there is no job, or it never looks at the frame (again): `b` is the frame's.
        let b = unsafe { (*self.b.get()).take() };
        b.expect("`b` is called once")()
    }
}

impl<E: ?Sized, B, RB> Fork<'_, E, B, RB> {
    #[inline]
    fn unlist(&self) {
        if self.listed.replace(false) {
            FORKS.with(|forks| forks.remove(&self.node));
        }
    }
}

impl<E: ?Sized, B, RB> Drop for Open<'_, '_, E, B, RB> {
    /// `a` has panicked: the frame must not go before its job, if there is one.
    fn drop(&mut self) {
        self.0.unlist();
        if let Some(future) = self.0.promoted.take()
            && !future.cancel()
        {
            park::wait_for_borrower(&future);
        }
    }
}

impl Forks {
    #[inline]
    fn push(&self, node: &Node) {
        let newest = self.newest.replace(node);
        node.older.set(newest);
        if newest.is_null() {
            self.oldest.set(node);
        } else {
            // SAFETY: a fork on the list is open, so its frame is there.
            unsafe { (*newest).newer.set(node) };
        }
    }

    #[inline]
    fn remove(&self, node: &Node) {
        let (older, newer) = (node.older.get(), node.newer.get());
        if older.is_null() {
            self.oldest.set(newer);
        } else {
            // SAFETY: as in `push`.
            unsafe { (*older).newer.set(newer) };
        }
        if newer.is_null() {
            self.newest.set(older);
        } else {
            // SAFETY: as in `push`.
            unsafe { (*newer).older.set(older) };
        }
    }
}

/// A pointer to the `b` of a frame, for the job of a promoted fork.
struct Frame<B>(*const UnsafeCell<Option<B>>);

// SAFETY: the pointer is only used by the job's claimer, and `b`, which it leads to, is Send.
unsafe impl<B: Send> Send for Frame<B> {}

impl<B, RB> Frame<B>
where
    B: FnOnce() -> RB,
{
    fn run(self) -> RB {
        // SAFETY: called by the job's claimer: until the job is done the frame stays, and `b` is
        // the job's alone.
        let b = unsafe { (*(*self.0).get()).take() };
        b.expect("`b` is called once")()
    }
}
