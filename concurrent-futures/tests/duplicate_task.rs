//! Two tasks of one name: the program fails at its start, and says which name it is.

#![cfg(feature = "auto-register")]

use std::panic::catch_unwind;

mod one {
    #[concurrent_futures::task(name = "acme.same")]
    pub(crate) fn task_one(x: u32) -> u32 {
        x
    }
}

mod two {
    #[concurrent_futures::task(name = "acme.same")]
    pub(crate) fn task_two(x: u32) -> u32 {
        x + 1
    }
}

#[test]
fn init_panics_and_names_the_task() {
    assert_eq!(one::task_one(1) + two::task_two(1), 3);
    let panic = catch_unwind(concurrent_futures::init).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("`acme.same`"), "{message}");
    assert!(message.contains("#[task(name = "), "{message}");
}
