use executor_macros::task;

#[task(crate = "executor_core")]
fn name(index: usize) -> &'static str {
    ["a", "b"][index]
}

#[task(crate = "executor_core")]
fn total(words: Vec<&str>) -> usize {
    words.iter().map(|word| word.len()).sum()
}

fn main() {}
