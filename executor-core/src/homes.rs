//! Which backend a job's home belongs to, where a future has to ask it.
//!
//! A home is a number. Most say no more than whose workers may run a job; those with one of the bits below
//! lead to their backend, for as long as that exists.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, PoisonError, RwLock, RwLockWriteGuard, Weak},
};

use crate::Home;

/// Marks the home of a backend whose workers are elsewhere: see [`crate::remote`].
pub(crate) const REMOTE: u32 = 1 << 31;

/// Marks the home of a backend on the threads of somebody else's pool: see [`crate::host`].
pub(crate) const POOL: u32 = 1 << 30;

/// Marks the home of a backend on an async runtime: see [`crate::host`].
pub(crate) const RUNTIME: u32 = 1 << 29;

/// All marks.
pub(crate) const MARKS: u32 = REMOTE | POOL | RUNTIME;

/// The backends of one kind, by their homes.
pub(crate) struct Table<T: ?Sized> {
    marks: u32,
    entries: LazyLock<RwLock<HashMap<u32, Weak<T>>>>,
}

impl<T: ?Sized> Table<T> {
    /// For the homes that have one of these marks.
    pub(crate) const fn new(marks: u32) -> Self {
        Self {
            marks,
            entries: LazyLock::new(RwLock::default),
        }
    }

    /// A new home with this mark, which leads to `backend`.
    pub(crate) fn enter(&self, mark: u32, backend: Weak<T>) -> Home {
        let home = Home(Home::new().0 | mark);
        self.write().insert(home.0, backend);
        home
    }

    pub(crate) fn leave(&self, home: Home) {
        self.write().remove(&home.0);
    }

    /// The backend of a home, if it is of this kind and still exists.
    #[inline]
    pub(crate) fn of(&self, home: u32) -> Option<Arc<T>> {
        if home & self.marks == 0 {
            None
        } else {
            self.find(home)
        }
    }

    #[cold]
    fn find(&self, home: u32) -> Option<Arc<T>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&home)?.upgrade()
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<u32, Weak<T>>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}
