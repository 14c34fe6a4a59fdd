//! What a run has found, as plain data, and the ways to show it.

mod chart;
mod html;
mod markdown;
mod text;

use std::{
    env, fs,
    process::Command,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::harness::{
    noise::Noise,
    stats::{Ratio, Samples, Verdict},
    workload::{Kind, Place, Unit},
};

/// Everything that a run has found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) noise: Noise,
    pub(crate) tables: Vec<Table>,
}

/// Where it ran.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) compiler: String,
    /// Seconds since 1970.
    pub(crate) time: u64,
}

/// How it was asked to run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) command: String,
    pub(crate) scale: String,
    pub(crate) workers: usize,
    pub(crate) seconds: f64,
}

/// One workload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) unit: Unit,
    pub(crate) place: Option<Place>,
    pub(crate) best_peer: Option<String>,
    pub(crate) limit: Option<String>,
    /// Why there are no rows.
    #[serde(default)]
    pub(crate) left_out: Option<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) goals: Vec<Judged>,
    /// How much the speed of the processor changed while it was measured.
    pub(crate) drift: f64,
    /// Samples that were taken while others used the machine.
    pub(crate) disturbed: usize,
}

/// One subject.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) samples: Samples,
    pub(crate) to_best_peer: Option<Ratio>,
    pub(crate) to_limit: Option<Ratio>,
    /// At [`QUANTILES`](crate::harness::stats::QUANTILES), where single times were taken.
    pub(crate) quantiles: Vec<f64>,
    /// Why there is no sample, or not all of them.
    pub(crate) missing: Option<String>,
}

/// One goal, and whether it is reached.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) whose: String,
    pub(crate) target: String,
    pub(crate) figure: String,
    pub(crate) verdict: Verdict,
}

impl Report {
    pub(crate) fn html(&self) -> String {
        html::page(self)
    }

    pub(crate) fn markdown(&self) -> String {
        markdown::document(self)
    }

    /// The goals, counted; what is missed or open by name; and the noise.
    pub(crate) fn summary(&self) -> String {
        text::summary(self)
    }

    /// How many subjects failed that need nothing to be installed.
    pub(crate) fn failures(&self) -> usize {
        let rows = self.tables.iter().flat_map(|table| &table.rows);
        let failed = |row: &&Row| row.missing.is_some() && row.kind != Kind::Foreign;
        rows.filter(failed).count()
    }

    /// How many goals had this verdict.
    fn count(&self, verdict: Verdict) -> usize {
        let goals = self.tables.iter().flat_map(|table| &table.goals);
        goals.filter(|goal| goal.verdict == verdict).count()
    }
}

impl Table {
    pub(crate) fn text(&self) -> String {
        text::table(self)
    }
}

impl Row {
    pub(crate) fn spread(&self) -> Option<f64> {
        let spread = self.samples.spread();
        // Nothing to relate it to where the median is 0.
        spread.is_finite().then_some(spread)
    }

    fn shown(&self, unit: &Unit) -> String {
        if self.samples.as_slice().is_empty() {
            "-".to_owned()
        } else {
            unit.show(self.samples.median())
        }
    }
}

impl Ratio {
    /// With a sign where the noise covers the difference.
    pub(crate) fn show(self) -> String {
        let about = if self.is_clear { "" } else { "~" };
        let value = self.value;
        if value >= 100.0 {
            format!("{about}{value:.0}")
        } else if value < 0.1 {
            format!("{about}{value:.3}")
        } else {
            format!("{about}{value:.2}")
        }
    }
}

impl Verdict {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::TooNoisy => "too noisy to say",
            Self::Open => "open",
        }
    }
}

impl Machine {
    pub(crate) fn this() -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        let compiler = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        let unknown = || "not known".to_owned();
        Self {
            processor: processor.unwrap_or_else(unknown),
            cores: thread::available_parallelism().map_or(1, usize::from),
            system: first_line(Command::new("uname").args(["-srm"]))
                .unwrap_or_else(|| env::consts::OS.to_owned()),
            compiler: first_line(Command::new(compiler).arg("--version")).unwrap_or_else(unknown),
            time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        }
    }

    pub(crate) fn sentence(&self) -> String {
        format!(
            "{} ({} cores), {}, {}, {}",
            self.processor,
            self.cores,
            self.system,
            self.compiler,
            date(self.time)
        )
    }
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|it| it.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}

/// The day, by the calendar of the world (after Howard Hinnant's `civil_from_days`).
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(date(1_764_201_600), "2025-11-27");
    }
}
