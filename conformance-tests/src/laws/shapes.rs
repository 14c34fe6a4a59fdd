//! Law 7: what cannot be encoded or decoded fails that task alone; what serde can describe survives.

use std::{collections::BTreeMap, fmt};

use executor_core::{
    Executor, ExecutorExt as _, PortableTask, SubmitError, TaskError, TaskErrorKind,
};

use super::{ANY, Bench, Laws, failure, value};
use crate::tasks::{
    Adjacent, External, Fails, Fickle, Flattened, Inner, Numbers, Skipping, Tagged, Unit, Unlisted,
    Untagged, add, echo_adjacent, echo_external, echo_flattened, echo_map, echo_numbers,
    echo_options, echo_results, echo_skipping, echo_tagged, echo_text, echo_units, echo_untagged,
    fickle_argument, fickle_output, reversed,
};

/// How a value fails on its way, and whether that is a panic and while encoding.
const FAILURES: [(Fails, &str); 4] = [
    (Fails::Encode, "encode"),
    (Fails::Decode, "decode"),
    (Fails::EncodePanics, "encode_panics"),
    (Fails::DecodePanics, "decode_panics"),
];

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("law07_a_codec_failure_fails_that_task_alone");
    for (fails, name) in FAILURES {
        laws.case(format!("argument_{name}"), ANY, move |bench| {
            let executor = bench.executor();
            let call = || fickle_argument::task(Fickle { fails, value: 5 });
            fails_alone(bench, &executor, fails, false, call);
        })
        .case(format!("output_{name}"), ANY, move |bench| {
            let executor = bench.executor();
            fails_alone(bench, &executor, fails, true, || {
                fickle_output::task(fails, 5)
            });
        })
        .case(format!("argument_{name}_in_a_map"), ANY, move |bench| {
            in_a_map(bench, |n| {
                let fails = if n == 5 { fails } else { Fails::Nowhere };
                fickle_argument::task(Fickle { fails, value: n })
            });
        })
        .case(format!("output_{name}_in_a_map"), ANY, move |bench| {
            in_a_map(bench, |n| {
                fickle_output::task(if n == 5 { fails } else { Fails::Nowhere }, n)
            });
        });
    }
    laws.case("a_task_that_is_not_registered_comes_back", ANY, |bench| {
        let submitted = bench.executor().submit(Unlisted(4));
        if bench.capabilities().local {
            return assert_eq!(value(submitted.unwrap()), 4);
        }
        let error = submitted.unwrap_err();
        assert!(error.is_unknown_task(), "{error}");
        assert!(
            error.to_string().contains("use conformance_tests as _;"),
            "{error}"
        );
        assert_eq!(error.into_task(), Unlisted(4));
    });
    shape_laws(laws);
}

fn shape_laws(laws: &mut Laws) {
    laws.law("law07_every_serde_shape_survives")
        .case("flatten", ANY, |bench| {
            let inner = Inner {
                name: "n".into(),
                size: None,
            };
            let others = BTreeMap::from([("more".into(), "fields".into())]);
            echo(
                bench,
                Flattened {
                    id: 1,
                    inner,
                    others,
                },
                echo_flattened::task,
            );
        })
        .case("untagged", ANY, |bench| {
            let all = vec![
                Untagged::Number(-1),
                Untagged::Text("t".into()),
                Untagged::Fields { x: 1, y: -2 },
                Untagged::List(vec![1, 2]),
            ];
            echo(bench, all, echo_untagged::task);
        })
        .case("tag", ANY, |bench| {
            let inner = Tagged::Inner(Inner {
                name: "n".into(),
                size: Some(u64::MAX),
            });
            let all = vec![Tagged::Empty, Tagged::Fields { list: vec![1] }, inner];
            echo(bench, all, echo_tagged::task);
        })
        .case("tag_and_content", ANY, |bench| {
            let all = vec![Adjacent::Empty, Adjacent::Pair(1, "p".into())];
            echo(bench, all, echo_adjacent::task);
        })
        .case("external_tag", ANY, |bench| {
            let deep = Some(Box::new(External::Fields { deep: None }));
            let all = vec![
                External::Empty,
                External::One(9),
                External::Pair(1, String::new()),
                External::Fields { deep },
            ];
            echo(bench, all, echo_external::task);
        })
        .case("skip_serializing_if_and_default", ANY, |bench| {
            let empty = Skipping {
                first: None,
                second: Vec::new(),
                third: 7,
                fourth: 4,
            };
            echo(bench, empty, echo_skipping::task);
            let full = Skipping {
                first: Some("f".into()),
                second: vec![1],
                third: 7,
                fourth: 4,
            };
            echo(bench, full, echo_skipping::task);
        })
        .case("extreme_numbers", ANY, |bench| {
            let numbers = Numbers {
                signed: vec![i64::MIN, -129, -1, 0, 127, i64::MAX],
                unsigned: vec![0, 255, 256, u64::MAX],
                floats: vec![f64::MIN_POSITIVE, -0.0, f64::INFINITY, f64::MAX],
                wide: (i128::MIN, u128::MAX),
                small: (i8::MIN, f32::EPSILON, true),
            };
            echo(bench, numbers, echo_numbers::task);
        })
        .case("options", ANY, |bench| {
            echo(bench, vec![None, Some(0), Some(255)], echo_options::task);
        })
        .case("results", ANY, |bench| {
            echo(bench, vec![Ok(1), Err("no".into())], echo_results::task);
        })
        .case("a_map_with_numbers_for_keys", ANY, |bench| {
            let map = BTreeMap::from([(0, vec!['a', '\u{10ffff}']), (u32::MAX, Vec::new())]);
            echo(bench, map, echo_map::task);
        })
        .case("texts", ANY, |bench| {
            for text in [
                String::new(),
                "\0 \u{1f600} e\u{301}".into(),
                "x".repeat(70_000),
            ] {
                echo(bench, text, echo_text::task);
            }
        })
        .case("units_and_tuples", ANY, |bench| {
            echo(bench, ((), (1, ("t".into(),)), Unit), echo_units::task);
        })
        .case("many_bytes", ANY, |bench| {
            let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| n as u8).collect();
            let mut expected = bytes.clone();
            expected.reverse();
            let future = bench.executor().submit(reversed::task(bytes)).unwrap();
            assert!(value(future) == expected, "the bytes came back changed");
        })
        .case("no_bytes", ANY, |bench| {
            let future = bench.executor().submit(reversed::task(Vec::new())).unwrap();
            assert!(value(future).is_empty());
        });
}

fn fails_alone<T, F>(bench: &Bench, executor: &dyn Executor, fails: Fails, output: bool, call: F)
where
    T: PortableTask,
    F: Fn() -> T,
{
    for n in 0..3 {
        let submitted = executor.submit(call()).map_err(SubmitError::into_parts);
        let Ok(future) = submitted else {
            panic!("the failure is the task's, not the submission's")
        };
        if bench.capabilities().local {
            drop(value(future));
        } else {
            check_error(&failure(future), fails, output);
        }
        assert_eq!(value(executor.submit(add::task(n, 1)).unwrap()), n + 1);
    }
}

fn check_error(error: &TaskError, fails: Fails, output: bool) {
    if matches!(fails, Fails::EncodePanics | Fails::DecodePanics) {
        assert!(error.is_panicked(), "{error}");
        return;
    }
    let TaskErrorKind::Codec(codec) = error.kind() else {
        panic!("not a codec error: {error}")
    };
    assert_eq!(codec.is_of_output(), output, "{error}");
    assert_eq!(codec.is_encode(), fails == Fails::Encode, "{error}");
    assert_eq!(error.may_have_run(), output, "{error}");
    assert!(
        error.to_string().contains("this value cannot be"),
        "{error}"
    );
}

/// Of ten items, in chunks of four, the one with number 5 fails, where there is a codec at all.
fn in_a_map<T: PortableTask>(bench: &Bench, call: impl Fn(u64) -> T) {
    let executor = bench.executor();
    let results: Vec<_> = executor.map((0..10).map(call)).chunk(4).collect();
    assert_eq!(results.len(), 10);
    let failed: Vec<_> = (0..10).filter(|n| results[*n].is_err()).collect();
    let expected: &[usize] = if bench.capabilities().local {
        &[]
    } else {
        &[5]
    };
    assert_eq!(failed, expected, "the items that failed");
}

#[track_caller]
fn echo<V, T>(bench: &Bench, sent: V, task: impl Fn(V) -> T)
where
    V: PartialEq + fmt::Debug + Clone + 'static,
    T: PortableTask<Output = V>,
{
    let executor = bench.executor();
    assert_eq!(value(executor.submit(task(sent.clone())).unwrap()), sent);
    let mut mapped = executor
        .map([task(sent.clone()), task(sent.clone())])
        .chunk(2);
    assert_eq!(mapped.next().unwrap().unwrap(), sent, "in a chunk");
    assert_eq!(mapped.next().unwrap().unwrap(), sent, "in a chunk");
}
