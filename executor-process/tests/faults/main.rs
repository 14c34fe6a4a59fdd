//! What goes wrong in workers and around them, and that it costs one task: over both transports.

#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::unwrap_used,
        reason = "these are tests: an unwrap that fails is what they look for"
    )
)]

#[cfg(target_os = "linux")]
mod codec;
#[cfg(target_os = "linux")]
mod crashes;
#[cfg(target_os = "linux")]
mod guesses;
#[cfg(target_os = "linux")]
mod healing;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod killed;
#[cfg(target_os = "linux")]
mod relayed;
#[cfg(target_os = "linux")]
mod roles;
#[cfg(target_os = "linux")]
mod spawning;
#[cfg(target_os = "linux")]
mod stopping;
#[cfg(target_os = "linux")]
mod support;

/// The trials look into `/proc`.
#[cfg(not(target_os = "linux"))]
fn main() {
    executor_process::init();
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    // Some trials start this program anew, for what would disturb the others.
    if let Some(code) = roles::play_before_init() {
        return code;
    }
    executor_process::init();
    if let Some(code) = roles::play() {
        return code;
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let mut trials = Vec::new();
    killed::add_to(&mut trials);
    codec::add_to(&mut trials);
    crashes::add_to(&mut trials);
    hostile::add_to(&mut trials);
    spawning::add_to(&mut trials);
    guesses::add_to(&mut trials);
    healing::add_to(&mut trials);
    stopping::add_to(&mut trials);
    relayed::add_to(&mut trials);
    libtest_mimic::run(&arguments, trials).exit_code()
}
