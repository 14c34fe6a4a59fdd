//! What initializers have made on a thread: one state for each executor that has run jobs there.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
    sync::{Arc, Weak},
};

use super::Runners;
use crate::panics::contain;

thread_local! {
    static STATES: RefCell<Vec<Made>> = const { RefCell::new(Vec::new()) };
    /// The executors whose initializers this thread is in, the innermost last.
    static BEING_MADE: RefCell<Vec<*const Runners>> = const { RefCell::new(Vec::new()) };
    static ANY_BEING_MADE: Cell<bool> = const { Cell::new(false) };
}

/// A state that stays on its thread for as long as its executor exists, and a little longer.
struct Made {
    by: Weak<Runners>,
    state: Option<Rc<dyn Any>>,
}

/// The state that the executor's initializer has made on this thread, or makes now. None if it is being made:
/// what an initializer waits for is run without it.
///
/// # Errors
///
/// What the initializer gives or panics with.
pub(super) fn of(runners: &Arc<Runners>) -> Result<Option<Rc<dyn Any>>, String> {
    let Some(initializer) = &runners.settings.initializer else {
        return Ok(None);
    };
    let these = Arc::as_ptr(runners);
    if let Some(state) = STATES.with_borrow(|states| {
        let made = states
            .iter()
            .find(|made| ptr::eq(made.by.as_ptr(), these))?;
        made.state.clone()
    }) {
        return Ok(Some(state));
    }
    if BEING_MADE.with_borrow(|all| all.contains(&these)) {
        return Ok(None);
    }
    begin(these);
    let made = catch_unwind(AssertUnwindSafe(|| initializer()));
    end();
    let state = match made {
        Ok(Ok(state)) => Rc::from(state),
        Ok(Err(error)) => return Err(format!("the initializer of a worker failed: {error}")),
        Err(payload) => {
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let text = text.unwrap_or("the panic's payload is not text");
            let cause = format!("the initializer of a worker panicked: {text}");
            contain(|| drop(payload));
            return Err(cause);
        }
    };
    let old = STATES.with_borrow_mut(|states| {
        let (live, old) = std::mem::take(states)
            .into_iter()
            .partition(|made| made.by.strong_count() > 0);
        *states = live;
        states.push(Made {
            by: Arc::downgrade(runners),
            state: Some(Rc::clone(&state)),
        });
        old
    });
    // Those of executors that are gone, whose destructors may look here.
    drop::<Vec<_>>(old);
    Ok(Some(state))
}

/// Whether this thread is in an initializer: what comes next on it must have the state.
pub(super) fn is_being_made() -> bool {
    ANY_BEING_MADE.get()
}

fn begin(runners: *const Runners) {
    BEING_MADE.with_borrow_mut(|all| all.push(runners));
    ANY_BEING_MADE.set(true);
}

fn end() {
    let any = BEING_MADE.with_borrow_mut(|all| {
        all.pop();
        !all.is_empty()
    });
    ANY_BEING_MADE.set(any);
}

impl Drop for Made {
    fn drop(&mut self) {
        // On somebody else's thread, which must not unwind.
        contain(|| drop(self.state.take()));
    }
}
