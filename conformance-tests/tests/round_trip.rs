//! The suite over the executor that sends each task through its encoded form.

use std::{convert::Infallible, process::ExitCode};

use conformance_tests::Factory;
use executor_core::testing::RoundTripExecutor;

fn main() -> ExitCode {
    conformance_tests::main(|suite| {
        let factory = Factory::portable(|_| Ok::<_, Infallible>(RoundTripExecutor::new()));
        suite.add("round_trip", factory);
    })
}
