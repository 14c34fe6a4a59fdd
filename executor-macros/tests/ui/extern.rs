use executor_macros::task;

#[task(crate = "executor_core")]
extern "C" fn add(a: u64, b: u64) -> u64 {
    a + b
}

fn main() {}
