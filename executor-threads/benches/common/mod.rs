//! What is measured: the workloads, each written once over [`Subject`](crate::peers::Subject), and
//! the work that their tasks do. How it is measured is a matter of the two benchmarks.

pub(crate) mod flows;
pub(crate) mod forks;
pub(crate) mod maps;
pub(crate) mod random;
pub(crate) mod tally;
pub(crate) mod uneven;
