//! What the future's side does with a cell: wait, take, look, let go.

use std::{mem::MaybeUninit, ptr::NonNull, task::Waker};

use super::{
    CellRef, JobKey,
    state::{
        CANCELLED, DropFuture, ENCODED, FAILED, HANDED, Register, Registered, Snapshot, WAITER,
    },
    waiter::{Waiter, Waiters},
};
use crate::{Outcome, TaskError, remote};

impl CellRef {
    /// Adds a waiter. Gives it back if the task is done.
    pub(crate) fn register(self, waiter: Waiter) -> Result<(), Waiter> {
        match self.header().state.begin_register() {
            Register::Done => Err(waiter),
            Register::Owned { full } => {
                // SAFETY: the slot is ours until end_register.
                let waiters = match unsafe { self.read_waiters(full) } {
                    None => Waiters::of(waiter),
                    Some(waiters) => waiters.with(waiter),
                };
                // SAFETY: the slot is ours and has just been emptied.
                unsafe { self.give_back_waiters(Some(waiters)) };
                if self.snapshot().is(HANDED)
                    && let Some(remote) = remote::of(self.home())
                {
                    remote.watch(JobKey::of(self));
                }
                Ok(())
            }
        }
    }

    /// Removes a waker, or all wakers; callbacks stay.
    pub(crate) fn unregister(self, waker: Option<&Waker>) {
        if let Register::Owned { full } = self.header().state.begin_register() {
            // SAFETY: the slot is ours until end_register, and is emptied before it is filled again.
            unsafe {
                let waiters = self.read_waiters(full);
                self.give_back_waiters(waiters.and_then(|waiters| waiters.without(waker)));
            }
        }
    }

    /// # Safety
    ///
    /// The slot belongs to the caller; `full` says whether it is full. It is empty afterwards.
    pub(super) unsafe fn read_waiters(self, full: bool) -> Option<Waiters> {
        full.then(|| {
            self.header().waiters.with_mut(|slot| {
                // SAFETY: full, so initialised; read out once, since it then counts as empty.
                unsafe { (*slot).assume_init_read() }
            })
        })
    }

    /// # Safety
    ///
    /// The slot belongs to the caller since `begin_register`, and is empty.
    unsafe fn give_back_waiters(self, waiters: Option<Waiters>) {
        let header = self.header();
        let full = waiters.is_some();
        if let Some(waiters) = waiters {
            // SAFETY: the slot is the caller's.
            header
                .waiters
                .with_mut(|slot| unsafe { (*slot).write(waiters) });
        }
        if let Registered::Done = header.state.end_register(full)
            && full
        {
            let outcome = self.outcome().unwrap_or(Outcome::Cancelled);
            // SAFETY: whoever set DONE found the slot owned by us, so it still is.
            unsafe { self.fire(outcome) };
        }
    }

    /// # Safety
    ///
    /// The slot is full and belongs to the caller. It is empty afterwards.
    pub(super) unsafe fn fire(self, outcome: Outcome) {
        // SAFETY: passed on from the caller.
        if let Some(waiters) = unsafe { self.read_waiters(true) } {
            waiters.fire(outcome);
        }
    }

    /// Moves the output out, through a shared reference. `None` if it is not there: the task is not
    /// done, or somebody has taken it.
    ///
    /// # Safety
    ///
    /// `T` is the task's output type, and the caller's reference is the future's.
    pub(crate) unsafe fn take<T>(self) -> Option<Result<T, TaskError>> {
        let seen = self.snapshot();
        if seen.is(CANCELLED) {
            return Some(Err(TaskError::cancelled()));
        }
        if !seen.has_output() || !self.header().state.take() {
            return None;
        }
        // SAFETY: done, with an output, and TAKEN was set here.
        Some(unsafe { self.read_output(seen.is(ENCODED)) })
    }

    /// Moves the output out and gives the future's reference up.
    ///
    /// # Safety
    ///
    /// The task is done (`seen` shows it), `T` is its output type, and the caller owns the future's
    /// reference and does not use it again.
    #[inline]
    pub(crate) unsafe fn take_and_release<T>(self, seen: Snapshot) -> Result<T, TaskError> {
        let result = if seen.has_output() {
            // SAFETY: done, and nobody else has the future.
            unsafe { self.read_output(seen.is(ENCODED)) }
        } else {
            // Taken through a shared reference before; a future says so in its documentation.
            Err(if seen.is(CANCELLED) {
                TaskError::cancelled()
            } else {
                TaskError::lost()
            })
        };
        // SAFETY: passed on from the caller.
        unsafe { self.release_seen(seen) };
        result
    }

    /// # Safety
    ///
    /// The output is in the stage, as bytes if it is `encoded`; it is of type `T`, and is the caller's to move
    /// out, once.
    #[inline]
    pub(super) unsafe fn read_output<T>(self, encoded: bool) -> Result<T, TaskError> {
        let mut slot = MaybeUninit::<Result<T, TaskError>>::uninit();
        // SAFETY: `take` moves the output to a place that has its type; then it is initialised.
        unsafe {
            let place = NonNull::from(&mut slot).cast();
            (self.header().vtable.take)(self.0, encoded, place);
            slot.assume_init()
        }
    }

    /// The error, if the task is done and failed; without taking it.
    ///
    /// # Safety
    ///
    /// The caller's reference is the future's.
    pub(crate) unsafe fn error(self) -> Option<TaskError> {
        let seen = self.snapshot();
        if seen.is(CANCELLED) {
            return Some(TaskError::cancelled());
        }
        if !seen.has_output() || !seen.is(FAILED | ENCODED) || !self.header().state.begin_peek() {
            return None;
        }
        // SAFETY: done with an output, which stays where it is while we peek. It does not unwind.
        let error = unsafe { (self.header().vtable.error)(self.0, seen.is(ENCODED)) };
        self.header().state.end_peek();
        error
    }

    /// Drops the future's reference; the task goes on without it.
    ///
    /// # Safety
    ///
    /// The caller owns the future's reference and does not use it again.
    #[inline]
    pub(crate) unsafe fn drop_future(self) {
        let header = self.header();
        if header.state.load().is(WAITER) {
            // Those who waited through the future are gone; callbacks stay.
            self.unregister(None);
        }
        match header.state.drop_future() {
            DropFuture::Released { last: false } => {}
            // SAFETY: the last reference is gone.
            DropFuture::Released { last: true } => unsafe { (header.vtable.free)(self.0) },
            DropFuture::Done(seen) => {
                if seen.has_output() {
                    // SAFETY: after DONE the output is the future's.
                    unsafe { (header.vtable.drop_output)(self.0, seen.is(ENCODED)) };
                }
                // SAFETY: passed on from the caller.
                unsafe { self.release_seen(seen) };
            }
        }
    }

    /// Takes the task back out of a cell that nobody has claimed or shared, and frees the cell.
    ///
    /// # Safety
    ///
    /// The caller owns the job's and the future's reference, there is no third, the task is of type
    /// `T`, and none of them is used again.
    pub(crate) unsafe fn reclaim<T>(self) -> Option<T> {
        let vtable = self.header().vtable;
        let mut slot = MaybeUninit::<T>::uninit();
        let task = self.claim().then(|| {
            // SAFETY: claimed just now: the task is in the stage, and has the slot's type.
            unsafe {
                (vtable.move_task)(self.0, NonNull::from(&mut slot).cast());
                if let Some(settled) = vtable.settled {
                    settled(self.0);
                }
                slot.assume_init()
            }
        });
        // SAFETY: both references are the caller's; a cell without a task needs nothing else.
        unsafe { (vtable.free)(self.0) };
        task
    }
}
