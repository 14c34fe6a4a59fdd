//! What the claimer of a task does with its cell: run, fail, complete, cancel, encode.

use std::time::Instant;

use super::{
    CellRef, Current, JobKey, Run,
    state::{CANCELLED, CLAIMED, Cancel, ENCODED, FAILED, FUTURE, Finish, HANDED, WAITER},
    vtable::{Interrupt, Portable},
    waiter::{Callbacks, Waiters},
};
use crate::{
    Outcome, TaskError, Timeout,
    codec::{Encoded, Shelf, encode_with},
    panic,
    remote::{self, Revoked},
};

impl CellRef {
    /// Claims and runs the task with the job's reference, which this gives up, unless somebody else has
    /// claimed the task.
    ///
    /// # Safety
    ///
    /// The caller owns the job's reference, and uses it again only if the answer is `Claimed`.
    #[inline]
    pub(crate) unsafe fn run_job(self) -> Run {
        let seen = self.snapshot();
        if seen.is_sole() && !seen.is(CLAIMED | FUTURE | WAITER) {
            // Fire and forget: nobody else can reach the cell, so nobody needs to be told.
            // SAFETY: the only reference is the caller's, so the stage is too.
            return Run::Ran(unsafe { self.run_alone() });
        }
        if !self.header().state.claim() {
            if !self.snapshot().is(CANCELLED) {
                return Run::Claimed;
            }
            // SAFETY: the caller gives this reference up.
            unsafe { self.release() };
            return Run::Cancelled;
        }
        // SAFETY: claimed just now, and the job's reference is the caller's.
        Run::Ran(unsafe { self.run_claimed() })
    }

    /// Claims the task for a waiter, who holds a reference of another kind and keeps it. `None` if
    /// somebody else has claimed it.
    pub(crate) fn run_as_waiter(self) -> Option<Outcome> {
        // What was handed to a worker elsewhere may be running there.
        if self.snapshot().is(CLAIMED | HANDED) || !self.header().state.claim() {
            return None;
        }
        // The job, wherever it is queued, keeps its own reference; the claimer needs one to give up.
        self.header().state.add_reference();
        // SAFETY: claimed just now, with a reference of its own.
        Some(unsafe { self.run_claimed() })
    }

    /// Claims the task without running it.
    pub(crate) fn claim(self) -> bool {
        self.header().state.claim()
    }

    /// Runs a claimed task and settles it.
    ///
    /// # Safety
    ///
    /// The caller has claimed the task, and gives up one reference.
    #[inline]
    pub(crate) unsafe fn run_claimed(self) -> Outcome {
        // SAFETY: the claimer owns the stage, which holds the task.
        let outcome = unsafe { self.run_stage() };
        // SAFETY: run_stage has left an output, and the reference is passed on.
        unsafe { self.settle(outcome) };
        if outcome & FAILED == 0 {
            Outcome::Succeeded
        } else {
            Outcome::Failed
        }
    }

    /// # Safety
    ///
    /// The caller's is the only reference, and nobody has claimed the task. The cell is freed.
    unsafe fn run_alone(self) -> Outcome {
        let vtable = self.header().vtable;
        // SAFETY: nobody else can reach the cell. run_stage turns the task into an output, which
        // is dropped once, and then the cell is freed.
        unsafe {
            let outcome = self.run_stage();
            (vtable.drop_output)(self.0, false);
            if let Some(settled) = vtable.settled {
                settled(self.0);
            }
            (vtable.free)(self.0);
            if outcome & FAILED == 0 {
                Outcome::Succeeded
            } else {
                Outcome::Failed
            }
        }
    }

    /// Runs a task that is [untouched](super::state::Snapshot::is_untouched), for the one who has both its
    /// references; gives the outcome and the result. The cell is freed.
    ///
    /// # Safety
    ///
    /// The caller owns the job's and the future's reference and does not use them again, the task is untouched, and
    /// `T` is the type of its output.
    #[inline]
    pub(crate) unsafe fn run_and_take<T>(self) -> (Outcome, Result<T, TaskError>) {
        let vtable = self.header().vtable;
        // SAFETY: with both references in one hand, and no other, nobody else can reach the cell. run_stage turns
        // the task into an output that is not encoded, which is moved out once, and then the cell is freed.
        unsafe {
            let outcome = self.run_stage();
            let result = self.read_output(false);
            if let Some(settled) = vtable.settled {
                settled(self.0);
            }
            (vtable.free)(self.0);
            (outcome_of(outcome), result)
        }
    }

    /// # Safety
    ///
    /// The caller owns the stage, and the stage holds the task.
    #[inline]
    unsafe fn run_stage(self) -> u32 {
        if let Some(options) = self.options()
            && options
                .start_by
                .is_some_and(|start_by| Instant::now() >= start_by)
        {
            let error = TaskError::timed_out(Timeout::Queue);
            // SAFETY: passed on from the caller.
            unsafe { (self.header().vtable.fail)(self.0, error) };
            return FAILED;
        }
        let _current = Current::enter(self);
        // SAFETY: passed on from the caller.
        unsafe { (self.header().vtable.run)(self.0) }
    }

    /// Settles a claimed task with an error.
    ///
    /// # Safety
    ///
    /// The caller has claimed the task, and gives up one reference.
    pub(crate) unsafe fn fail_claimed(self, error: TaskError) {
        // SAFETY: passed on from the caller.
        unsafe {
            let outcome = self.store_error(error);
            self.settle(outcome);
        }
    }

    /// Replaces the task by an error, and gives the outcome to settle with.
    ///
    /// # Safety
    ///
    /// The caller has claimed the task, which is in the stage.
    pub(crate) unsafe fn store_error(self, error: TaskError) -> u32 {
        // SAFETY: the claimer owns the stage, which holds the task.
        unsafe { (self.header().vtable.fail)(self.0, error) };
        FAILED
    }

    /// Replaces the task by its encoded output, and gives the outcome to settle with.
    ///
    /// # Safety
    ///
    /// As for `store_error`; `portable` is the cell's own.
    pub(crate) unsafe fn store_output(self, portable: &Portable, output: Encoded) -> u32 {
        // SAFETY: the claimer owns the stage, which holds the task.
        unsafe { (portable.store)(self.0, output) };
        ENCODED
    }

    /// Replaces a chunk by what its worker had done of it, and gives the outcome to settle with.
    ///
    /// # Safety
    ///
    /// As for `store_error`; `interrupt` is that of the cell's own vtable.
    pub(crate) unsafe fn store_partial(
        self,
        interrupt: Interrupt,
        partial: Vec<u8>,
        error: TaskError,
    ) -> u32 {
        // SAFETY: the claimer owns the stage, which holds the task.
        unsafe { interrupt(self.0, partial, error) };
        ENCODED
    }

    /// Settles a claimed task with its encoded output.
    ///
    /// # Safety
    ///
    /// The caller has claimed the task, and gives up one reference. `portable` is the cell's own.
    pub(crate) unsafe fn complete_claimed(self, portable: &Portable, output: Encoded) {
        // SAFETY: passed on from the caller.
        unsafe {
            let outcome = self.store_output(portable, output);
            self.settle(outcome);
        }
    }

    /// # Safety
    ///
    /// The caller has claimed the task, the stage holds an output of kind `outcome`, and the caller
    /// gives up one reference.
    #[inline]
    pub(super) unsafe fn settle(self, outcome: u32) {
        let header = self.header();
        if header.vtable.settled.is_some() {
            // SAFETY: passed on from the caller.
            return unsafe { self.settle_with_extra(outcome) };
        }
        // SAFETY: passed on from the caller.
        unsafe { self.settle_and(outcome, |waiters| waiters.fire(outcome_of(outcome))) };
    }

    /// As `settle`, for a backend whose thread must not run callbacks: wakes whoever waits, and gives
    /// the callbacks back, if there are any.
    ///
    /// # Safety
    ///
    /// As for `settle`, of a cell that has no extra.
    pub(crate) unsafe fn settle_deferring(self, outcome: u32) -> Option<Callbacks> {
        let tell = |waiters: Waiters| waiters.wake(outcome_of(outcome));
        // SAFETY: passed on from the caller.
        unsafe { self.settle_and(outcome, tell) }.flatten()
    }

    /// Settles, and has `tell` tell the waiters, if there are any.
    ///
    /// # Safety
    ///
    /// As for `settle`.
    #[inline]
    unsafe fn settle_and<R>(self, outcome: u32, tell: impl FnOnce(Waiters) -> R) -> Option<R> {
        let header = self.header();
        let vtable = header.vtable;
        let mut finish = header.state.finish(outcome, true);
        if let Finish::Unwanted = finish {
            // SAFETY: no future will take the output, and the claimer still owns the stage.
            unsafe { (vtable.drop_output)(self.0, outcome & ENCODED != 0) };
            finish = header.state.finish(outcome, false);
        }
        match finish {
            // SAFETY: the last reference is gone.
            Finish::Released { last: true } => unsafe { (vtable.free)(self.0) },
            Finish::Released { last: false } => {}
            // SAFETY: WAITER was set when DONE was: the slot is full and ours, and so is the
            // reference.
            _ => unsafe {
                let told = self.read_waiters(true).map(tell);
                self.release();
                return told;
            },
        }
        None
    }

    /// As `settle`, for a cell whose maker wants to know. The claimer must hold a reference until it
    /// has told, so the reference cannot go in one step with `DONE`.
    ///
    /// # Safety
    ///
    /// As for `settle`.
    unsafe fn settle_with_extra(self, outcome: u32) {
        let header = self.header();
        header.state.add_reference();
        let mut finish = header.state.finish(outcome, true);
        if let Finish::Unwanted = finish {
            // SAFETY: as in `settle`.
            unsafe { (header.vtable.drop_output)(self.0, outcome & ENCODED != 0) };
            finish = header.state.finish(outcome, false);
        }
        if let Finish::Waiters = finish {
            // SAFETY: as in `settle`.
            unsafe {
                self.fire(outcome_of(outcome));
                self.release();
            }
        }
        // SAFETY: the stage is no longer the claimer's, this is called once, and then the reference
        // from above goes.
        unsafe {
            if let Some(settled) = header.vtable.settled {
                settled(self.0);
            }
            self.release();
        }
    }

    /// Cancels the task if nobody has claimed it. True if this call did. The caller's reference stays.
    pub(crate) fn cancel(self) -> bool {
        // Twice: the backend may take it back from its worker, without knowing of this call.
        for _ in 0..2 {
            if let Some(cancelled) = self.try_cancel(false) {
                return cancelled;
            }
            match remote::of(self.home()).map(|remote| remote.revoke(JobKey::of(self))) {
                Some(Revoked::Cancelled) => return true,
                Some(Revoked::Started) => return false,
                Some(Revoked::NotHere) | None => {}
            }
        }
        // Neither here nor there: it is being settled.
        false
    }

    /// Cancels the task; `None` if it is in a worker's hands, and `by_owner` does not say that the
    /// backend has taken it back.
    pub(crate) fn try_cancel(self, by_owner: bool) -> Option<bool> {
        let header = self.header();
        let drops_task = match header.state.cancel(by_owner) {
            Cancel::Handed => return None,
            Cancel::Lost => return Some(false),
            Cancel::Won => true,
            Cancel::WonBorrowed => false,
        };
        if drops_task {
            // SAFETY: this call claimed the task, which is still in the stage.
            unsafe { self.drop_cancelled_task() };
        }
        if header.state.take_waiters() {
            // SAFETY: WAITER was set when this call set DONE.
            unsafe { self.fire(Outcome::Cancelled) };
        }
        Some(true)
    }

    /// # Safety
    ///
    /// The task is cancelled, is still in the stage, and the caller is the one to drop it.
    unsafe fn drop_cancelled_task(self) {
        let vtable = self.header().vtable;
        // SAFETY: passed on from the caller; `settled` is called here and, since a cancelled task is
        // never settled otherwise, nowhere else.
        unsafe {
            (vtable.drop_task)(self.0);
            if let Some(settled) = vtable.settled {
                settled(self.0);
            }
        }
    }

    /// Encodes the task onto the end of `buffer`, while others may cancel it. `None` if the task is
    /// claimed or cancelled.
    ///
    /// # Safety
    ///
    /// The caller owns the job's reference, and no other call of this runs. `portable` is the cell's.
    pub(crate) unsafe fn encode(
        self,
        portable: &Portable,
        buffer: &mut Vec<u8>,
        shelf: Option<&'static dyn Shelf>,
    ) -> Option<Result<(), TaskError>> {
        if !self.header().state.borrow() {
            return None;
        }
        let result = panic::catch(|| {
            encode_with(shelf, buffer, |buffer| {
                // SAFETY: under BORROWED the task stays in the stage, and nobody changes it.
                unsafe { (portable.encode)(self.0, buffer) }
            })
        });
        if self.header().state.unborrow() {
            // SAFETY: the canceller has left the task to us.
            unsafe { self.drop_cancelled_task() };
            return None;
        }
        Some(result.and_then(|result| result.map_err(TaskError::from)))
    }
}

pub(super) fn outcome_of(bits: u32) -> Outcome {
    if bits & FAILED == 0 {
        Outcome::Succeeded
    } else {
        Outcome::Failed
    }
}
