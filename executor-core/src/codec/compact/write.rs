use serde::{Serialize, ser};

use super::{LONG, Problem, problem};
use crate::codec::append;

/// Writes values onto the end of a buffer.
pub(super) struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    #[inline]
    pub(super) const fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self(buffer)
    }

    #[inline]
    fn length(&mut self, length: usize) {
        match u8::try_from(length) {
            Ok(short) if short < LONG => self.0.push(short),
            _ => {
                self.0.push(LONG);
                self.0.extend_from_slice(&(length as u64).to_le_bytes());
            }
        }
    }

    #[inline]
    fn list(&mut self, length: Option<usize>) -> Result<&mut Self, Problem> {
        let length = length.ok_or_else(|| {
            problem("its length is not known in advance, as with `serde(flatten)`: use the codec messagepack")
        })?;
        self.length(length);
        Ok(self)
    }

    #[inline]
    fn fields(&mut self, length: usize) -> &mut Self {
        if length == 0 {
            self.0.push(0);
        }
        self
    }
}

macro_rules! write_numbers {
    ($($name:ident: $ty:ty),+) => {
        $(#[inline]
        fn $name(self, value: $ty) -> Result<(), Problem> {
            self.0.extend_from_slice(&value.to_le_bytes());
            Ok(())
        })+
    };
}

impl ser::Serializer for &mut Writer<'_> {
    type Ok = ();
    type Error = Problem;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    write_numbers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64, serialize_u128: u128, serialize_f32: f32, serialize_f64: f64
    );

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Problem> {
        self.0.push(u8::from(value));
        Ok(())
    }

    #[inline]
    fn serialize_char(self, value: char) -> Result<(), Problem> {
        self.serialize_u32(u32::from(value))
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), Problem> {
        self.serialize_bytes(text.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Problem> {
        self.length(bytes.len());
        append(self.0, bytes);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Problem> {
        self.0.push(0);
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Problem> {
        self.0.push(1);
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Problem> {
        self.0.push(0);
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Problem> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
    ) -> Result<(), Problem> {
        self.length(index as usize);
        Ok(())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Problem> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), Problem> {
        self.length(index as usize);
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Problem> {
        self.list(length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<Self, Problem> {
        self.fields(length);
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Self, Problem> {
        self.serialize_tuple(length)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        length: usize,
    ) -> Result<Self, Problem> {
        self.length(index as usize);
        self.serialize_tuple(length)
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self, Problem> {
        self.list(length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Self, Problem> {
        self.serialize_tuple(length)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        length: usize,
    ) -> Result<Self, Problem> {
        self.length(index as usize);
        self.serialize_tuple(length)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// One kind of compound, whose elements follow one another.
macro_rules! write_elements {
    ($($compound:ident: $element:ident),+) => {
        $(impl ser::$compound for &mut Writer<'_> {
            type Ok = ();
            type Error = Problem;

            #[inline]
            fn $element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<(), Problem> {
                Ok(())
            }
        })+
    };
}

write_elements!(
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);

impl ser::SerializeMap for &mut Writer<'_> {
    type Ok = ();
    type Error = Problem;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Problem> {
        key.serialize(&mut **self)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
        value.serialize(&mut **self)
    }

    #[inline]
    fn end(self) -> Result<(), Problem> {
        Ok(())
    }
}

macro_rules! write_fields {
    ($($compound:ident),+) => {
        $(impl ser::$compound for &mut Writer<'_> {
            type Ok = ();
            type Error = Problem;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _name: &'static str,
                value: &T,
            ) -> Result<(), Problem> {
                value.serialize(&mut **self)
            }

            fn skip_field(&mut self, _name: &'static str) -> Result<(), Problem> {
                Err(problem(
                    "a field is left out, as with `serde(skip_serializing_if)`: use the codec messagepack",
                ))
            }

            #[inline]
            fn end(self) -> Result<(), Problem> {
                Ok(())
            }
        })+
    };
}

write_fields!(SerializeStruct, SerializeStructVariant);
