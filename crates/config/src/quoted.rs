//! Where a part of a string's value stands in the string as it is written.
//!
//! A mistake in the middle of an expression is shown there, and between the two are quotes, escapes and ends of lines. What
//! an escape stands for need not be known again, as the value is there already: only how long each is.

use std::ops::Range;

/// Where the bytes `at` of `value` stand in `literal`, the TOML string that it was read from, in bytes of that. `None` if
/// the one is not the other.
pub(crate) fn place(literal: &str, value: &str, at: &Range<usize>) -> Option<Range<usize>> {
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let quotes = quotes.into_iter().find(|quotes| literal.starts_with(quotes))?;
    let inner = literal.strip_prefix(quotes)?.strip_suffix(quotes)?;
    let is_long = quotes.len() == 3;
    // A line that begins behind the quotes begins the value.
    let newline = ["\n", "\r\n"]
        .into_iter()
        .find(|newline| inner.starts_with(newline));
    let mut rest = &inner[newline.filter(|_| is_long).map_or(0, str::len)..];
    let (mut start, mut end) = (None, None);
    for (byte, c) in value.char_indices() {
        if quotes.starts_with('"') && is_long {
            rest = behind_joined_lines(rest);
        }
        let here = literal.len() - quotes.len() - rest.len();
        let len = match rest.strip_prefix('\\').filter(|_| quotes.starts_with('"')) {
            Some(escape) => escape_len(escape)?,
            None => rest.starts_with(c).then(|| c.len_utf8())?,
        };
        if at.start < byte + c.len_utf8() {
            start = start.or(Some(here));
        }
        if byte < at.end {
            end = Some(here + len);
        }
        rest = rest.get(len..)?;
    }
    let close = literal.len() - quotes.len() - rest.len();
    let start = start.unwrap_or(close);
    Some(start..end.unwrap_or(start).max(start))
}

/// `text` behind backslashes that join lines, with the spaces and lines that those swallow.
fn behind_joined_lines(mut text: &str) -> &str {
    while let Some(rest) = text.strip_prefix('\\') {
        let next = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if !rest[..rest.len() - next.len()].contains('\n') {
            break;
        }
        text = next;
    }
    text
}

/// How long an escape is, with its backslash, that goes on so.
fn escape_len(escape: &str) -> Option<usize> {
    Some(match escape.bytes().next()? {
        b'x' => 4,
        b'u' => 6,
        b'U' => 10,
        letter if letter.is_ascii() => 2,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::de::DeTable;

    use super::*;

    /// The value of a string as it is written, by the parser.
    fn value(literal: &str) -> String {
        let text = format!("a = {literal}");
        let tree = DeTable::parse(&text).unwrap();
        tree.get_ref()["a"].get_ref().as_str().unwrap().to_owned()
    }

    fn shown(literal: &str, part: &str) -> String {
        let value = value(literal);
        let at = value.find(part).unwrap();
        let place = place(literal, &value, &(at..at + part.len())).unwrap();
        literal[place].to_owned()
    }

    #[test]
    fn a_part_is_found_however_the_string_is_written() {
        assert_eq!(shown(r#""a == \"b\" && c""#, "&&"), "&&");
        assert_eq!(shown(r#""a == \"b\" && c""#, "\"b\""), r#"\"b\""#);
        assert_eq!(shown(r#""\u00e9\U0001f600\x41\t x""#, "x"), "x");
        assert_eq!(
            shown(r#""\u00e9\U0001f600\x41\t x""#, "\u{1f600}A"),
            r"\U0001f600\x41"
        );
        assert_eq!(shown("'a \\ b'", "b"), "b");
        assert_eq!(shown("'''\r\na\r\n  b'''", "b"), "b");
        assert_eq!(shown("'''\n''x'''", "x"), "x");
        assert_eq!(
            shown("\"\"\"\na \\\n\n   b \\  \n \\\n c\"\"\"", "b c"),
            "b \\  \n \\\n c"
        );
        assert_eq!(shown("\"\"\"\\\n  a\"\"\"", "a"), "a");
    }

    #[test]
    fn an_empty_place_is_one() {
        assert_eq!(place("\"ab\"", "ab", &(1..1)), Some(2..2));
        assert_eq!(place("\"ab\"", "ab", &(2..2)), Some(3..3));
        assert_eq!(place("''''''", "", &(0..0)), Some(3..3));
        assert_eq!(place("\"ab\"", "ab", &(9..12)), Some(3..3));
    }

    #[test]
    fn what_is_another_string_has_no_place() {
        for (literal, value) in [
            ("\"ab\"", "ac"),
            ("\"ab\"", "abc"),
            ("ab", "ab"),
            ("\"", ""),
            ("\"a", "a"),
        ] {
            assert_eq!(place(literal, value, &(0..1)), None, "{literal}");
        }
    }

    proptest! {
        /// Each letter of what is written, escaped or not, is found where it was put.
        #[test]
        fn each_letter_is_found(letters in prop::collection::vec((any::<char>(), any::<bool>()), 0..20), long in any::<bool>()) {
            let quotes = if long { "\"\"\"" } else { "\"" };
            let mut literal = quotes.to_owned();
            let mut places = Vec::new();
            for (c, escape) in letters {
                let start = literal.len();
                if escape || c.is_control() || matches!(c, '"' | '\\') {
                    literal += &format!("\\U{:08x}", u32::from(c));
                } else {
                    literal.push(c);
                }
                places.push((c, start..literal.len()));
            }
            literal += quotes;
            let value = value(&literal);
            let mut byte = 0;
            for (c, expected) in places {
                let found = place(&literal, &value, &(byte..byte + c.len_utf8()));
                prop_assert_eq!(found, Some(expected), "{} in {}", c, literal);
                byte += c.len_utf8();
            }
        }

        #[test]
        fn nothing_is_too_much(literal in "[\"'\\\\\r\nax ]{0,12}", value in "[\"'\r\nax ]{0,8}", start in 0usize..12, len in 0usize..12) {
            if let Some(place) = place(&literal, &value, &(start..start + len)) {
                prop_assert!(literal.get(place).is_some());
            }
        }
    }
}
