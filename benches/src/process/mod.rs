//! The list of workloads, with their goals.
//!
//! Three goals of the pool are no speeds, and tests hold them: a thousand crashes leave nothing behind (`tests/leaks.rs` of
//! `executor-process`), no worker outlives a killed parent (`tests/orphans.rs`), and a storm of crashes loses and doubles
//! nothing (`tests/faults`).

mod bytes;
pub(crate) mod calls;
mod ends;
mod load;
mod maps;
pub(crate) mod peers;
mod system;
pub(crate) mod work;

use crate::{
    harness::workload::{Goal, Rival, Unit, Workload},
    process::peers::{Subject, each_subject, python},
    process::work::Noop,
};

const NANOSECONDS: Unit = Unit::new(1.0, 1, " ns");
const MICROSECONDS: Unit = Unit::new(1e3, 2, " us");
const MILLISECONDS: Unit = Unit::new(1e6, 3, " ms");
const IDEAL: Unit = Unit::fraction();
const TIMES: Unit = Unit::count(3, "");

const MIB: usize = 1 << 20;
const KIB: usize = 1 << 10;

/// A function that adds each subject to a workload.
macro_rules! contenders {
    (($module:ident::$measure:ident) $($subject:ty,)*) => {
        |workload: Workload| {
            workload$(.contender(<$subject as Subject>::NAME, $module::$measure::<$subject>))*
        }
    };
}

#[rustfmt::skip] // a table
pub(crate) fn all() -> Vec<Workload> {
    use self::{Goal::{AtLeast, AtMost, Times, Wish}, Rival::{BestInRust, Named}};
    let procspawn = Named("procspawn");
    let futures = Named(FUTURES);
    let pipe = Named("raw pipe");
    vec![
        Workload::new("p1", "one task, submitted and waited for, warm", MICROSECONDS)
            .goal(Times(3.0, pipe))
            .goal(Times(0.3, procspawn))
            .goal(Wish(12e3))
            .contend(each_subject!(contenders!(calls::warm)))
            .limit("raw pipe", calls::warm_raw)
            .contend(in_python),
        Workload::new("p1-idle", "the same after 1 ms of idleness", MICROSECONDS)
            .goal(Times(3.0, pipe))
            .goal(Times(0.3, procspawn))
            .goal(Wish(12e3))
            .contend(each_subject!(contenders!(calls::idle)))
            .limit("raw pipe", calls::idle_raw)
            .contend(in_python),
        Workload::new("p2", "100,000 no-op tasks submitted, then all results taken; per task", NANOSECONDS)
            .whole()
            .goal(AtMost(500.0))
            .goal(Times(1.0 / 50.0, futures))
            .goal(Times(1.0 / 50.0, procspawn))
            .goal(Wish(300.0))
            .contend(each_subject!(contenders!(calls::burst)))
            .contend(in_python),
        Workload::new("p3-even", "20,000 tasks of 20 us by the clock; fraction of the ideal", IDEAL)
            .goal(AtLeast(0.90))
            .contend(each_subject!(contenders!(load::even)))
            .limit("two threads, no queue", load::even_limit)
            .contend(in_python),
        Workload::new("p3-uneven", "20,000 tasks of 1 to 100 us by the clock, 50 us on average; fraction of the ideal", IDEAL)
            .goal(AtLeast(0.88))
            .contend(each_subject!(contenders!(load::uneven)))
            .limit("two threads, no queue", load::uneven_limit)
            .contend(in_python),
        Workload::new("p3-toil", "20,000 tasks of 1 to 100 us in iterations, most of them short: 6 us on average; fraction of the ideal", IDEAL)
            .whole()
            .contend(each_subject!(contenders!(load::toil)))
            .limit("two threads, no queue", load::toil_limit),
        Workload::new("p3-naps", "400 sleeps of 1 to 100 ms on 8 workers; fraction of the greedy bound", IDEAL)
            .goal(AtLeast(0.97))
            .contend(each_subject!(contenders!(load::naps)))
            .contend(in_python),
        Workload::new("p4-77ns", "map of 1,000,000 items of 77 ns; fraction of the ideal", IDEAL)
            .whole()
            .goal(AtLeast(0.85))
            .contender("ours", maps::churn)
            .contender("procspawn, chunked by hand", maps::churn_by_procspawn)
            .limit("two threads, no queue", maps::churn_limit),
        Workload::new("p4-10us", "map of 20,000 items of 10 us by the clock; fraction of the ideal", IDEAL)
            .whole()
            .goal(AtLeast(0.95))
            .contender("ours", maps::spin)
            .contender("procspawn, chunked by hand", maps::spin_by_procspawn)
            .limit("two threads, no queue", maps::spin_limit)
            .contend(in_python),
        Workload::new("p5", "map of 1,000,000 no-op items", MILLISECONDS)
            .whole()
            .goal(Times(1.0 / 30.0, futures))
            .goal(Times(1.0, BestInRust))
            .goal(Wish(8e6))
            .contender("ours", maps::noop)
            .contender("procspawn, chunked by hand", maps::noop_by_procspawn)
            .contend(in_python),
        bytes::workload("p6-64B", "64 bytes there and back", MICROSECONDS, 64),
        bytes::workload("p6-1KiB", "1 KiB there and back", MICROSECONDS, KIB),
        bytes::workload("p6-64KiB", "64 KiB there and back", MICROSECONDS, 64 * KIB),
        bytes::workload("p6-1MiB", "1 MiB there and back", MICROSECONDS, MIB)
            .goal(Times(0.4, procspawn))
            // five times its bandwidth
            .goal(Times(0.2, pipe))
            .goal(Wish(0.15e6))
            .contend(in_python),
        bytes::workload("p6-64MiB", "64 MiB there and back", MILLISECONDS, 64 * MIB)
            .goal(Times(0.25, procspawn))
            .goal(Times(0.2, pipe))
            .goal(Wish(25e6))
            .contend(in_python),
        Workload::new("p7", "pool of 2 built, until its first result", MILLISECONDS)
            .goal(Times(2.0, Named("Command, first byte")))
            .goal(Times(0.7, procspawn))
            .goal(Wish(1.2e6))
            .contend(each_subject!(contenders!(ends::start)))
            .limit("Command, first byte", ends::start_raw)
            .contend(in_python),
        Workload::new("p8-fails", "worker killed, until its future fails", MICROSECONDS)
            .goal(AtMost(1e6))
            .contend(each_subject!(contenders!(ends::fails)))
            .contend(killed_in_python),
        Workload::new("p8-replaced", "the only worker killed, until the next result", MILLISECONDS)
            .goal(AtMost(3e6))
            .goal(Wish(1.5e6))
            .contend(each_subject!(contenders!(ends::replaced)))
            .contend(killed_in_python),
        Workload::new("p9-burst", "voluntary context switches of all processes for each task of a burst", TIMES)
            .contend(each_subject!(contenders!(system::switches_in_burst)))
            .contend(in_python),
        Workload::new("p9-call", "voluntary context switches of all processes for each call", TIMES)
            .contend(each_subject!(contenders!(system::switches_in_calls)))
            .limit("raw pipe", system::switches_in_calls_raw)
            .contend(in_python),
        Workload::new("p9-burst-io", "reads and writes of all processes for each task of a burst", TIMES)
            .contender("ours", system::transfers_in_burst),
        Workload::new("p9-call-io", "reads and writes of all processes for each call", TIMES)
            .contender("ours", system::transfers_in_calls)
            .limit("raw pipe", system::transfers_in_calls_raw),
    ]
}

const FUTURES: &str = "CPython ProcessPoolExecutor";

fn in_python(workload: Workload) -> Workload {
    workload
        .program(FUTURES, python::futures)
        .program(
            "CPython ProcessPoolExecutor, spawn",
            python::futures_spawned,
        )
        .program("CPython multiprocessing", python::multiprocessing)
        .program("loky", python::loky)
        .program("pebble", python::pebble)
}

/// Those that notice.
fn killed_in_python(workload: Workload) -> Workload {
    workload
        .program(FUTURES, python::futures)
        .program(
            "CPython ProcessPoolExecutor, spawn",
            python::futures_spawned,
        )
        .program("loky", python::loky)
        .program("pebble", python::pebble)
}

/// A pool that has all its processes, and has run a few tasks.
fn started<S: Subject>(workers: usize) -> S {
    let pool = S::start(workers);
    burst(&pool, 1000);
    pool
}

/// Submits so many tasks, takes all results, and checks them.
fn burst<S: Subject>(pool: &S, tasks: u64) {
    let mut sum = 0;
    pool.call_all::<Noop>(0..tasks, |x| sum += x);
    assert_eq!(sum, tasks * (tasks - 1) / 2, "{} lost a result", S::NAME);
}

/// Submits so many tasks, and waits for each before the next.
fn calls<S: Subject>(pool: &S, calls: u64) {
    for i in 0..calls {
        assert_eq!(pool.call::<Noop>(i), i, "{} mixed up results", S::NAME);
    }
}
