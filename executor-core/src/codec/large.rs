//! Memory for large values that are decoded.
//!
//! New memory costs more than the copy that fills it: the kernel hands it out by pages of 4 KiB, one fault each. A backend
//! that knows how to ask for larger pages says so here.

use std::{mem::MaybeUninit, sync::OnceLock};

/// Buffers of this length and more are shown to the backend before they are filled.
pub const LARGE_BUFFER: usize = 4 << 20;

/// Prepares memory that is about to be written.
pub type PrepareBuffer = fn(&mut [MaybeUninit<u8>]);

static PREPARE: OnceLock<PrepareBuffer> = OnceLock::new();

/// Has `prepare` called, in this process from now on, with the memory of each byte string of [`LARGE_BUFFER`] bytes or
/// more that is decoded, before it is written. The first caller decides; later ones change nothing.
pub fn prepare_large_buffers(prepare: PrepareBuffer) {
    // Every backend that has such a function has the same one.
    let _first = PREPARE.set(prepare);
}

/// A copy of `bytes`.
pub(super) fn copy(bytes: &[u8]) -> Vec<u8> {
    let mut copy = Vec::with_capacity(bytes.len());
    if bytes.len() >= LARGE_BUFFER
        && let Some(prepare) = PREPARE.get()
    {
        prepare(copy.spare_capacity_mut());
    }
    copy.extend_from_slice(bytes);
    copy
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{LARGE_BUFFER, copy, prepare_large_buffers};

    #[test]
    fn only_large_buffers_are_prepared_and_all_are_filled() {
        static PREPARED: AtomicUsize = AtomicUsize::new(0);
        prepare_large_buffers(|memory| {
            PREPARED.fetch_add(memory.len(), Ordering::Relaxed);
            memory.fill(std::mem::MaybeUninit::new(7));
        });
        let bytes: Vec<u8> = (0..LARGE_BUFFER).map(|x| x as u8).collect();
        assert_eq!(copy(&bytes[1..]), &bytes[1..]);
        assert_eq!(PREPARED.load(Ordering::Relaxed), 0);
        assert_eq!(copy(&bytes), bytes);
        assert!(PREPARED.load(Ordering::Relaxed) >= LARGE_BUFFER);
    }
}
