//! The suite over the process pool: with the transport of this system, and with the one that every system
//! has.

use std::{
    env,
    process::{Command, ExitCode},
};

use conformance_tests::{Config, Factory, OnFull, is_victim, victim_main};
use executor_process::{BuildError, ProcessPoolBuilder, ProcessPoolExecutor, WorkerProgram};

/// Says to the program that is to be killed which transport it has.
const PORTABLE: &str = "CONFORMANCE_PORTABLE";

fn main() -> ExitCode {
    executor_process::init();
    if is_victim() {
        return match victim() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    conformance_tests::main(|suite| {
        suite.add("process", factory(false));
        suite.add("process_portable", factory(true));
    })
}

fn factory(is_portable: bool) -> Factory<ProcessPoolExecutor> {
    let own = env::current_exe().expect("this program is a file");
    Factory::portable(move |config| build(config, is_portable))
        .bounded()
        .no_caller_runs()
        .initialized()
        .resize(ProcessPoolExecutor::resize)
        .wait_idle(ProcessPoolExecutor::wait_idle)
        .victim(move || {
            let mut command = Command::new(&own);
            if is_portable {
                command.env(PORTABLE, "1");
            }
            command
        })
}

fn build(config: &Config, is_portable: bool) -> Result<ProcessPoolExecutor, BuildError> {
    // Each worker of each trial would read this program's debug information for its first panic.
    let program = WorkerProgram::new(env::current_exe().expect("this program is a file"))
        .env("RUST_BACKTRACE", "0");
    let mut builder = transport(ProcessPoolExecutor::builder(), is_portable)
        .worker_program(program)
        .max_workers(config.workers)
        .stderr(executor_process::WorkerStderr::Discard)
        .on_full(match config.on_full {
            OnFull::Reject => executor_process::OnFull::Reject,
            OnFull::Block | OnFull::CallerRuns => executor_process::OnFull::Block,
        });
    if let Some(bound) = config.queue {
        builder = builder.queue(bound);
    }
    if let Some(initializer) = &config.initializer {
        builder = builder.initializer(initializer.portable());
    }
    builder.build()
}

fn victim() -> Result<(), Box<dyn std::error::Error>> {
    let builder = ProcessPoolExecutor::builder().max_workers(2);
    let pool = transport(builder, env::var_os(PORTABLE).is_some()).build()?;
    Ok(victim_main(&pool)?)
}

fn transport(builder: ProcessPoolBuilder, is_portable: bool) -> ProcessPoolBuilder {
    if is_portable {
        builder.portable_transport()
    } else {
        builder
    }
}
