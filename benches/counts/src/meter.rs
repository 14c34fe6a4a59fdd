//! What callgrind counts.

use std::hint::black_box;

/// Whether this run of a path counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meter {
    Rehearsal,
    Measurement,
}

impl Meter {
    /// Calls `f`, and has its instructions counted if this run counts.
    pub(crate) fn count<R>(self, f: impl FnOnce() -> R) -> R {
        match self {
            Self::Rehearsal => rehearsed(f),
            Self::Measurement => measured(f),
        }
    }
}

/// Callgrind begins to count when this is entered, and ends when it is left: xtask names it. Nothing else has
/// `measured` in its name.
#[inline(never)]
fn measured<R>(f: impl FnOnce() -> R) -> R {
    // What is done with the result keeps this a frame of its own, which is left by returning.
    black_box(f())
}

/// A function of its own: if it were the same code, the compiler could make one of the two.
#[inline(never)]
fn rehearsed<R>(f: impl FnOnce() -> R) -> R {
    black_box("rehearsal");
    black_box(f())
}
