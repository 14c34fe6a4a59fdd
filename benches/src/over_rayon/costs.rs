//! What a task costs beside time.

use executor_rayon::RayonExecutor;

use super::{
    WINDOW,
    calls::{round_trip, submit_then_take},
    started,
};
use crate::{
    harness::Scale,
    measure::switches::sleeps,
    threads::{
        costs,
        peers::{Rayon, Subject},
    },
};

/// Allocations for each task.
pub(super) fn allocations<S: Subject>(scale: Scale) -> f64 {
    costs::allocations(&started::<S>(), scale.of(100_000))
}

/// How many more ours are.
pub(super) fn extra_allocations(scale: Scale) -> f64 {
    allocations::<RayonExecutor>(scale) - allocations::<Rayon>(scale)
}

/// Bytes for each task that waits.
pub(super) fn bytes<S: Subject>(scale: Scale) -> f64 {
    costs::bytes(&started::<S>(), scale.of(100_000))
}

/// How often a thread goes to sleep, for each task that is waited for.
pub(super) fn sleeps_of_calls<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    let calls = scale.of(5000);
    let run = || (0..calls).for_each(|x| round_trip(&pool, x, |x| x));
    sleeps(run) / calls as f64
}

/// The same for tasks whose results are taken once all are submitted.
pub(super) fn sleeps_of_windows<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    let windows = scale.of(50);
    let run = || (0..windows).for_each(|_| submit_then_take(&pool, WINDOW, |x| x));
    sleeps(run) / (windows * WINDOW) as f64
}
