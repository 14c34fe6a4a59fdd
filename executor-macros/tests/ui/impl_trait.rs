use executor_macros::task;

#[task(crate = "executor_core")]
fn describe(value: impl ToString) -> String {
    value.to_string()
}

#[task(crate = "executor_core")]
fn count(to: u64) -> impl Iterator<Item = u64> {
    0..to
}

fn main() {}
