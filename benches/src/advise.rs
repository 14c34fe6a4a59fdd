//! Measures your own tasks on every backend.
/// x
pub fn advise() {}
