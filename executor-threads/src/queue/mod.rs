//! Where accepted jobs wait.

mod locked;
mod stealing;

pub(crate) use self::{
    locked::{Locked, WhenFull},
    stealing::{Own, Stealing},
};

/// One of the two queues.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each pool")]
pub(crate) enum Queue {
    Stealing(Stealing),
    Locked(Locked),
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Stealing(queue) => queue.is_empty(),
            Self::Locked(queue) => queue.is_empty(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Stealing(queue) => queue.len(),
            Self::Locked(queue) => queue.len(),
        }
    }
}
