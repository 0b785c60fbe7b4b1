//! What a JSON document must have in a place, and what is said if it has not. Pure.
//!
//! A place is a JSON pointer (RFC 6901). JSONPath was not taken: a path that finds several values leaves open whether one
//! or all must be right.

use serde_json::Value;

/// What is shown of a value that is not as it should be, in characters.
const SHOWN: usize = 64;

/// What is expected of the value in a place. Numbers are compared as 64-bit floating point.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// It is there; `null` is there too.
    Exists,
    /// It is this value. `1` and `1.0` are the same number.
    Equals(Value),
    /// It is a number, and this or more.
    AtLeast(f64),
    /// It is a number, and this or less.
    AtMost(f64),
    /// It is a number, and more.
    Above(f64),
    /// It is a number, and less.
    Below(f64),
}

impl Json {
    /// It is `value`: a string, a number, a truth value or any `serde_json::Value`.
    pub fn equals(value: impl Into<Value>) -> Self {
        Self::Equals(value.into())
    }

    /// What can never hold.
    pub(super) fn fault(&self, pointer: &str) -> Option<String> {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Some(format!(
                "must have a pointer that starts with /, as in /{pointer}"
            ));
        }
        match self {
            Self::AtLeast(bound) | Self::AtMost(bound) | Self::Above(bound) | Self::Below(bound)
                if !bound.is_finite() =>
            {
                Some(format!("{pointer} must be compared to a finite number"))
            }
            _ => None,
        }
    }

    /// What is wrong with `document`, if anything is.
    pub(super) fn unmet(&self, pointer: &str, document: &Value) -> Option<String> {
        let place = if pointer.is_empty() { "its JSON" } else { pointer };
        let Some(found) = document.pointer(pointer) else {
            return Some(format!("{place} is not in its JSON"));
        };
        let compared = |words: &str, bound: f64, holds: fn(f64, f64) -> bool| match found.as_f64() {
            Some(number) if holds(number, bound) => None,
            Some(_) => Some(format!("{place} is {}, expected {words} {bound}", shown(found))),
            None => Some(format!("{place} is {}, expected a number", shown(found))),
        };
        match self {
            Self::Exists => None,
            Self::Equals(expected) if same(found, expected) => None,
            Self::Equals(expected) => Some(format!(
                "{place} is {}, expected {}",
                shown(found),
                shown(expected)
            )),
            Self::AtLeast(bound) => compared("at least", *bound, |number, bound| number >= bound),
            Self::AtMost(bound) => compared("at most", *bound, |number, bound| number <= bound),
            Self::Above(bound) => compared("more than", *bound, |number, bound| number > bound),
            Self::Below(bound) => compared("less than", *bound, |number, bound| number < bound),
        }
    }
}

/// Numbers by their value, at any depth.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => {
            a == b || a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64())
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_are_those_of_rfc_6901() {
        // Its section 5.
        let document = json!({
            "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8
        });
        for (pointer, value) in [
            ("/foo", json!(["bar", "baz"])),
            ("/foo/0", json!("bar")),
            ("/", json!(0)),
            ("/a~1b", json!(1)),
            ("/c%d", json!(2)),
            ("/e^f", json!(3)),
            ("/g|h", json!(4)),
            ("/i\\j", json!(5)),
            ("/k\"l", json!(6)),
            ("/ ", json!(7)),
            ("/m~0n", json!(8)),
            ("", document.clone()),
        ] {
            assert_eq!(Json::Equals(value).unmet(pointer, &document), None, "{pointer}");
        }
        for pointer in ["/foo/2", "/foo/00", "/foo/-", "/foo/bar", "/a/b", "/nothing"] {
            assert_eq!(
                Json::Exists.unmet(pointer, &document),
                Some(format!("{pointer} is not in its JSON"))
            );
        }
    }

    #[test]
    fn values_are_compared() {
        let document = json!({ "n": 3, "x": 2.5, "s": "up", "null": null, "big": u64::MAX });
        let unmet = |pointer: &str, json: Json| json.unmet(pointer, &document);
        for (pointer, met) in [
            ("/n", Json::equals(3.0)),
            ("/n", Json::AtLeast(3.0)),
            ("/n", Json::AtMost(3.0)),
            ("/n", Json::Above(2.9)),
            ("/x", Json::Below(2.6)),
            ("/s", Json::equals("up")),
            ("/null", Json::Exists),
            ("/big", Json::equals(u64::MAX)),
        ] {
            assert_eq!(unmet(pointer, met), None, "{pointer}");
        }
        for (pointer, json, said) in [
            ("/n", Json::AtLeast(3.5), "/n is 3, expected at least 3.5"),
            ("/n", Json::AtMost(2.0), "/n is 3, expected at most 2"),
            ("/n", Json::Above(3.0), "/n is 3, expected more than 3"),
            ("/n", Json::Below(3.0), "/n is 3, expected less than 3"),
            ("/s", Json::equals("down"), "/s is \"up\", expected \"down\""),
            ("/s", Json::Above(0.0), "/s is \"up\", expected a number"),
            ("/null", Json::equals(false), "/null is null, expected false"),
            (
                "/big",
                Json::equals(u64::MAX - 1),
                "/big is 18446744073709551615, expected 18446744073709551614",
            ),
        ] {
            assert_eq!(unmet(pointer, json).as_deref(), Some(said));
        }
        let long = json!("x".repeat(10_000));
        assert!(Json::equals(1).unmet("", &long).unwrap().len() < 120);
    }
}
