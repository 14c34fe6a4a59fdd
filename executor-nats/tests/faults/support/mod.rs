//! What all fault trials share.

pub(crate) mod cluster;
pub(crate) mod guard;
/// Those of the trials of worker processes: files, which any process can see.
#[expect(dead_code, reason = "nobody here asks who opened a gate")]
#[path = "../../../../executor-process/tests/faults/support/latch.rs"]
pub(crate) mod latch;
pub(crate) mod line;
pub(crate) mod pair;
pub(crate) mod raw;
pub(crate) mod roles;
pub(crate) mod tasks;
