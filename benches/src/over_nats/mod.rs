//! The list of workloads, with their goals: one worker of 64 slots, in a process of its own.

mod flows;
pub(crate) mod programs;
pub(crate) mod server;

use crate::harness::workload::{Goal, Unit, Workload};

const MICROSECONDS: Unit = Unit::new(1e3, 1, " us");
const TIMES: Unit = Unit::new(1.0, 2, " x");
const RATE: Unit = Unit::rate();

/// How the worker runs its tasks, as its command line has it.
const THREADS: &str = "threads";
const PROCESS: &str = "process";

#[rustfmt::skip] // a table
pub(crate) fn all() -> Vec<Workload> {
    use self::Goal::{AtLeast, AtMost};
    let all = vec![
        Workload::new("n1", "one task, submitted and waited for, and a bare request and reply of 8 bytes, in turns", MICROSECONDS)
            .contender("ours, threads", |scale| flows::turns(THREADS, scale).task)
            .contender("ours, process", |scale| flows::turns(PROCESS, scale).task)
            .limit("bare request", |scale| flows::turns(THREADS, scale).request),
        Workload::new("n1-ratio", "the same: the task's time over that of the request in its turn", TIMES)
            .goal(AtMost(5.0))
            .contender("ours, threads", |scale| flows::turns(THREADS, scale).ratio())
            .contender("ours, process", |scale| flows::turns(PROCESS, scale).ratio()),
        Workload::new("n2", "10,000 no-op tasks at once, then all results taken", RATE)
            .whole()
            .goal(AtLeast(25e3))
            .contender("ours, threads", |scale| flows::burst(THREADS, scale))
            .contender("ours, process", |scale| flows::burst(PROCESS, scale))
            .limit("bare requests", flows::burst_of_requests),
        Workload::new("n3", "map of 1,000,000 no-op items", RATE)
            .whole()
            .goal(AtLeast(500e3))
            .contender("ours, threads", |scale| flows::map(THREADS, scale))
            .contender("ours, process", |scale| flows::map(PROCESS, scale)),
    ];
    match server::lack() {
        Some(reason) => all.into_iter().map(|it| it.left_out(reason)).collect(),
        None => all,
    }
}
