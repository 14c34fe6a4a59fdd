//! What jobs, waits and ends are like on threads that belong to rayon. The laws of all executors are in the
//! conformance suite; here is what only rayon can bring about.

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
