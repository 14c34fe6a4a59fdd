//! What a workload is: its subjects, its unit and its goals.

use std::{borrow::Cow, fmt, process::Command};

use serde::{Deserialize, Serialize};

use super::{
    Scale,
    stats::{self, QUANTILES},
};

/// A table: subjects that do the same work.
pub(crate) struct Workload {
    /// What the command line calls it. What is before a dash is the name of its family.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(super) unit: Unit,
    pub(super) goals: Vec<Goal>,
    pub(super) contenders: Vec<Contender>,
    pub(super) place: Option<Place>,
    /// Whether `--quick` does all of the work: a tenth would measure how it begins, and who is woken then.
    is_whole: bool,
    /// Why none of its subjects can be measured here.
    pub(super) left_out: Option<&'static str>,
}

/// Where a table stands in a chart of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) chart: Chart,
    pub(crate) x: f64,
}

/// The charts of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Chart {
    /// How long single calls take: no tables but this one.
    Latency,
    /// Against the length of a task, in nanoseconds.
    Length,
    /// Against the number of workers.
    Workers,
    /// Against the size of the payload, in bytes.
    Payload,
    /// Against the number of threads that submit.
    Clients,
}

/// What is measured in, and how it is printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unit {
    divisor: f64,
    decimals: usize,
    suffix: Cow<'static, str>,
    pub(crate) more_is_better: bool,
    /// A count that does not depend on how fast the machine is.
    pub(crate) is_count: bool,
}

/// What ours has to reach.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// At most so many times what another takes.
    Times(f64, Rival),
    AtMost(f64),
    AtLeast(f64),
    /// What was wished for on another machine, 2 cores of an AMD EPYC guest, where all that peers took was known: here it
    /// says how far that is.
    Wish(f64),
}

#[derive(Clone, Copy)]
pub(crate) enum Rival {
    Named(&'static str),
    /// The best of those that are not ours, no limit of the machine, and not in another language.
    BestInRust,
    /// The same, other languages among them.
    Best,
}

pub(crate) struct Contender {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) run: Run,
}

/// Whose a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Ours,
    /// Somebody else's in Rust.
    Peer,
    /// In another language.
    Foreign,
    /// What the machine can do where nothing manages the work.
    Limit,
}

/// Takes a sample: the figure, and after it the [`QUANTILES`] of what it sums up, if they matter.
pub(super) type Measure = Box<dyn Fn(Scale) -> Vec<f64>>;

pub(super) enum Run {
    /// In a child process of this program.
    Here(Measure),
    /// By another program, which prints the number.
    There(Program),
}

/// The command that measures the workload of this name, or why it cannot be measured here.
pub(crate) type Program = fn(&str, Scale) -> Result<Command, String>;

impl Workload {
    pub(crate) fn new(name: impl Into<String>, title: impl Into<String>, unit: Unit) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            unit,
            goals: Vec::new(),
            contenders: Vec::new(),
            place: None,
            is_whole: false,
            left_out: None,
        }
    }

    /// Has `--quick` do all of the work: for what takes half a second at most, of which the beginning is a large part.
    pub(crate) fn whole(mut self) -> Self {
        self.is_whole = true;
        self
    }

    /// How large it is run, if the command line wants this.
    pub(super) const fn scale(&self, wanted: Scale) -> Scale {
        match wanted {
            Scale::Quick if self.is_whole => Scale::Full,
            wanted => wanted,
        }
    }

    /// Has nobody measure it, for want of what all of its subjects need.
    pub(crate) const fn left_out(mut self, reason: &'static str) -> Self {
        self.left_out = Some(reason);
        self
    }

    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goals.push(goal);
        self
    }

    /// Puts it into a chart.
    pub(crate) fn at(mut self, chart: Chart, x: f64) -> Self {
        self.place = Some(Place { chart, x });
        self
    }

    /// A subject: one of ours, if its name begins with the word, and else a peer.
    pub(crate) fn contender(
        self,
        name: impl Into<String>,
        measure: impl Fn(Scale) -> f64 + 'static,
    ) -> Self {
        self.single(name.into(), None, measure)
    }

    /// What the machine can do.
    pub(crate) fn limit(
        self,
        name: impl Into<String>,
        measure: impl Fn(Scale) -> f64 + 'static,
    ) -> Self {
        self.single(name.into(), Some(Kind::Limit), measure)
    }

    /// A subject whose samples are many times, not one: their median counts, and the chart shows them all.
    pub(crate) fn distribution(
        mut self,
        name: impl Into<String>,
        kind: Option<Kind>,
        measure: impl Fn(Scale) -> Vec<f64> + 'static,
    ) -> Self {
        let measure = move |scale| {
            let mut times = measure(scale);
            times.sort_by(f64::total_cmp);
            let mut numbers = vec![stats::quantile(&times, 0.5)];
            numbers.extend(QUANTILES.map(|fraction| stats::quantile(&times, fraction)));
            numbers
        };
        let name = name.into();
        self.contenders.push(Contender {
            kind: kind.unwrap_or_else(|| Kind::of(&name)),
            name,
            run: Run::Here(Box::new(measure)),
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
            name: name.into(),
            kind: Kind::Foreign,
            run: Run::There(program),
        });
        self
    }

    fn single(
        mut self,
        name: String,
        kind: Option<Kind>,
        measure: impl Fn(Scale) -> f64 + 'static,
    ) -> Self {
        self.contenders.push(Contender {
            kind: kind.unwrap_or_else(|| Kind::of(&name)),
            name,
            run: Run::Here(Box::new(move |scale| vec![measure(scale)])),
        });
        self
    }
}

impl Kind {
    /// The names of our own contenders begin with the word.
    fn of(name: &str) -> Self {
        if name.starts_with("ours") {
            Self::Ours
        } else {
            Self::Peer
        }
    }
}

impl Unit {
    /// Numbers are divided and get a suffix when they are printed. Less is better.
    pub(crate) const fn new(divisor: f64, decimals: usize, suffix: &'static str) -> Self {
        Self {
            divisor,
            decimals,
            suffix: Cow::Borrowed(suffix),
            more_is_better: false,
            is_count: false,
        }
    }

    /// Something that is counted, and is the same on a faster machine. Less is better.
    pub(crate) const fn count(decimals: usize, suffix: &'static str) -> Self {
        let mut unit = Self::new(1.0, decimals, suffix);
        unit.is_count = true;
        unit
    }

    /// A fraction of what would be ideal. More is better.
    pub(crate) const fn fraction() -> Self {
        let mut unit = Self::new(1.0, 3, "");
        unit.more_is_better = true;
        unit
    }

    /// Things a second. More is better.
    pub(crate) const fn rate() -> Self {
        let mut unit = Self::new(1e3, 1, " k/s");
        unit.more_is_better = true;
        unit
    }

    /// The number as it is printed, with the unit.
    pub(crate) fn show(&self, value: f64) -> String {
        if value.is_nan() {
            return String::from("not known here");
        }
        let value = value / self.divisor;
        format!("{value:.*}{}", self.decimals, self.suffix)
    }

    /// Whether `a` is better than `b`.
    pub(crate) fn is_better(&self, a: f64, b: f64) -> bool {
        if self.more_is_better { a > b } else { a < b }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.title)?;
        for contender in &self.contenders {
            write!(f, "\n  {}", contender.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Scale, Unit, Workload};

    #[test]
    fn whole_workloads_are_whole_when_time_is_short_and_tiny_in_a_test() {
        let divided = Workload::new("x", "some work", Unit::fraction());
        assert_eq!(divided.scale(Scale::Quick), Scale::Quick);
        let whole = divided.whole();
        assert_eq!(whole.scale(Scale::Quick), Scale::Full);
        assert_eq!(whole.scale(Scale::Full), Scale::Full);
        assert_eq!(whole.scale(Scale::Tiny), Scale::Tiny);
    }
}
