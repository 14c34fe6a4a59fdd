//! What the benchmarks of the other pools have too.

#[path = "../../../executor-threads/benches/common/random.rs"]
pub(crate) mod random;
