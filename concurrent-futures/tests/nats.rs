//! `Backend::Nats`: opened with a server, and refused without one.
//!
//! No variable of this process changes: what reads it is a process of its own, this program again.

#[expect(
    dead_code,
    reason = "these trials need a server to which nothing happens"
)]
#[path = "../../executor-nats/tests/support/server.rs"]
mod server;
#[path = "support/mod.rs"]
mod support;

use std::process::{ExitCode, Output};

use concurrent_futures::{Backend, prelude::*};
use libtest_mimic::{Arguments, Failed, Trial};

use self::{
    server::{Options, Server},
    support::{Checked, ensure, ensure_eq, text},
};

fn main() -> ExitCode {
    concurrent_futures::init();
    if support::is_example() {
        return open();
    }
    let trials = vec![
        Trial::test("opens_with_its_own_workers", opens_with_its_own_workers),
        Trial::test("without_a_url", without_a_url),
        Trial::test("without_a_server", without_a_server),
        Trial::test("another_queue", another_queue),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

#[task]
fn square(x: u64) -> u64 {
    x * x
}

/// Opens the backend, and prints what comes of it.
fn open() -> ExitCode {
    let executor = match Backend::Nats.open(3) {
        Ok(executor) => executor,
        Err(error) => {
            println!("{error}");
            println!("missing: {:?}", error.missing_variable());
            return ExitCode::FAILURE;
        }
    };
    println!("workers: {}", executor.capabilities().workers);
    let sum: u64 = executor
        .map((0..1000).map(square::task))
        .map(|result| result.expect("a square"))
        .sum();
    println!("sum: {sum}");
    executor
        .shutdown(Shutdown::Drain)
        .expect("it can be drained");
    executor.join(None).expect("it ends");
    println!("shut down: {}", executor.submit(square::task(1)).is_err());
    ExitCode::SUCCESS
}

fn run(url: Option<&str>, queue: &str) -> Result<Output, Failed> {
    let mut command = support::example();
    match url {
        Some(url) => command.env("NATS_URL", url),
        None => command.env_remove("NATS_URL"),
    };
    support::run(command.env("NATS_QUEUE", queue))
}

fn opens_with_its_own_workers() -> Checked {
    let server = Server::start(Options::new());
    let output = run(Some(&server.url()), "")?;
    ensure(output.status.success(), &output)?;
    ensure_eq(
        text(&output.stdout),
        "workers: 3\nsum: 332833500\nshut down: true\n".to_owned(),
    )
}

fn another_queue() -> Checked {
    let server = Server::start(Options::new());
    let output = run(Some(&server.url()), "nightly")?;
    ensure(output.status.success(), &output)?;
    let output = run(Some(&server.url()), "no.name")?;
    ensure(text(&output.stdout).contains("`no.name`"), &output)
}

fn without_a_url() -> Checked {
    for url in [None, Some("")] {
        let output = run(url, "")?;
        ensure(!output.status.success(), &output)?;
        let said = text(&output.stdout);
        ensure(
            said.starts_with("cannot start the backend `nats`: NATS_URL is not set"),
            &output,
        )?;
        ensure(said.contains("nats://127.0.0.1:4222"), &output)?;
        ensure(said.ends_with("missing: Some(\"NATS_URL\")\n"), &output)?;
    }
    Ok(())
}

fn without_a_server() -> Checked {
    let url = {
        let server = Server::start(Options::new());
        server.url()
    };
    let output = run(Some(&url), "")?;
    ensure(!output.status.success(), &output)?;
    let said = text(&output.stdout);
    ensure(said.contains(&url), &output)?;
    ensure(said.ends_with("missing: None\n"), &output)
}
