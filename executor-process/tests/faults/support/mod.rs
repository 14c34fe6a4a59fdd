//! What the trials of faults share: the watchdog, files as latches, what `/proc` knows, tasks.

pub(crate) mod guard;
pub(crate) mod latch;
pub(crate) mod procfs;
pub(crate) mod tasks;
