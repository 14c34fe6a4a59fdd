//! The executor of the example `custom_executor` keeps the laws.

use std::{convert::Infallible, process::ExitCode};

use conformance_tests::Factory;

#[path = "../examples/custom_executor.rs"]
#[expect(dead_code, reason = "its `main` shows the executor to readers")]
mod example;

fn main() -> ExitCode {
    conformance_tests::main(|suite| {
        let build = |config: &conformance_tests::Config| {
            Ok::<_, Infallible>(example::ChannelExecutor::new(config.workers))
        };
        suite.add("custom", Factory::local(build));
    })
}
