//! How `ratios` measures: one process a sample, subjects in shuffled rounds, medians.

pub(crate) mod arguments;
mod process;
mod rounds;
mod table;
pub(crate) mod workload;

use std::{
    thread,
    time::{Duration, Instant},
};

use self::{
    arguments::{Arguments, Mode},
    rounds::Rounds,
    workload::{Run, Workload},
};

/// How long a sample may take; most take a second or two.
const LIMIT: Duration = Duration::from_secs(100);

/// How large a workload is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// As the goals have it.
    Full,
    /// Only to show that it runs.
    Tiny,
}

impl Scale {
    pub(crate) const fn of(self, full: u64) -> u64 {
        match self {
            Self::Full => full,
            Self::Tiny => full / 1000 + 2,
        }
    }
}

/// Does what the command line says.
pub(crate) fn run(workloads: &[Workload], arguments: &Arguments) {
    match &arguments.mode {
        Mode::List => {}
        Mode::Sample {
            workload,
            contender,
        } => sample(workloads, workload, contender, arguments),
        Mode::Table => table(workloads, arguments),
    }
}

/// In a child: takes one sample and prints it.
fn sample(workloads: &[Workload], name: &str, contender: &str, arguments: &Arguments) {
    let workload = workloads.iter().find(|workload| workload.name == name);
    let contender = workload
        .and_then(|workload| workload.contenders.iter().find(|it| it.name == contender))
        .expect("the parent asks for what it has in its own list");
    let Run::Here(measure) = contender.run else {
        unreachable!("another program is not run in a child of ours")
    };
    let what = format!("{} of {name}", contender.name);
    thread::spawn(move || end_after(LIMIT, &what));
    println!("{}", measure(arguments.scale));
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

fn table(workloads: &[Workload], arguments: &Arguments) {
    let selected: Vec<_> = workloads
        .iter()
        .filter(|workload| arguments.selects(workload))
        .collect();
    if selected.is_empty() {
        let names: Vec<_> = workloads.iter().map(|workload| workload.name).collect();
        println!(
            "no workload is called {:?}; there are {}",
            arguments.filters,
            names.join(" ")
        );
        return;
    }
    let mut rounds = Rounds::new(arguments);
    for workload in selected {
        let results = rounds.run(workload);
        table::print(workload, &results, arguments.scale);
    }
}
