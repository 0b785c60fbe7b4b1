//! What is no TOML: the parser's words made into ours, and what its guesses at the rest would only confuse left out.

use std::ops::Range;

use toml::de::{DeTable, Error};

use crate::{Place, mistake::escaped, reading::Reading};

const DUPLICATE: &str = "duplicate key";

/// Adds what is no TOML, and takes back what was said about places that could not be read: it is about a guess.
pub(super) fn blame(reading: &mut Reading<'_>, text: &str, broken: &[Error]) {
    let mut spans: Vec<(Range<usize>, &str)> = Vec::new();
    for error in broken {
        let span = error.span().unwrap_or(text.len()..text.len());
        let start = floor(text, span.start);
        let span = start..floor(text, span.end).max(start);
        // One slip makes the parser stumble several times; the first time says it.
        let known = spans
            .iter()
            .any(|(known, _)| line_of(text, known.start) == line_of(text, start));
        if !known || error.message() == DUPLICATE {
            spans.push((span, error.message()));
        }
    }
    let guessed: Vec<_> = spans
        .iter()
        .filter(|(_, message)| *message != DUPLICATE)
        .map(|(span, _)| reach(text, span.start))
        .collect();
    reading.mistakes.retain(|mistake| match &mistake.place {
        Place::Line { span, .. } => !guessed.iter().any(|reach| reach.contains(&span.start)),
        Place::File(_) | Place::Variable(_) | Place::Flag(_) => true,
    });
    for (span, message) in spans {
        blame_one(reading, text, &span, message);
    }
}

fn blame_one(reading: &mut Reading<'_>, text: &str, span: &Range<usize>, message: &str) {
    let key = key_at(text, span.start);
    if message == DUPLICATE {
        let first = first_of(text, span.start, &key);
        let mistake = reading.wrong(&key, span, "is there twice");
        mistake.help = Some("keep one of them".into());
        mistake.beside = first.map(|first| (first, "the first one"));
        return;
    }
    let line = &text[line_of(text, span.start)];
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

/// The line of `byte`, without its end.
fn line_of(text: &str, byte: usize) -> Range<usize> {
    let start = text[..byte].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[byte..]
        .find('\n')
        .map_or(text.len(), |newline| byte + newline);
    start..end
}

/// How far what is broken at `byte` makes the rest a guess: its line; of a header, its table.
fn reach(text: &str, byte: usize) -> Range<usize> {
    let line = line_of(text, byte);
    if !text[line.clone()].trim_start().starts_with('[') {
        return line.start..line.end + 1;
    }
    let next = text[line.end..]
        .find("\n[")
        .map_or(text.len(), |next| line.end + next);
    line.start..next + 1
}

/// The key on the line of `byte` with the table it stands in, as they are written: what somebody will search for.
fn key_at(text: &str, byte: usize) -> String {
    let line = line_of(text, byte);
    let header = |line: &str| {
        let inner = line.trim().strip_prefix('[')?.trim_start_matches('[');
        let name = inner.split([']', '#']).next().unwrap_or_default().trim();
        Some(escaped(name))
    };
    if let Some(table) = header(&text[line.clone()]) {
        return table;
    }
    let own = text[line.clone()]
        .split_once('=')
        .map_or("", |(key, _)| key.trim());
    let own = escaped(own);
    match text[..line.start].lines().rev().find_map(header) {
        Some(table) if own.is_empty() => table,
        Some(table) => format!("{table}.{own}"),
        None => own,
    }
}

/// Where the key at `byte` was given before.
fn first_of(text: &str, byte: usize, key: &str) -> Option<Range<usize>> {
    let (before, _) = DeTable::parse_recoverable(&text[..line_of(text, byte).start]);
    let mut parts = key.split('.').peekable();
    let mut table = before.get_ref();
    loop {
        let (key, value) = table.get_key_value(parts.next()?)?;
        if parts.peek().is_none() {
            return Some(key.span());
        }
        table = value.get_ref().as_table()?;
    }
}
