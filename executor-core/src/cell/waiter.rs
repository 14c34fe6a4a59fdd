//! What is to happen when a task is done: the content of a cell's waiter slot.

use std::{fmt, task::Waker};

use crate::{Outcome, panic};

/// A function to be called once the task is done.
pub(crate) type Callback = Box<dyn FnOnce(Outcome) + Send>;

/// The waiters of one task: usually one waker, which needs no allocation; else a list.
#[expect(
    clippy::box_collection,
    reason = "the slot is two words wide in every cell"
)]
pub(crate) enum Waiters {
    One(Waker),
    Many(Box<Vec<Waiter>>),
}

/// Callbacks of a task that is done, which its backend wants to be called somewhere else than where
/// it settled the task. Dropping them calls them.
#[must_use = "whoever waits for these callbacks waits until they are called or dropped"]
pub struct Callbacks {
    list: Vec<Waiter>,
    outcome: Outcome,
}

impl Callbacks {
    /// Calls them, in the order in which they were added. A panic in one goes no further.
    pub fn call(self) {
        drop(self);
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        for waiter in self.list.drain(..) {
            waiter.fire(self.outcome);
        }
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks")
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

pub(crate) enum Waiter {
    Waker(Waker),
    Callback(Callback),
}

impl Waiters {
    pub(crate) fn of(waiter: Waiter) -> Self {
        match waiter {
            Waiter::Waker(waker) => Self::One(waker),
            Waiter::Callback(_) => Self::Many(Box::new(vec![waiter])),
        }
    }

    /// Adds one; a waker that is already there is not added again.
    pub(crate) fn with(self, waiter: Waiter) -> Self {
        let mut list = match self {
            Self::Many(list) => list,
            Self::One(waker) => match &waiter {
                Waiter::Waker(new) if new.will_wake(&waker) => return Self::One(waker),
                _ => Box::new(vec![Waiter::Waker(waker)]),
            },
        };
        let is_there = match &waiter {
            Waiter::Waker(new) => list.iter().any(|old| old.is_waker(new)),
            Waiter::Callback(_) => false,
        };
        if !is_there {
            list.push(waiter);
        }
        Self::Many(list)
    }

    /// Removes `waker`, or all wakers; what is left, if anything is.
    pub(crate) fn without(self, waker: Option<&Waker>) -> Option<Self> {
        let goes = |old: &Waker| waker.is_none_or(|waker| waker.will_wake(old));
        match self {
            Self::One(old) => (!goes(&old)).then_some(Self::One(old)),
            Self::Many(mut list) => {
                list.retain(|waiter| match waiter {
                    Waiter::Waker(old) => !goes(old),
                    Waiter::Callback(_) => true,
                });
                (!list.is_empty()).then_some(Self::Many(list))
            }
        }
    }

    /// Wakes all of them, and gives the callbacks back.
    pub(crate) fn wake(self, outcome: Outcome) -> Option<Callbacks> {
        let list = match self {
            Self::One(waker) => {
                panic::guard(|| waker.wake());
                return None;
            }
            Self::Many(list) => *list,
        };
        let (callbacks, wakers): (Vec<_>, Vec<_>) = list
            .into_iter()
            .partition(|waiter| matches!(waiter, Waiter::Callback(_)));
        for waker in wakers {
            waker.fire(outcome);
        }
        (!callbacks.is_empty()).then_some(Callbacks {
            list: callbacks,
            outcome,
        })
    }

    /// Wakes and calls all of them, in the order in which they came. A panic in one is reported and
    /// does not keep the next from its turn.
    pub(crate) fn fire(self, outcome: Outcome) {
        match self {
            Self::One(waker) => panic::guard(|| waker.wake()),
            Self::Many(list) => {
                for waiter in *list {
                    waiter.fire(outcome);
                }
            }
        }
    }
}

impl Waiter {
    pub(crate) fn fire(self, outcome: Outcome) {
        panic::guard(|| match self {
            Self::Waker(waker) => waker.wake(),
            Self::Callback(callback) => callback(outcome),
        });
    }

    fn is_waker(&self, waker: &Waker) -> bool {
        matches!(self, Self::Waker(old) if old.will_wake(waker))
    }
}
