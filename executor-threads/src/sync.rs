//! The primitives of `idle`: the usual ones, or loom's under `--cfg loom`.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering, fence},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use self::model::{Parker, Unparker};
#[cfg(not(loom))]
pub(crate) use self::real::{Parker, Unparker};

#[cfg(not(loom))]
mod real {
    use std::time::Duration;

    pub(crate) use crossbeam_utils::sync::Unparker;
    use executor_core::spin;

    /// Lets one thread sleep until its [`Unparker`] is used.
    #[derive(Debug, Default)]
    pub(crate) struct Parker(crossbeam_utils::sync::Parker);

    impl Parker {
        pub(crate) fn unparker(&self) -> Unparker {
            self.0.unparker().clone()
        }

        pub(crate) fn park(&self, timeout: Option<Duration>) {
            spin::asleep(|| match timeout {
                None => self.0.park(),
                Some(timeout) => self.0.park_timeout(timeout),
            });
        }
    }
}

#[cfg(loom)]
mod model {
    use std::time::Duration;

    use loom::sync::{Arc, Condvar, Mutex};

    #[derive(Debug, Default)]
    pub(crate) struct Parker(Arc<(Mutex<bool>, Condvar)>);

    #[derive(Debug, Clone)]
    pub(crate) struct Unparker(Arc<(Mutex<bool>, Condvar)>);

    impl Parker {
        pub(crate) fn unparker(&self) -> Unparker {
            Unparker(Arc::clone(&self.0))
        }

        /// A timeout passes at once: the worst that can happen.
        pub(crate) fn park(&self, timeout: Option<Duration>) {
            let mut token = self.0.0.lock().unwrap();
            while !*token && timeout.is_none() {
                token = self.0.1.wait(token).unwrap();
            }
            *token = false;
        }
    }

    impl Unparker {
        pub(crate) fn unpark(&self) {
            *self.0.0.lock().unwrap() = true;
            self.0.1.notify_one();
        }
    }
}
