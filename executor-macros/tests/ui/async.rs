use executor_macros::task;

#[task(crate = "executor_core")]
async fn fetch(url: String) -> String {
    url
}

fn main() {}
