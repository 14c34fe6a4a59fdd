//! What calls, futures, waits and ends are like on a runtime that belongs to somebody else. The laws of all executors
//! are in the conformance suite; here is what only tokio can bring about.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests: an unwrap that fails is what they look for"
)]

mod ends;
mod gone;
mod inside;
mod polls;
mod refusals;
mod room;
mod stops;
mod support;
mod waits;
