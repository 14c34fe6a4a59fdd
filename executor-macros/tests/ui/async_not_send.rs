use std::rc::Rc;

use executor_macros::task;

#[task(crate = "executor_core")]
async fn count(text: &str) -> usize {
    let text = Rc::new(text.to_owned());
    std::future::ready(()).await;
    text.len()
}

fn main() {}
