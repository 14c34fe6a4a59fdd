//! Tasks on many machines, over a NATS server: submitters, workers, and the status of both.
//!
//! The [guide] says how to run servers and workers, with which rights, and what survives what.

pub use executor_nats::*;
