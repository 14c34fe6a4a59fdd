//! The suite over the executor that runs tasks when it is told to.

use std::{convert::Infallible, process::ExitCode};

use conformance_tests::Factory;
use executor_core::testing::ManualExecutor;

fn main() -> ExitCode {
    conformance_tests::main(|suite| {
        let factory = Factory::local(|_| Ok::<_, Infallible>(ManualExecutor::new()));
        suite.add("manual", factory.deferred());
    })
}
