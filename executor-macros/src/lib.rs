//! `#[task]` makes a function a task that any executor can run, in this process or in another.
//!
//! Users get it from the `concurrent-futures` facade; see [`macro@task`].

#![forbid(unsafe_code)]

mod expand;
mod function;
mod future;
mod options;
mod text;
mod types;

use proc_macro::TokenStream;
use quote::quote;

use self::{function::Function, options::Options};

/// Makes a function a task that any executor can run, in this process or in another.
///
/// The function stays as it is. Beside it, in the namespace of types, comes a struct of the same
/// name and visibility, with a field for each argument: a call as a value, which can be stored, sent
/// and run.
///
/// ```
/// use executor_core::{ExecutorExt as _, Future as _, Task as _, testing::InlineExecutor};
/// use executor_macros::task;
///
/// #[task(crate = "executor_core")] // plain `#[task]` where `concurrent_futures` is a dependency
/// fn power(base: u64, exponent: u32) -> u64 {
///     base.pow(exponent)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert_eq!(power(2, 10), 1024); // still a function
/// assert_eq!(power::task(2, 10).run(), 1024); // a call, as a value
/// assert_eq!(power { base: 2, exponent: 10 }.run(), 1024); // the same one
///
/// let executor = InlineExecutor::new();
/// assert_eq!(executor.submit(power::task(2, 10))?.result()?, 1024);
///
/// let tasks = (0..4).map(|exponent| power::task(10, exponent));
/// let powers: Result<Vec<_>, _> = executor.map(tasks).collect();
/// assert_eq!(powers?, [1, 10, 100, 1000]);
/// # Ok(())
/// # }
/// ```
///
/// # Arguments
///
/// Any number of them, each of a type with serde's `Serialize` and `DeserializeOwned`, and `Send`.
/// Each needs a plain name (`x` or `mut x`), because it names a field, in Rust and in the encoded
/// form.
///
/// A function may borrow its arguments; the task keeps them owned and lends them to the function.
///
/// | argument | field | `task` takes |
/// |---|---|---|
/// | `T` | `T` | `T` |
/// | `&T` | `T` | `T` |
/// | `&str` | `String` | `impl Into<String>` |
/// | `&[T]` | `Vec<T>` | `impl Into<Vec<T>>` |
/// | `&Path`, `&OsStr`, `&CStr` | `PathBuf`, `OsString`, `CString` | `impl Into<PathBuf>`, .. |
///
/// `impl Into`, so that a caller may give what it has: what it borrows is copied, what it owns is
/// moved.
///
/// ```
/// use executor_core::Task as _;
/// use executor_macros::task;
///
/// #[task(crate = "executor_core")]
/// fn count(text: &str, letters: &[char]) -> usize {
///     text.matches(letters).count()
/// }
///
/// assert_eq!(count::task("banana", ['a', 'n']).run(), 5);
/// assert_eq!(count::task(String::from("banana"), vec!['b']).run(), 1);
/// ```
///
/// # Outputs
///
/// Any owned type with serde's traits that is `Send`; without one, `()`. A `Result` is an output like
/// any other: the future's own error says that the task did not get so far.
///
/// # Async functions
///
/// An `async fn` is a task too. Its future must be `Send`.
///
/// ```
/// use executor_core::{ExecutorExt as _, Future as _, block_on, testing::InlineExecutor};
/// use executor_macros::task;
///
/// async fn price(item: &str) -> usize {
///     item.len()
/// }
///
/// #[task(crate = "executor_core")]
/// async fn total(items: &[String]) -> usize {
///     let mut total = 0;
///     for item in items {
///         total += price(item).await;
///     }
///     total
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let items = ["tea", "milk"].map(String::from);
/// assert_eq!(block_on(total(&items)), 7); // still an async function
///
/// let future = InlineExecutor::new().submit(total::task(items))?;
/// assert_eq!(future.result()?, 7); // its output, not its future
/// # Ok(())
/// # }
/// ```
///
/// It runs on every executor:
///
/// - One that has a runtime, which is tokio's, polls it there: many of them on one thread.
/// - On threads, on rayon and in worker processes, the worker that gets it drives it to its end before it
///   takes anything else, with `block_on`: light, and without timers and sockets.
///
/// A function that needs tokio's timers and sockets says `runtime = "tokio"`; then those workers drive it
/// in a current-thread runtime of tokio. That needs the feature `tokio` of `concurrent_futures`.
///
/// `stop(StopLevel::Signal)` ends it at its next `.await`, where it runs in this process. In another one it
/// can ask `context::stop_requested`, as every task.
///
/// What travels is the same with `async` and without it: a program in which the function is `async` and
/// one in which it is not run each other's tasks.
///
/// # Bytes
///
/// Arguments of the types `Vec<u8>`, `&[u8]` and `&Vec<u8>`, and outputs of the types `Vec<u8>`,
/// `Option<Vec<u8>>` and `Result<Vec<u8>, E>`, are encoded as one byte string, in one copy. Elsewhere
/// (in a tuple, a struct, another collection) serde takes a `Vec<u8>` for a sequence of numbers; give
/// such a field `#[serde(with = "..::codec::bytes")]`.
///
/// The types are told by how they are written: an alias of `Vec<u8>` is encoded as numbers.
///
/// # Options
///
/// - `name = "acme.square.v2"`: the name under which other processes know the task. Without it, that
///   is the module path and the function's name, which change when the function moves. Two tasks of
///   one program cannot share a name, so two functions that are called the same in the bodies of
///   two functions of one module need it.
/// - `derive(Clone, Debug, PartialEq)`: what the struct derives beside serde's traits.
/// - `codec = "compact"`: how arguments and output are encoded; see below.
/// - `runtime = "tokio"`: what drives an `async fn` where the executor has no runtime; see above.
/// - `crate = "path"`: where the library is, if it is not at `::concurrent_futures`.
///
/// ```
/// use executor_core::PortableTask as _;
/// use executor_macros::task;
///
/// #[task(crate = "executor_core", name = "acme.square.v2", derive(Clone, Debug, PartialEq))]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// assert_eq!(square::NAME, "acme.square.v2");
/// assert_eq!(square::task(3), square { x: 3 });
/// ```
///
/// # Codecs
///
/// Arguments and output are each encoded in one of two forms, which the types decide:
///
/// - `compact`, by position: where all types are numbers, `bool`, `char`, `String`, `()`, and the
///   tuples, arrays, `Option`s, `Result`s, `Box`es and collections of these. Nothing of them can be
///   lost.
/// - `messagepack`, with the names of fields: for everything else, because a type of yours may have
///   serde attributes that need them (`flatten`, `untagged`, `tag`, `skip_serializing_if`).
///
/// `codec = "compact"` takes the first, several times faster, for types that have no such attributes (if
/// they do, the task fails with an error that says so); `codec = "messagepack"` takes the second.
///
/// Programs whose codecs differ do not run each other's tasks.
///
/// # What is not a task
///
/// Another process has the task's name and the encoded arguments, and nothing else. So a function is
/// refused, with a message that says what to write instead, if it
///
/// - is generic, has lifetime parameters, or has `impl Trait` in its types;
/// - takes `self`, or `&mut T`;
/// - is `unsafe` or `extern`;
/// - returns a reference;
/// - is `async`, and holds something that is not `Send` across an `.await`.
///
/// A closure is not a task that can be sent either; the executors of this process take it with
/// `spawn`.
#[proc_macro_attribute]
pub fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    let options = syn::parse::<Options>(options);
    let function = Function::parse(item.clone());
    let added = match (options, function) {
        (Ok(options), Ok(function)) => match options.check(function.is_async) {
            Ok(()) => expand::expand(&options, &function),
            Err(error) => error.into_compile_error(),
        },
        (Err(mut error), Err(other)) => {
            error.combine(other);
            error.into_compile_error()
        }
        (Err(error), _) | (_, Err(error)) => error.into_compile_error(),
    };
    // With the item, also after an error: or else whoever calls the function gets one more.
    quote!(#item #added).into()
}
