use executor_macros::task;

#[task(crate = "executor_core")]
fn largest<T: Ord>(items: Vec<T>) -> Option<T> {
    items.into_iter().max()
}

#[task(crate = "executor_core")]
fn sum<const N: usize>(items: [u64; N]) -> u64 {
    items.iter().sum()
}

fn main() {}
