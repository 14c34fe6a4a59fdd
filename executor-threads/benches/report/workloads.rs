//! The list of workloads, with their goals.

use super::{Scale, measure};
use crate::peers::{Subject, each_subject};

/// How the names of our own contenders begin.
pub(super) const OURS: &str = "ours";

pub(super) struct Workload {
    /// What the command line calls it. What is before a dash is the name of its family.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    pub(super) goals: Vec<Goal>,
    pub(super) contenders: Vec<Contender>,
}

#[derive(Clone, Copy)]
pub(super) enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    /// More is better; for all others less is.
    Ideal,
    Bytes,
    Allocations,
    Switches,
}

/// What ours has to reach.
#[derive(Clone, Copy)]
pub(super) enum Goal {
    /// At most so many times what another takes.
    Times(f64, Rival),
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Clone, Copy)]
pub(super) enum Rival {
    Named(&'static str),
    /// The best of those that are not ours, and not Java's.
    BestInRust,
}

pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) run: Run,
}

#[derive(Clone, Copy)]
pub(super) enum Run {
    /// In a child process of this program.
    Here(fn(Scale) -> f64),
    /// By `Pools.java`, which knows the pool by this name.
    Java(&'static str),
}

macro_rules! contenders {
    (($measure:ident) $($subject:ty,)*) => {
        vec![$(Contender::new(<$subject as Subject>::NAME, measure::$measure::<$subject>)),*]
    };
}

#[rustfmt::skip] // a table
pub(super) fn all() -> Vec<Workload> {
    use self::{Goal::{AtLeast, AtMost, Times}, Rival::{BestInRust, Named}};
    let rayon_join = Named("rayon::join");
    vec![
        Workload::new("t1", "submit and wait, warm", Unit::Nanoseconds)
            .goal(Times(0.25, Named("crossbeam by hand")))
            .contenders(each_subject!(contenders!(warm))),
        Workload::new("t1i", "submit and wait after 1 ms of idleness", Unit::Microseconds)
            .goal(Times(1.0, BestInRust))
            .contenders(each_subject!(contenders!(idle))),
        Workload::new("t2", "1,000,000 no-op tasks submitted, then all results taken; per task", Unit::Nanoseconds)
            .goal(Times(0.5, Named("rayon + oneshot")))
            .goal(Times(0.25, Named("tokio spawn_blocking")))
            .goal(Times(0.8, BestInRust))
            .goal(Times(1.0, Named("Java ForkJoinPool")))
            .contenders(each_subject!(contenders!(batch)))
            .java(),
        Workload::new("t3", "1,000,000 no-op tasks, fire and forget; per task", Unit::Nanoseconds)
            .contenders(each_subject!(contenders!(forgotten)))
            .java(),
        Workload::new("t4", "4 clients x 250,000 no-op tasks, all results taken; per task", Unit::Nanoseconds)
            .goal(Times(0.9, BestInRust))
            .contenders(each_subject!(contenders!(four_clients)))
            .java(),
        Workload::new("t5a-join", "fib(27) by join, 2 workers; per fork", Unit::Nanoseconds)
            .goal(Times(2.5, rayon_join))
            .contender("ours join", measure::join::<2>)
            .contender("rayon::join", measure::rayon_join::<2>),
        Workload::new("t5a-join-1", "fib(27) by join, 1 worker; per fork", Unit::Nanoseconds)
            .goal(Times(2.5, rayon_join))
            .contender("ours join", measure::join::<1>)
            .contender("rayon::join", measure::rayon_join::<1>),
        Workload::new("t5a-spawn", "fib(27) by spawn and result, 2 workers; per fork", Unit::Nanoseconds)
            .goal(Times(12.0, rayon_join))
            .contender("ours spawn", measure::spawn::<2>)
            .contender("rayon::join", measure::rayon_join::<2>),
        Workload::new("t5a-spawn-1", "fib(27) by spawn and result, 1 worker; per fork", Unit::Nanoseconds)
            .goal(Times(12.0, rayon_join))
            .contender("ours spawn", measure::spawn::<1>)
            .contender("rayon::join", measure::rayon_join::<1>),
        Workload::new("t5b", "tree of 200,000 nested spawns; per task", Unit::Nanoseconds)
            .goal(Times(1.0, Named("rayon + oneshot")))
            .contenders(each_subject!(contenders!(tree))),
        Workload::new("t6", "map of 1,000,000 items of 14 ns, in order", Unit::Milliseconds)
            .goal(Times(1.6, Named("rayon par_iter")))
            .contender("ours map", measure::map_tasks)
            .contender("ours map_fn", measure::map_closure)
            .contender("rayon par_iter", measure::map_rayon)
            .contender("std scoped threads", measure::map_scoped)
            .contender("serial", measure::map_serial),
        Workload::new("t7", "20,000 uneven tasks of 1 to 100 us; fraction of the ideal", Unit::Ideal)
            .goal(AtLeast(0.93))
            .contenders(each_subject!(contenders!(uneven)))
            .contender("two threads, no queue", measure::uneven_limit),
        Workload::new("t8", "pool built, one task, dropped", Unit::Microseconds)
            .goal(Times(1.0, BestInRust))
            .contenders(each_subject!(contenders!(short_life))),
        Workload::new("mem-bytes", "memory for each of 1,000,000 outstanding tasks", Unit::Bytes)
            .goal(AtMost(160.0))
            .contenders(each_subject!(contenders!(bytes))),
        // Less than 2 percent more than one: a block of the queue serves 63 tasks.
        Workload::new("mem-allocations", "allocations for each task", Unit::Allocations)
            .goal(AtMost(1.02))
            .contenders(each_subject!(contenders!(allocations))),
        Workload::new("idle", "context switches of the workers in 1 s of idleness", Unit::Switches)
            .goal(AtMost(0.0))
            .contenders(each_subject!(contenders!(idle_switches))),
    ]
}

impl Workload {
    const fn new(name: &'static str, title: &'static str, unit: Unit) -> Self {
        Self {
            name,
            title,
            unit,
            goals: Vec::new(),
            contenders: Vec::new(),
        }
    }

    fn goal(mut self, goal: Goal) -> Self {
        self.goals.push(goal);
        self
    }

    fn contender(mut self, name: &'static str, measure: fn(Scale) -> f64) -> Self {
        self.contenders.push(Contender::new(name, measure));
        self
    }

    fn contenders(mut self, contenders: Vec<Contender>) -> Self {
        self.contenders.extend(contenders);
        self
    }

    fn java(mut self) -> Self {
        let pools = [
            ("Java ForkJoinPool", "fork-join"),
            ("Java ThreadPoolExecutor", "executor"),
        ];
        let contender = |(name, pool)| Contender {
            name,
            run: Run::Java(pool),
        };
        self.contenders.extend(pools.map(contender));
        self
    }
}

impl Contender {
    const fn new(name: &'static str, measure: fn(Scale) -> f64) -> Self {
        Self {
            name,
            run: Run::Here(measure),
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        self.name.starts_with(OURS)
    }
}

impl Unit {
    /// The number as it is printed, with the unit.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            _ if value.is_nan() => String::from("not known here"),
            Self::Nanoseconds => format!("{value:.1} ns"),
            Self::Microseconds => format!("{:.1} us", value / 1e3),
            Self::Milliseconds => format!("{:.2} ms", value / 1e6),
            Self::Ideal => format!("{value:.3}"),
            Self::Bytes => format!("{value:.1} B"),
            Self::Allocations => format!("{value:.3}"),
            Self::Switches => format!("{value:.0}"),
        }
    }

    pub(super) const fn more_is_better(self) -> bool {
        matches!(self, Self::Ideal)
    }
}
