//! A Rust file taken apart into code and comments, so that a rule about one is not misled by the other.
//!
//! A lexer of what can hide a quote or a slash, and no more: comments, strings, characters. It judges nothing.

/// The same text twice, once with only the code and once with only the comments; the rest is blanked and lines stay
/// where they are.
pub(super) struct Source {
    /// Contents of strings are blanked too.
    pub(super) code: String,
    pub(super) comments: String,
}

enum Kind {
    Code,
    Comment,
    Text,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        let mut source = Self {
            code: String::new(),
            comments: String::new(),
        };
        let mut rest = text;
        let mut in_word = false;
        while let Some(first) = rest.chars().next() {
            let (kind, length) = piece(rest, first, in_word);
            let (taken, behind) = rest.split_at(length);
            source.push(&kind, taken);
            in_word = is_word(first) && length == first.len_utf8();
            rest = behind;
        }
        source
    }

    fn push(&mut self, kind: &Kind, piece: &str) {
        let blank: String = piece.chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        self.code
            .push_str(if matches!(kind, Kind::Code) { piece } else { &blank });
        self.comments.push_str(if matches!(kind, Kind::Comment) {
            piece
        } else {
            &blank
        });
    }

    /// How many lines come before the first inline module of tests; all if there is none.
    pub(super) fn lines_before_tests(&self) -> usize {
        let lines: Vec<&str> = self.code.lines().collect();
        let opens_tests = |at: usize| {
            let mut behind = lines[at + 1..]
                .iter()
                .filter(|line| !line.starts_with("#[") && !line.trim().is_empty());
            lines[at].starts_with("#[cfg(test)]")
                && behind
                    .next()
                    .is_some_and(|line| line.starts_with("mod ") && line.contains('{'))
        };
        (0..lines.len())
            .find(|at| opens_tests(*at))
            .unwrap_or(lines.len())
    }
}

/// What stands at the start of `rest`, and how many bytes of it.
fn piece(rest: &str, first: char, in_word: bool) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment(rest));
    }
    let text = match first {
        'r' | 'b' | 'c' if !in_word => raw_string(rest),
        '"' => Some(quoted(rest, '"')),
        '\'' => character(rest),
        _ => None,
    };
    text.map_or((Kind::Code, first.len_utf8()), |length| (Kind::Text, length))
}

/// Block comments nest in Rust.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let behind = &rest.as_bytes()[at..];
        if behind.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if behind.starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let opened = rest.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let hashes = opened.len() - opened.trim_start_matches('#').len();
    let body = opened[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(rest.len() - body.len() + length)
}

/// From one quote to the next that no backslash stands before.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// A character, unless the quote opens a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut inside = rest.chars().skip(1);
    let (first, second) = (inside.next()?, inside.next()?);
    (first == '\\' || second == '\'').then(|| quoted(rest, '\''))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `word` stands in `line` with no letter, digit or underscore beside it.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let behind = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !behind.is_some_and(is_word)
    })
}

/// Lines with their numbers, from 1.
pub(super) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn code_and_comments_are_told_apart() {
        for (text, code, comments) in [
            ("a // b\nc", "a c", "// b"),
            ("a /* b /* c */ d */ e", "a e", "/* b /* c */ d */"),
            (r#"f("// no") // yes"#, "f( )", "// yes"),
            (r#"f("\"// no") g"#, "f( ) g", ""),
            ("r#\"a\" // no\"# b", "b", ""),
            ("br\"no\\\" c // d", "c", "// d"),
            ("r#type // b", "r#type", "// b"),
            ("['\"', '\\'', '/'] // b", "[ , , ]", "// b"),
            ("fn f<'a>(x: &'a str) // b", "fn f<'a>(x: &'a str)", "// b"),
            ("for\"x\" y", "for y", ""),
        ] {
            let source = Source::new(text);
            assert_eq!(
                (words(&source.code).as_str(), words(&source.comments).as_str()),
                (code, comments),
                "{text}"
            );
            assert_eq!(source.code.lines().count(), text.lines().count(), "{text}");
        }
    }

    #[test]
    fn what_never_ends_ends_with_the_file() {
        for text in ["/* a", "\"a", "r#\"a", "'\\", "'", "b", "\"\\"] {
            assert_eq!(
                Source::new(text).code.chars().count(),
                text.chars().count(),
                "{text}"
            );
        }
    }

    #[test]
    fn tests_begin_where_their_module_is_written_out() {
        let before = "//! x\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nuse a;\nfn f() {}\n";
        let inline = format!("{before}#[cfg(test)]\n#[expect(x)]\nmod tests {{\n}}\n");
        assert_eq!(Source::new(before).lines_before_tests(), 6);
        assert_eq!(Source::new(&inline).lines_before_tests(), 6);
    }

    #[test]
    fn a_word_stands_alone() {
        assert!(has_word("use tokio::net;", "tokio") && has_word("Instant::now()", "Instant::now"));
        assert!(!has_word("tokio_stream", "tokio") && !has_word("MyInstant::now()", "Instant::now"));
    }
}
