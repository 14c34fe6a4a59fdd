//! What can be run: [`Task`], [`PortableTask`], and the options that travel with one.

use std::{any::Any, borrow::Cow, future::Future, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    TaskError, block_on,
    cell::{ChunkOf, Maker, NewCell, NewChunkCell},
    codec::{self, Codec},
};

/// A deferred call: a value that is run once, on whatever thread gets to it, and gives an output.
///
/// Every `FnOnce() -> R + Send` is a task. A `#[task]` function is one too: `square::task(3)` is a
/// plain value that can be stored, compared and sent before it is run.
///
/// ```
/// use executor_core::Task;
///
/// let greeting = String::from("hello");
/// let task = move || greeting.len();
/// assert_eq!(task.run(), 5);
/// ```
pub trait Task: Send {
    /// What the task gives back.
    type Output: Send;

    /// Runs the task, on the current thread.
    fn run(self) -> Self::Output;
}

impl<F, R> Task for F
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    type Output = R;

    #[inline]
    fn run(self) -> R {
        self()
    }
}

/// A [`Task`] that can leave the process: it has a name that other processes know, and it and its
/// output can be encoded.
///
/// `#[task]` writes this implementation. Write it by hand for a generic task, one implementation
/// for each concrete type, and list it with [`Registry::with`](crate::Registry::with).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be submitted to an executor that may be another process",
    label = "this is not a portable task",
    note = "make it a #[task] fn, and submit `name::task(arguments)`",
    note = "a closure can be run by the executors of this process: `executor.spawn(|| ..)`"
)]
pub trait PortableTask:
    Task<Output: 'static> + Serialize + DeserializeOwned + Sized + 'static
{
    /// The name under which every process that takes part knows this task.
    ///
    /// `#[task]` uses the module path and the function's name; `#[task(name = "..")]` pins one that
    /// outlives refactoring.
    const NAME: &'static str;

    /// The argument and output types as text: two programs that disagree about it do not
    /// understand each other's bytes, so a handshake compares its digest.
    const SIGNATURE: &'static str;

    /// How the task itself is encoded.
    const ARGUMENTS: Codec = Codec::MessagePack;

    /// How [`encode_output`](Self::encode_output) encodes an output: two programs that disagree about
    /// it do not understand each other either.
    const OUTPUT: Codec = Codec::MessagePack;

    /// Encodes an output onto the end of `buffer`.
    ///
    /// # Errors
    ///
    /// When the output's `Serialize` implementation fails; the error names the task.
    fn encode_output(output: &Self::Output, buffer: &mut Vec<u8>) -> Result<(), codec::CodecError>;

    /// Decodes what [`encode_output`](Self::encode_output) wrote.
    ///
    /// # Errors
    ///
    /// When the bytes are not an encoded output of this type.
    fn decode_output(bytes: &[u8]) -> Result<Self::Output, codec::CodecError>;

    /// As [`decode_output`](Self::decode_output), for whoever takes the result: where the output is nothing
    /// but the bytes, these can be taken over.
    ///
    /// # Errors
    ///
    /// As there.
    fn decode_encoded(output: codec::Encoded) -> Result<Self::Output, codec::CodecError> {
        output.read(Self::decode_output)
    }

    /// What an output is as the state of a worker, where the task is its initializer: the output itself,
    /// unless the implementation says otherwise. That of `#[task]` unpacks a `Result`.
    ///
    /// # Errors
    ///
    /// If the output says that the initializer failed.
    fn into_state(output: Self::Output) -> Result<Box<dyn Any>, TaskError> {
        Ok(Box::new(output))
    }

    // Whether the task is a call or a future: `#[task]` says so.
    #[doc(hidden)]
    #[inline]
    fn into_cell(self, maker: Maker) -> NewCell<Self> {
        maker.of_call(self)
    }

    #[doc(hidden)]
    #[must_use]
    fn chunk_into_cell(chunk: ChunkOf<Self>, maker: Maker) -> NewChunkCell<Self> {
        maker.chunk_of_calls(chunk)
    }
}

/// A future as a task: what [`spawn_future`](crate::LocalExecutorExt::spawn_future) submits.
#[derive(Debug)]
pub struct FutureTask<F>(pub F);

impl<F> Task for FutureTask<F>
where
    F: Future<Output: Send> + Send,
{
    type Output = F::Output;

    /// Drives the future on this thread.
    fn run(self) -> F::Output {
        block_on(self.0)
    }
}

/// What may be said about one submission, beside the task itself.
///
/// ```
/// use std::time::Duration;
/// use executor_core::TaskOptions;
///
/// let options = TaskOptions::new()
///     .with_name("thumbnail of cat.jpg")
///     .with_queue_timeout(Duration::from_secs(5));
/// assert_eq!(options.name(), Some("thumbnail of cat.jpg"));
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct TaskOptions {
    name: Option<Cow<'static, str>>,
    priority: i32,
    timeout: Option<Duration>,
    queue_timeout: Option<Duration>,
    id: Option<Arc<str>>,
    /// How often it was tried before.
    earlier_attempts: u32,
}

impl TaskOptions {
    /// The options that a plain `submit` has: no name of its own, priority 0, no timeouts.
    pub const fn new() -> Self {
        Self {
            name: None,
            priority: 0,
            timeout: None,
            queue_timeout: None,
            id: None,
            earlier_attempts: 0,
        }
    }

    /// Names this one submission, for its context, its errors and for traces.
    pub fn with_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the priority: of the queued tasks, the one with the highest is started first, and the
    /// oldest of those. Needs [`Capabilities::priorities`](crate::Capabilities::priorities).
    pub const fn with_priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Limits how long the task may run, counted from its start. Needs
    /// [`Capabilities::task_timeout`](crate::Capabilities::task_timeout).
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Limits how long the task may wait in the queue, counted from the call that submits it.
    ///
    /// A task that no worker has started by then is never started: it fails with
    /// [`TaskErrorKind::TimedOut`](crate::TaskErrorKind::TimedOut) when a worker comes to it or when
    /// the limit passes under a blocking wait for it, whichever is first.
    pub const fn with_queue_timeout(mut self, timeout: Duration) -> Self {
        self.queue_timeout = Some(timeout);
        self
    }

    /// Gives the submission an identity that outlives a worker, for tasks that must know whether they have been
    /// run before: [`context::task_id`](crate::context::task_id).
    pub fn with_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Says that this is the `attempt`th time that the task is tried, for
    /// [`context::attempt`](crate::context::attempt): 1 is the first, and so is 0.
    pub const fn with_attempt(mut self, attempt: u32) -> Self {
        self.earlier_attempts = attempt.saturating_sub(1);
        self
    }

    /// The name given to this submission.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The priority; 0 unless set.
    #[must_use]
    pub const fn priority(&self) -> i32 {
        self.priority
    }

    /// The longest that the task may run.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The longest that the task may be queued.
    #[must_use]
    pub const fn queue_timeout(&self) -> Option<Duration> {
        self.queue_timeout
    }

    /// The identity given to this submission.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.earlier_attempts.saturating_add(1)
    }
}
