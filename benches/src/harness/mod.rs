//! How `compare` measures: one process a sample, subjects in shuffled rounds, medians, and no verdict that the
//! noise covers.

pub(crate) mod arguments;
pub(crate) mod noise;
mod processor;
mod rounds;
pub(crate) mod stats;
pub(crate) mod workload;

use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use self::{
    arguments::Arguments,
    noise::Noise,
    rounds::Rounds,
    workload::{Run, Workload},
};
use crate::{
    over_nats,
    report::{Machine, Report, Settings},
};

/// How long a sample may take; most take a second or two.
const LIMIT: Duration = Duration::from_secs(100);

/// How long all of `--quick` may take, as far as the number of rounds can help it.
const QUICK: Duration = Duration::from_secs(200);

/// The number of workers for which the goals are stated.
pub(crate) const WORKERS_OF_GOALS: usize = 2;

/// How large a workload is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// As the goals have it.
    Full,
    /// A tenth of that, for a first look.
    Quick,
    /// Only to show that it runs.
    Tiny,
}

impl Scale {
    pub(crate) const fn of(self, full: u64) -> u64 {
        match self {
            Self::Full => full,
            Self::Quick => full / 10 + 2,
            Self::Tiny => full / 1000 + 2,
        }
    }

    /// Whether figures taken so say anything about speed.
    pub(crate) const fn counts(self) -> bool {
        !matches!(self, Self::Tiny)
    }
}

/// How many workers every pool has, unless the workload says otherwise.
pub(crate) fn workers() -> usize {
    *WORKERS.get_or_init(|| WORKERS_OF_GOALS)
}

static WORKERS: OnceLock<usize> = OnceLock::new();

/// Takes what the command line says for the number of workers of this process.
pub(crate) fn set_workers(workers: usize) {
    WORKERS.get_or_init(|| workers);
}

/// In a child: takes one sample and prints it, with its quantiles if it has some.
pub(crate) fn sample(workloads: &[Workload], name: &str, contender: &str, scale: Scale) {
    let workload = workloads.iter().find(|workload| workload.name == name);
    let contender = workload
        .and_then(|workload| workload.contenders.iter().find(|it| it.name == contender))
        .expect("the parent asks for what it has in its own list");
    let scale = workload.map_or(scale, |workload| workload.scale(scale));
    let Run::Here(measure) = &contender.run else {
        unreachable!("another program is not run in a child of ours")
    };
    let what = format!("{} of {name}", contender.name);
    thread::spawn(move || end_after(LIMIT, &what));
    let numbers: Vec<_> = measure(scale).iter().map(f64::to_string).collect();
    over_nats::server::end();
    println!("{}", numbers.join(" "));
}

/// Ends this process if it is still there after so long: a subject that hangs is a failure of one sample.
fn end_after(limit: Duration, what: &str) {
    let end = Instant::now() + limit;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        // Nobody unparks this thread for good; a stale wake-up only starts the loop again.
        thread::park_timeout(left);
    }
    eprintln!("{what} is not done after {} s", limit.as_secs());
    std::process::abort();
}

/// Measures the chosen workloads; `each` sees every table as soon as it is there.
pub(crate) fn measure(
    workloads: &[&Workload],
    arguments: &Arguments,
    mut each: impl FnMut(&crate::report::Table, &ProgressBar),
) -> Report {
    let mut noise = Noise::begin();
    let bar = progress(workloads.len());
    let mut rounds = Rounds::new(arguments, &bar);
    let begun = Instant::now();
    let mut tables = Vec::new();
    for (done, workload) in workloads.iter().enumerate() {
        let share = (arguments.scale() == Scale::Quick).then(|| {
            let left = QUICK.saturating_sub(begun.elapsed());
            left / u32::try_from(workloads.len() - done).unwrap_or(u32::MAX)
        });
        let results = rounds.run(workload, share);
        noise.count(&results);
        let table = results.judge(workload, arguments);
        each(&table, &bar);
        tables.push(table);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Report {
        machine: Machine::this(),
        settings: Settings {
            command: arguments.command(),
            scale: format!("{:?}", arguments.scale()).to_lowercase(),
            workers: workers(),
            seconds: begun.elapsed().as_secs_f64(),
        },
        noise: noise.end(),
        tables,
    }
}

fn progress(tables: usize) -> ProgressBar {
    let bar = ProgressBar::new(tables as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}")
        .expect("the template is right");
    bar.set_style(style);
    bar
}
