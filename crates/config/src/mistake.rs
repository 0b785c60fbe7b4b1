//! What is wrong, where, and what to do about it.
//!
//! A mistake shows its line as compilers do, by `annotate-snippets`. Nothing of a file, a variable or a flag gets into a
//! message without being escaped: a file may come from anybody, and a terminal obeys.

use std::{
    fmt::{self, Write},
    ops::Range,
    sync::Arc,
};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};

/// Most mistakes told at once. Who has made more has another problem, and the first ones show which.
pub(crate) const TOLD: usize = 100;
/// Two places further apart than this are not shown together: what is between would have to be laid out as well.
pub(crate) const SHOWN_BYTES: usize = 64 << 10;

/// All that is wrong. It shows itself over several lines, escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    mistakes: Vec<Mistake>,
    left_out: usize,
    /// The files that places are in, in the order in which they were read.
    files: Vec<Arc<Text>>,
}

/// What is wrong while it is being gathered: those that may be told, and how many more there are.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    pub(crate) list: Vec<Mistake>,
    pub(crate) untold: usize,
}

/// A file as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// Its name, as places have it.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// One thing that is wrong. It shows itself on one line, escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is.
    pub place: Place,
    /// Which key it is about, with the tables it is in; empty where it is about none. Escaped.
    pub key: String,
    /// What is wrong. Escaped.
    pub message: String,
    /// What was expected there instead. Escaped.
    pub expected: Option<String>,
    /// What to do. Escaped.
    pub help: Option<String>,
    /// Another place that it is about, and what is there.
    pub(crate) beside: Option<(Range<usize>, &'static str)>,
}

/// Where a mistake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file.
    Line {
        /// Which file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// In bytes of the file.
        span: Range<usize>,
    },
    /// The file as a whole.
    File(String),
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl Mistake {
    pub(crate) fn new(place: Place, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place,
            key: key.into(),
            message: message.into(),
            expected: None,
            help: None,
            beside: None,
        }
    }
}

impl Mistakes {
    /// Puts those of one file in order and leaves those that will be told.
    pub(crate) fn keep_first(&mut self) {
        self.list.sort_by_key(|mistake| mistake.place.order(&[]));
        self.cut();
    }

    /// Takes in those of a file that is read after the others.
    pub(crate) fn and(&mut self, mut other: Self) {
        other.keep_first();
        self.list.append(&mut other.list);
        self.untold += other.untold;
        self.cut();
    }

    fn cut(&mut self) {
        self.untold += self.list.len().saturating_sub(TOLD);
        self.list.truncate(TOLD);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl Place {
    fn is_in(&self, file: &str) -> bool {
        matches!(self, Self::Line { path, .. } if path == file)
    }

    /// A file as a whole first, then what is in each, then what is said over them.
    fn order(&self, files: &[Arc<Text>]) -> (u8, usize, usize) {
        match self {
            Self::File(_) => (0, 0, 0),
            Self::Line { path, span, .. } => {
                let file = files.iter().position(|file| file.path == *path);
                (1, file.unwrap_or_default(), span.start)
            }
            Self::Variable(_) => (2, 0, 0),
            Self::Flag(_) => (3, 0, 0),
        }
    }
}

impl Errors {
    pub(crate) fn new(mut mistakes: Mistakes, files: Vec<Arc<Text>>) -> Self {
        mistakes.list.sort_by_key(|mistake| mistake.place.order(&files));
        mistakes.cut();
        Self {
            mistakes: mistakes.list,
            left_out: mistakes.untold,
            files,
        }
    }

    /// Those that are told, in the order of the files.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.mistakes.len() + self.left_out
    }

    /// With colours, for a terminal.
    pub fn styled(&self) -> String {
        self.render(&Renderer::styled().hyperlink(false))
    }

    fn render(&self, renderer: &Renderer) -> String {
        let renderer = renderer.clone().decor_style(DecorStyle::Ascii);
        let shown = self.mistakes.iter().map(|mistake| {
            let file = self.files.iter().find(|file| mistake.place.is_in(&file.path));
            renderer.render(&[mistake.report(file.map_or("", |file| &file.text))])
        });
        let mut shown: Vec<_> = shown.collect();
        if self.left_out > 0 {
            shown.push(format!("and {} more like these", self.left_out));
        }
        shown.join("\n\n")
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

impl std::error::Error for Errors {}

impl Mistake {
    fn report<'a>(&'a self, text: &'a str) -> Group<'a> {
        let about = match (&self.place, self.key.as_str()) {
            (Place::Variable(name), _) | (Place::Flag(name), _) => format!("{name} "),
            (Place::File(_) | Place::Line { .. }, "") => String::new(),
            (Place::File(_) | Place::Line { .. }, key) => format!("{key} "),
        };
        let title = Level::ERROR.primary_title(format!("{about}{}", self.message));
        let mut group = Group::with_title(title);
        let mut expected = self.expected.as_deref();
        match &self.place {
            Place::Line { path, line, span, .. } => {
                let label = expected
                    .take()
                    .map_or_else(String::new, |expected| format!("expected {expected}"));
                group = group.element(self.snippet(text, path, (*line, span), label));
            }
            Place::File(path) => group = group.element(annotate_snippets::Origin::path(escaped(path))),
            Place::Variable(_) | Place::Flag(_) => {}
        }
        let expected = expected.map(|expected| Level::NOTE.message(format!("expected {expected}")));
        let help = self.help.as_ref().map(|help| Level::HELP.message(help.clone()));
        group.elements(expected.into_iter().chain(help))
    }

    /// The lines it is about, escaped; places in them move with what was escaped before them.
    fn snippet<'a>(
        &self,
        text: &'a str,
        path: &str,
        (line, span): (usize, &Range<usize>),
        label: String,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let near = |beside: &&(Range<usize>, _)| beside.0.start.abs_diff(span.start) <= SHOWN_BYTES;
        let beside = self.beside.as_ref().filter(near);
        let first = beside.map_or(span.start, |(other, _)| other.start.min(span.start));
        let last = beside
            .map_or(span.end, |(other, _)| other.end.max(span.end))
            .min(text.len());
        let start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[last..]
            .find('\n')
            .map_or(text.len(), |newline| last + newline);
        let lines = text[start..end].trim_end_matches('\r');
        let shown = escaped_lines(lines);
        let moved = |span: &Range<usize>| {
            let at = |byte: usize| {
                escaped_lines(&text[start..byte.clamp(start, end)])
                    .len()
                    .min(shown.len())
            };
            at(span.start)..at(span.end)
        };
        let mut snippet = Snippet::source(shown.clone())
            .path(escaped(path))
            .line_start(line.saturating_sub(text[start..span.start].matches('\n').count()))
            .annotation(AnnotationKind::Primary.span(moved(span)).label(label));
        if let Some((other, what)) = beside {
            snippet = snippet.annotation(AnnotationKind::Context.span(moved(other)).label(*what));
        }
        snippet
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{} ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, ", expected {expected}")?;
        }
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line {
                path, line, column, ..
            } => write!(f, "{}:{line}:{column}", escaped(path)),
            Self::File(path) => f.write_str(&escaped(path)),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Text from outside so that it can do nothing to a terminal or to the order of what is read.
pub(crate) fn escaped(text: &str) -> String {
    escape(text, |_| false)
}

/// The same for several lines, which stay apart however they end.
fn escaped_lines(text: &str) -> String {
    escape(&text.replace("\r\n", "\n"), |c| matches!(c, '\n' | '\t'))
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) && !keep(c) {
            write!(safe, "{}", c.escape_unicode()).expect("a string takes everything");
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Control characters (C0, DEL, C1), separators of lines, and the invisible ones that reorder or join what is around them.
pub(crate) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
