//! Taking times.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long `f` takes.
pub(crate) fn nanoseconds(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_nanos() as f64
}

/// The median of so many samples.
pub(crate) fn median(samples: u64, mut sample: impl FnMut() -> f64) -> f64 {
    middle((0..samples).map(|_| sample()).collect())
}

/// The median of these.
pub(crate) fn middle(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Does nothing for this long, which is what is measured.
pub(crate) fn pause(duration: Duration) {
    let end = Instant::now() + duration;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        // Nobody unparks this thread for good; a stale wake-up only starts the loop again.
        thread::park_timeout(left);
    }
}
