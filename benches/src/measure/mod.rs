//! What measurements are made of: clocks, counters, and work of a known length.

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
pub(crate) mod allocator;
pub(crate) mod clock;
pub(crate) mod maps;
pub(crate) mod random;
pub(crate) mod switches;
pub(crate) mod tally;
pub(crate) mod toil;
