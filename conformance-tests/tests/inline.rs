//! The suite over the executor that runs each task in the call that submits it.

use std::{convert::Infallible, process::ExitCode};

use conformance_tests::Factory;
use executor_core::testing::InlineExecutor;

fn main() -> ExitCode {
    conformance_tests::main(|suite| {
        suite.add(
            "inline",
            Factory::local(|_| Ok::<_, Infallible>(InlineExecutor::new())),
        );
    })
}
