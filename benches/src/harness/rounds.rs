//! Taking the samples, and judging them.

use std::{
    env,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;

use super::{
    Scale, WORKERS_OF_GOALS,
    arguments::Arguments,
    noise::{self, Calibration},
    processor::Used,
    stats::{Ratio, Samples, Verdict},
    workers,
    workload::{Contender, Goal, Kind, Rival, Run, Unit, Workload},
};
use crate::{
    measure::random::Random,
    report::{Judged, Row, Table},
};

/// Up to which part of the machine others may use during a sample.
const QUIET: f64 = 0.05;

/// How often a sample is taken until the machine is quiet meanwhile.
const ATTEMPTS: usize = 3;

/// So many rounds there are at least where time is short: fewer say nothing about the noise.
const LEAST: usize = 3;

/// The exit code of a script that says that it cannot be run here.
const SKIPPED: i32 = 77;

/// Takes samples, one process each, in rounds whose order is shuffled.
pub(super) struct Rounds<'a> {
    arguments: &'a Arguments,
    bar: &'a ProgressBar,
    random: Random,
}

/// What all contenders of a workload measured.
pub(super) struct Outcomes<'w> {
    all: Vec<Outcome<'w>>,
    drift: f64,
}

struct Outcome<'w> {
    contender: &'w Contender,
    samples: Samples,
    quantiles: Vec<Samples>,
    /// How many of them were taken while others used the machine.
    disturbed: usize,
    missing: Option<String>,
}

impl<'a> Rounds<'a> {
    pub(super) const fn new(arguments: &'a Arguments, bar: &'a ProgressBar) -> Self {
        Self {
            arguments,
            bar,
            random: Random::new(1),
        }
    }

    /// Takes as many rounds as the command line wants, or as fit into the time, if there is a limit.
    pub(super) fn run<'w>(
        &mut self,
        workload: &'w Workload,
        time: Option<Duration>,
    ) -> Outcomes<'w> {
        let takes_part = |contender: &&Contender| {
            workload.left_out.is_none() && self.arguments.includes(contender)
        };
        let mut all: Vec<_> = workload
            .contenders
            .iter()
            .filter(takes_part)
            .map(Outcome::new)
            .collect();
        let begun = Instant::now();
        let before = Calibration::now(10);
        let rounds = self.arguments.rounds();
        for round in 1..=rounds {
            for index in self.shuffled(all.len()) {
                let outcome = &mut all[index];
                // What is missing once is missing always.
                if outcome.missing.is_some() {
                    continue;
                }
                // Other languages start slowly: where time is short, one sample shows where they are.
                let is_late = time.is_some_and(|time| begun.elapsed() > time);
                if round > 1 && is_late && outcome.contender.kind == Kind::Foreign {
                    continue;
                }
                self.bar.set_message(format!(
                    "{} {round}/{rounds} {}",
                    workload.name, outcome.contender.name
                ));
                match self.quiet_sample(workload, outcome.contender) {
                    Ok((numbers, others)) => outcome.add(&numbers, others),
                    Err(reason) => outcome.missing = Some(reason),
                }
            }
            let spent = begun.elapsed();
            let one_more = spent / u32::try_from(round).unwrap_or(u32::MAX);
            if round >= LEAST && time.is_some_and(|time| spent + one_more > time) {
                break;
            }
        }
        Outcomes {
            all,
            drift: noise::drift(before, Calibration::now(10)),
        }
    }

    /// A sample, with the part of the machine that others used: the first that nobody disturbed, or
    /// else the least disturbed of a few.
    fn quiet_sample(
        &self,
        workload: &Workload,
        contender: &Contender,
    ) -> Result<(Vec<f64>, f64), String> {
        let scale = self.arguments.scale();
        let attempts = if scale == Scale::Full { ATTEMPTS } else { 1 };
        let mut least = (Vec::new(), f64::INFINITY);
        for attempt in 0..attempts {
            if attempt > 0 {
                // Whoever it is, perhaps it is soon done.
                thread::park_timeout(Duration::from_millis(300));
            }
            let before = Used::now();
            let sample = self.sample(workload, contender)?;
            let others = match (before, Used::now()) {
                (Some(before), Some(after)) if scale.counts() => after.by_others_since(before),
                _ => 0.0,
            };
            if others < least.1 {
                least = (sample, others);
            }
            if others <= QUIET {
                break;
            }
        }
        Ok(least)
    }

    fn sample(&self, workload: &Workload, contender: &Contender) -> Result<Vec<f64>, String> {
        let scale = workload.scale(self.arguments.scale());
        let command = match &contender.run {
            Run::There(program) => program(&workload.name, scale)?,
            Run::Here(_) => {
                let program = env::current_exe().map_err(|error| error.to_string())?;
                let mut command = Command::new(program);
                command.args(self.arguments.of_child()).args([
                    "--sample",
                    &workload.name,
                    &contender.name,
                ]);
                command
            }
        };
        read_numbers(command)
    }

    /// The numbers below `length`, in random order (Fisher and Yates).
    fn shuffled(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<_> = (0..length).collect();
        for last in (1..length).rev() {
            let other = self.random.below(last as u64 + 1);
            order.swap(last, usize::try_from(other).expect("an index"));
        }
        order
    }
}

impl<'w> Outcome<'w> {
    const fn new(contender: &'w Contender) -> Self {
        Self {
            contender,
            samples: Samples::new(),
            quantiles: Vec::new(),
            disturbed: 0,
            missing: None,
        }
    }

    fn add(&mut self, numbers: &[f64], others: f64) {
        let Some((&first, rest)) = numbers.split_first() else {
            return;
        };
        if first.is_nan() {
            return;
        }
        self.samples.add(first);
        self.quantiles.resize_with(rest.len(), Samples::new);
        for (samples, &number) in self.quantiles.iter_mut().zip(rest) {
            samples.add(number);
        }
        self.disturbed += usize::from(others > QUIET);
    }
}

impl Outcomes<'_> {
    pub(super) fn disturbed(&self) -> usize {
        self.all.iter().map(|it| it.disturbed).sum()
    }

    pub(super) fn samples(&self) -> usize {
        self.all.iter().map(|it| it.samples.as_slice().len()).sum()
    }

    /// The table: every figure beside the best peer and the machine's limit, and the goals.
    pub(super) fn judge(&self, workload: &Workload, arguments: &Arguments) -> Table {
        let unit = &workload.unit;
        let drift = if unit.is_count { 0.0 } else { self.drift };
        let is_peer = |kind| matches!(kind, Kind::Peer | Kind::Foreign);
        let best = self.best(unit, is_peer);
        let limit = self.best(unit, |kind| kind == Kind::Limit);
        let row = |it: &Outcome<'_>| {
            let beside = |other: Option<&Outcome<'_>>| {
                let other = other.filter(|other| !std::ptr::eq(*other, it))?;
                let ratio = Ratio::of(&it.samples, &other.samples, drift);
                ratio.value.is_finite().then_some(ratio)
            };
            Row {
                name: it.contender.name.clone(),
                kind: it.contender.kind,
                samples: it.samples.clone(),
                to_best_peer: beside(best),
                to_limit: beside(limit),
                quantiles: it.quantiles.iter().map(Samples::median).collect(),
                missing: it.missing.clone(),
            }
        };
        Table {
            name: workload.name.clone(),
            title: workload.title.clone(),
            unit: unit.clone(),
            place: workload.place.clone(),
            best_peer: best.map(|it| it.contender.name.clone()),
            limit: limit.map(|it| it.contender.name.clone()),
            rows: self.all.iter().map(row).collect(),
            left_out: workload.left_out.map(str::to_owned),
            goals: self.goals(workload, drift, arguments),
            drift: self.drift,
            disturbed: self.disturbed(),
        }
    }

    fn goals(&self, workload: &Workload, drift: f64, arguments: &Arguments) -> Vec<Judged> {
        // Tiny sizes say nothing about speed, and goals are for so many workers.
        if !arguments.scale().counts() || workers() != WORKERS_OF_GOALS {
            return Vec::new();
        }
        let ours = || self.all.iter().filter(|it| it.contender.kind == Kind::Ours);
        let judged = |goal: &Goal| {
            ours()
                .map(|ours| self.verdict(*goal, &workload.unit, ours, drift))
                .collect::<Vec<_>>()
        };
        workload.goals.iter().flat_map(judged).collect()
    }

    fn verdict(&self, goal: Goal, unit: &Unit, ours: &Outcome<'_>, drift: f64) -> Judged {
        let value = ours.samples.median();
        let errors = [ours.samples.uncertainty(), drift, 0.0];
        let (target, figure, verdict) = match goal {
            Goal::AtMost(limit) | Goal::AtLeast(limit) | Goal::Wish(limit) => {
                let is_wish = matches!(goal, Goal::Wish(_));
                let is_floor = matches!(goal, Goal::AtLeast(_)) || is_wish && unit.more_is_better;
                let word = if is_floor { "at least" } else { "at most" };
                let end = if is_wish { ", a wish" } else { "" };
                let verdict = Verdict::of(value, limit, is_floor, errors);
                (
                    format!("{word} {}{end}", unit.show(limit)),
                    unit.show(value),
                    verdict,
                )
            }
            Goal::Times(limit, rival) => match self.find(rival, unit) {
                None => (
                    format!("at most {limit:.3} x {}", rival.name()),
                    "it did not run".to_owned(),
                    Verdict::Open,
                ),
                Some(rival) => {
                    let ratio = value / rival.samples.median();
                    let errors = [
                        ours.samples.uncertainty(),
                        rival.samples.uncertainty(),
                        drift,
                    ];
                    (
                        format!("at most {limit:.3} x {}", rival.contender.name),
                        format!("{ratio:.3} x"),
                        Verdict::of(ratio, limit, false, errors),
                    )
                }
            },
        };
        Judged {
            whose: ours.contender.name.clone(),
            target,
            figure,
            verdict,
        }
    }

    fn find(&self, rival: Rival, unit: &Unit) -> Option<&Outcome<'_>> {
        match rival {
            Rival::Named(name) => self.ran().find(|it| it.contender.name == name),
            Rival::BestInRust => self.best(unit, |kind| kind == Kind::Peer),
            Rival::Best => self.best(unit, |kind| matches!(kind, Kind::Peer | Kind::Foreign)),
        }
    }

    fn best(&self, unit: &Unit, is_wanted: impl Fn(Kind) -> bool) -> Option<&Outcome<'_>> {
        self.ran()
            .filter(|it| is_wanted(it.contender.kind))
            .reduce(|best, it| {
                if unit.is_better(it.samples.median(), best.samples.median()) {
                    it
                } else {
                    best
                }
            })
    }

    fn ran(&self) -> impl Iterator<Item = &Outcome<'_>> {
        self.all
            .iter()
            .filter(|it| !it.samples.as_slice().is_empty())
    }
}

impl Rival {
    const fn name(self) -> &'static str {
        match self {
            Self::Named(name) => name,
            Self::BestInRust => "the best peer in Rust",
            Self::Best => "the best peer",
        }
    }
}

fn read_numbers(mut command: Command) -> Result<Vec<f64>, String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let reason = stderr.trim();
        return Err(match output.status.code() {
            Some(SKIPPED) => format!("skipped: {reason}"),
            _ => format!("{}: {reason}", output.status),
        });
    }
    let numbers: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
    match numbers {
        Ok(numbers) if !numbers.is_empty() => Ok(numbers),
        _ => Err(format!("{text:?} is not a number, nor several")),
    }
}
