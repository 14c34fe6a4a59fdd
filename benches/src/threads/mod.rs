//! The list of workloads, with their goals.

pub(crate) mod costs;
mod flows;
pub(crate) mod forks;
mod java;
mod maps;
mod measure;
pub(crate) mod peers;

use executor_threads::ThreadPoolExecutor;

use crate::{
    harness::workload::{Chart, Goal, Rival, Unit, Workload},
    threads::peers::{Subject, each_subject},
};

const NANOSECONDS: Unit = Unit::new(1.0, 1, " ns");
const MICROSECONDS: Unit = Unit::new(1e3, 1, " us");
const MILLISECONDS: Unit = Unit::new(1e6, 2, " ms");
const IDEAL: Unit = Unit::fraction();
const BYTES: Unit = Unit::count(1, " B");
const ALLOCATIONS: Unit = Unit::count(3, "");
const SWITCHES: Unit = Unit::count(0, "");

/// A function that adds each subject to a workload.
macro_rules! contenders {
    (($measure:ident) $($subject:ty,)*) => {
        |workload: Workload| {
            workload$(.contender(<$subject as Subject>::NAME, measure::$measure::<$subject>))*
        }
    };
}

#[rustfmt::skip] // a table
pub(crate) fn all() -> Vec<Workload> {
    use self::{Goal::{AtLeast, AtMost, Times, Wish}, Rival::{Best, BestInRust, Named}};
    let rayon_join = Named("rayon::join");
    vec![
        Workload::new("t1", "submit and wait, warm", NANOSECONDS)
            .whole()
            .goal(Times(0.25, Named("crossbeam by hand")))
            .goal(Wish(500.0))
            .contend(each_subject!(contenders!(warm)))
            .contend(in_python)
            .program("Java ForkJoinPool", java::fork_join)
            .program("Java ThreadPoolExecutor", java::executor),
        Workload::new("t1i", "submit and wait after 1 ms of idleness", MICROSECONDS)
            .goal(Times(1.0, Best))
            .goal(Wish(45e3))
            .contend(each_subject!(contenders!(idle)))
            .contend(in_python)
            .program("Java ForkJoinPool", java::fork_join)
            .program("Java ThreadPoolExecutor", java::executor),
        Workload::new("t2", "1,000,000 no-op tasks submitted, then all results taken; per task", NANOSECONDS)
            .whole()
            .goal(Times(0.5, Named("rayon + oneshot")))
            .goal(Times(0.25, Named("tokio spawn_blocking")))
            .goal(Times(0.8, BestInRust))
            .goal(Times(1.0, Named("Java ForkJoinPool")))
            .goal(Wish(100.0))
            .contend(each_subject!(contenders!(batch)))
            .contend(in_python)
            .program("Java ForkJoinPool", java::fork_join)
            .program("Java ThreadPoolExecutor", java::executor),
        Workload::new("t3", "1,000,000 no-op tasks, fire and forget; per task", NANOSECONDS)
            .goal(Times(1.0, Named("Java ForkJoinPool")))
            .goal(Wish(60.0))
            .contend(each_subject!(contenders!(forgotten)))
            .program("Java ForkJoinPool", java::fork_join)
            .program("Java ThreadPoolExecutor", java::executor),
        clients(1),
        clients(2),
        clients(8),
        Workload::new("t4", "4 clients x 250,000 no-op tasks, all results taken; per task", NANOSECONDS)
            .goal(Times(0.9, BestInRust))
            .goal(Times(1.0, Named("Java ForkJoinPool")))
            .goal(Wish(85.0))
            .at(Chart::Clients, 4.0)
            .contend(each_subject!(contenders!(four_clients)))
            .program("Java ForkJoinPool", java::fork_join)
            .program("Java ThreadPoolExecutor", java::executor),
        Workload::new("t5a-join", "fib(27) by join, 2 workers; per fork", NANOSECONDS)
            .whole()
            .goal(Times(2.5, rayon_join))
            .goal(Times(1.0, Named("chili")))
            .goal(Wish(6.0))
            .contender("ours join", measure::join::<2>)
            .contender("rayon::join", measure::rayon_join::<2>)
            .contender("chili", measure::chili_join::<2>)
            .limit("one thread, no forks", measure::serial_fibonacci)
            .program("Java ForkJoinPool", java::fork_join),
        Workload::new("t5a-join-1", "fib(27) by join, 1 worker; per fork", NANOSECONDS)
            .whole()
            .goal(Times(2.5, rayon_join))
            .contender("ours join", measure::join::<1>)
            .contender("rayon::join", measure::rayon_join::<1>)
            .contender("chili", measure::chili_join::<1>)
            .limit("one thread, no forks", measure::serial_fibonacci),
        Workload::new("t5a-spawn", "fib(27) by spawn and result, 2 workers; per fork", NANOSECONDS)
            .whole()
            .goal(Times(12.0, rayon_join))
            .contender("ours spawn", measure::spawn::<2>)
            .contender("rayon::join", measure::rayon_join::<2>),
        Workload::new("t5a-spawn-1", "fib(27) by spawn and result, 1 worker; per fork", NANOSECONDS)
            .whole()
            .goal(Times(12.0, rayon_join))
            .contender("ours spawn", measure::spawn::<1>)
            .contender("rayon::join", measure::rayon_join::<1>),
        Workload::new("t5b", "tree of 200,000 nested spawns; per task", NANOSECONDS)
            .whole()
            .goal(Times(1.0, Named("rayon + oneshot")))
            .goal(Wish(30.0))
            .contend(each_subject!(contenders!(tree)))
            .program("Java ForkJoinPool", java::fork_join)
            .program("Java ThreadPoolExecutor", java::executor),
        Workload::new("t6", "map of 1,000,000 items of 14 ns, in order", MILLISECONDS)
            .whole()
            .goal(Times(1.6, Named("rayon par_iter")))
            .goal(Wish(8e6))
            .contender("ours map", measure::map_tasks)
            .contender("ours map_fn", measure::map_closure)
            .contender("rayon par_iter", measure::map_rayon)
            .limit("std scoped threads", measure::map_scoped)
            .contender("serial", measure::map_serial),
        Workload::new("t7", "20,000 uneven tasks of 1 to 100 us; fraction of the ideal", IDEAL)
            .whole()
            .goal(AtLeast(0.93))
            // 64 ms, where the ideal was 61.7
            .goal(Wish(0.964))
            .contend(each_subject!(contenders!(uneven)))
            .limit("two threads, no queue", measure::uneven_limit),
        Workload::new("t8", "pool built, one task, dropped", MICROSECONDS)
            .goal(Times(1.0, BestInRust))
            .goal(Wish(45e3))
            .contend(each_subject!(contenders!(short_life)))
            .program("Java ForkJoinPool", java::fork_join)
            .program("Java ThreadPoolExecutor", java::executor)
            .limit("a thread started and joined", measure::one_thread),
        Workload::new("mem-bytes", "memory for each of 1,000,000 outstanding tasks", BYTES)
            .goal(AtMost(160.0))
            .contend(each_subject!(contenders!(bytes))),
        // Less than 2 percent more than one: a block of the queue serves 63 tasks.
        Workload::new("mem-allocations", "allocations for each task", ALLOCATIONS)
            .goal(AtMost(1.02))
            .contend(each_subject!(contenders!(allocations))),
        Workload::new("idle", "context switches of the workers in 1 s of idleness", SWITCHES)
            .goal(AtMost(0.0))
            .contend(each_subject!(contenders!(idle_switches))),
    ]
}

/// The contended submission of t4, with another number of clients.
fn clients(clients: u64) -> Workload {
    use self::peers::{AsyncTask, Crossbeam, Rayon, TokioBlocking};
    let name = format!("t4-{clients}");
    let title =
        format!("{clients} clients, 1,000,000 no-op tasks in all, all results taken; per task");
    Workload::new(name, title, NANOSECONDS)
        .at(Chart::Clients, clients as f64)
        .contender("ours", move |scale| {
            measure::clients::<ThreadPoolExecutor>(clients, scale)
        })
        .contender(Crossbeam::NAME, move |scale| {
            measure::clients::<Crossbeam>(clients, scale)
        })
        .contender(AsyncTask::NAME, move |scale| {
            measure::clients::<AsyncTask>(clients, scale)
        })
        .contender(Rayon::NAME, move |scale| {
            measure::clients::<Rayon>(clients, scale)
        })
        .contender(TokioBlocking::NAME, move |scale| {
            measure::clients::<TokioBlocking>(clients, scale)
        })
}

/// CPython's pool of threads.
fn in_python(workload: Workload) -> Workload {
    #[cfg(unix)]
    let workload = workload.program(
        "CPython ThreadPoolExecutor",
        crate::process::peers::python::threads,
    );
    workload
}
