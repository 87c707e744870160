//! Decoded parameters as a `serde` map.

use std::fmt;

use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

/// What is wrong with a query, and with which parameter.
#[derive(Debug)]
pub(super) struct QueryError {
    pub(super) name: Option<String>,
    pub(super) detail: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for QueryError {}

impl de::Error for QueryError {
    fn custom<T: fmt::Display>(detail: T) -> Self {
        Self { name: None, detail: detail.to_string() }
    }
}

/// All parameters, each with its values.
pub(super) struct Parameters<'a> {
    rest: std::slice::Iter<'a, (String, Vec<String>)>,
    value: Option<&'a (String, Vec<String>)>,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(parameters: &'a [(String, Vec<String>)]) -> Self {
        Self { rest: parameters.iter(), value: None }
    }
}

impl<'de> Deserializer<'de> for Parameters<'_> {
    type Error = QueryError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_map(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        match self.rest.as_slice().first() {
            None => visitor.visit_unit(),
            Some((name, _)) => Err(QueryError { name: Some(name.clone()), detail: "not a known parameter".into() }),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Parameters<'_> {
    type Error = QueryError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, QueryError> {
        self.value = self.rest.next();
        let Some((name, _)) = self.value else { return Ok(None) };
        let key: StrDeserializer<'_, QueryError> = name.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|mut error| {
            error.name.get_or_insert_with(|| name.clone());
            "not a known parameter".clone_into(&mut error.detail);
            error
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, QueryError> {
        let Some((name, values)) = self.value else {
            return Err(de::Error::custom("a value without its name"));
        };
        seed.deserialize(Values(values)).map_err(|mut error| {
            error.name.get_or_insert_with(|| name.clone());
            error
        })
    }
}

/// The values of one parameter.
#[derive(Clone, Copy)]
struct Values<'a>(&'a [String]);

impl<'a> Values<'a> {
    fn single(self) -> Result<&'a str, QueryError> {
        match self.0 {
            [value] => Ok(value),
            _ => Err(de::Error::custom("given more than once")),
        }
    }

    fn number<T: std::str::FromStr>(self, expected: &str) -> Result<T, QueryError> {
        let text = self.single()?;
        // Rust's parsers take a plus sign, `inf` and `nan`; a query does not.
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
        text.parse().ok().filter(|_| plain).ok_or_else(|| de::Error::custom(format!("expected {expected}")))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $kind:ty => $expected:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
            visitor.$visit(self.number::<$kind>($expected)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Values<'_> {
    type Error = QueryError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_str(self.single()?)
    }

    numbers! {
        deserialize_i8 visit_i8 i8 => "an integer from -128 to 127";
        deserialize_i16 visit_i16 i16 => "an integer from -32768 to 32767";
        deserialize_i32 visit_i32 i32 => "an integer from -2147483648 to 2147483647";
        deserialize_i64 visit_i64 i64 => "an integer of 64 bits";
        deserialize_u8 visit_u8 u8 => "an integer from 0 to 255";
        deserialize_u16 visit_u16 u16 => "an integer from 0 to 65535";
        deserialize_u32 visit_u32 u32 => "an integer from 0 to 4294967295";
        deserialize_u64 visit_u64 u64 => "an integer from 0";
        deserialize_f32 visit_f32 f32 => "a number";
        deserialize_f64 visit_f64 f64 => "a number";
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        match self.single()? {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(de::Error::custom("expected true or false")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_seq(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, QueryError> {
        visitor.visit_enum(Variant(self.single()?))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, QueryError> {
        // A parameter that nobody looks at is a mistake of the client's that must not pass silently.
        Err(de::Error::custom("not a known parameter"))
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
    }
}

impl<'de> SeqAccess<'de> for Values<'_> {
    type Error = QueryError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, QueryError> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(None) };
        self.0 = rest;
        seed.deserialize(Values(std::slice::from_ref(first))).map(Some)
    }
}

struct Variant<'a>(&'a str);

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = QueryError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), QueryError> {
        let word: StrDeserializer<'_, QueryError> = self.0.into_deserializer();
        Ok((seed.deserialize(word)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = QueryError;

    fn unit_variant(self) -> Result<(), QueryError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, QueryError> {
        Err(de::Error::custom("expected a word"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, QueryError> {
        Err(de::Error::custom("expected a word"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, QueryError> {
        Err(de::Error::custom("expected a word"))
    }
}
