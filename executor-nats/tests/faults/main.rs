//! What goes wrong around tasks on many machines, and what becomes of them: with a real server, and workers
//! that are processes of their own.

#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::unwrap_used,
        reason = "these are tests: an unwrap that fails is what they look for"
    )
)]

#[cfg(target_os = "linux")]
#[path = "../support/authority.rs"]
mod authority;
#[cfg(target_os = "linux")]
mod clusters;
#[cfg(target_os = "linux")]
mod hosts;
#[cfg(target_os = "linux")]
mod kills;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod refusals;
#[cfg(target_os = "linux")]
mod results;
#[cfg(target_os = "linux")]
mod rights;
#[cfg(target_os = "linux")]
mod rights_each;
#[cfg(target_os = "linux")]
#[path = "../support/server.rs"]
mod server;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(target_os = "linux")]
mod starts;
#[cfg(target_os = "linux")]
mod support;
#[cfg(target_os = "linux")]
mod workers;

/// The trials send signals, and look at processes.
#[cfg(not(target_os = "linux"))]
fn main() {
    executor_process::init();
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    support::roles::register();
    executor_process::init();
    // Some trials start this program anew, as a worker or as a submitter.
    if let Some(code) = support::roles::play() {
        return code;
    }
    let mut arguments = libtest_mimic::Arguments::from_args();
    // Each has a server and workers: more at once than processors only make them wait for each other.
    arguments.test_threads.get_or_insert(2);
    let mut trials = Vec::new();
    workers::add_to(&mut trials);
    kills::add_to(&mut trials);
    starts::add_to(&mut trials);
    servers::add_to(&mut trials);
    limits::add_to(&mut trials);
    rights::add_to(&mut trials);
    rights_each::add_to(&mut trials);
    results::add_to(&mut trials);
    refusals::add_to(&mut trials);
    clusters::add_to(&mut trials);
    hosts::add_to(&mut trials);
    libtest_mimic::run(&arguments, trials).exit_code()
}
