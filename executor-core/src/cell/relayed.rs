//! The cell of a [`Call`], which is encoded already: its bytes pass through.
//!
//! What comes back is kept as it is, and is not encoded itself, whatever the state says.

use std::{mem::ManuallyDrop, ptr::NonNull};

use super::{
    CellOptions, CellRef, Header, Submission,
    state::FAILED,
    vtable::{Portable, TaskCell, VTable},
};
use crate::{
    Call, Reply, TaskError, TaskOptions,
    codec::{CodecError, Encoded, append},
    panic,
};

impl Submission<Call> {
    /// A submission of a call, for any executor.
    pub(crate) fn relayed(call: Call, options: TaskOptions) -> Self {
        let vtable = match call.is_chunk() {
            false => &TaskCell::<Call, ()>::RELAYED,
            true => &TaskCell::<Call, ()>::RELAYED_CHUNK,
        };
        let options = CellOptions::named(options, call.name());
        // SAFETY: a new cell, whose task is a `Call`.
        unsafe { Self::of_cell(CellRef::with_vtable(call, (), options, vtable)) }
    }
}

impl TaskCell<Call, ()> {
    const RELAYED: VTable = VTable {
        run: Self::run_relayed,
        drop_output: Self::drop_reply,
        portable: Some(&Portable {
            // The options have the name.
            name: "",
            encode: Self::pass_on,
            store: Self::store_reply,
            interrupt: None,
        }),
        ..Self::LOCAL
    };

    const RELAYED_CHUNK: VTable = VTable {
        portable: Some(&Portable {
            name: "",
            encode: Self::pass_on,
            store: Self::store_reply,
            interrupt: Some(Self::interrupt_relayed),
        }),
        ..Self::RELAYED
    };

    /// # Safety
    ///
    /// The stage is the caller's and holds the call; it holds the reply afterwards.
    unsafe fn run_relayed(header: NonNull<Header>) -> u32 {
        // SAFETY: the caller owns the stage.
        unsafe { Self::cell(header) }
            .stage()
            .with_mut(|stage| unsafe {
                let call = ManuallyDrop::take(&mut (*stage).task);
                let reply = panic::catch(|| call.answer()).and_then(|reply| reply);
                let outcome = if reply.is_ok() { 0 } else { FAILED };
                (*stage).output = ManuallyDrop::new(reply);
                outcome
            })
    }

    /// # Safety
    ///
    /// The stage holds the call, and nobody changes it.
    unsafe fn pass_on(header: NonNull<Header>, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
        // SAFETY: the call is only read.
        unsafe { Self::cell(header) }.stage().with(|stage| {
            // SAFETY: as above.
            let call: &Call = unsafe { &*(&raw const (*stage).task).cast() };
            append(buffer, &call.body);
        });
        Ok(())
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds the call; it holds the reply afterwards.
    unsafe fn store_reply(header: NonNull<Header>, output: Encoded) {
        // SAFETY: passed on from the caller.
        unsafe { Self::replace(header, Reply::Output(output)) };
    }

    /// # Safety
    ///
    /// As for `store_reply`.
    unsafe fn interrupt_relayed(header: NonNull<Header>, partial: Vec<u8>, error: TaskError) {
        // SAFETY: passed on from the caller.
        unsafe { Self::replace(header, Reply::Interrupted { partial, error }) };
    }

    /// # Safety
    ///
    /// As for `store_reply`.
    unsafe fn replace(header: NonNull<Header>, reply: Reply) {
        // SAFETY: the caller owns the stage, which holds the call.
        unsafe { Self::cell(header) }
            .stage()
            .with_mut(|stage| unsafe {
                ManuallyDrop::drop(&mut (*stage).task);
                (*stage).output = ManuallyDrop::new(Ok(reply));
            });
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds the reply; it is empty afterwards.
    unsafe fn drop_reply(header: NonNull<Header>, _encoded: bool) {
        // SAFETY: passed on from the caller.
        unsafe { Self::drop_output(header, false) };
    }
}
