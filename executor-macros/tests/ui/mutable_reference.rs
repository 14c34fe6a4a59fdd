use executor_macros::task;

#[task(crate = "executor_core")]
fn clear(items: &mut Vec<u64>) {
    items.clear();
}

#[task(crate = "executor_core")]
fn sort(items: &mut [u64]) {
    items.sort();
}

fn main() {}
