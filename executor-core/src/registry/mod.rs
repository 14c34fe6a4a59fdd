//! The portable tasks that this program knows, by name.

mod call;
pub(crate) mod init;
mod table;

use std::{
    any::{Any, TypeId},
    cell::Cell,
    collections::HashMap,
    fmt,
    sync::{OnceLock, PoisonError, RwLock},
};

pub use self::{
    call::{Call, Reply},
    table::TaskTable,
};
use crate::{
    PortableTask, TaskError, TaskErrorKind,
    codec::{Codec, Part, Shelf, encode_with},
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
    is_global: bool,
}

/// One task of a registry: its name, and how to run it from bytes.
#[derive(Clone, Copy)]
pub struct Registration {
    name: &'static str,
    signature: &'static str,
    codecs: (Codec, Codec),
    type_id: fn() -> TypeId,
    run: Run,
    run_chunk: Run,
    run_init: Init,
}

/// Runs an encoded task, or an encoded chunk of them.
type Run = fn(&[u8], &mut dyn Sink) -> Result<(), TaskError>;

/// Runs an encoded task as the initializer of a worker, whose state is its output.
type Init = fn(&[u8]) -> Result<Box<dyn Any>, TaskError>;

/// Where a worker puts the encoded output of a call.
///
/// The output is all that was ever put into the buffer, one after the other. A `Vec<u8>` is the sink that
/// keeps it.
pub trait Sink {
    /// What to write onto the end of. It need not be the buffer of the last call, nor hold what that
    /// held.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// One more item of a chunk is in the buffer, complete: it can be sent on, and survives whatever
    /// happens to the items after it.
    fn item_done(&mut self) {}

    /// A place for long pieces of the output of a single call. If it was used, all of the output is there,
    /// and none in the buffer.
    fn shelf(&mut self) -> Option<&'static dyn Shelf> {
        None
    }
}

impl Sink for Vec<u8> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self
    }
}

thread_local! {
    /// Tasks of the global registry that this thread has asked for, by the address of the name that it
    /// asked with: each submission asks, and entries are never removed.
    static KNOWN: [Cell<&'static str>; 16] = const { [const { Cell::new("") }; 16] };
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
            let registry = Self {
                is_global: true,
                ..Self::new()
            };
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
            is_global: false,
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
    #[inline]
    pub fn contains(&self, name: &str) -> bool {
        let is_known = || KNOWN.with(|all| is_same(all[slot(name, all.len())].get(), name));
        // The empty name is what an empty slot holds.
        (self.is_global && !name.is_empty() && is_known()) || self.look_up(name)
    }

    #[cold]
    fn look_up(&self, name: &str) -> bool {
        let found = self.read().get_key_value(name).map(|(&known, _)| known);
        if let (Some(known), true) = (found, self.is_global) {
            KNOWN.with(|all| all[slot(name, all.len())].set(known));
        }
        found.is_some()
    }

    /// The tasks that are known now, with a number for each: for a backend with other processes, which
    /// makes one at its start, on either side.
    #[must_use]
    pub fn table(&self) -> TaskTable {
        TaskTable::new(self.read().values().copied().collect())
    }

    /// The names of all tasks, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.read().keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// A digest of all names, signatures and codecs: equal in two programs that understand each other's
    /// tasks, and almost certainly different in two that do not.
    pub fn digest(&self) -> u64 {
        self.table().digest()
    }

    /// A digest of the name, the signature and the codecs of the task of this name, if it is known: two programs in
    /// which it differs do not understand each other's bytes.
    #[must_use]
    pub fn signature(&self, name: &str) -> Option<u64> {
        let registration = self.read().get(name).copied()?;
        Some(table::digest(&[registration]))
    }

    /// A call that came encoded from another process, to be handed on to an executor:
    /// [`relay`](crate::ExecutorExt::relay). `None` if there is no task of this name.
    #[must_use]
    pub fn call(&self, name: &str, is_chunk: bool, body: Vec<u8>) -> Option<Call> {
        let registration = self.read().get(name).copied()?;
        Some(Call::new(registration, is_chunk, body))
    }

    /// Runs the task that `call` names, from its encoded form, and puts its encoded output into `sink`:
    /// that of a chunk item by item, so that those survive if a later one brings the process down.
    ///
    /// # Errors
    ///
    /// What a worker reports: an unknown name, an argument or output that the codec refuses, or a
    /// panic.
    pub fn run(&self, call: &EncodedCall<'_>, sink: &mut dyn Sink) -> Result<(), TaskError> {
        let found = self.read().get(call.name).copied();
        let Some(registration) = found else {
            return Err(TaskError::new(TaskErrorKind::UnknownTask(
                call.name.to_owned(),
            )));
        };
        registration.run(call.is_chunk, call.body, sink)
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
            codecs: (T::ARGUMENTS, T::OUTPUT),
            type_id: TypeId::of::<T>,
            run: run_one::<T>,
            run_chunk: encoded::run::<T>,
            run_init: run_init::<T>,
        }
    }

    /// The task's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    fn run(&self, is_chunk: bool, body: &[u8], sink: &mut dyn Sink) -> Result<(), TaskError> {
        self.run_of(is_chunk)(body, sink)
    }

    const fn run_of(&self, is_chunk: bool) -> Run {
        if is_chunk { self.run_chunk } else { self.run }
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

fn run_one<T: PortableTask>(body: &[u8], sink: &mut dyn Sink) -> Result<(), TaskError> {
    let shelf = sink.shelf();
    let buffer = sink.buffer();
    let start = buffer.len();
    // Decoding and encoding run the user's code too: it may panic like the task itself.
    let result = panic::catch(|| {
        let task: T = T::ARGUMENTS.decode(Part::Task, body)?;
        let output = task.run();
        encode_with(shelf, buffer, |buffer| T::encode_output(&output, buffer))?;
        Ok(())
    })
    .and_then(|result| result);
    if result.is_err() {
        buffer.truncate(start);
    }
    result
}

fn run_init<T: PortableTask>(body: &[u8]) -> Result<Box<dyn Any>, TaskError> {
    panic::catch(|| {
        let task: T = T::ARGUMENTS.decode(Part::Task, body)?;
        T::into_state(task.run())
    })
    .and_then(|result| result)
}

/// Where in a table of `size` (a power of two) the answer for a name is kept. By its address: the same
/// task is asked for with the same literal.
#[inline]
fn slot(name: &str, size: usize) -> usize {
    let address = name.as_ptr().addr();
    (address ^ (address >> 5) ^ (address >> 11)) & (size - 1)
}

#[inline]
fn is_same(known: &str, name: &str) -> bool {
    known.len() == name.len() && (known.as_ptr() == name.as_ptr() || known == name)
}
