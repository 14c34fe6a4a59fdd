//! What `#[task]` makes of a function: the call as a value, its name, its encoded form.

use std::{
    ffi::{CStr, CString, OsStr},
    path::{Path, PathBuf},
};

use executor_core::{
    EncodedCall, Executor, ExecutorExt as _, Future as _, PortableTask, Registry, Task as _,
    codec::{Codec, Part},
    testing::RoundTripExecutor,
};
use executor_macros::task;
use serde::{Deserialize, Serialize};

/// Squares.
#[task(crate = "executor_core", derive(Clone, Debug, PartialEq))]
fn square(x: u64) -> u64 {
    x * x
}

#[task(crate = "executor_core")]
fn nothing() {}

#[task(crate = "executor_core", name = "acme.divide.v2")]
fn divide(dividend: u64, divisor: u64) -> Result<u64, String> {
    dividend
        .checked_div(divisor)
        .ok_or_else(|| format!("{dividend} / {divisor}"))
}

#[derive(Serialize, Deserialize)]
struct Shape {
    width: u64,
    height: u64,
}

#[task(crate = "executor_core")]
fn area(shape: &Shape) -> u64 {
    shape.width * shape.height
}

#[task(crate = "executor_core")]
fn lengths(
    text: &str,
    numbers: &[u64],
    path: &Path,
    os: &OsStr,
    c: &CStr,
    six: &'_ [u8; 6],
) -> Vec<usize> {
    let path = path.as_os_str().len();
    vec![
        text.len(),
        numbers.len(),
        path,
        os.len(),
        c.count_bytes(),
        six.len(),
    ]
}

// The argument has the name of the function, and is changed.
#[task(crate = "executor_core")]
fn shift(mut shift: Vec<u64>, by: Option<u64>) -> Vec<u64> {
    for value in &mut shift {
        *value += by.unwrap_or_default();
    }
    shift
}

#[task(crate = "executor_core")]
fn r#type(r#in: u8) -> u8 {
    r#in + 1
}

#[task(crate = "executor_core")]
#[must_use]
#[inline]
#[expect(non_snake_case, reason = "it stays on the function")]
const fn constant(X: u8) -> u8 {
    X
}

#[task(crate = "executor_core")]
#[cfg(any())]
fn absent(x: NoSuchType) {}

mod bytes {
    use executor_macros::task;

    #[task(crate = "executor_core", codec = "messagepack")]
    pub(crate) fn owned(data: Vec<u8>) -> Vec<u8> {
        data.into_iter().rev().collect()
    }

    #[task(crate = "executor_core", codec = "messagepack")]
    pub(crate) fn borrowed(data: &[u8]) -> Option<std::vec::Vec<u8>> {
        (!data.is_empty()).then(|| data.to_vec())
    }

    #[task(crate = "executor_core", codec = "messagepack")]
    #[expect(clippy::ptr_arg, reason = "this is the type to be tested")]
    pub(crate) fn borrowed_vec(data: &Vec<u8>) -> Result<Vec<u8>, String> {
        if data.is_empty() {
            Err("no bytes".to_owned())
        } else {
            Ok(data.clone())
        }
    }
}

mod from_macro {
    use executor_macros::task;

    macro_rules! identity {
        ($name:ident, $ty:ty) => {
            #[task(crate = "executor_core", codec = "messagepack")]
            pub(crate) fn $name(x: $ty) -> $ty {
                x
            }
        };
    }

    identity!(number, u64);
    identity!(bytes, Vec<u8>);
}

mod strict {
    //! Lints do not speak of what the author did not write.
    #![deny(deprecated, nonstandard_style, unused, clippy::all, clippy::pedantic)]

    use executor_macros::task;

    #[task(crate = "executor_core")]
    #[deprecated = "for the test"]
    #[must_use]
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the function's own")]
    pub(crate) fn old(a: &u64, b: u64) -> u64 {
        *a + b
    }
}

/// Sends a task there and back, as a worker process would.
fn round_trip<T: PortableTask>(task: &T) -> T::Output {
    let body = encoded(task);
    let mut output = Vec::new();
    let call = EncodedCall {
        name: T::NAME,
        is_chunk: false,
        body: &body,
    };
    Registry::global()
        .run(&call, &mut output)
        .expect("the task is registered");
    T::decode_output(&output).expect("it is what was encoded")
}

fn encoded<T: PortableTask>(task: &T) -> Vec<u8> {
    let mut body = Vec::new();
    T::ARGUMENTS
        .encode(Part::Task, task, &mut body)
        .expect("the arguments can be encoded");
    body
}

fn encoded_output<T: PortableTask>(task: T) -> Vec<u8> {
    let mut output = Vec::new();
    T::encode_output(&task.run(), &mut output).expect("the output can be encoded");
    output
}

/// Whether the first `len` bytes after position `at` are one byte string of MessagePack.
fn has_byte_string(encoded: &[u8], at: usize, content: &[u8]) -> bool {
    let head = [
        0xc4,
        u8::try_from(content.len()).expect("the content is short"),
    ];
    encoded[at..].starts_with(&[&head, content].concat())
}

#[test]
fn the_function_is_still_one() {
    assert_eq!(square(3), 9);
    assert_eq!(
        area(&Shape {
            width: 2,
            height: 3
        }),
        6
    );
    const { assert!(constant(5) == 5) };
}

#[test]
fn a_call_is_a_value() {
    assert_eq!(square::task(3), square { x: 3 });
    let three = square::task(3);
    assert_eq!(three.clone().run(), three.run());
    assert_eq!(format!("{:?}", square::task(3)), "square { x: 3 }");
    nothing {}.run();
    nothing::task().run();
}

#[test]
fn a_task_goes_to_another_process_and_back() {
    assert_eq!(round_trip(&square::task(12)), 144);
    round_trip(&nothing::task());
    assert_eq!(round_trip(&divide::task(7, 2)), Ok(3));
    assert_eq!(round_trip(&divide::task(7, 0)), Err("7 / 0".to_owned()));
    assert_eq!(
        round_trip(&area::task(Shape {
            width: 2,
            height: 3
        })),
        6
    );
    assert_eq!(round_trip(&shift::task(vec![1, 2], Some(3))), [4, 5]);
    assert_eq!(round_trip(&r#type::task(1)), 2);
    assert_eq!(round_trip(&constant::task(1)), 1);
    assert_eq!(round_trip(&from_macro::number::task(1)), 1);
}

#[test]
#[expect(deprecated, reason = "the function is, so the task is")]
fn attributes_stay_on_the_function() {
    assert_eq!(strict::old(&1, 2), round_trip(&strict::old::task(1, 2)));
}

#[test]
fn borrowed_arguments_are_kept_owned() {
    let owned = lengths {
        text: "a".to_owned(),
        numbers: vec![1, 2],
        path: PathBuf::from("abc"),
        os: "abcd".into(),
        c: CString::new("abcde").unwrap(),
        six: [0; 6],
    };
    assert_eq!(round_trip(&owned), [1, 2, 3, 4, 5, 6]);

    let from_borrowed = lengths::task(
        "a",
        &[1, 2][..],
        Path::new("abc"),
        OsStr::new("abcd"),
        c"abcde",
        [0; 6],
    );
    assert_eq!(encoded(&from_borrowed), encoded(&owned));

    let from_owned = lengths::task(owned.text, [1, 2], "abc", owned.os, owned.c, [0; 6]);
    assert_eq!(from_owned.run(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn the_name_is_where_the_function_is_unless_pinned() {
    assert_eq!(square::NAME, "behaviour::square");
    assert_eq!(bytes::owned::NAME, "behaviour::bytes::owned");
    assert_eq!(r#type::NAME, "behaviour::type");
    assert_eq!(divide::NAME, "acme.divide.v2");
    assert!(Registry::global().contains("acme.divide.v2"));
    assert!(!Registry::global().contains("behaviour::divide"));
}

#[test]
fn the_signature_does_not_depend_on_spaces() {
    #[rustfmt::skip]
    #[task(crate = "executor_core")]
    fn spaced(x :Option < Vec<u64>>, y: & [ (u8,u8) ], z: ::std::vec::Vec<u8>) -> Result<(),String> {
        drop((x, y, z));
        Ok(())
    }
    assert_eq!(
        spaced::SIGNATURE,
        "(x: Option<Vec<u64>>, y: &[(u8, u8)], z: ::std::vec::Vec<u8>) -> Result<(), String>"
    );
    assert_eq!(square::SIGNATURE, "(x: u64) -> u64");
    assert_eq!(nothing::SIGNATURE, "() -> ()");
    assert_eq!(from_macro::bytes::SIGNATURE, "(x: Vec<u8>) -> Vec<u8>");
}

#[test]
fn byte_arguments_are_byte_strings() {
    let map_with_data = b"\x81\xa4data";
    for body in [
        encoded(&bytes::owned::task(vec![1, 200, 3])),
        encoded(&bytes::borrowed::task([1, 200, 3])),
        encoded(&bytes::borrowed_vec::task(vec![1, 200, 3])),
    ] {
        assert!(body.starts_with(map_with_data));
        assert!(
            has_byte_string(&body, map_with_data.len(), &[1, 200, 3]),
            "{body:x?}"
        );
    }
    let long = encoded_output(bytes::owned::task(vec![0; 70_000]));
    assert_eq!(long[0], 0xc6);
    assert_eq!(encoded_output(bytes::owned::task(vec![0; 300]))[0], 0xc5);
}

#[test]
fn byte_outputs_are_byte_strings() {
    let plain = encoded_output(bytes::owned::task(vec![3, 200, 1]));
    assert!(has_byte_string(&plain, 0, &[1, 200, 3]), "{plain:x?}");
    let some = encoded_output(bytes::borrowed::task([1, 200, 3]));
    assert!(has_byte_string(&some, 0, &[1, 200, 3]), "{some:x?}");
    let ok = encoded_output(bytes::borrowed_vec::task(vec![1, 200, 3]));
    let map_with_ok = b"\x81\xa2Ok";
    assert!(ok.starts_with(map_with_ok));
    assert!(
        has_byte_string(&ok, map_with_ok.len(), &[1, 200, 3]),
        "{ok:x?}"
    );
    let from_macro = encoded_output(from_macro::bytes::task(vec![1, 200, 3]));
    assert!(
        has_byte_string(&from_macro, 0, &[1, 200, 3]),
        "{from_macro:x?}"
    );

    assert_eq!(round_trip(&bytes::owned::task(vec![1, 2])), [2, 1]);
    assert_eq!(round_trip(&bytes::borrowed::task([1, 2])), Some(vec![1, 2]));
    assert_eq!(round_trip(&bytes::borrowed::task([])), None);
    assert_eq!(round_trip(&bytes::borrowed_vec::task(vec![1])), Ok(vec![1]));
    assert_eq!(
        round_trip(&bytes::borrowed_vec::task(vec![])),
        Err("no bytes".to_owned())
    );
}

#[test]
fn an_output_that_is_no_output_is_refused() {
    assert!(bytes::owned::decode_output(b"\xc3").is_err());
    assert!(square::decode_output(b"\xc3").is_err());
    assert!(
        square::decode_output(b"\x01\x01").is_err(),
        "bytes left over"
    );
}

mod codecs {
    //! Each with the codecs that its types call for, or that it asks for.
    use std::collections::HashMap;

    use executor_macros::task;

    use super::Shape;

    #[task(crate = "executor_core")]
    pub(crate) fn plain(
        _a: &str,
        _b: Option<Vec<(u8, f64)>>,
        _c: HashMap<String, [i128; 2]>,
    ) -> Result<(), std::string::String> {
        Ok(())
    }

    #[task(crate = "executor_core")]
    pub(crate) fn one_is_mine(_a: u64, _b: Shape) -> u64 {
        1
    }

    #[task(crate = "executor_core")]
    pub(crate) fn output_is_mine(width: u64) -> Vec<Shape> {
        vec![Shape { width, height: 1 }]
    }

    #[task(crate = "executor_core", codec = "compact")]
    pub(crate) fn opted_in(shape: &Shape) -> Shape {
        Shape {
            width: shape.height,
            height: shape.width,
        }
    }

    #[task(crate = "executor_core", codec = "messagepack")]
    pub(crate) fn opted_out(x: u64) -> u64 {
        x
    }

    pub(crate) mod shadowed {
        //! It is called like a plain type, and has an attribute that needs names.

        use executor_macros::task;

        #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
        pub(crate) struct String {
            #[serde(skip_serializing_if = "Option::is_none", default)]
            pub(crate) text: Option<u64>,
            pub(crate) next: u64,
        }

        #[task(crate = "executor_core")]
        pub(crate) fn shadowed(x: String) -> String {
            x
        }
    }
}

#[test]
fn types_choose_the_codec() {
    use self::codecs::{one_is_mine, opted_in, opted_out, output_is_mine, plain, shadowed};
    use Codec::{Compact, MessagePack};

    fn of<T: PortableTask>() -> (Codec, Codec) {
        (T::ARGUMENTS, T::OUTPUT)
    }
    assert_eq!(of::<nothing>(), (Compact, Compact));
    assert_eq!(of::<square>(), (Compact, Compact));
    assert_eq!(of::<plain>(), (Compact, Compact));
    assert_eq!(of::<one_is_mine>(), (MessagePack, Compact));
    assert_eq!(of::<output_is_mine>(), (Compact, MessagePack));
    assert_eq!(of::<opted_in>(), (Compact, Compact));
    assert_eq!(of::<opted_out>(), (MessagePack, MessagePack));
    assert_eq!(of::<shadowed::shadowed>(), (MessagePack, MessagePack));

    let shape = Shape {
        width: 1,
        height: 2,
    };
    assert_eq!(round_trip(&opted_in::task(shape)).width, 2);
    assert_eq!(round_trip(&output_is_mine::task(3))[0].width, 3);
    for text in [None, Some(1)] {
        let sent = || shadowed::String { text, next: 2 };
        assert_eq!(round_trip(&shadowed::shadowed::task(sent())), sent());
    }
}

#[test]
fn serde_attributes_survive_unless_names_were_given_up() {
    use std::collections::BTreeMap;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
        Text(String),
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Here { x: u64 },
        There,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct All {
        #[serde(flatten)]
        more: BTreeMap<String, u64>,
        untagged: Vec<Untagged>,
        tagged: Vec<Tagged>,
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        skipped: Vec<u8>,
    }

    #[task(crate = "executor_core")]
    fn kept(all: All) -> Option<All> {
        Some(all)
    }
    #[task(crate = "executor_core", codec = "compact")]
    fn refused(_all: All) {}
    #[task(crate = "executor_core", codec = "compact")]
    fn refused_output() -> Tagged {
        Tagged::There
    }

    let all = All {
        more: [("more".to_owned(), 7)].into(),
        untagged: vec![Untagged::Text("t".to_owned()), Untagged::Number(3)],
        tagged: vec![Tagged::There, Tagged::Here { x: 1 }],
        skipped: Vec::new(),
    };
    assert_eq!(round_trip(&kept::task(all.clone())), Some(all.clone()));

    let executor = RoundTripExecutor::new();
    let error = executor.submit(refused::task(all)).unwrap().result();
    let text = error.unwrap_err().to_string();
    assert!(text.contains("messagepack"), "{text}");
    // The tag can be written, and not be found again.
    let error = executor.submit(refused_output::task()).unwrap().result();
    let text = error.unwrap_err().to_string();
    assert!(text.contains("messagepack"), "{text}");
}

#[test]
fn initializers_give_the_state_of_a_worker() {
    #[task(crate = "executor_core")]
    fn plain_state() -> u64 {
        5
    }
    #[task(crate = "executor_core")]
    fn fallible(port: u16) -> Result<u8, String> {
        u8::try_from(port).map_err(|error| error.to_string())
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Mute;
    #[task(crate = "executor_core")]
    fn error_without_text() -> Result<u64, Mute> {
        Err(Mute)
    }
    #[task(crate = "executor_core")]
    fn panics() -> u64 {
        panic!("no state")
    }

    fn init<T: PortableTask>(task: &T) -> Result<Box<dyn std::any::Any>, executor_core::TaskError> {
        let table = Registry::global().table();
        table.init(table.id(T::NAME).unwrap(), &encoded(task))
    }
    let state = init(&plain_state::task()).unwrap();
    assert_eq!(state.downcast_ref(), Some(&5_u64));
    let state = init(&fallible::task(80)).unwrap();
    assert_eq!(state.downcast_ref(), Some(&80_u8));
    let error = init(&fallible::task(8080)).unwrap_err();
    assert!(error.is_broken(), "{error}");
    assert!(error.to_string().contains("out of range"), "{error}");
    // Without a text to show, the whole result is the state.
    let state = init(&error_without_text::task()).unwrap();
    assert_eq!(state.downcast_ref(), Some(&Err::<u64, _>(Mute)));
    assert!(init(&panics::task()).unwrap_err().is_panicked());
    assert!(Registry::global().table().init(u32::MAX, b"").is_err());
}

#[test]
fn executors_take_tasks_alone_and_in_chunks() {
    let executor = RoundTripExecutor::new();
    assert!(!executor.capabilities().local);
    assert_eq!(
        executor.submit(square::task(12)).unwrap().result().unwrap(),
        144
    );
    let owned = executor.submit(bytes::owned::task(vec![1, 2])).unwrap();
    assert_eq!(owned.result().unwrap(), [2, 1]);

    let squares = executor.map((0..100).map(square::task)).chunk(7);
    let squares: Vec<u64> = squares.map(|result| result.unwrap()).collect();
    assert_eq!(squares, (0..100).map(|x| x * x).collect::<Vec<_>>());

    let words = ["a", "bb"].map(String::from);
    let copies = executor.map(words.into_iter().map(text_length::task));
    assert_eq!(
        copies.map(|result| result.unwrap()).collect::<Vec<_>>(),
        [1, 2]
    );
}

#[task(crate = "executor_core")]
fn text_length(text: &str) -> usize {
    text.len()
}

#[test]
fn a_function_in_a_function_can_be_a_task() {
    #[task(crate = "executor_core")]
    fn inner(x: u64) -> u64 {
        x + 1
    }
    assert_eq!(inner::NAME, "behaviour::inner");
    assert_eq!(round_trip(&inner::task(1)), 2);
}

#[test]
fn two_tasks_of_one_name_are_refused() {
    mod other {
        use executor_macros::task;

        // Another crate path, so that the global registry of this test is not spoiled.
        #[task(crate = "crate::unregistered", name = "acme.divide.v2")]
        pub(crate) fn divide(dividend: u64) -> u64 {
            dividend
        }
    }
    let registry = Registry::new();
    registry.with::<divide>().unwrap().with::<divide>().unwrap();
    let message = registry.with::<other::divide>().unwrap_err().to_string();
    assert_eq!(
        message,
        "two tasks of this program are named `acme.divide.v2`: rename one, or pin its name with \
         #[task(name = \"..\")]"
    );
}

/// The library, as a crate that registers no task by itself sees it.
mod unregistered {
    pub(crate) use executor_core::{PortableTask, Task, TaskError, codec, private};

    macro_rules! register {
        ($task:ty) => {};
    }
    pub(crate) use register;
}
