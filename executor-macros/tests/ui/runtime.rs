use executor_macros::task;

#[task(crate = "executor_core", runtime = "tokio")]
fn plain(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", runtime = "smol")]
async fn unknown(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", runtime)]
async fn no_value(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core", runtime = "tokio", runtime = "tokio")]
async fn twice(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core")]
async unsafe fn dangerous(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core")]
async fn generic<T>(x: T) -> T {
    x
}

fn main() {}
