//! Parameters of the query, read strictly.
//!
//! An unknown one is a mistake that would otherwise go unseen (`?statuss=unhealthy` would list everything), so it is
//! refused with a suggestion; so is one given twice, one that is not UTF-8, and a `%` that stands for nothing. Pages for
//! people and probes read only what they know and pass over the rest: a `?t=123` against caches must not break a probe.

use std::{collections::BTreeMap, str::FromStr};

use super::{
    near::near,
    problem::{FieldError, Problem},
};

/// Most parameters of one query; no path has half as many.
const MOST: usize = 32;

/// What the query says.
#[derive(Debug)]
pub(super) struct Parameters {
    given: BTreeMap<String, String>,
    wrong: Vec<FieldError>,
}

impl Parameters {
    /// Reads a query that may have what is `known`, each at most once.
    pub(super) fn strict(query: Option<&str>, known: &[&str]) -> Self {
        let mut read = Self::lenient(query);
        let unknown: Vec<_> = read
            .given
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .cloned()
            .collect();
        for key in unknown {
            read.given.remove(&key);
            read.wrong
                .push(FieldError::parameter(shown(&key), expected(&key, known)));
        }
        read
    }

    /// Reads whatever there is.
    pub(super) fn lenient(query: Option<&str>) -> Self {
        let mut read = Self {
            given: BTreeMap::new(),
            wrong: Vec::new(),
        };
        let pairs = query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty());
        for (index, pair) in pairs.enumerate() {
            if index == MOST {
                let message = format!("has more than {MOST} parameters");
                read.wrong.push(FieldError::parameter("query", message));
                break;
            }
            read.pair(pair);
        }
        read
    }

    fn pair(&mut self, pair: &str) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(key) = decoded(key) else {
            let message = "has a name that is not percent-encoded UTF-8";
            self.wrong.push(FieldError::parameter("query", message));
            return;
        };
        match decoded(value) {
            None => self.refuse(&key, "is not percent-encoded UTF-8"),
            Some(_) if self.given.contains_key(&key) => self.refuse(&key, "is there twice, expected once"),
            Some(value) => drop(self.given.insert(key, value)),
        }
    }

    /// The text of a parameter.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.given.remove(key)
    }

    /// A parameter of a type; `expected` says which values it has.
    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, expected: &str) -> Option<T> {
        let text = self.text(key)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.refuse(key, &format!("is not right, expected {expected}"));
        }
        value
    }

    /// Text of at most so many characters.
    pub(super) fn bounded(&mut self, key: &str, most: usize) -> Option<String> {
        let text = self.text(key)?;
        if text.chars().count() > most {
            self.refuse(
                key,
                &format!("is longer than {most} characters, and so than any name"),
            );
        }
        Some(text)
    }

    /// One word.
    pub(super) fn word<T: Copy>(&mut self, key: &str, known: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        self.known(key, &text, known)
    }

    /// A list of words with commas between them; empty text is an empty list.
    pub(super) fn words<T: Copy>(&mut self, key: &str, known: &[(&str, T)]) -> Vec<T> {
        let text = self.text(key).filter(|text| !text.is_empty());
        let found = text.map(|text| {
            text.split(',')
                .map_while(|word| self.known(key, word, known))
                .collect()
        });
        found.unwrap_or_default()
    }

    fn known<T: Copy>(&mut self, key: &str, word: &str, known: &[(&str, T)]) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == word);
        if found.is_none() {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            self.refuse(
                key,
                &format!("has a word that is not known, {}", said(word, &names)),
            );
        }
        found.map(|(_, value)| *value)
    }

    /// The parameter `key` is not as it must be.
    pub(super) fn refuse(&mut self, key: &str, message: &str) {
        self.wrong.push(FieldError::parameter(shown(key), message));
    }

    /// Everything that is wrong, if anything is.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(Problem::fields(self.wrong))
        }
    }
}

/// A name that was sent, harmless and short.
pub(super) fn shown(key: &str) -> String {
    key.chars().filter(|c| c.is_ascii_graphic()).take(63).collect()
}

fn expected(key: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return "is not known here: there are no parameters".to_owned();
    }
    format!("is not known here, {}", said(key, known))
}

/// What may have been meant by `word`.
pub(super) fn said(word: &str, known: &[&str]) -> String {
    match near(word, known.iter().copied(), 1).as_slice() {
        [nearest] => format!("did you mean {nearest}?"),
        _ => format!("expected one of {}", known.join(", ")),
    }
}

/// Strict: a `%` must be followed by two hexadecimal digits, and all must be UTF-8.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(query: &str) -> Vec<FieldError> {
        Parameters::strict(Some(query), &["status", "page_size"]).wrong
    }

    #[test]
    fn what_is_not_known_is_refused_with_a_suggestion() {
        assert_eq!(wrong("status=healthy&page_size=5"), []);
        let error = FieldError::parameter("statuss", "is not known here, did you mean status?");
        assert_eq!(wrong("statuss=healthy"), [error]);
        let error = FieldError::parameter("q", "is not known here, expected one of status, page_size");
        assert_eq!(wrong("q"), [error]);
    }

    #[test]
    fn tricks_with_encoding_are_refused() {
        assert_eq!(decoded("a%2fb+c").as_deref(), Some("a/b c"));
        for bad in ["%", "%2", "%zz", "%ff", "%+1", "%c3%28"] {
            assert_eq!(decoded(bad), None, "{bad}");
            assert_eq!(wrong(&format!("status={bad}")).len(), 1, "{bad}");
        }
        assert_eq!(wrong("status=a&status=b").len(), 1, "twice");
        assert_eq!(wrong("status=a&%73tatus=b").len(), 1, "twice, in disguise");
        assert_eq!(wrong(&"&".repeat(1_000)), [], "nothing, many times");
        assert_eq!(wrong(&"status&".repeat(1_000)).len(), MOST, "bounded");
    }

    #[test]
    fn words_are_those_there_are() {
        let known = [("hard", 1), ("soft", 2)];
        let mut read = Parameters::lenient(Some("kind=soft,hard&other=sofd"));
        assert_eq!(read.words("kind", &known), [2, 1]);
        assert_eq!(read.words("none", &known), [0; 0]);
        assert_eq!(read.words("other", &known), [0; 0]);
        assert_eq!(read.wrong.len(), 1);
    }
}
