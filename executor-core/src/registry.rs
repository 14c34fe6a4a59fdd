//! The portable tasks that this program knows, by name.

use std::{
    any::TypeId,
    collections::HashMap,
    fmt,
    sync::{OnceLock, PoisonError, RwLock},
};

use crate::{
    PortableTask, TaskError, TaskErrorKind,
    codec::{self, Part},
    map::encoded,
    panic,
};

/// The tasks that this program can run when another process names them.
///
/// `#[task]` functions are in [`Registry::global`] by themselves (feature `auto-register`); where
/// the linker drops them, or without that feature, list them with [`with`](Self::with) before the
/// first submission.
pub struct Registry {
    tasks: RwLock<HashMap<&'static str, Registration>>,
}

/// One task of a registry: its name, and how to run it from bytes.
#[derive(Clone, Copy)]
pub struct Registration {
    name: &'static str,
    signature: &'static str,
    type_id: fn() -> TypeId,
    run: fn(&[u8], &mut Vec<u8>) -> Result<(), TaskError>,
    run_chunk: fn(&[u8], &mut Vec<u8>) -> Result<(), TaskError>,
}

/// Two tasks of one program have the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateTask {
    name: &'static str,
}

#[cfg(feature = "auto-register")]
inventory::collect!(Registration);

impl Registry {
    /// The registry of this program, with every `#[task]` that the linker kept.
    ///
    /// # Panics
    ///
    /// If two `#[task]` functions that differ have one name: a call could mean either. Rename one,
    /// or pin its name with `#[task(name = "..")]`.
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<Registry> = OnceLock::new();
        GLOBAL.get_or_init(|| {
            let registry = Self::new();
            #[cfg(feature = "auto-register")]
            for registration in inventory::iter::<Registration> {
                if let Err(error) = registry.insert(*registration) {
                    panic!("{error}");
                }
            }
            registry
        })
    }

    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tasks: RwLock::default(),
        }
    }

    /// Adds task `T`; adding it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`DuplicateTask`] if another task has its name.
    pub fn with<T: PortableTask>(&self) -> Result<&Self, DuplicateTask> {
        self.insert(Registration::of::<T>())
    }

    /// Whether a task of this name is known.
    pub fn contains(&self, name: &str) -> bool {
        self.read().contains_key(name)
    }

    /// The names of all tasks, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.read().keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// A digest of all names and signatures: equal in two programs that understand each other's
    /// tasks, and almost certainly different in two that do not.
    pub fn digest(&self) -> u64 {
        let mut tasks: Vec<_> = self
            .read()
            .values()
            .map(|t| (t.name, t.signature))
            .collect();
        tasks.sort_unstable();
        // FNV-1a: stable over builds and platforms, which the standard hasher is not.
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        for (name, signature) in tasks {
            for &byte in name
                .as_bytes()
                .iter()
                .chain(b"\0")
                .chain(signature.as_bytes())
                .chain(b"\n")
            {
                digest = (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        digest
    }

    /// Runs the task that `call` names, from its encoded form, and encodes its output onto the end
    /// of `output`.
    ///
    /// # Errors
    ///
    /// What a worker reports: an unknown name, an argument or output that the codec refuses, or a
    /// panic.
    pub fn run(&self, call: &EncodedCall<'_>, output: &mut Vec<u8>) -> Result<(), TaskError> {
        let found = self.read().get(call.name).copied();
        let Some(registration) = found else {
            return Err(TaskError::new(TaskErrorKind::UnknownTask(
                call.name.to_owned(),
            )));
        };
        let run = if call.is_chunk {
            registration.run_chunk
        } else {
            registration.run
        };
        run(call.body, output)
    }

    fn insert(&self, registration: Registration) -> Result<&Self, DuplicateTask> {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        match tasks.insert(registration.name, registration) {
            // One task may be listed twice; two tasks may not share a name.
            Some(old) if (old.type_id)() != (registration.type_id)() => {
                tasks.insert(old.name, old);
                Err(DuplicateTask {
                    name: registration.name,
                })
            }
            _ => Ok(self),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<&'static str, Registration>> {
        self.tasks.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("tasks", &self.names())
            .finish()
    }
}

/// A task as it travels: what [`Job::encode`](crate::Job::encode) wrote, with its name.
#[derive(Debug, Clone, Copy)]
pub struct EncodedCall<'a> {
    /// The task's registered name.
    pub name: &'a str,
    /// Whether the body is a chunk of many tasks of that name, as `map` makes them.
    pub is_chunk: bool,
    /// The encoded task or tasks.
    pub body: &'a [u8],
}

impl Registration {
    /// How task `T` is run when another process names it.
    #[must_use]
    pub const fn of<T: PortableTask>() -> Self {
        Self {
            name: T::NAME,
            signature: T::SIGNATURE,
            type_id: TypeId::of::<T>,
            run: run_one::<T>,
            run_chunk: encoded::run::<T>,
        }
    }

    /// The task's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("name", &self.name)
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for DuplicateTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        write!(
            f,
            "two tasks of this program are named `{name}`: rename one, or pin its name with \
             #[task(name = \"..\")]"
        )
    }
}

impl std::error::Error for DuplicateTask {}

fn run_one<T: PortableTask>(body: &[u8], output: &mut Vec<u8>) -> Result<(), TaskError> {
    // Decoding and encoding run the user's code too: it may panic like the task itself.
    panic::catch(|| {
        let task: T = codec::decode(Part::Task, body)?;
        T::encode_output(&task.run(), output)?;
        Ok(())
    })
    .and_then(|result| result)
}
