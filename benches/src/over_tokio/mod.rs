//! The list of workloads, with their goals.

mod costs;
mod flows;
mod peers;
mod places;

use self::places::{Current, Inside, Outside};
use crate::{
    harness::workload::{Goal, Rival, Unit, Workload},
    over_tokio::peers::{
        Blocking, OursSpawn, OursSpawnFuture, OursSubmit, OursSubmitAsync, Spawn, Subject as _,
    },
};

const NANOSECONDS: Unit = Unit::new(1.0, 1, " ns");
const MICROSECONDS: Unit = Unit::new(1e3, 2, " us");
const BYTES: Unit = Unit::count(1, " B");
const TIMES: Unit = Unit::count(3, "");

/// A function that adds our calls and tokio's own to a workload.
macro_rules! calls {
    ($module:ident::$measure:ident $(, $more:tt)*) => {
        |workload: Workload| {
            workload
                .contender(OursSpawn::NAME, $module::$measure::<OursSpawn $(, $more)*>)
                .contender(OursSubmit::NAME, $module::$measure::<OursSubmit $(, $more)*>)
                .contender(Blocking::NAME, $module::$measure::<Blocking $(, $more)*>)
        }
    };
}

/// A function that adds our futures and tokio's own to a workload.
macro_rules! futures {
    ($module:ident::$measure:ident $(, $more:tt)*) => {
        |workload: Workload| {
            workload
                .contender(OursSpawnFuture::NAME, $module::$measure::<OursSpawnFuture $(, $more)*>)
                .contender(OursSubmitAsync::NAME, $module::$measure::<OursSubmitAsync $(, $more)*>)
                .contender(Spawn::NAME, $module::$measure::<Spawn $(, $more)*>)
        }
    };
}

#[rustfmt::skip] // a table
pub(crate) fn all() -> Vec<Workload> {
    use self::{Goal::{AtMost, Times}, Rival::Named};
    let calls = Times(1.1, Named(Blocking::NAME));
    let futures = Times(1.15, Named(Spawn::NAME));
    // Less than 2 percent more: a queue grows now and then.
    let one_more = AtMost(1.02);
    vec![
        Workload::new("k1-call", "one call, submitted and awaited in block_on", MICROSECONDS)
            .whole()
            .goal(calls)
            .contend(calls!(flows::one_by_one, Outside)),
        Workload::new("k1-idle", "the same after 1 ms of idleness", MICROSECONDS)
            .contend(calls!(flows::idle, Outside)),
        Workload::new("k2-100", "windows of 100 calls submitted, then all awaited; per call", NANOSECONDS)
            .whole()
            .goal(calls)
            .contend(calls!(flows::windows, Outside, 100)),
        Workload::new("k2-1000", "windows of 1000 calls submitted, then all awaited; per call", NANOSECONDS)
            .whole()
            .goal(calls)
            .contend(calls!(flows::windows, Outside, 1000)),
        Workload::new("k3-outside", "one future, submitted and awaited in block_on, 2 workers", NANOSECONDS)
            .whole()
            .goal(futures)
            .contend(futures!(flows::one_by_one, Outside)),
        Workload::new("k3-inside", "one future, submitted and awaited in a task, 2 workers", NANOSECONDS)
            .whole()
            .goal(futures)
            .contend(futures!(flows::one_by_one, Inside)),
        Workload::new("k3-current", "one future, submitted and awaited, current-thread runtime", NANOSECONDS)
            .whole()
            .goal(futures)
            .contend(futures!(flows::one_by_one, Current)),
        Workload::new("k4-outside-100", "windows of 100 futures, in block_on, 2 workers; per future", NANOSECONDS)
            .whole()
            .goal(futures)
            .contend(futures!(flows::windows, Outside, 100)),
        Workload::new("k4-outside-1000", "windows of 1000 futures, in block_on, 2 workers; per future", NANOSECONDS)
            .whole()
            .goal(futures)
            .contend(futures!(flows::windows, Outside, 1000)),
        Workload::new("k4-inside-100", "windows of 100 futures, in a task, 2 workers; per future", NANOSECONDS)
            .whole()
            .goal(futures)
            .contend(futures!(flows::windows, Inside, 100)),
        Workload::new("k4-inside-1000", "windows of 1000 futures, in a task, 2 workers; per future", NANOSECONDS)
            .whole()
            .goal(futures)
            .contend(futures!(flows::windows, Inside, 1000)),
        Workload::new("k4-current-100", "windows of 100 futures, current-thread runtime; per future", NANOSECONDS)
            .whole()
            .goal(futures)
            .contend(futures!(flows::windows, Current, 100)),
        Workload::new("k4-current-1000", "windows of 1000 futures, current-thread runtime; per future", NANOSECONDS)
            .whole()
            .goal(futures)
            .contend(futures!(flows::windows, Current, 1000)),
        Workload::new("k5-calls", "allocations for each call", TIMES)
            .contend(calls!(costs::allocations)),
        Workload::new("k5-calls-extra", "allocations for each call beyond those of spawn_blocking", TIMES)
            .goal(one_more)
            .contender(OursSpawn::NAME, costs::extra_allocations::<OursSpawn, Blocking>)
            .contender(OursSubmit::NAME, costs::extra_allocations::<OursSubmit, Blocking>),
        Workload::new("k5-futures", "allocations for each future", TIMES)
            .contend(futures!(costs::allocations)),
        Workload::new("k5-futures-extra", "allocations for each future beyond those of tokio::spawn", TIMES)
            .goal(one_more)
            .contender(OursSpawnFuture::NAME, costs::extra_allocations::<OursSpawnFuture, Spawn>)
            .contender(OursSubmitAsync::NAME, costs::extra_allocations::<OursSubmitAsync, Spawn>),
        Workload::new("k5-calls-bytes", "memory for each of 1000 outstanding calls", BYTES)
            .contend(calls!(costs::bytes)),
        Workload::new("k5-futures-bytes", "memory for each of 1000 outstanding futures", BYTES)
            .contend(futures!(costs::bytes)),
        Workload::new("k5-calls-switches", "voluntary context switches for each call, one at a time", TIMES)
            .contend(calls!(costs::sleeps_one_by_one, Outside)),
        Workload::new("k5-window-switches", "voluntary context switches for each call in windows of 1000", TIMES)
            .contend(calls!(costs::sleeps_of_windows, Outside, 1000)),
        Workload::new("k5-futures-switches", "voluntary context switches for each future, one at a time in block_on", TIMES)
            .contend(futures!(costs::sleeps_one_by_one, Outside)),
    ]
}
