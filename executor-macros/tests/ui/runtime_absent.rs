use executor_macros::task;

// Only the facade has a runtime, behind a feature.
#[task(crate = "executor_core", runtime = "tokio")]
async fn absent(x: u64) -> u64 {
    x
}

fn main() {}
