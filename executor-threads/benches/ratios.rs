//! The table of the README: every workload, ours beside its peers, with the goals.
//!
//! `cargo bench -p executor-threads --bench ratios -- [--rounds N] [WORKLOAD..]`; see `README.md`
//! beside this file for the method.

mod common;
mod peers;
mod report;
mod workloads;

use std::process::ExitCode;

use self::{report::arguments::Arguments, workloads::allocator::Counting};

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
