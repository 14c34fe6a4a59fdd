//! The portable tasks of the trials.
//!
//! A backend whose workers are other processes has to have them in its worker program: `use
//! conformance_tests as _;` there, or [`register`].

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::ErrorKind,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use executor_core::{PortableTask, Registry, Task, codec, context};
use executor_macros::task;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};

use crate::{
    WorkerState,
    async_tasks::{joined, own_names, yields_then_fails, yields_then_panics_if_odd},
    latch::append,
    planned,
    script::{Crash, check_loop, facts, perform, perform_async},
};

/// The sum.
#[task(crate = "executor_core")]
pub(crate) fn add(a: u64, b: u64) -> u64 {
    a + b
}

/// Panics with a text.
#[task(crate = "executor_core")]
pub(crate) fn panics(number: u64) -> u64 {
    panic!("{} number {number}", planned::PREFIX)
}

/// Panics with a payload that is no text.
#[task(crate = "executor_core")]
pub(crate) fn panics_any(number: u64) -> u64 {
    planned::boom_any(number)
}

/// Panics if the number is odd.
#[task(crate = "executor_core")]
pub(crate) fn panics_if_odd(number: u64) -> u64 {
    assert!(
        number.is_multiple_of(2),
        "{}: {number} is odd",
        planned::PREFIX
    );
    number
}

/// Returns an error: which is an output like any other.
#[task(crate = "executor_core")]
pub(crate) fn returns_error(text: String) -> Result<u64, String> {
    Err(text)
}

/// The name under which it runs.
#[task(crate = "executor_core")]
pub(crate) fn own_name() -> Option<String> {
    context::task_name()
}

/// Its argument backwards.
#[task(crate = "executor_core")]
pub(crate) fn reversed(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().rev().collect()
}

/// Adds one to a counter of the process that runs it; what there was before.
#[task(crate = "executor_core")]
pub(crate) fn count(counter: usize) -> u64 {
    COUNTERS[counter].fetch_add(1, Ordering::SeqCst)
}

/// What a worker calls before its first task: see [`Initializer`](crate::Initializer). Each call makes
/// the file `calls` longer by a byte.
///
/// # Errors
///
/// Where it is to fail.
#[task(derive(Clone, Debug), crate = "executor_core")]
pub fn initialize(start: Start, calls: PathBuf) -> Result<WorkerState, String> {
    append(&calls, b"1");
    match start {
        Start::Gives(state) => Ok(WorkerState(state)),
        Start::Numbers => {
            let take = |n: &u64| {
                let place = calls.with_extension(n.to_string());
                let made = OpenOptions::new().write(true).create_new(true).open(place);
                !made.is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
            };
            (0..).find(take).map(WorkerState).ok_or_else(String::new)
        }
        Start::Fails(cause) => Err(cause),
        Start::Panics => planned::boom(),
        Start::Aborts => Crash::Abort.happen(),
        Start::Exits(code) => Crash::Exit(code).happen(),
    }
}

/// What becomes of a worker's initializer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// It gives each worker this state.
    Gives(u64),
    /// It gives the first worker 0, the next one 1, and so on.
    Numbers,
    /// It fails, with this text.
    Fails(String),
    /// It panics.
    Panics,
    /// It aborts the worker.
    Aborts,
    /// It ends the worker, with this code.
    Exits(i32),
}

/// Takes an argument that may not survive the codec.
#[task(crate = "executor_core")]
pub(crate) fn fickle_argument(argument: Fickle) -> u64 {
    argument.value
}

/// Gives an output that may not survive the codec.
#[task(crate = "executor_core")]
pub(crate) fn fickle_output(fails: Fails, value: u64) -> Fickle {
    Fickle { fails, value }
}

/// Gives a struct with flattened fields back.
#[task(crate = "executor_core")]
pub(crate) fn echo_flattened(value: Flattened) -> Flattened {
    value
}

/// Gives an untagged enum back.
#[task(crate = "executor_core")]
pub(crate) fn echo_untagged(value: Vec<Untagged>) -> Vec<Untagged> {
    value
}

/// Gives an internally tagged enum back.
#[task(crate = "executor_core")]
pub(crate) fn echo_tagged(value: Vec<Tagged>) -> Vec<Tagged> {
    value
}

/// Gives an adjacently tagged enum back.
#[task(crate = "executor_core")]
pub(crate) fn echo_adjacent(value: Vec<Adjacent>) -> Vec<Adjacent> {
    value
}

/// Gives an externally tagged enum back.
#[task(crate = "executor_core")]
pub(crate) fn echo_external(value: Vec<External>) -> Vec<External> {
    value
}

/// Gives a struct back whose fields may be skipped.
#[task(crate = "executor_core")]
pub(crate) fn echo_skipping(value: Skipping) -> Skipping {
    value
}

/// Gives extreme numbers back.
#[task(crate = "executor_core")]
pub(crate) fn echo_numbers(value: Numbers) -> Numbers {
    value
}

/// Gives nested options back.
#[task(crate = "executor_core")]
pub(crate) fn echo_options(value: Vec<Option<u8>>) -> Vec<Option<u8>> {
    value
}

/// Gives a map back whose keys are no texts.
#[task(crate = "executor_core")]
pub(crate) fn echo_map(value: BTreeMap<u32, Vec<char>>) -> BTreeMap<u32, Vec<char>> {
    value
}

/// Gives a text back.
#[task(crate = "executor_core")]
pub(crate) fn echo_text(value: String) -> String {
    value
}

/// Gives units and tuples back.
#[task(crate = "executor_core")]
pub(crate) fn echo_units(value: ((), (u8, (String,)), Unit)) -> ((), (u8, (String,)), Unit) {
    value
}

/// Gives a result back, either side.
#[task(crate = "executor_core")]
pub(crate) fn echo_results(value: Vec<Result<u8, String>>) -> Vec<Result<u8, String>> {
    value
}

/// Counters for tasks that cannot carry one; see [`count`](fn@count).
pub(crate) static COUNTERS: [AtomicU64; 4096] = [const { AtomicU64::new(0) }; 4096];

/// Some of the [`COUNTERS`] for one trial.
pub(crate) fn counters(how_many: usize) -> std::ops::Range<usize> {
    static NEXT: Mutex<usize> = Mutex::new(0);
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    let first = *next;
    *next += how_many;
    assert!(
        *next <= COUNTERS.len(),
        "more counters are needed for the trials"
    );
    first..*next
}

/// What becomes of a [`Fickle`] value on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fails {
    /// It arrives.
    Nowhere,
    /// It cannot be encoded.
    Encode,
    /// It cannot be decoded.
    Decode,
    /// Encoding it panics.
    EncodePanics,
    /// Decoding it panics.
    DecodePanics,
    /// Decoding it aborts the process, if it is a worker of another one.
    DecodeAborts,
    /// Encoding it aborts the process, if it is a worker of another one.
    EncodeAborts,
}

/// A value that may not survive the codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fickle {
    /// How it fails.
    pub(crate) fails: Fails,
    /// What it carries.
    pub(crate) value: u64,
}

impl Serialize for Fickle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.fails {
            Fails::Encode => Err(S::Error::custom("this value cannot be encoded")),
            Fails::EncodePanics => planned::boom(),
            Fails::EncodeAborts if context::worker_index().is_some() => Crash::Abort.happen(),
            _ => (self.fails, self.value).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Fickle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (fails, value) = Deserialize::deserialize(deserializer)?;
        match fails {
            Fails::Decode => Err(D::Error::custom("this value cannot be decoded")),
            Fails::DecodePanics => planned::boom(),
            Fails::DecodeAborts if context::worker_index().is_some() => Crash::Abort.happen(),
            _ => Ok(Self { fails, value }),
        }
    }
}

/// Fields of another struct among its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flattened {
    pub(crate) id: u32,
    #[serde(flatten)]
    pub(crate) inner: Inner,
    #[serde(flatten)]
    pub(crate) others: BTreeMap<String, String>,
}

/// What is flattened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) size: Option<u64>,
}

/// Told apart by its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Untagged {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// Named fields.
    Fields {
        /// One.
        x: i32,
        /// And another.
        y: i32,
    },
    /// A list.
    List(Vec<u8>),
}

/// Told apart by a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Tagged {
    /// No fields.
    Empty,
    /// Named fields.
    Fields {
        /// A list.
        list: Vec<u32>,
    },
    /// The fields of another struct.
    Inner(Inner),
}

/// Tag and content beside each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
pub(crate) enum Adjacent {
    /// No content.
    Empty,
    /// A tuple.
    Pair(u8, String),
}

/// As serde does it by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum External {
    /// No content.
    Empty,
    /// One value.
    One(u16),
    /// A tuple.
    Pair(u8, String),
    /// Named fields.
    Fields {
        /// A field.
        deep: Option<Box<Self>>,
    },
}

/// Fields that may be missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Skipping {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) first: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) second: Vec<u8>,
    #[serde(skip, default = "seven")]
    pub(crate) third: u8,
    #[serde(rename = "other name")]
    pub(crate) fourth: u8,
}

const fn seven() -> u8 {
    7
}

/// Extreme numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Numbers {
    pub(crate) signed: Vec<i64>,
    pub(crate) unsigned: Vec<u64>,
    pub(crate) floats: Vec<f64>,
    pub(crate) wide: (i128, u128),
    pub(crate) small: (i8, f32, bool),
}

/// Nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit;

/// A task that is in no registry.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unlisted(pub(crate) u64);

impl Task for Unlisted {
    type Output = u64;

    fn run(self) -> u64 {
        self.0
    }
}

impl PortableTask for Unlisted {
    const NAME: &'static str = "conformance_tests::tasks::unlisted";
    const SIGNATURE: &'static str = "fn(u64) -> u64";

    fn encode_output(output: &u64, buffer: &mut Vec<u8>) -> Result<(), codec::CodecError> {
        codec::encode(codec::Part::Output, output, buffer)
    }

    fn decode_output(bytes: &[u8]) -> Result<u64, codec::CodecError> {
        codec::decode(codec::Part::Output, bytes)
    }
}

/// Lists all tasks in [`Registry::global`], for programs whose linker dropped them.
///
/// # Panics
///
/// If another task of the program has the name of one of them.
pub fn register() {
    fn with<T: PortableTask>() {
        if let Err(error) = Registry::global().with::<T>() {
            panic!("{error}");
        }
    }
    with::<add>();
    with::<panics>();
    with::<panics_any>();
    with::<panics_if_odd>();
    with::<returns_error>();
    with::<own_name>();
    with::<reversed>();
    with::<count>();
    with::<perform>();
    with::<perform_async>();
    with::<joined>();
    with::<own_names>();
    with::<yields_then_panics_if_odd>();
    with::<yields_then_fails>();
    with::<check_loop>();
    with::<facts>();
    with::<initialize>();
    with::<fickle_argument>();
    with::<fickle_output>();
    with::<echo_flattened>();
    with::<echo_untagged>();
    with::<echo_tagged>();
    with::<echo_adjacent>();
    with::<echo_external>();
    with::<echo_skipping>();
    with::<echo_numbers>();
    with::<echo_options>();
    with::<echo_map>();
    with::<echo_text>();
    with::<echo_units>();
    with::<echo_results>();
}
