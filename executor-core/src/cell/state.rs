//! The one atomic word of a task's cell: its bits, and every way they may change.
//!
//! All changes are read-modify-writes, so that they have one order. The bits:
//!
//! | bit | set when | by |
//! |---|---|---|
//! | `CLAIMED` | somebody took the right to run, fail or drop the task; never cleared | the winner |
//! | `DONE` | the outcome is final; never cleared | the claimer |
//! | `CANCELLED` | with `CLAIMED` and `DONE`, in one step: there is no output | the canceller |
//! | `FAILED` | with `DONE`: the output is an error | the claimer |
//! | `ENCODED` | with `DONE`: the output is bytes, to be decoded by whoever takes it | the claimer |
//! | `BORROWED` | the job's owner reads the task in order to encode it | the job's owner |
//! | `FUTURE` | at birth; cleared when the future is dropped before `DONE` | the future's owner |
//! | `TAKEN` | the output was moved out through a shared reference | the future's side |
//! | `PEEKING` | somebody reads the output where it is; nobody may take it | the future's side |
//! | `WAITER` | the waiter slot is full and belongs to whoever sets `DONE` | a registrar |
//! | `REGISTERING` | a registrar owns the waiter slot | a registrar |
//! | `STOP` | the task has been asked to stop | the future's side |
//! | `HANDED` | a worker of another process may start the task: only the backend can take it back | the job's owner |
//!
//! The bits from `REF` upwards count references: the job's, the future's, and a scope's.

use crate::sync::{AtomicU32, Ordering, fence};

pub(crate) const CLAIMED: u32 = 1 << 0;
pub(crate) const DONE: u32 = 1 << 1;
pub(crate) const CANCELLED: u32 = 1 << 2;
pub(crate) const FAILED: u32 = 1 << 3;
pub(crate) const ENCODED: u32 = 1 << 4;
pub(crate) const BORROWED: u32 = 1 << 5;
pub(crate) const FUTURE: u32 = 1 << 6;
pub(crate) const TAKEN: u32 = 1 << 7;
pub(crate) const WAITER: u32 = 1 << 8;
pub(crate) const REGISTERING: u32 = 1 << 9;
pub(crate) const STOP: u32 = 1 << 10;
const PEEKING: u32 = 1 << 11;
pub(crate) const HANDED: u32 = 1 << 12;
const REF: u32 = 1 << 13;

/// The atomic word.
pub(crate) struct State(AtomicU32);

/// The word as it was at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Snapshot(u32);

/// The answer to [`State::cancel`].
#[must_use]
pub(crate) enum Cancel {
    /// Cancelled by this call, which has to drop the task and to fire the waiters.
    Won,
    /// Cancelled by this call, which has to fire the waiters; the task is being read by its job's
    /// owner, who will drop it.
    WonBorrowed,
    /// Claimed by somebody else before.
    Lost,
    /// In the hands of a worker elsewhere: only the backend knows whether it can be taken back.
    Handed,
}

/// The answer to [`State::finish`].
#[must_use]
pub(crate) enum Finish {
    /// Done; nobody was waiting, and the job's reference is released.
    Released {
        /// It was the last reference: the cell is to be freed.
        last: bool,
    },
    /// Done; the waiter slot is full and is now the caller's, and so is still the job's reference.
    Waiters,
    /// Not done yet: no future will take the output. The caller drops the output, and calls again.
    Unwanted,
}

/// The answer to [`State::drop_future`].
#[must_use]
pub(crate) enum DropFuture {
    /// The future's reference is released, before the task was done.
    Released {
        /// It was the last reference: the cell is to be freed.
        last: bool,
    },
    /// The task is done: the caller drops the output, if there is one, and then the reference.
    Done(Snapshot),
}

/// The answer to [`State::begin_register`].
#[must_use]
pub(crate) enum Register {
    /// The task is done; there is nothing to wait for.
    Done,
    /// The waiter slot is the caller's until [`State::end_register`].
    Owned {
        /// The slot is full.
        full: bool,
    },
}

/// The answer to [`State::end_register`].
#[must_use]
pub(crate) enum Registered {
    /// The waiters are in place.
    Published,
    /// The task became done meanwhile, and whoever did that found the slot owned: the
    /// caller keeps the slot, and fires what is in it.
    Done,
}

impl State {
    /// A pending task with its job and its future.
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(FUTURE | (2 * REF)))
    }

    /// The word now. Acquire: whoever sees `DONE` sees the output.
    #[inline]
    pub(crate) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// Claims the task, in order to run it. True for exactly one caller, over all claims and cancels.
    ///
    /// Acquire: the winner sees the task that was written before the cell was shared.
    #[inline]
    pub(crate) fn claim(&self) -> bool {
        self.0.fetch_or(CLAIMED, Ordering::Acquire) & CLAIMED == 0
    }

    /// Claims the task in order to drop it, and makes it done in the same step. A task that was
    /// handed over is only cancelled by its job's owner, who says so by `by_owner`.
    pub(crate) fn cancel(&self, by_owner: bool) -> Cancel {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            if current & CLAIMED != 0 {
                return Cancel::Lost;
            }
            if current & HANDED != 0 && !by_owner {
                return Cancel::Handed;
            }
            let next = current | CLAIMED | CANCELLED | DONE;
            match self.exchange(current, next) {
                Ok(_) if current & BORROWED != 0 => return Cancel::WonBorrowed,
                Ok(_) => return Cancel::Won,
                Err(seen) => current = seen,
            }
        }
    }

    /// Lets the job's owner read the task while others may still cancel it. False if the task is
    /// claimed.
    pub(crate) fn borrow(&self) -> bool {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            if current & CLAIMED != 0 {
                return false;
            }
            match self.exchange(current, current | BORROWED) {
                Ok(_) => return true,
                Err(seen) => current = seen,
            }
        }
    }

    /// Marks the task as handed to a worker elsewhere, which may start it from now on. False if it
    /// is claimed: then it must not be handed over.
    #[must_use]
    pub(crate) fn hand_over(&self) -> bool {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            if current & CLAIMED != 0 {
                return false;
            }
            match self.exchange(current, current | HANDED) {
                Ok(_) => return true,
                Err(seen) => current = seen,
            }
        }
    }

    /// Ends [`hand_over`](Self::hand_over): no worker will start the task.
    pub(crate) fn take_back(&self) {
        self.0.fetch_and(!HANDED, Ordering::AcqRel);
    }

    /// Ends [`borrow`](Self::borrow). True if the task was cancelled meanwhile: the caller drops it.
    #[must_use]
    pub(crate) fn unborrow(&self) -> bool {
        self.0.fetch_and(!BORROWED, Ordering::AcqRel) & CANCELLED != 0
    }

    /// Makes a claimed task done, with `outcome` of `FAILED` and `ENCODED`. `wanted` is false when
    /// the caller has dropped the output already.
    ///
    /// Release: whoever sees `DONE` sees the output.
    #[inline]
    pub(crate) fn finish(&self, outcome: u32, wanted: bool) -> Finish {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            if wanted && current & FUTURE == 0 {
                return Finish::Unwanted;
            }
            let waiters = current & WAITER != 0;
            let next = (current | DONE | outcome) - if waiters { 0 } else { REF };
            match self.exchange(current, next) {
                Ok(_) if waiters => return Finish::Waiters,
                Ok(_) => return Finish::Released { last: next < REF },
                Err(seen) => current = seen,
            }
        }
    }

    /// The future goes away.
    #[inline]
    pub(crate) fn drop_future(&self) -> DropFuture {
        let mut current = self.0.load(Ordering::Acquire);
        loop {
            if current & DONE != 0 {
                return DropFuture::Done(Snapshot(current));
            }
            let next = (current & !FUTURE) - REF;
            match self.exchange(current, next) {
                Ok(_) => return DropFuture::Released { last: next < REF },
                Err(seen) => current = seen,
            }
        }
    }

    /// Takes the right to move the output out. True once.
    pub(crate) fn take(&self) -> bool {
        self.own_output(TAKEN)
    }

    /// Takes the right to read the output where it is. False if it was taken.
    pub(crate) fn begin_peek(&self) -> bool {
        self.own_output(PEEKING)
    }

    /// Ends [`begin_peek`](Self::begin_peek).
    pub(crate) fn end_peek(&self) {
        self.0.fetch_and(!PEEKING, Ordering::Release);
    }

    fn own_output(&self, how: u32) -> bool {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            if current & TAKEN != 0 {
                return false;
            }
            if current & PEEKING != 0 {
                // For as long as it takes to clone an error.
                crate::sync::thread::yield_now();
                current = self.0.load(Ordering::Relaxed);
                continue;
            }
            match self.exchange(current, current | how) {
                Ok(_) => return true,
                Err(seen) => current = seen,
            }
        }
    }

    /// Asks the task to stop.
    pub(crate) fn request_stop(&self) {
        self.0.fetch_or(STOP, Ordering::Release);
    }

    /// Makes the waiter slot the caller's: from the waiters that are in it, if there are any, so that
    /// whoever sets `DONE` leaves it alone. Only registrars ever wait for one another here; whoever
    /// sets `DONE` never waits.
    pub(crate) fn begin_register(&self) -> Register {
        let mut current = self.0.load(Ordering::Acquire);
        loop {
            if current & DONE != 0 {
                return Register::Done;
            }
            if current & REGISTERING != 0 {
                crate::sync::thread::yield_now();
                current = self.0.load(Ordering::Acquire);
                continue;
            }
            let next = (current & !WAITER) | REGISTERING;
            match self.exchange(current, next) {
                Ok(_) => {
                    return Register::Owned {
                        full: current & WAITER != 0,
                    };
                }
                Err(seen) => current = seen,
            }
        }
    }

    /// Gives the waiter slot up; `full` says whether there is anybody in it.
    pub(crate) fn end_register(&self, full: bool) -> Registered {
        let waiter = if full { WAITER } else { 0 };
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            if current & DONE != 0 {
                // REGISTERING stays: it keeps everybody else away from the slot for good.
                fence(Ordering::Acquire);
                return Registered::Done;
            }
            match self.exchange(current, (current & !REGISTERING) | waiter) {
                Ok(_) => return Registered::Published,
                Err(seen) => current = seen,
            }
        }
    }

    /// Takes the waiters of a task that this caller has cancelled. True if there are any: the
    /// slot is then the caller's.
    #[must_use]
    pub(crate) fn take_waiters(&self) -> bool {
        // After DONE no registrar can set WAITER any more.
        self.0.load(Ordering::Acquire) & WAITER != 0
    }

    /// One more reference.
    pub(crate) fn add_reference(&self) {
        // Relaxed: made from a live reference, which orders it.
        self.0.fetch_add(REF, Ordering::Relaxed);
    }

    /// One reference less. True if it was the last: the cell is to be freed.
    #[must_use]
    pub(crate) fn release(&self) -> bool {
        let last = self.0.fetch_sub(REF, Ordering::Release) < 2 * REF;
        if last {
            // Everything that the others did with the cell comes before it is freed.
            fence(Ordering::Acquire);
        }
        last
    }

    #[inline]
    fn exchange(&self, current: u32, next: u32) -> Result<u32, u32> {
        self.0
            .compare_exchange_weak(current, next, Ordering::AcqRel, Ordering::Acquire)
    }
}

impl Snapshot {
    #[inline]
    pub(crate) const fn is(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    /// Done, and there is an output that nobody has moved out.
    #[inline]
    pub(crate) const fn has_output(self) -> bool {
        self.0 & (DONE | CANCELLED | TAKEN) == DONE
    }

    /// As at birth: nobody has claimed the task, cancelled it or left a waiter, and there are no references but its
    /// job's and its future's.
    #[inline]
    pub(crate) const fn is_untouched(self) -> bool {
        self.0 == FUTURE | (2 * REF)
    }

    /// The caller's reference is the only one left.
    #[inline]
    pub(crate) const fn is_sole(self) -> bool {
        self.0 < 2 * REF
    }
}
