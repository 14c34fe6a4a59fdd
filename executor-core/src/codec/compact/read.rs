use serde::de::{self, DeserializeSeed, Visitor};

use super::{LONG, Problem, problem};

/// How deep values may nest: hostile bytes must not overflow the stack.
const DEPTH: u8 = 128;

/// Reads values from bytes that may be anything.
pub(super) struct Reader<'de> {
    rest: &'de [u8],
    depth: u8,
}

/// What follows, so many times.
struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> Reader<'de> {
    #[inline]
    pub(super) const fn new(bytes: &'de [u8]) -> Self {
        Self {
            rest: bytes,
            depth: DEPTH,
        }
    }

    /// The value, if it was all that there is.
    #[inline]
    pub(super) fn finish<R>(self, value: R) -> Result<R, Problem> {
        if self.rest.is_empty() {
            Ok(value)
        } else {
            Err(problem("there are more bytes than one value has"))
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(problem("the bytes end too early"));
        };
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Problem> {
        Ok(self.array::<1>()?[0])
    }

    #[inline]
    fn number(&mut self) -> Result<u64, Problem> {
        match self.byte()? {
            LONG => Ok(u64::from_le_bytes(self.array()?)),
            short => Ok(u64::from(short)),
        }
    }

    /// A length, of whatever takes a byte at least.
    #[inline]
    fn length(&mut self) -> Result<usize, Problem> {
        match usize::try_from(self.number()?) {
            Ok(length) if length <= self.rest.len() => Ok(length),
            _ => Err(problem("a length is more than the bytes that are left")),
        }
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'de [u8], Problem> {
        let length = self.length()?;
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn text(&mut self) -> Result<&'de str, Problem> {
        std::str::from_utf8(self.bytes()?).map_err(|_| problem("a text is not UTF-8"))
    }

    #[inline]
    fn zero(&mut self) -> Result<(), Problem> {
        match self.byte()? {
            0 => Ok(()),
            _ => Err(problem("a value without content is not 0")),
        }
    }

    /// Reads what is inside of something.
    #[inline]
    fn nest<R>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<R, Problem>,
    ) -> Result<R, Problem> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(problem("a value nests too deep"));
        };
        let outer = std::mem::replace(&mut self.depth, depth);
        let result = read(self);
        self.depth = outer;
        result
    }

    #[inline]
    fn elements<V: Visitor<'de>>(&mut self, left: usize, visitor: V) -> Result<V::Value, Problem> {
        self.nest(|reader| {
            let mut elements = Elements { reader, left };
            let value = visitor.visit_seq(&mut elements)?;
            elements.finish(value)
        })
    }

    #[inline]
    fn fields<V: Visitor<'de>>(&mut self, length: usize, visitor: V) -> Result<V::Value, Problem> {
        if length == 0 {
            self.zero()?;
        }
        self.elements(length, visitor)
    }
}

impl Elements<'_, '_> {
    /// All have to be read, or what comes next would be misread.
    #[inline]
    fn finish<R>(self, value: R) -> Result<R, Problem> {
        if self.left == 0 {
            Ok(value)
        } else {
            Err(problem("there are more elements than were expected"))
        }
    }
}

macro_rules! read_numbers {
    ($($name:ident $visit:ident: $ty:ty),+) => {
        $(#[inline]
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            visitor.$visit(<$ty>::from_le_bytes(self.array()?))
        })+
    };
}

macro_rules! read_refused {
    ($($name:ident),+) => {
        $(fn $name<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Problem> {
            Err(problem(
                "the bytes do not say what they are, and `serde(flatten)`, `tag` and `untagged` need \
                 that: use the codec messagepack",
            ))
        })+
    };
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = Problem;

    read_numbers!(
        deserialize_i8 visit_i8: i8, deserialize_i16 visit_i16: i16, deserialize_i32 visit_i32: i32,
        deserialize_i64 visit_i64: i64, deserialize_i128 visit_i128: i128, deserialize_u8 visit_u8: u8,
        deserialize_u16 visit_u16: u16, deserialize_u32 visit_u32: u32, deserialize_u64 visit_u64: u64,
        deserialize_u128 visit_u128: u128, deserialize_f32 visit_f32: f32,
        deserialize_f64 visit_f64: f64
    );

    read_refused!(
        deserialize_any,
        deserialize_ignored_any,
        deserialize_identifier
    );

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(problem("a bool is neither 0 nor 1")),
        }
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match char::from_u32(u32::from_le_bytes(self.array()?)) {
            Some(value) => visitor.visit_char(value),
            None => Err(problem("a char is none")),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_borrowed_str(self.text()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => self.nest(|reader| visitor.visit_some(reader)),
            _ => Err(problem("an option is neither 0 nor 1")),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.zero()?;
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.nest(|reader| visitor.visit_newtype_struct(reader))
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let length = self.length()?;
        self.elements(length, visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.fields(length, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.fields(length, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let left = self.length()?;
        self.nest(|reader| {
            let mut elements = Elements { reader, left };
            let value = visitor.visit_map(&mut elements)?;
            elements.finish(value)
        })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.fields(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.nest(|reader| visitor.visit_enum(reader))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Problem;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::MapAccess<'de> for Elements<'_, 'de> {
    type Error = Problem;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        de::SeqAccess::next_element_seed(self, seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        seed.deserialize(&mut *self.reader)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::EnumAccess<'de> for &mut Reader<'de> {
    type Error = Problem;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Problem> {
        let index = u32::try_from(self.number()?)
            .map_err(|_| problem("the number of a variant is too large"))?;
        let index = de::IntoDeserializer::<Problem>::into_deserializer(index);
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for &mut Reader<'de> {
    type Error = Problem;

    #[inline]
    fn unit_variant(self) -> Result<(), Problem> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Problem> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.fields(length, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.fields(fields.len(), visitor)
    }
}
