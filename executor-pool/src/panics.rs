//! Panics where nobody can be told of them.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Calls `f` and goes on, also if it panics, also if the panic's payload panics when it is dropped. For hooks and
/// destructors on threads that must not unwind; the panic hook has printed what there is to say.
pub fn contain(f: impl FnOnce()) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else {
        return;
    };
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // It could go on like this; nobody misses it.
        mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::contain;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any(Self);
        }
    }

    #[test]
    fn nothing_comes_out_of_it() {
        contain(|| panic!("a panic with a text"));
        contain(|| panic_any(Bomb));
    }
}
