//! Two hosts, in network namespaces of Linux, and a link between them that is cut.
//!
//! To make namespaces one must be root. Who is not gets a line that says so, and a trial that counts as ignored: it
//! is in the summary.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use executor_core::ExecutorExt as _;
use libtest_mimic::Trial;

use crate::{
    server::{Options, Server},
    support::{
        cluster::{Bench, LEASE, WorkerProcess, check_serves},
        guard::{add, pass, settle, step},
        tasks::{hold, note},
    },
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    let name = "hosts::link_cut_for_longer_than_the_lease";
    match Hosts::make() {
        Ok(hosts) => add(trials, name, move |bench| link_cut(bench, &hosts)),
        Err(reason) => {
            eprintln!(
                "SKIPPED {name}: no network namespaces here: {reason} (be root, and have iproute2)"
            );
            trials.push(Trial::test(name, || Ok(())).with_ignored_flag(true));
        }
    }
}

fn link_cut(bench: &mut Bench, hosts: &Hosts) {
    let tally = bench.tally("runs");
    bench.server = Server::start(Options::new().at(&hosts.near()));
    let executor = bench.executor();
    let url = bench.server.url();
    let far = WorkerProcess::start_in(&hosts.name, &url, 1);
    let (started, until) = (bench.gate("started"), bench.gate("until"));
    step("a task runs on the far host");
    let cut_off = executor
        .submit(hold::task(tally.clone(), 1, started.clone(), until.clone()))
        .unwrap();
    started.wait();
    hosts.link("down");
    let _near = bench.worker(1);
    until.open();
    step("the link is down");
    let others: Vec<_> = (10..20)
        .map(|number| {
            executor
                .submit(note::task(tally.clone(), number, 0))
                .unwrap()
        })
        .collect();
    for (number, future) in (10..).zip(others) {
        assert_eq!(
            settle("a task while the link is down", future).unwrap(),
            number
        );
    }
    assert!(
        settle("the task that was cut off", cut_off).unwrap() >= 2,
        "run again on this side"
    );
    assert_eq!(tally.count(1), 2);
    pass(LEASE);
    hosts.link("up");
    step("the link is up again");
    drop(_near);
    // Only the far one is left: it is back, and what it had to say about the first task hurts nobody.
    check_serves(&executor);
    drop(far);
}

/// A namespace with one end of a link, whose other end is here; dropped, both are removed.
struct Hosts {
    name: String,
    device: String,
    net: u32,
}

impl Hosts {
    fn make() -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let hosts = Self {
            name: format!("cf{pid}n{number}"),
            // at most 15 bytes
            device: format!("cf{}v{number}", pid % 1_000_000),
            net: pid % 250,
        };
        let (name, device) = (&hosts.name, &hosts.device);
        let peer = format!("{device}p");
        ip(&["netns", "add", name])?;
        ip(&[
            "link", "add", device, "type", "veth", "peer", "name", &peer, "netns", name,
        ])?;
        ip(&[
            "addr",
            "add",
            &format!("{}/30", hosts.near()),
            "dev",
            device,
        ])?;
        ip(&["link", "set", device, "up"])?;
        ip(&[
            "-n",
            name,
            "addr",
            "add",
            &format!("{}/30", hosts.far()),
            "dev",
            &peer,
        ])?;
        ip(&["-n", name, "link", "set", &peer, "up"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        Ok(hosts)
    }

    /// Of the addresses that are for documentation alone, so that no real network has them.
    fn near(&self) -> String {
        format!("198.51.100.{}", self.net / 4 * 4 + 1)
    }

    fn far(&self) -> String {
        format!("198.51.100.{}", self.net / 4 * 4 + 2)
    }

    fn link(&self, state: &str) {
        ip(&["link", "set", &self.device, state]).expect("the link can be changed");
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // The link goes with the namespace that one of its ends is in; without either there is nothing to remove.
        drop(ip(&["link", "del", &self.device]));
        drop(ip(&["netns", "del", &self.name]));
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(words).output();
    let output = output.map_err(|error| format!("cannot run ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {}: {}", words.join(" "), said.trim()))
}
