use std::env;

use super::{
    Scale,
    workload::{OURS, Workload},
};

/// The command line.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(super) mode: Mode,
    pub(super) scale: Scale,
    pub(super) rounds: usize,
    pub(super) filters: Vec<String>,
    /// Which contenders, by a part of their name; all, if empty. Ours always.
    pub(super) contenders: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Mode {
    /// Runs the workloads and prints the tables.
    Table,
    /// Takes one sample: what the table's process starts for each.
    Sample { workload: String, contender: String },
    /// What a test runner asks for: there are no tests here.
    List,
}

impl Arguments {
    /// Reads the arguments after the program's name.
    ///
    /// `cargo bench` adds `--bench`. Without it this is a test run (`cargo test --benches`): tiny
    /// sizes, once.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut mode = Mode::Table;
        let mut scale = Scale::Tiny;
        let mut rounds = env::var("RATIOS_ROUNDS").ok();
        let mut filters = Vec::new();
        let mut contenders = Vec::new();
        let mut tests = false;
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{argument} needs a value after it"))
            };
            match argument.as_str() {
                "--bench" => scale = Scale::Full,
                "--test" => tests = true,
                "--list" => mode = Mode::List,
                "--rounds" => rounds = Some(value()?),
                "--only" => contenders.push(value()?),
                "--sample" => {
                    mode = Mode::Sample {
                        workload: value()?,
                        contender: value()?,
                    }
                }
                flag if flag.starts_with('-') => {
                    return Err(format!(
                        "unknown flag {flag}: there are --rounds N and --only SUBJECT"
                    ));
                }
                _ => filters.push(argument),
            }
        }
        if tests {
            scale = Scale::Tiny;
        }
        let rounds = match (scale, rounds) {
            (Scale::Tiny, _) => 1,
            (Scale::Full, None) => 7,
            (Scale::Full, Some(text)) => match text.parse() {
                Ok(rounds) if rounds > 0 => rounds,
                _ => return Err(format!("{text} is not a number of rounds: 1 or more")),
            },
        };
        Ok(Self {
            mode,
            scale,
            rounds,
            filters,
            contenders,
        })
    }

    /// Whether a workload was asked for: by its name, or by what is before the dash in it.
    pub(super) fn selects(&self, workload: &Workload) -> bool {
        let family = workload.name.split('-').next();
        self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|it| it == workload.name || Some(it.as_str()) == family)
    }

    pub(super) fn includes(&self, contender: &str) -> bool {
        self.contenders.is_empty()
            || contender.starts_with(OURS)
            || self
                .contenders
                .iter()
                .any(|it| contender.contains(it.as_str()))
    }
}
