//! One task at a time, and very many at once.

use std::time::Duration;

use super::{burst as submit_then_take, calls, started};
use crate::harness::workers;
use crate::measure::clock::{median, nanoseconds};
use crate::{
    harness::Scale,
    measure::clock::pause,
    process::peers::{Subject, raw::Echo},
};

/// How long a pool is left alone before each call of `idle`.
const IDLENESS: Duration = Duration::from_millis(1);

/// The size of a message of the raw pipes: a little more than a small task needs.
const MESSAGE: usize = 64;

/// Submit and wait, warm: nanoseconds a task.
pub(super) fn warm<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>(workers());
    let tasks = scale.of(1000);
    let sample = median(scale.of(20), || {
        nanoseconds(|| calls(&pool, tasks)) / tasks as f64
    });
    pool.stop();
    sample
}

/// The same by a pipe for each direction: nanoseconds a message.
pub(super) fn warm_raw(scale: Scale) -> f64 {
    let mut echo = started_raw();
    let messages = scale.of(1000);
    let sample = median(scale.of(20), || {
        nanoseconds(|| (0..messages).for_each(|_| echo.round_trip())) / messages as f64
    });
    echo.stop();
    sample
}

/// Submit and wait, after a millisecond without work: nanoseconds.
pub(super) fn idle<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>(workers());
    let sample = median(scale.of(500), || {
        pause(IDLENESS);
        nanoseconds(|| calls(&pool, 1))
    });
    pool.stop();
    sample
}

/// The same by a pipe for each direction: nanoseconds.
pub(super) fn idle_raw(scale: Scale) -> f64 {
    let mut echo = started_raw();
    let sample = median(scale.of(500), || {
        pause(IDLENESS);
        nanoseconds(|| echo.round_trip())
    });
    echo.stop();
    sample
}

/// Submit all, take all: nanoseconds a task. Whoever can have but so many tasks outstanding needs no
/// more to show what one takes.
pub(super) fn burst<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>(workers());
    let tasks = scale.of(if S::WINDOW < 100_000 { 20_000 } else { 100_000 });
    let sample = nanoseconds(|| submit_then_take(&pool, tasks)) / tasks as f64;
    pool.stop();
    sample
}

pub(crate) fn started_raw() -> Echo {
    let mut echo = Echo::start(MESSAGE);
    (0..1000).for_each(|_| echo.round_trip());
    echo
}
