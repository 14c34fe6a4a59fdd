use executor_core::{ExecutorExt, testing::InlineExecutor};

fn main() {
    let greeting = String::from("hello");
    let _ = InlineExecutor::new().submit(move || greeting.len());
}
