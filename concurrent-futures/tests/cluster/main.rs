//! The example `cluster`: its demonstration, and its parts as somebody would start them.

#[path = "../../examples/cluster.rs"]
mod example;
#[expect(
    dead_code,
    reason = "these trials need a server to which nothing happens"
)]
#[path = "../../../executor-nats/tests/support/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::process::{Child, ExitCode};

use libtest_mimic::{Arguments, Trial};

use self::{
    server::{Options, Server},
    support::{Checked, ensure, ensure_eq, text},
};

fn main() -> ExitCode {
    if support::is_example() {
        return example::main();
    }
    let trials = vec![
        Trial::test("demo", demo),
        Trial::test("submit_worker_and_status", submit_worker_and_status),
        Trial::test("a_wrong_address_is_named", a_wrong_address_is_named),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn demo() -> Checked {
    let mut command = support::example();
    command.env("NATS_SERVER", server::program());
    let output = support::run(command.args(["demo", "--tasks", "2000"]))?;
    ensure(output.status.success(), &output)?;
    let said = text(&output.stdout);
    for part in [
        "server: nats-server: v",
        "workers: 3",
        "kill -9: worker ",
        "right: 2000 of 2000",
    ] {
        ensure(said.contains(part), &output)?;
    }
    Ok(())
}

/// A process that is killed with the trial.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Either fails only if it has ended before.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn submit_worker_and_status() -> Checked {
    let server = Server::start(Options::new());
    let url = server.url();
    let mut worker = support::example();
    worker.args(["worker", "--nats", &url, "--queue", "night", "--slots", "2"]);
    let _worker = Killed(worker.spawn()?);
    let mut command = support::example();
    command.args([
        "submit", "--nats", &url, "--queue", "night", "--tasks", "300",
    ]);
    let output = support::run(&mut command)?;
    ensure(output.status.success(), &output)?;
    ensure(text(&output.stdout).contains("right: 300 of 300"), &output)?;

    let mut command = support::example();
    // the address from the environment
    command
        .env("NATS_URL", &url)
        .args(["status", "--queue", "night"]);
    let output = support::run(&mut command)?;
    ensure(output.status.success(), &output)?;
    ensure(text(&output.stdout).contains("night"), &output)
}

fn a_wrong_address_is_named() -> Checked {
    for action in ["submit", "worker", "status"] {
        let mut command = support::example();
        let output = support::run(command.args([action, "--nats", "nats://127.0.0.1:1"]))?;
        ensure_eq(output.status.code(), Some(1))?;
        ensure(text(&output.stderr).contains("nats://127.0.0.1:1"), &output)?;
    }
    Ok(())
}
