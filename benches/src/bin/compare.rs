//! Prints every workload, ours beside its peers and the machine's limits, with the goals.
//!
//! `cargo run --release -p benches --bin compare -- --help`; `README.md` of the package has the method.

use std::process::ExitCode;

use benches::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    benches::init();
    benches::compare::main()
}
