//! What an event rests on: a small map of texts.

use std::collections::{BTreeMap, btree_map};

use serde::{Deserialize, Serialize};

/// Most pieces of evidence of one event: more is a report, and belongs elsewhere.
const PIECES: usize = 32;
/// Longest key, in bytes.
const KEY: usize = 64;
/// Says how much is missing.
const MORE: &str = "left_out";

/// Pieces of evidence, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Evidence(BTreeMap<String, String>);

impl Evidence {
    /// Adds a piece. A key that is there gets the new value; a key of more than 64 bytes is cut. Beyond 32 pieces the rest
    /// is counted under `left_out`.
    pub fn insert(&mut self, key: &str, value: impl Into<String>) {
        let key = cut(key);
        if self.0.len() < PIECES || self.0.contains_key(key) {
            self.0.insert(key.to_owned(), value.into());
            return;
        }
        let before = self
            .0
            .get(MORE)
            .and_then(|count| count.parse().ok())
            .unwrap_or(0_u64);
        self.0.insert(MORE.to_owned(), (before + 1).to_string());
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn values_mut(&mut self) -> btree_map::ValuesMut<'_, String, String> {
        self.0.values_mut()
    }
}

/// The most of a key that fits, in whole characters.
fn cut(key: &str) -> &str {
    let ends = key.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|end| *end <= KEY).last().unwrap_or(0);
    &key[..end]
}

impl<'a> FromIterator<(&'a str, String)> for Evidence {
    fn from_iter<T: IntoIterator<Item = (&'a str, String)>>(pieces: T) -> Self {
        let mut evidence = Self::default();
        for (key, value) in pieces {
            evidence.insert(key, value);
        }
        evidence
    }
}
