//! The command line of `compare`.

use std::{env, path::PathBuf};

use clap::Parser;

use super::{
    Scale, WORKERS_OF_GOALS,
    workload::{Contender, Kind, Workload},
};

/// Ours beside its peers and the machine's limits, on every workload: medians, ratios, goals.
#[derive(Debug, Parser)]
#[command(name = "compare")]
pub(crate) struct Arguments {
    /// Only workloads of this name, or of this family (what is before the dash); may be repeated
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<String>,

    /// Only subjects whose name contains this, and ours; may be repeated
    #[arg(long, value_name = "PART")]
    subject: Vec<String>,

    /// A tenth of the work, and no more rounds than fit into five minutes
    #[arg(long)]
    quick: bool,

    /// Hardly any work, once: shows that everything runs, and judges nothing
    #[arg(long, conflicts_with = "quick")]
    tiny: bool,

    /// Samples of each subject; 7 if not said
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,

    /// Workers of each pool; the goals are for 2
    #[arg(long, default_value_t = WORKERS_OF_GOALS, value_parser = parse_workers)]
    pub(crate) workers: usize,

    /// Writes all figures, every sample among them
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Writes the tables
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,

    /// Writes a page with tables and charts
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,

    /// Measures nothing, and shows what `--json` has written
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,

    /// Names the workloads and their subjects
    #[arg(long)]
    pub(crate) list: bool,

    /// Takes one sample: what `compare` starts for each
    #[arg(long, hide = true, num_args = 2, value_names = ["WORKLOAD", "SUBJECT"])]
    pub(crate) sample: Option<Vec<String>>,
}

impl Arguments {
    pub(crate) const fn scale(&self) -> Scale {
        match (self.tiny, self.quick) {
            (true, _) => Scale::Tiny,
            (_, true) => Scale::Quick,
            _ => Scale::Full,
        }
    }

    pub(super) fn rounds(&self) -> usize {
        match self.scale() {
            Scale::Tiny => 1,
            _ => self.rounds.unwrap_or(7).into(),
        }
    }

    /// Whether a workload was asked for.
    pub(crate) fn selects(&self, workload: &Workload) -> bool {
        let family = workload.name.split('-').next();
        let is_meant = |it: &String| *it == workload.name || Some(it.as_str()) == family;
        self.only.is_empty() || self.only.iter().any(is_meant)
    }

    pub(crate) fn only(&self) -> &[String] {
        &self.only
    }

    pub(super) fn includes(&self, contender: &Contender) -> bool {
        let is_named = |part: &String| contender.name.contains(part.as_str());
        contender.kind == Kind::Ours || self.subject.is_empty() || self.subject.iter().any(is_named)
    }

    /// What a process for one sample has to know.
    pub(super) fn of_child(&self) -> Vec<String> {
        let mut arguments = vec![format!("--workers={}", self.workers)];
        match self.scale() {
            Scale::Full => {}
            Scale::Quick => arguments.push("--quick".into()),
            Scale::Tiny => arguments.push("--tiny".into()),
        }
        arguments
    }

    /// What repeats this run.
    pub(super) fn command(&self) -> String {
        let rest: Vec<_> = env::args().skip(1).collect();
        format!(
            "cargo run --release -p benches --bin compare -- {}",
            rest.join(" ")
        )
    }
}

fn parse_workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(workers) if workers > 0 => Ok(workers),
        _ => Err(format!("{text} is not a number of workers: 1 or more")),
    }
}
