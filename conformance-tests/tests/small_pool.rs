//! The suite over a pool that is as simple as can be: a queue under a lock.

mod support;

use std::{convert::Infallible, process::ExitCode};

use conformance_tests::Factory;

use self::support::{Defect, Pool};

fn main() -> ExitCode {
    conformance_tests::main(|suite| {
        let build = |config: &conformance_tests::Config| {
            Ok::<_, Infallible>(Pool::new(config.workers, Defect::None))
        };
        suite.add("small_pool", Factory::local(build));
    })
}
