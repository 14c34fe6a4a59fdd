//! The table of the executor over tokio: every workload, ours beside bare tokio, with the goals.
//!
//! `cargo bench -p executor-tokio --bench ratios -- [--rounds N] [--only SUBJECT].. [WORKLOAD..]`; see
//! `README.md` beside this file for the method.

mod common;
mod peers;
#[expect(
    dead_code,
    reason = "it serves other benchmarks too, which need more of it"
)]
#[path = "../../executor-threads/benches/report/mod.rs"]
mod report;
mod workloads;

use std::process::ExitCode;

use self::{common::allocator::Counting, report::arguments::Arguments};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
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
