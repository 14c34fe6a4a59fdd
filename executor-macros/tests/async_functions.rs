//! What `#[task]` makes of an `async fn`: the same as of a plain one, but for how it runs.

use std::{
    fmt::Debug,
    future::{Future, poll_fn},
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
    thread,
};

use executor_core::{
    EncodedCall, Executor, ExecutorExt as _, Future as _, PortableTask, Registry, Task as _,
    TaskError, block_on,
    codec::{Codec, Part},
    testing::{InlineExecutor, RoundTripExecutor},
};
use executor_macros::task;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Shape {
    width: u64,
    height: u64,
}

/// Says it again and again.
#[task(crate = "executor_core", derive(Clone, Debug, PartialEq))]
async fn repeat(text: &str, mut times: usize) -> String {
    let mut repeated = String::new();
    while times > 0 {
        pause().await;
        repeated.push_str(text);
        times -= 1;
    }
    repeated
}

#[task(crate = "executor_core")]
async fn area(shape: &Shape, scale: &[u64]) -> u64 {
    pause().await;
    shape.width * shape.height * scale.iter().product::<u64>()
}

#[task(crate = "executor_core")]
async fn nothing() {}

// The argument has the name of the function, and is changed.
#[task(crate = "executor_core")]
async fn shift(mut shift: Vec<u64>, by: Option<u64>) -> Vec<u64> {
    for value in &mut shift {
        pause().await;
        *value += by.unwrap_or_default();
    }
    shift
}

#[task(crate = "executor_core")]
async fn r#type(r#in: u8) -> u8 {
    r#in + 1
}

#[task(crate = "executor_core")]
async fn reversed(data: Vec<u8>) -> Vec<u8> {
    pause().await;
    data.into_iter().rev().collect()
}

#[task(crate = "executor_core", name = "acme.divide.v3")]
async fn divide(dividend: u64, divisor: u64) -> Result<u64, String> {
    pause().await;
    dividend
        .checked_div(divisor)
        .ok_or_else(|| format!("{dividend} / {divisor}"))
}

#[task(crate = "executor_core")]
async fn fails(at_once: bool) {
    assert!(!at_once, "before the await");
    pause().await;
    panic!("after the await");
}

/// What is not `Send` may be there between two awaits.
#[task(crate = "executor_core")]
async fn not_across(x: u64) -> u64 {
    pause().await;
    let doubled = {
        let x = Rc::new(x);
        *x * 2
    };
    pause().await;
    doubled
}

/// Called like what stands in the code of the macro.
mod names {
    use executor_macros::task;

    macro_rules! functions {
        ($($name:ident)*) => {$(
            #[task(crate = "executor_core")]
            pub(crate) async fn $name($name: &str) -> usize {
                $name.len()
            }
        )*};
    }

    functions!(task maker chunk future output buffer bytes start of_call);
}

mod strict {
    //! Lints do not speak of what the author did not write.
    #![deny(deprecated, nonstandard_style, unused, clippy::all, clippy::pedantic)]

    use executor_macros::task;

    #[task(crate = "executor_core")]
    #[deprecated = "for the test"]
    #[must_use]
    pub(crate) async fn old(a: &str, b: u64) -> u64 {
        std::future::ready(a.len() as u64 + b).await
    }

    #[task(crate = "executor_core")]
    #[cfg(any())]
    async fn absent(x: NoSuchType) {}
}

/// The library with a runtime, as the facade has it.
mod facade {
    pub(crate) use executor_core::{PortableTask, Task, TaskError, codec, private, register};

    pub(crate) mod tokio {
        use super::super::{AtomicUsize, Future, Ordering};

        pub(crate) static ENTERED: AtomicUsize = AtomicUsize::new(0);

        pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
            ENTERED.fetch_add(1, Ordering::Relaxed);
            executor_core::block_on(future)
        }
    }
}

#[task(crate = "crate::facade", runtime = "tokio")]
async fn with_runtime(x: u64) -> u64 {
    pause().await;
    x + 1
}

/// One `.await` at which the task sleeps until another thread wakes it.
async fn pause() {
    let mut has_slept = false;
    poll_fn(|context| {
        if has_slept {
            return Poll::Ready(());
        }
        has_slept = true;
        let waker = context.waker().clone();
        thread::spawn(move || waker.wake());
        Poll::Pending
    })
    .await;
}

/// Runs a task from its bytes, as a worker process would.
fn from_bytes<T: PortableTask>(task: &T) -> Result<T::Output, TaskError> {
    let body = encoded(task);
    let mut output = Vec::new();
    let call = EncodedCall {
        name: T::NAME,
        is_chunk: false,
        body: &body,
    };
    Registry::global().run(&call, &mut output)?;
    Ok(T::decode_output(&output)?)
}

fn encoded<T: PortableTask>(task: &T) -> Vec<u8> {
    let mut body = Vec::new();
    T::ARGUMENTS
        .encode(Part::Task, task, &mut body)
        .expect("the arguments can be encoded");
    body
}

/// The output of a task, which is the same wherever it runs.
fn everywhere<T: PortableTask<Output: PartialEq + Debug>>(task: impl Fn() -> T) -> T::Output {
    fn submit<T: PortableTask>(executor: &impl Executor, task: T) -> T::Output {
        let future = executor.submit(task).expect("the executor takes all");
        future.result().expect("the task returns")
    }
    let output = task().run();
    assert_eq!(from_bytes(&task()).expect("the task is registered"), output);
    assert_eq!(submit(&InlineExecutor::new(), task()), output);
    assert_eq!(submit(&RoundTripExecutor::new(), task()), output);
    output
}

#[test]
fn the_function_is_still_async() {
    assert_eq!(block_on(repeat("ab", 2)), "abab");
    assert_eq!(block_on(async { divide(7, 2).await }), Ok(3));
}

#[test]
fn a_call_is_a_value() {
    assert_eq!(
        repeat::task("ab", 2),
        repeat {
            text: "ab".to_owned(),
            times: 2
        }
    );
    let twice = repeat::task("ab", 2);
    assert_eq!(twice.clone().run(), twice.run());
}

#[test]
fn it_runs_everywhere() {
    let shape = || Shape {
        width: 2,
        height: 3,
    };
    assert_eq!(everywhere(|| repeat::task("ab", 3)), "ababab");
    assert_eq!(everywhere(|| area::task(shape(), [2, 2])), 24);
    everywhere(nothing::task);
    assert_eq!(
        everywhere(|| shift::task(vec![1, 2, 3], Some(1))),
        [2, 3, 4]
    );
    assert_eq!(everywhere(|| r#type::task(1)), 2);
    assert_eq!(everywhere(|| reversed::task(vec![1, 200, 3])), [3, 200, 1]);
    assert_eq!(everywhere(|| divide::task(7, 2)), Ok(3));
    assert_eq!(
        everywhere(|| divide::task(7, 0)),
        Err("7 / 0".to_owned()),
        "a result is an output"
    );
    assert_eq!(everywhere(|| not_across::task(2)), 4);
}

#[test]
fn its_name_may_be_any() {
    assert_eq!(everywhere(|| names::task::task("a")), 1);
    assert_eq!(everywhere(|| names::maker::task("ab")), 2);
    assert_eq!(everywhere(|| names::chunk::task("abc")), 3);
    assert_eq!(everywhere(|| names::future::task("abcd")), 4);
    assert_eq!(everywhere(|| names::output::task("a")), 1);
    assert_eq!(everywhere(|| names::buffer::task("a")), 1);
    assert_eq!(everywhere(|| names::bytes::task("a")), 1);
    assert_eq!(everywhere(|| names::start::task("a")), 1);
    assert_eq!(everywhere(|| names::of_call::task("a")), 1);
}

#[test]
#[expect(deprecated, reason = "the function is, so the task is")]
fn attributes_stay_on_the_function() {
    assert_eq!(block_on(strict::old("a", 2)), 3);
    assert_eq!(everywhere(|| strict::old::task("a", 2)), 3);
}

#[test]
fn maps_keep_the_order() {
    fn lengths(executor: &impl Executor, chunk: usize) -> Vec<usize> {
        let texts = (0..50).map(|times| repeat::task("a", times));
        let results = executor.map(texts).chunk(chunk);
        results.map(|text| text.unwrap().len()).collect()
    }
    let expected: Vec<_> = (0..50).collect();
    for chunk in [1, 7] {
        assert_eq!(lengths(&InlineExecutor::new(), chunk), expected);
        assert_eq!(lengths(&RoundTripExecutor::new(), chunk), expected);
    }
}

#[test]
fn a_panic_fails_the_task_on_both_sides_of_an_await() {
    for (at_once, message) in [(true, "before the await"), (false, "after the await")] {
        let inline = InlineExecutor::new().submit(fails::task(at_once));
        let round_trip = RoundTripExecutor::new().submit(fails::task(at_once));
        for error in [
            from_bytes(&fails::task(at_once)).unwrap_err(),
            inline.unwrap().result().unwrap_err(),
            round_trip.unwrap().result().unwrap_err(),
        ] {
            let report = error.panic_report().expect("it panicked");
            assert_eq!(report.message(), message);
            let location = report.location().expect("it was seen");
            assert!(location.contains("async_functions.rs"), "{location}");
        }
    }
}

#[test]
fn a_panicking_item_of_a_map_spoils_only_itself() {
    #[task(crate = "executor_core")]
    async fn odd(x: u64) -> u64 {
        pause().await;
        assert!(x % 2 == 1, "{x} is even");
        x
    }
    let check = |results: Vec<Result<u64, TaskError>>| {
        for (x, result) in results.into_iter().enumerate() {
            match result {
                Ok(odd) => assert!(x % 2 == 1 && odd == x as u64),
                Err(error) => assert!(x % 2 == 0 && error.is_panicked(), "{error}"),
            }
        }
    };
    let items = || (0..9).map(odd::task);
    check(InlineExecutor::new().map(items()).chunk(4).collect());
    check(RoundTripExecutor::new().map(items()).chunk(4).collect());
}

#[test]
fn async_makes_no_difference_to_what_travels() {
    mod plain {
        use executor_macros::task;

        // Another crate path, so that the global registry of this test has one of this name.
        #[task(crate = "crate::unregistered", name = "acme.divide.v3")]
        pub(crate) fn divide(dividend: u64, divisor: u64) -> Result<u64, String> {
            dividend.checked_div(divisor).ok_or_else(String::new)
        }
    }
    assert_eq!(divide::SIGNATURE, plain::divide::SIGNATURE);
    assert_eq!(
        divide::SIGNATURE,
        "(dividend: u64, divisor: u64) -> Result<u64, String>"
    );
    assert_eq!(nothing::SIGNATURE, "() -> ()");
    assert_eq!(
        (divide::ARGUMENTS, divide::OUTPUT),
        (plain::divide::ARGUMENTS, plain::divide::OUTPUT)
    );
    assert_eq!(
        (area::ARGUMENTS, area::OUTPUT),
        (Codec::MessagePack, Codec::Compact)
    );
    assert_eq!(area::NAME, "async_functions::area");
    // The plain call is run by the async function that the registry has.
    assert_eq!(from_bytes(&plain::divide::task(7, 2)).unwrap(), Ok(3));
}

#[test]
fn an_initializer_may_be_async() {
    let init = |dividend, divisor| {
        let table = Registry::global().table();
        let body = encoded(&divide::task(dividend, divisor));
        table.init(table.id(divide::NAME).unwrap(), &body)
    };
    assert_eq!(init(6, 2).unwrap().downcast_ref(), Some(&3_u64));
    let error = init(6, 0).unwrap_err();
    assert!(error.to_string().contains("6 / 0"), "{error}");
}

#[test]
fn a_runtime_drives_it_where_it_is_asked_for() {
    let entered = || facade::tokio::ENTERED.swap(0, Ordering::Relaxed);
    assert_eq!(with_runtime::task(1).run(), 2);
    assert_eq!(entered(), 1);
    let inline = InlineExecutor::new();
    assert_eq!(
        inline
            .submit(with_runtime::task(1))
            .unwrap()
            .result()
            .unwrap(),
        2
    );
    assert_eq!(entered(), 1);
    assert_eq!(from_bytes(&with_runtime::task(1)).unwrap(), 2);
    assert_eq!(entered(), 1);

    // Once for a chunk, since the whole of it is one future.
    let items = inline.map((0..6).map(with_runtime::task)).chunk(3);
    let outputs: Vec<_> = items.map(|output| output.unwrap()).collect();
    assert_eq!(outputs, [1, 2, 3, 4, 5, 6]);
    assert_eq!(entered(), 2);

    // The function itself has no opinion.
    assert_eq!(block_on(with_runtime(1)), 2);
    assert_eq!(entered(), 0);
}

/// The library, as a crate that registers no task by itself sees it.
mod unregistered {
    pub(crate) use executor_core::{PortableTask, Task, TaskError, codec, private};

    macro_rules! register {
        ($task:ty) => {};
    }
    pub(crate) use register;
}
