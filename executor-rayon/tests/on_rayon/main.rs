//! What jobs, waits and ends are like on threads that belong to rayon. The laws of all executors are in the
//! conformance suite; here is what only rayon can bring about.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests: an unwrap that fails is what they look for"
)]

mod ends;
mod figures;
mod foreign;
mod holders;
mod joins;
mod nested;
mod panics;
mod refusals;
mod states;
mod support;
mod turns;
