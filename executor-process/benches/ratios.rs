//! The table of the process pool: every workload, ours beside its peers and the system's limits, with
//! the goals.
//!
//! `cargo bench -p executor-process --bench ratios -- [--rounds N] [--only SUBJECT] [WORKLOAD..]`; see
//! `README.md` beside this file for the method.

#[cfg(unix)]
mod common;
#[cfg(unix)]
mod peers;
#[cfg(unix)]
#[path = "../../executor-threads/benches/report/mod.rs"]
mod report;
#[cfg(unix)]
mod work;
#[cfg(unix)]
mod workloads;

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    use self::{peers::raw, report::arguments::Arguments};

    executor_process::init();
    procspawn::init();
    if let Some(code) = raw::serve() {
        return code;
    }
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => {
            report::run(&workloads::all(), &arguments);
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The peers are for Unix only.
#[cfg(not(unix))]
fn main() -> ExitCode {
    executor_process::init();
    eprintln!("the peers of these benchmarks do not run on this system");
    ExitCode::SUCCESS
}
