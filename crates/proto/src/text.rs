//! Text from outside: cut, cleaned or refused before it goes anywhere.
//!
//! Messages are for people and are made harmless, because a report must not be lost over its prose. Labels and versions
//! are identity of a kind, so they are refused instead of silently changed.

use ward_model::bounds::MESSAGE_BYTES;

use crate::Invalid;

/// Moves a cursor, rings a bell, or reorders what a terminal shows.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with a space for each control character.
pub(crate) fn clean(text: String) -> String {
    if text.contains(is_control) {
        text.replace(is_control, " ")
    } else {
        text
    }
}

/// A message for people as it may be kept and sent: a space for each control character, and cut at a character boundary
/// to [`MESSAGE_BYTES`].
pub fn message(text: String) -> String {
    let mut text = clean(text);
    let boundary = (0..=MESSAGE_BYTES.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    text.truncate(boundary.unwrap_or_default());
    text
}

/// Text that is kept as it is or refused.
pub(crate) fn checked(field: &str, text: String, most: usize) -> Result<String, Invalid> {
    if text.len() > most {
        return Err(Invalid::new(
            field,
            format!("has {} bytes, expected at most {most}", text.len()),
        ));
    }
    match text.find(is_control) {
        Some(at) => Err(Invalid::new(
            field,
            format!("has a control character at byte {at}, expected none"),
        )),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_made_harmless() {
        assert_eq!(message("a\u{1b}[31mb\nc\u{202e}d".into()), "a [31mb c d");
        let long = "ä".repeat(MESSAGE_BYTES);
        assert_eq!(message(format!("x{long}")).len(), MESSAGE_BYTES - 1);
    }

    #[test]
    fn identity_is_refused_instead() {
        assert!(checked("version", "1.2.3-β".into(), 64).is_ok());
        assert_eq!(
            checked("version", "1\u{7}".into(), 64).unwrap_err().field,
            "version"
        );
        assert!(checked("version", "x".repeat(65), 64).is_err());
    }
}
