//! How `ratios` measures: one process a sample, subjects in shuffled rounds, medians.

pub(crate) mod allocator;
pub(crate) mod arguments;
mod java;
mod measure;
mod process;
mod rounds;
mod table;
mod workloads;

use self::{
    arguments::{Arguments, Mode},
    java::Java,
    rounds::Rounds,
    workloads::{Run, Workload},
};

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
pub(crate) fn run(arguments: &Arguments) {
    let workloads = workloads::all();
    match &arguments.mode {
        Mode::List => {}
        Mode::Sample {
            workload,
            contender,
        } => sample(&workloads, workload, contender, arguments),
        Mode::Table => table(&workloads, arguments),
    }
}

/// In a child: takes one sample and prints it.
fn sample(workloads: &[Workload], name: &str, contender: &str, arguments: &Arguments) {
    let workload = workloads.iter().find(|workload| workload.name == name);
    let contender = workload
        .and_then(|workload| workload.contenders.iter().find(|it| it.name == contender))
        .expect("the parent asks for what it has in its own list");
    let Run::Here(measure) = contender.run else {
        unreachable!("java is not run in a child of ours")
    };
    println!("{}", measure(arguments.scale));
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
    let java = Java::compile();
    if let Err(reason) = &java {
        println!("java skipped: {reason}");
    }
    let mut rounds = Rounds::new(arguments, java.ok());
    for workload in selected {
        let results = rounds.run(workload);
        table::print(workload, &results, arguments.scale);
    }
}
