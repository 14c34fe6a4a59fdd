//! What a workload is: its subjects, its unit and its goals.

use std::process::Command;

use super::Scale;

/// How the names of our own contenders begin.
pub(super) const OURS: &str = "ours";

/// A table: subjects that do the same work.
pub(crate) struct Workload {
    /// What the command line calls it. What is before a dash is the name of its family.
    pub(crate) name: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    pub(super) goals: Vec<Goal>,
    pub(super) contenders: Vec<Contender>,
}

/// What is measured in, and how it is printed.
#[derive(Clone, Copy)]
pub(crate) struct Unit {
    divisor: f64,
    decimals: usize,
    suffix: &'static str,
    more_is_better: bool,
}

/// What ours has to reach.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// At most so many times what another takes.
    Times(f64, Rival),
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Clone, Copy)]
pub(crate) enum Rival {
    Named(&'static str),
    /// The best of those that are not ours, and not another language's.
    BestInRust,
}

pub(crate) struct Contender {
    pub(super) name: &'static str,
    pub(super) run: Run,
}

#[derive(Clone, Copy)]
pub(super) enum Run {
    /// In a child process of this program.
    Here(fn(Scale) -> f64),
    /// By another program, which prints the number.
    There(Program),
}

/// The command that measures the workload of this name, or why it cannot be measured here.
pub(crate) type Program = fn(&'static str, Scale) -> Result<Command, String>;

impl Workload {
    pub(crate) const fn new(name: &'static str, title: &'static str, unit: Unit) -> Self {
        Self {
            name,
            title,
            unit,
            goals: Vec::new(),
            contenders: Vec::new(),
        }
    }

    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goals.push(goal);
        self
    }

    pub(crate) fn contender(mut self, name: &'static str, measure: fn(Scale) -> f64) -> Self {
        self.contenders.push(Contender {
            name,
            run: Run::Here(measure),
        });
        self
    }

    /// Adds the contenders that `add` adds.
    pub(crate) fn contend(self, add: impl FnOnce(Self) -> Self) -> Self {
        add(self)
    }

    /// A contender in another language.
    pub(crate) fn program(mut self, name: &'static str, program: Program) -> Self {
        self.contenders.push(Contender {
            name,
            run: Run::There(program),
        });
        self
    }
}

impl Contender {
    pub(super) fn is_ours(&self) -> bool {
        self.name.starts_with(OURS)
    }

    pub(super) const fn is_in_rust(&self) -> bool {
        matches!(self.run, Run::Here(_))
    }
}

impl Unit {
    /// Numbers are divided and get a suffix when they are printed. Less is better.
    pub(crate) const fn new(divisor: f64, decimals: usize, suffix: &'static str) -> Self {
        Self {
            divisor,
            decimals,
            suffix,
            more_is_better: false,
        }
    }

    /// A fraction of what would be ideal. More is better.
    pub(crate) const fn fraction() -> Self {
        Self {
            divisor: 1.0,
            decimals: 3,
            suffix: "",
            more_is_better: true,
        }
    }

    /// The number as it is printed, with the unit.
    pub(super) fn show(self, value: f64) -> String {
        if value.is_nan() {
            return String::from("not known here");
        }
        let value = value / self.divisor;
        format!("{value:.*}{}", self.decimals, self.suffix)
    }

    pub(super) const fn more_is_better(self) -> bool {
        self.more_is_better
    }
}
