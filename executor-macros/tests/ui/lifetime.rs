use executor_macros::task;

#[task(crate = "executor_core")]
fn first_word<'a>(text: &'a str) -> &'a str {
    text.split(' ').next().unwrap_or(text)
}

#[task(crate = "executor_core")]
fn is_known(name: &'static str) -> bool {
    name == "square"
}

#[task(crate = "executor_core")]
fn owned(text: std::borrow::Cow<'_, str>) -> usize {
    text.len()
}

fn main() {}
