//! The codecs: what survives them, and what hostile bytes can do to them, which is nothing.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    fmt::Debug,
    time::Duration,
};

use executor_core::codec::{Codec, CodecError, Part};
use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    let mut buffer = b"before".to_vec();
    Codec::Compact
        .encode(Part::Task, value, &mut buffer)
        .expect("it can be encoded");
    assert!(buffer.starts_with(b"before"));
    buffer.split_off(6)
}

fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    Codec::Compact.decode(Part::Output, bytes)
}

/// There and back, and cut off anywhere it is an error.
#[track_caller]
fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let bytes = encoded(&value);
    assert_eq!(decoded::<T>(&bytes).as_ref(), Ok(&value));
    for cut in 0..bytes.len() {
        assert!(
            decoded::<T>(&bytes[..cut]).is_err(),
            "{value:?} cut at {cut}"
        );
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(decoded::<T>(&longer).is_err(), "{value:?} and a byte more");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Nothing {}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(u16);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Variants {
    Unit,
    Newtype(String),
    Tuple(u8, u8),
    Empty {},
    Struct {
        a: Option<Box<Self>>,
        b: Vec<Nothing>,
    },
}

#[test]
fn values_survive() {
    survives(());
    survives((u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX, usize::MAX));
    survives((i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN, isize::MIN));
    survives((
        f32::MIN_POSITIVE,
        f64::NEG_INFINITY,
        true,
        'ß',
        '\u{10ffff}',
    ));
    survives([Some(Some(())), Some(None), None]);
    survives(vec![(); 300]);
    survives(vec![[0_u64; 0]; 3]);
    survives(vec![Unit, Unit]);
    survives((Nothing {}, Unit, Wrapped(3)));
    survives("x".repeat(254));
    survives("x".repeat(255));
    survives((
        String::new(),
        Box::<str>::from("ü"),
        vec![String::from("a")],
    ));
    survives(Err::<u8, (i32, String)>((-1, "no".to_owned())));
    survives(HashMap::from([(1_u8, vec![1.5_f32]), (2, Vec::new())]));
    survives(BTreeMap::from([(String::from("k"), HashSet::from(['v']))]));
    survives(VecDeque::from([Duration::from_nanos(1), Duration::MAX]));
    survives([
        Variants::Unit,
        Variants::Newtype("n".to_owned()),
        Variants::Tuple(1, 2),
        Variants::Empty {},
        Variants::Struct {
            a: Some(Box::new(Variants::Unit)),
            b: vec![Nothing {}; 2],
        },
    ]);
    // NaN is not equal to itself, but its bits are.
    let nan = f64::from_bits(0x7ff8_dead_beef_0001);
    let back: f64 = decoded(&encoded(&nan)).unwrap();
    assert_eq!(back.to_bits(), nan.to_bits());
}

#[test]
fn a_claimed_length_is_not_believed() {
    let mut bytes = vec![255];
    bytes.extend_from_slice(&u64::MAX.to_le_bytes());
    bytes.extend_from_slice(&[0; 8]);
    assert!(decoded::<Vec<u64>>(&bytes).is_err());
    assert!(decoded::<Vec<()>>(&bytes).is_err());
    assert!(decoded::<Vec<Unit>>(&bytes).is_err());
    assert!(decoded::<String>(&bytes).is_err());
    assert!(decoded::<HashMap<u8, ()>>(&bytes).is_err());
    assert!(decoded::<VecDeque<[u8; 0]>>(&bytes).is_err());
    assert!(decoded::<Variants>(&bytes).is_err());
}

#[test]
fn depth_is_limited() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct List(Option<Box<Self>>);
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "there is no value of it")]
    struct Endless(Box<Self>);
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is never decoded")]
    struct Tree(Vec<Self>);

    let nested = |depth| (0..depth).fold(List(None), |list, _| List(Some(Box::new(list))));
    survives(nested(50));
    let error = decoded::<List>(&encoded(&nested(200))).unwrap_err();
    assert!(error.to_string().contains("too deep"), "{error}");

    assert!(decoded::<List>(&vec![1; 1 << 20]).is_err());
    assert!(decoded::<Tree>(&vec![1; 1 << 20]).is_err());
    assert!(decoded::<Endless>(&[]).is_err());
}

#[test]
fn an_error_leaves_the_buffer_as_it_was_and_says_why() {
    struct Picky;
    impl Serialize for Picky {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    for codec in [Codec::Compact, Codec::MessagePack] {
        let mut buffer = b"before".to_vec();
        let error = codec
            .encode(Part::Task, &(7_u64, Picky), &mut buffer)
            .unwrap_err();
        assert_eq!(buffer, b"before");
        assert!(error.is_encode());
        assert!(error.to_string().contains("not today"), "{error}");
        assert!(error.type_name().contains("Picky"));
    }
}

#[test]
fn byte_strings_are_borrowed_while_they_are_decoded() {
    struct Borrowed(bool);
    impl<'de> Deserialize<'de> for Borrowed {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl serde::de::Visitor<'_> for Visitor {
                type Value = Borrowed;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("bytes")
                }
                fn visit_borrowed_bytes<E>(self, bytes: &[u8]) -> Result<Borrowed, E> {
                    Ok(Borrowed(bytes == b"abc"))
                }
            }
            deserializer.deserialize_bytes(Visitor)
        }
    }
    struct Bytes;
    impl Serialize for Bytes {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(b"abc")
        }
    }
    for codec in [Codec::Compact, Codec::MessagePack] {
        let mut buffer = Vec::new();
        codec.encode(Part::Task, &Bytes, &mut buffer).unwrap();
        let back: Borrowed = codec.decode(Part::Task, &buffer).unwrap();
        assert!(back.0, "{codec:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        type Much = (Option<Vec<Variants>>, HashMap<String, [u16; 2]>, Result<(), char>);
        let _either = decoded::<Much>(&bytes);
        let _either = decoded::<Vec<Vec<Vec<()>>>>(&bytes);
        let _either = decoded::<BTreeMap<bool, Duration>>(&bytes);
        if let Ok(value) = decoded::<Variants>(&bytes) {
            prop_assert_eq!(decoded::<Variants>(&encoded(&value)), Ok(value));
        }
    }

    #[test]
    fn any_values_survive(
        numbers in prop::collection::vec(any::<(u64, i32, f64, bool)>(), 0..20),
        texts in prop::collection::btree_map(any::<String>(), any::<Option<char>>(), 0..20),
    ) {
        let bytes = encoded(&(&numbers, &texts));
        prop_assert_eq!(decoded(&bytes), Ok((numbers, texts)));
    }
}
