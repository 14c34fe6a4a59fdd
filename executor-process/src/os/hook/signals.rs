//! What std sets up on its way to `main`.

use std::ffi::c_int;

/// The same number on every unix that there is.
const SIGPIPE: c_int = 13;
const SIG_IGN: usize = 1;
const SIG_ERR: usize = usize::MAX;

unsafe extern "C" {
    /// Of the C library, which std links. The handler is an address, or one of the numbers above.
    fn signal(signal: c_int, handler: usize) -> usize;
}

/// Has a write to a closed pipe fail, and not end the process.
pub(super) fn ignore_broken_pipes() {
    // SAFETY: no handler is set, and no other thread runs this early.
    let before = unsafe { signal(SIGPIPE, SIG_IGN) };
    debug_assert_ne!(before, SIG_ERR, "every unix knows this signal");
}
