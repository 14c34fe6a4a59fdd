//! Which types lose nothing when they are encoded by position, and how a macro can tell.
//!
//! A macro sees how a type is written, and a `String` may be anybody's. So it writes
//! `Probe::<String>::PLAIN`, and the compiler finds out: that is [`Probe`]'s own constant if the type is
//! [`Plain`], and else the one of [`NotPlain`], which every type has. (Where both exist the own one
//! is taken. It works for concrete types only, and a task has no others.)

use std::{
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque},
    marker::PhantomData,
    num::NonZero,
    time::{Duration, SystemTime},
};

/// A type of the standard library, made of such types alone, whose values survive being encoded by
/// position.
#[doc(hidden)]
pub trait Plain {}

/// What of a type can be found out where it is concrete; see the module.
#[doc(hidden)]
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: Plain + ?Sized> Probe<T> {
    /// Whether values can be encoded by position.
    pub const PLAIN: bool = true;
}

/// The answers of [`Probe`] for all other types.
#[doc(hidden)]
pub trait NotPlain {
    /// Whether values can be encoded by position.
    const PLAIN: bool = false;
}

impl<T: ?Sized> NotPlain for Probe<T> {}

macro_rules! plain {
    ($($ty:ty),+ $(,)?) => {
        $(impl Plain for $ty {})+
    };
}

macro_rules! plain_of_plain {
    ($([$($generics:tt)+] $ty:ty),+ $(,)?) => {
        $(impl<$($generics)+> Plain for $ty {})+
    };
}

macro_rules! tuples {
    ($($($element:ident)+;)+) => {
        $(impl<$($element: Plain),+> Plain for ($($element,)+) {})+
    };
}

plain!(
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    bool,
    char,
    (),
    str,
    String,
    Duration,
    SystemTime,
    crate::Blob,
);
plain!(
    NonZero<u8>,
    NonZero<u16>,
    NonZero<u32>,
    NonZero<u64>,
    NonZero<u128>,
    NonZero<usize>,
    NonZero<i8>,
    NonZero<i16>,
    NonZero<i32>,
    NonZero<i64>,
    NonZero<i128>,
    NonZero<isize>,
);
plain_of_plain!(
    [T: Plain] Option<T>,
    [T: Plain, E: Plain] Result<T, E>,
    [T: Plain + ?Sized] Box<T>,
    [T: Plain, const N: usize] [T; N],
    [T: Plain] [T],
    [T: Plain] Vec<T>,
    [T: Plain] VecDeque<T>,
    [T: Plain] LinkedList<T>,
    [T: Plain] BinaryHeap<T>,
    [T: Plain] BTreeSet<T>,
    [T: Plain, S] HashSet<T, S>,
    [K: Plain, V: Plain] BTreeMap<K, V>,
    [K: Plain, V: Plain, S] HashMap<K, V, S>,
);
tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
}

#[cfg(test)]
mod tests {
    use super::{NotPlain as _, Probe};

    macro_rules! table {
        ($($ty:ty => $plain:literal),+ $(,)?) => {
            $(assert_eq!(Probe::<$ty>::PLAIN, $plain, stringify!($ty));)+
        };
    }

    #[test]
    fn plain_types_are_told_by_what_they_are() {
        use std::{
            collections::{BTreeMap, HashMap, HashSet},
            path::PathBuf,
            sync::Arc,
            time::Duration,
        };

        struct Mine;
        mod theirs {
            pub(super) struct String;
            pub(super) type Text = std::string::String;
        }

        table! {
            () => true,
            u64 => true,
            i128 => true,
            f32 => true,
            char => true,
            String => true,
            Box<str> => true,
            Option<Option<()>> => true,
            Result<(), String> => true,
            Result<Vec<u8>, (i32, String)> => true,
            (u8, [f64; 3], Box<bool>) => true,
            HashMap<String, Vec<Option<u64>>> => true,
            BTreeMap<u8, ()> => true,
            Vec<[(); 0]> => true,
            HashSet<char> => true,
            Duration => true,
            theirs::Text => true,
            // A user's type, whatever it is called and wherever it stands.
            Mine => false,
            theirs::String => false,
            Vec<theirs::String> => false,
            Option<Mine> => false,
            (u64, Mine) => false,
            Result<u64, Mine> => false,
            HashMap<String, Mine> => false,
            // Serde could do these, and they are rare.
            PathBuf => false,
            Arc<u64> => false,
        }
    }
}
