//! What the benchmarks of the other pools have too.

#[path = "../../../executor-threads/benches/workloads/allocator.rs"]
pub(crate) mod allocator;
#[path = "../../../executor-rayon/benches/common/clock.rs"]
pub(crate) mod clock;
#[expect(dead_code, reason = "only the shuffling of the rounds needs it here")]
#[path = "../../../executor-threads/benches/common/random.rs"]
pub(crate) mod random;
#[path = "../../../executor-rayon/benches/common/sleeps.rs"]
pub(crate) mod sleeps;
