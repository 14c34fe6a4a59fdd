//! What the benchmarks of the other pools have too, and what those of tokio have from here.

#[path = "../../../executor-threads/benches/workloads/allocator.rs"]
pub(crate) mod allocator;
pub(crate) mod clock;
#[expect(dead_code, reason = "only the shuffling of the rounds needs it here")]
#[path = "../../../executor-threads/benches/common/random.rs"]
pub(crate) mod random;
pub(crate) mod sleeps;
pub(crate) mod toil;
