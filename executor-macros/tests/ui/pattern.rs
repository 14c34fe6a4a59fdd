use executor_macros::task;

#[task(crate = "executor_core")]
fn add((a, b): (u64, u64)) -> u64 {
    a + b
}

#[task(crate = "executor_core")]
fn ignore(_: u64) {}

#[task(crate = "executor_core")]
fn unused(#[allow(unused)] x: u64) {}

fn main() {}
