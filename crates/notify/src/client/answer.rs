//! What answers and their absence mean, in words and in numbers.

use std::{error::Error, io, time::Duration};

use jiff::fmt::rfc2822;
use ward_model::Wall;

/// Most of an answer that is shown, in characters.
const SHOWN: usize = 200;
/// Deeper chains of errors are no more telling, and one may be a circle.
const DEEPEST: usize = 16;

/// What a `Retry-After` asks for: seconds, or a date.
pub(super) fn retry_after(value: &str, now: Wall) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    let wait = date.as_millisecond().saturating_sub(now.0);
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or_default()))
}

/// What an answer said, for people: the beginning of it, on one line, without what moves a cursor.
pub(super) fn quoted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    format!(": {shown}")
}

/// That there is none in time.
pub(super) fn late(origin: &str, timeout: Duration) -> String {
    format!("no answer from {origin} within {timeout:?}")
}

/// Why there is no answer.
pub(super) fn fault(error: &reqwest::Error, origin: &str, timeout: Duration) -> String {
    if error.is_timeout() {
        return late(origin, timeout);
    }
    let did = if error.is_connect() {
        "connect to"
    } else {
        "speak to"
    };
    format!("{did} {origin}: {}", innermost(error))
}

/// The source of all, which knows best. What it says of a URL, the outer ones do.
fn innermost(error: &reqwest::Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    let Some(last) = sources.take(DEEPEST).last() else {
        return "the request could not be made".to_owned();
    };
    match last.downcast_ref::<io::Error>() {
        // Without its number.
        Some(error) if error.raw_os_error().is_some() => error.kind().to_string(),
        _ => last.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_retry_after_are_read() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let moment = Wall(784_111_777_000);
        let at = |value, now| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(at("120", moment), Some(120));
        assert_eq!(
            at("Sun, 06 Nov 1994 08:49:37 GMT", Wall(moment.0 - 30_000)),
            Some(30)
        );
        assert_eq!(
            at("Sun, 06 Nov 1994 08:49:37 GMT", Wall(moment.0 + 30_000)),
            Some(0)
        );
        for nonsense in ["", "soon", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(at(nonsense, moment), None, "{nonsense}");
        }
    }

    #[test]
    fn what_an_answer_says_is_one_line_without_control_characters() {
        assert_eq!(quoted(b" \n"), "");
        assert_eq!(quoted(b"no\x1b[2J\nway\xff"), ": no\\u{1b}[2J\\nway\u{fffd}");
        let long = quoted("x".repeat(1_000).as_bytes());
        assert_eq!(long.len(), 2 + SHOWN + 3);
    }
}
