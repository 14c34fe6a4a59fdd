//! Waiting for a change of the pool's state.

#[cfg(loom)]
use loom::sync::{Condvar, MutexGuard, atomic::AtomicUsize};
#[cfg(not(loom))]
use std::sync::{Condvar, MutexGuard, atomic::AtomicUsize};
use std::{
    sync::{PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

/// A condition variable that costs its notifier no system call while nobody waits.
///
/// Whoever waits counts itself under the lock. Whoever notifies has made its change under the same lock, and
/// looks at the count afterwards: either it finds the waiter counted, or the waiter took the lock later
/// and has seen the change.
#[derive(Default)]
pub(crate) struct Condition {
    changed: Condvar,
    waiting: AtomicUsize,
}

impl Condition {
    /// Lets go of the lock until it is notified, or the deadline has passed. `Err` if that had passed already.
    pub(crate) fn wait<'s, T>(
        &self,
        guard: MutexGuard<'s, T>,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'s, T>, MutexGuard<'s, T>> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(guard);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = match left {
            None => {
                let woken = self.changed.wait(guard);
                woken.unwrap_or_else(PoisonError::into_inner)
            }
            Some(left) => {
                let woken = self.changed.wait_timeout(guard, left);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(guard)
    }

    /// Wakes all who wait, after a change that was made under the lock.
    pub(crate) fn notify_all(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.changed.notify_all();
        }
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    //! What the pool does with it: the change is made under the lock, and told of without it.

    use loom::{
        sync::{Arc, Mutex},
        thread,
    };

    use super::Condition;

    #[derive(Default)]
    struct Shared {
        places: Mutex<u32>,
        room: Condition,
    }

    fn take_a_place(shared: &Shared) {
        let mut places = shared.places.lock().unwrap();
        while *places == 0 {
            places = shared.room.wait(places, None).ok().unwrap();
        }
        *places -= 1;
    }

    fn add_a_place(shared: &Shared) {
        *shared.places.lock().unwrap() += 1;
        shared.room.notify_all();
    }

    #[test]
    fn nobody_sleeps_through_a_change() {
        loom::model(|| {
            let shared = Arc::new(Shared::default());
            let waiters: Vec<_> = (0..2)
                .map(|_| {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || take_a_place(&shared))
                })
                .collect();
            add_a_place(&shared);
            add_a_place(&shared);
            for waiter in waiters {
                waiter.join().unwrap();
            }
        });
    }
}
