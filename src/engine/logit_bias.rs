//! Biases by token id, as callers write them: JSON and JS objects have names where ids are meant, a JS `Map` has numbers.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

/// Reads a map from token ids to biases.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<u32, f32>, D::Error> {
    from.deserialize_map(Biases)
}

struct Biases;

impl<'de> Visitor<'de> for Biases {
    type Value = BTreeMap<u32, f32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a map from token ids to numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut biases = BTreeMap::new();
        while let Some((Id(id), bias)) = entries.next_entry()? {
            biases.insert(id, bias);
        }
        Ok(biases)
    }
}

struct Id(u32);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = Id;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("token ids (integers from 0 on)")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
        text.parse().map(Id).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<Id, E> {
        id.try_into().map(Id).map_err(|_| E::invalid_value(Unexpected::Unsigned(id), &self))
    }

    fn visit_i64<E: Error>(self, id: i64) -> Result<Id, E> {
        id.try_into().map(Id).map_err(|_| E::invalid_value(Unexpected::Signed(id), &self))
    }
}

#[cfg(test)]
mod tests {
    use crate::session::GenerateOptions;

    fn read(json: &str) -> Result<Vec<(u32, f32)>, String> {
        let options: Result<GenerateOptions, _> = serde_json::from_str(json);
        options.map(|options| options.logit_bias.into_iter().collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn ids_are_names() {
        assert_eq!(read("{}"), Ok(vec![]));
        assert_eq!(read(r#"{"logitBias": {"7": -1.5, "5": 2}}"#), Ok(vec![(5, 2.0), (7, -1.5)]));
        for (bad, words) in [
            (r#"{"logitBias": 5}"#, "an object or a map"),
            (r#"{"logitBias": {"-1": 5}}"#, "token ids"),
            (r#"{"logitBias": {"5": "x"}}"#, "f32"),
        ] {
            assert!(read(bad).is_err_and(|error| error.contains(words)), "{bad}: {:?}", read(bad));
        }
    }
}
