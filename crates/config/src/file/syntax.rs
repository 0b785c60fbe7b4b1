//! What is no TOML: the parser's words made into ours, and what its guesses at the rest would only confuse left out.

use std::{collections::HashSet, ops::Range};

use toml::de::{DeTable, Error};

use crate::{
    mistake::{SHOWN_BYTES, escaped},
    reading::Reading,
};

const DUPLICATE: &str = "duplicate key";

/// Says what is no TOML, and where what was read of the rest is a guess, which nothing is to be said about. Comes before
/// the rest is judged. Its work grows as the file does, however many errors there are.
pub(super) fn blame(reading: &mut Reading<'_>, text: &str, broken: &[Error]) {
    let mut spans: Vec<(Range<usize>, &str)> = Vec::new();
    let mut known = HashSet::new();
    for error in broken {
        let span = error.span().unwrap_or(text.len()..text.len());
        let start = floor(text, span.start);
        let span = start..floor(text, span.end).max(start);
        // One slip makes the parser stumble several times; the first time says it.
        if known.insert(reading.line(start)) || error.message() == DUPLICATE {
            spans.push((span, error.message()));
        }
    }
    spans.sort_by_key(|(span, _)| span.start);
    let guesses = guessed(reading, text, &spans);
    let mut headers = Headers::default();
    for (span, message) in spans {
        if reading.is_told(&span) {
            let key = headers.key_at(text, &reading.line_around(span.start));
            blame_one(reading, text, &span, message, key);
        }
    }
    reading.guesses = guesses;
}

/// Where what was read is a guess, in order and apart.
fn guessed(reading: &Reading<'_>, text: &str, spans: &[(Range<usize>, &str)]) -> Vec<Range<usize>> {
    let mut guesses: Vec<Range<usize>> = Vec::new();
    for (span, _) in spans.iter().filter(|(_, message)| *message != DUPLICATE) {
        if guesses.last().is_none_or(|last| last.end <= span.start) {
            guesses.push(reach(text, reading.line_around(span.start)));
        }
    }
    guesses
}

fn blame_one(reading: &mut Reading<'_>, text: &str, span: &Range<usize>, message: &str, key: String) {
    if message == DUPLICATE {
        let first = first_of(text, reading.line_around(span.start).start, &key);
        let mistake = reading.wrong(&key, span, "is there twice");
        mistake.help = Some("keep one of them".into());
        mistake.beside = first.map(|first| (first, "the first one"));
        return;
    }
    let line = &text[reading.line_around(span.start)];
    let word = text.get(span.clone()).unwrap_or_default().trim();
    let (said, help) = if line.trim_end().ends_with('=') {
        ("has no value".to_owned(), None)
    } else if message.starts_with("string values must be quoted") && !word.is_empty() {
        (
            "is text without quotes".to_owned(),
            Some(format!("write \"{}\"", escaped(word))),
        )
    } else if message.starts_with("invalid basic string, expected `\"`") {
        ("is a string without its closing quote".to_owned(), None)
    } else if message.contains("escape") {
        let help = "write `\\\\` for a backslash, or put the text between single quotes".to_owned();
        ("has a backslash that begins nothing".to_owned(), Some(help))
    } else if message.starts_with("missing comma between array elements") {
        let help = "is the array before this closed, with `]`?".to_owned();
        (
            "stands in an array, where a comma was expected".to_owned(),
            Some(help),
        )
    } else {
        (format!("cannot be read: {}", escaped(message)), None)
    };
    let said = if key.is_empty() {
        format!("this {said}")
    } else {
        said
    };
    reading.wrong(&key, span, said).help = help;
}

fn floor(text: &str, byte: usize) -> usize {
    let byte = byte.min(text.len());
    (0..=byte)
        .rev()
        .find(|&byte| text.is_char_boundary(byte))
        .unwrap_or(0)
}

/// How far what is broken on `line` makes the rest a guess: its line; of a header, its table.
fn reach(text: &str, line: Range<usize>) -> Range<usize> {
    if !text[line.clone()].trim_start().starts_with('[') {
        return line.start..line.end + 1;
    }
    let next = text[line.end..]
        .find("\n[")
        .map_or(text.len(), |next| line.end + next);
    line.start..next + 1
}

/// The header above the place that was asked for last: looked for once in each part of the file, as places come in order.
#[derive(Default)]
struct Headers {
    searched: usize,
    table: Option<String>,
}

impl Headers {
    /// The key on `line` with the table it stands in, as they are written: what somebody will search for.
    fn key_at(&mut self, text: &str, line: &Range<usize>) -> String {
        let above = text.get(self.searched..line.start).unwrap_or_default();
        if let Some(table) = above.lines().rev().find_map(header) {
            self.table = Some(table);
        }
        self.searched = line.start;
        if let Some(table) = header(&text[line.clone()]) {
            return table;
        }
        let own = text[line.clone()]
            .split_once('=')
            .map_or("", |(key, _)| key.trim());
        let own = escaped(own);
        match &self.table {
            Some(table) if own.is_empty() => table.clone(),
            Some(table) => format!("{table}.{own}"),
            None => own,
        }
    }
}

/// The table that `line` opens, if any.
fn header(line: &str) -> Option<String> {
    let inner = line.trim().strip_prefix('[')?.trim_start_matches('[');
    let name = inner.split([']', '#']).next().unwrap_or_default().trim();
    Some(escaped(name))
}

/// Where the key on the line that begins at `start` was given before, if near enough to be shown: a file of nothing but
/// repetitions is not read again from the top for each of them.
fn first_of(text: &str, start: usize, key: &str) -> Option<Range<usize>> {
    let near = floor(text, start.saturating_sub(SHOWN_BYTES));
    // Keys without the header above them would belong to another table.
    let from = if near == 0 {
        0
    } else {
        near + text[near..start].find("\n[")? + 1
    };
    let (before, _) = DeTable::parse_recoverable(&text[from..start]);
    let mut parts = key.split('.').peekable();
    let mut table = before.get_ref();
    loop {
        let (key, value) = table.get_key_value(parts.next()?)?;
        if parts.peek().is_none() {
            let first = key.span();
            return Some(first.start + from..first.end + from);
        }
        table = value.get_ref().as_table()?;
    }
}
