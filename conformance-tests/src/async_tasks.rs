//! The portable tasks of the trials that are futures; a [script](crate::script) can be one, too.

use executor_core::context;
use executor_macros::task;

use crate::{block_on::yields, planned};

/// The words in one text. It borrows its arguments, also while it is pending.
#[task(crate = "executor_core")]
pub(crate) async fn joined(words: &[String], between: &str) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push_str(between);
        }
        yields(1).await;
        text.push_str(word);
    }
    text
}

/// The names under which it runs, before and after each of some turns of others.
#[task(crate = "executor_core")]
pub(crate) async fn own_names(turns: u32) -> Vec<Option<String>> {
    let mut names = vec![context::task_name()];
    for _ in 0..turns {
        yields(1).await;
        names.push(context::task_name());
    }
    names
}

/// Panics if the number is odd, after it was pending.
#[task(crate = "executor_core")]
pub(crate) async fn yields_then_panics_if_odd(number: u64) -> u64 {
    yields(1).await;
    assert!(
        number.is_multiple_of(2),
        "{}: {number} is odd",
        planned::PREFIX
    );
    number
}

/// Returns an error, after it was pending: which is an output like any other.
#[task(crate = "executor_core")]
pub(crate) async fn yields_then_fails(text: String) -> Result<u64, String> {
    yields(1).await;
    Err(text)
}
