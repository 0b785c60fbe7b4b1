//! What must be in nothing that is shown.

use std::str;

/// What was found where it must not be.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) found: Vec<String>,
    /// How many texts were searched.
    pub(super) texts: usize,
    /// How often a payload was there at all, escaped or harmless: without, nothing was tried.
    pub(super) seen: usize,
}

/// No more of them are told: one is one too many.
const FINDINGS: usize = 5;

impl Search {
    /// An answer of HTTP, head and body.
    pub(super) fn answer(&mut self, what: &str, answer: &[u8]) {
        let text = String::from_utf8_lossy(answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return self.find(what, "no answer");
        };
        if head.to_lowercase().contains("canary") {
            self.find(what, "the payload in its head");
        }
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
        let kind = kind.unwrap_or_default();
        let is_page = kind.contains("html") || kind.contains("svg") || kind.contains("xml");
        if is_page && ["<script", "<img", "<html>"].iter().any(|tag| body.contains(tag)) {
            self.find(what, "a tag of the payload");
        }
        if kind.contains("json") && serde_json::from_str::<serde_json::Value>(body).is_err() {
            self.find(what, "JSON that is none");
        }
        self.lines(what, body.as_bytes());
    }

    /// Text in lines, such as a log.
    pub(super) fn lines(&mut self, what: &str, text: &[u8]) {
        self.texts += 1;
        let Ok(text) = str::from_utf8(text) else {
            return self.find(what, "bytes that are no text");
        };
        self.seen += text.matches("canary").count();
        for line in text.lines() {
            if let Some(control) = line.chars().find(|c| c.is_control()) {
                self.find(what, &format!("{control:?} as it is, in {line:?}"));
            }
            if line.starts_with("canary") || line.starts_with("2026-01-01T00:00:00Z") {
                self.find(what, &format!("a line of the payload: {line:?}"));
            }
        }
        if text.contains("1337canary") || text.contains("{{1337") || text.contains("1337}") {
            self.find(what, "a template that was filled in");
        }
    }

    fn find(&mut self, what: &str, found: &str) {
        if self.found.len() < FINDINGS {
            let found: String = found.chars().take(200).collect();
            self.found.push(format!("{what}: {found}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(search: impl FnOnce(&mut Search)) -> usize {
        let mut searched = Search::default();
        search(&mut searched);
        searched.found.len()
    }

    #[test]
    fn what_is_raw_is_found_and_what_is_escaped_is_not() {
        for payload in &super::super::PAYLOADS[..5] {
            assert!(
                found(|search| search.lines("a log", payload.as_bytes())) > 0,
                "{payload:?}"
            );
            let escaped = format!("{payload:?}");
            assert_eq!(
                found(|search| search.lines("a log", escaped.as_bytes())),
                0,
                "{escaped}"
            );
        }
        assert_eq!(found(|search| search.lines("a log", b"one\ntwo\n")), 0);
        assert_eq!(found(|search| search.lines("a page", b"1337canary")), 1);
    }

    #[test]
    fn answers_are_searched_by_what_they_are() {
        let answer =
            |kind: &str, body: &str| format!("HTTP/1.0 200 OK\r\ncontent-type: {kind}\r\n\r\n{body}");
        let count =
            |kind: &str, body: &str| found(|search| search.answer("it", answer(kind, body).as_bytes()));
        assert_eq!(count("image/svg+xml", "<svg><script>canary()</script></svg>"), 1);
        assert_eq!(count("image/svg+xml", "<svg>&lt;script></svg>"), 0);
        assert_eq!(count("application/json", "{\"x\":\"<script>\"}"), 0);
        assert_eq!(
            count("application/json", "{\"x\":\"\",\"canary\":{\"x\":\"\"}"),
            1
        );
        assert_eq!(found(|search| search.answer("it", b"")), 1);
        let head = b"HTTP/1.0 200 OK\r\nx: y\r\ncanary: injected\r\n\r\n";
        assert_eq!(found(|search| search.answer("it", head)), 1);
    }
}
