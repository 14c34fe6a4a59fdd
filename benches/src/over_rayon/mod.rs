//! The list of workloads, with their goals.

mod calls;
mod costs;
mod forks;
mod maps;
mod ours;

use crate::{
    harness::workers,
    harness::workload::{Goal, Rival, Unit, Workload},
    threads::peers::{Rayon, Subject},
};
use executor_rayon::RayonExecutor;

/// Tasks that are submitted before the first of their results is taken.
const WINDOW: u64 = 1000;

const NANOSECONDS: Unit = Unit::new(1.0, 1, " ns");
const MICROSECONDS: Unit = Unit::new(1e3, 2, " us");
const MILLISECONDS: Unit = Unit::new(1e6, 2, " ms");
const BYTES: Unit = Unit::count(1, " B");
const TIMES: Unit = Unit::count(3, "");

/// A function that adds ours and bare rayon to a workload.
macro_rules! both {
    ($module:ident::$measure:ident) => {
        |workload: Workload| {
            workload
                .contender(RayonExecutor::NAME, $module::$measure::<RayonExecutor>)
                .contender(Rayon::NAME, $module::$measure::<Rayon>)
        }
    };
}

#[rustfmt::skip] // a table
pub(crate) fn all() -> Vec<Workload> {
    use self::{Goal::{AtMost, Times}, Rival::Named};
    let spawn = Named(Rayon::NAME);
    let join = Named("rayon::join");
    vec![
        Workload::new("r1-noop", "one no-op task, submitted and waited for, warm", MICROSECONDS)
            .whole()
            .goal(Times(0.7, spawn))
            .contend(both!(calls::noop)),
        Workload::new("r1-1us", "the same with 1 us of work", MICROSECONDS)
            .whole()
            .goal(Times(0.7, spawn))
            .contend(both!(calls::microsecond)),
        Workload::new("r1-idle", "one no-op task after 1 ms of idleness", MICROSECONDS)
            .contend(both!(calls::idle)),
        Workload::new("r2-noop", "windows of 1000 no-op tasks submitted, then all results taken; per task", NANOSECONDS)
            .whole()
            .goal(Times(0.7, spawn))
            .contend(both!(calls::window_of_noops)),
        Workload::new("r2-1us", "the same with 1 us of work each", NANOSECONDS)
            .whole()
            .goal(Times(0.7, spawn))
            .contend(both!(calls::window_of_microseconds)),
        Workload::new("r3", "fib(27) by submission and result; per fork", NANOSECONDS)
            .whole()
            .goal(Times(10.0, join))
            .contender("ours spawn", forks::by_spawn)
            .contender("ours submit", forks::by_submit)
            .contender("rayon::join", forks::by_rayon_join)
            .contender("rayon::scope", forks::by_rayon_scope)
            .contender("rayon + oneshot, yielding", forks::by_yielding),
        Workload::new("r4", "fib(27) by join; per fork", NANOSECONDS)
            .whole()
            .goal(Times(10.0, join))
            .contender("ours join", forks::by_join)
            .contender("rayon::join", forks::by_rayon_join),
        Workload::new("r5", "map of 1,000,000 SHA-256 digests of 64 bytes, in order", MILLISECONDS)
            .whole()
            .goal(Times(1.2, Named("rayon par_iter")))
            .contender("ours map", maps::by_tasks)
            .contender("ours map_fn", maps::by_closure)
            .contender("rayon par_iter", maps::by_rayon)
            .limit("std scoped threads", maps::by_scoped_threads),
        Workload::new("r6-allocations", "allocations for each task", TIMES)
            .contend(both!(costs::allocations)),
        // Less than 2 percent more: a block of a queue serves 63 tasks.
        Workload::new("r6-extra", "allocations for each task beyond those of rayon + oneshot", TIMES)
            .goal(AtMost(1.02))
            .contender("ours", costs::extra_allocations),
        Workload::new("r6-bytes", "memory for each of 100,000 outstanding tasks", BYTES)
            .contend(both!(costs::bytes)),
        Workload::new("r6-call", "voluntary context switches for each task that is waited for", TIMES)
            .contend(both!(costs::sleeps_of_calls)),
        Workload::new("r6-window", "voluntary context switches for each task of a window", TIMES)
            .contend(both!(costs::sleeps_of_windows)),
    ]
}

/// A pool that has all its threads, and has run a few tasks.
fn started<S: Subject>() -> S {
    let pool = S::start(workers());
    (0..10).for_each(|_| calls::submit_then_take(&pool, WINDOW, |x| x));
    pool
}
