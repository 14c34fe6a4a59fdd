//! Taking the samples.

use std::{
    env,
    io::{self, IsTerminal as _},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::{
    Scale,
    arguments::Arguments,
    process::Used,
    workload::{Contender, Run, Workload},
};
use crate::common::random::Random;

/// Up to which part of the machine others may use during a sample.
const QUIET: f64 = 0.05;

/// How often a sample is taken until the machine is quiet meanwhile.
const ATTEMPTS: usize = 3;

/// Takes samples, one process each, in rounds whose order is shuffled.
pub(super) struct Rounds<'a> {
    arguments: &'a Arguments,
    random: Random,
}

/// What one contender measured, sorted; and why a sample is missing, if one is.
pub(super) struct Results<'a> {
    pub(super) contender: &'a Contender,
    pub(super) samples: Vec<f64>,
    /// How many of them were taken while others used the machine.
    pub(super) disturbed: usize,
    pub(super) failure: Option<String>,
}

impl<'a> Rounds<'a> {
    pub(super) const fn new(arguments: &'a Arguments) -> Self {
        Self {
            arguments,
            random: Random::new(1),
        }
    }

    pub(super) fn run<'w>(&mut self, workload: &'w Workload) -> Vec<Results<'w>> {
        let takes_part = |contender: &&Contender| self.arguments.includes(contender.name);
        let mut results: Vec<_> = workload
            .contenders
            .iter()
            .filter(takes_part)
            .map(Results::new)
            .collect();
        for round in 1..=self.arguments.rounds {
            for index in self.shuffled(results.len()) {
                let results = &mut results[index];
                progress(&format!(
                    "{} {round} {}",
                    workload.name, results.contender.name
                ));
                match self.quiet_sample(workload, results.contender) {
                    Ok((sample, others)) => {
                        results.samples.push(sample);
                        results.disturbed += usize::from(others > QUIET);
                    }
                    Err(failure) => results.failure = Some(failure),
                }
            }
        }
        progress("");
        for results in &mut results {
            results.samples.sort_by(f64::total_cmp);
        }
        results
    }

    /// A sample, with the part of the machine that others used: the first that nobody disturbed, or
    /// else the least disturbed of a few.
    fn quiet_sample(
        &self,
        workload: &Workload,
        contender: &Contender,
    ) -> Result<(f64, f64), String> {
        let mut least = (f64::NAN, f64::INFINITY);
        for attempt in 0..ATTEMPTS {
            if attempt > 0 && self.arguments.scale == Scale::Full {
                // Whoever it is, perhaps it is soon done.
                thread::park_timeout(Duration::from_millis(300));
            }
            let before = Used::now();
            let sample = self.sample(workload, contender)?;
            let others = match (before, Used::now()) {
                (Some(before), Some(after)) if self.arguments.scale == Scale::Full => {
                    after.by_others_since(before)
                }
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

    fn sample(&self, workload: &Workload, contender: &Contender) -> Result<f64, String> {
        match contender.run {
            Run::There(program) => read_number(program(workload.name, self.arguments.scale)?),
            Run::Here(_) => {
                let program = env::current_exe().map_err(|error| error.to_string())?;
                let mut command = Command::new(program);
                if self.arguments.scale == Scale::Full {
                    command.arg("--bench");
                }
                command.args(["--sample", workload.name, contender.name]);
                read_number(command)
            }
        }
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

impl<'a> Results<'a> {
    const fn new(contender: &'a Contender) -> Self {
        Self {
            contender,
            samples: Vec::new(),
            disturbed: 0,
            failure: None,
        }
    }

    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The quartiles' distance, as a fraction of the median.
    pub(super) fn spread(&self) -> f64 {
        (self.quantile(0.75) - self.quantile(0.25)) / self.median()
    }

    fn quantile(&self, fraction: f64) -> f64 {
        let last = self.samples.len().saturating_sub(1) as f64;
        let index = (last * fraction).round() as usize;
        self.samples.get(index).copied().unwrap_or(f64::NAN)
    }
}

fn read_number(mut command: Command) -> Result<f64, String> {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}", output.status, stderr.trim()));
    }
    text.trim()
        .parse()
        .map_err(|_| format!("{text:?} is not a number"))
}

/// Says on a terminal what runs now, in a line that the next one replaces.
fn progress(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}
