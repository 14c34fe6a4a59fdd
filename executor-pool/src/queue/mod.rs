//! Where accepted jobs wait.

#[cfg(test)]
mod front;
mod items;
mod locked;
mod stealing;

pub use self::{
    locked::{Locked, Pushed, WhenFull},
    stealing::{Own, Stealing},
};

use crate::QueueOrder;

/// One of the two queues.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each executor")]
pub enum Queue {
    /// Without a bound, and with work stealing.
    Stealing(Stealing),
    /// With a bound or a strict order.
    Locked(Locked),
}

impl Queue {
    /// The queue for this order and bound: the one that steals where neither forbids it.
    #[must_use]
    pub fn new(order: QueueOrder, bound: Option<usize>) -> Self {
        match (order, bound) {
            (QueueOrder::Fifo, None) => Self::Stealing(Stealing::new()),
            (order, bound) => Self::Locked(Locked::new(order, bound)),
        }
    }

    /// Whether no job waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Stealing(queue) => queue.is_empty(),
            Self::Locked(queue) => queue.is_empty(),
        }
    }

    /// How many jobs wait, those included that were cancelled and lie there as shells.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Stealing(queue) => queue.len(),
            Self::Locked(queue) => queue.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;
    use crate::QueueOrder;

    #[test]
    fn only_a_bound_or_another_order_needs_the_lock() {
        let steals = |order, bound| matches!(Queue::new(order, bound), Queue::Stealing(_));
        assert!(steals(QueueOrder::Fifo, None));
        assert!(!steals(QueueOrder::Fifo, Some(1)));
        assert!(!steals(QueueOrder::Lifo, None));
        assert!(!steals(QueueOrder::Priority, None));
    }
}
