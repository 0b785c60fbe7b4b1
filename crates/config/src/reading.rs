//! Walking through a file: what was found where, and all that is wrong on the way.

mod unknown;

use std::{collections::BTreeMap, iter, ops::Range};

use serde_json::{Map, Value as Json, json};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    mistake::{Mistake, Mistakes, Place, TOLD, escaped},
    quoted,
};

/// One value of a file, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    /// The key with the tables it is in, as messages show it; empty for the whole file.
    pub(crate) path: String,
    pub(crate) value: &'a DeValue<'a>,
    pub(crate) span: Range<usize>,
}

/// A value that was read, and where it stood: for what can only be judged beside others.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) path: String,
    pub(crate) span: Range<usize>,
}

impl<T> At<T> {
    pub(crate) fn map<U>(self, map: impl FnOnce(T) -> U) -> At<U> {
        At {
            value: map(self.value),
            path: self.path,
            span: self.span,
        }
    }
}

/// A file being read.
#[derive(Debug)]
pub(crate) struct Reading<'t> {
    file: &'t str,
    text: &'t str,
    /// Where each line begins: a position is looked up for each key, and counting from the top each time is quadratic.
    line_starts: Vec<usize>,
    pub(crate) mistakes: Mistakes,
    /// What stands at this byte or behind it is told no more: as many as are told stand before it.
    told_until: usize,
    /// Takes what is said of a mistake that is not told.
    untold: Mistake,
    /// Where what was read is the parser's guess, in order and apart: nothing is said about it.
    pub(crate) guesses: Vec<Range<usize>>,
    /// The line of each key that was read, counted from 1.
    pub(crate) lines: BTreeMap<String, usize>,
}

/// What a key may be given, read from a file and described to editors by the same type.
pub(crate) trait Value: Sized {
    /// `None` after saying what is wrong.
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self>;

    /// The JSON Schema of it.
    fn schema() -> Json;
}

impl<'a> Node<'a> {
    /// Whether it has what `key` names.
    pub(crate) fn has(&self, key: &str) -> bool {
        matches!(self.value, DeValue::Table(table) if table.get(key).is_some())
    }

    /// A number, a string: what it is, as people call it.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }

    fn item(&self, index: usize, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self {
            path: format!("{}[{index}]", self.path),
            value: value.get_ref(),
            span: value.span(),
        }
    }
}

/// `parent.key`, with the key quoted where TOML asks for it.
pub(crate) fn joined(parent: &str, key: &str) -> String {
    let key = quoted_key(key);
    if parent.is_empty() {
        key
    } else {
        format!("{parent}.{key}")
    }
}

/// The key as it is written in TOML, escaped.
pub(crate) fn quoted_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        format!("\"{}\"", escaped(key))
    }
}

impl<'t> Reading<'t> {
    pub(crate) fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            line_starts: iter::once(0)
                .chain(text.match_indices('\n').map(|(newline, _)| newline + 1))
                .collect(),
            mistakes: Mistakes::default(),
            told_until: usize::MAX,
            untold: Mistake::new(Place::File(String::new()), "", ""),
            guesses: Vec::new(),
            lines: BTreeMap::new(),
        }
    }

    /// The line of a byte, counted from 1.
    pub(crate) fn line(&self, byte: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= byte)
    }

    /// The line of a byte, without its end.
    pub(crate) fn line_around(&self, byte: usize) -> Range<usize> {
        let line = self.line(byte);
        let next = self.line_starts.get(line);
        self.line_starts[line - 1]..next.map_or(self.text.len(), |next| next - 1)
    }

    /// Whether a mistake at `span` may be told; else it is counted at most. No list grows with the mistakes of a file.
    pub(crate) fn is_told(&mut self, span: &Range<usize>) -> bool {
        let near = self.guesses.partition_point(|guess| guess.end <= span.start);
        if self
            .guesses
            .get(near)
            .is_some_and(|guess| guess.start <= span.start)
        {
            return false;
        }
        if self.mistakes.list.len() >= 2 * TOLD {
            self.mistakes.keep_first();
            if let Some(Place::Line { span, .. }) = self.mistakes.list.last().map(|last| &last.place) {
                self.told_until = span.start;
            }
        }
        let told = span.start < self.told_until;
        self.mistakes.untold += usize::from(!told);
        told
    }

    /// How a place is told.
    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        let line = self.line(span.start);
        let before = self.text.get(self.line_starts[line - 1]..span.start);
        Place::Line {
            path: self.file.to_owned(),
            line,
            column: before.unwrap_or_default().chars().count() + 1,
            span: span.clone(),
        }
    }

    /// Where the bytes `at` of `value` stand, a string that was read at `span`; all of it where that cannot be told.
    pub(crate) fn within(&self, span: &Range<usize>, value: &str, at: &Range<usize>) -> Range<usize> {
        let literal = self.text.get(span.clone()).unwrap_or_default();
        let place = quoted::place(literal, value, at);
        place.map_or_else(
            || span.clone(),
            |place| span.start + place.start..span.start + place.end,
        )
    }

    /// Notes a mistake; the caller may add to it.
    pub(crate) fn wrong(
        &mut self,
        path: &str,
        span: &Range<usize>,
        message: impl Into<String>,
    ) -> &mut Mistake {
        if !self.is_told(span) {
            return &mut self.untold;
        }
        let place = self.place(span);
        self.mistakes.list.push(Mistake::new(place, path, message));
        self.mistakes.list.last_mut().expect("pushed just now")
    }

    /// The value is not of the kind that was expected.
    pub(crate) fn wrong_kind(&mut self, node: &Node<'_>, expected: &str) -> &mut Mistake {
        let mistake = self.wrong(&node.path, &node.span, format!("is {}", node.kind()));
        mistake.expected = Some(expected.to_owned());
        mistake
    }

    pub(crate) fn string<'a>(&mut self, node: &Node<'a>, expected: &str) -> Option<&'a str> {
        match node.value {
            DeValue::String(text) => Some(text),
            _ => {
                self.wrong_kind(node, expected);
                None
            }
        }
    }

    pub(crate) fn table<'a>(&mut self, node: &Node<'a>) -> Option<&'a DeTable<'a>> {
        match node.value {
            DeValue::Table(table) => Some(table),
            _ => {
                self.wrong_kind(node, "a table");
                None
            }
        }
    }

    /// The items of an array of at most `most`.
    pub(crate) fn items<'a>(&mut self, node: &Node<'a>, most: usize) -> Option<Vec<Node<'a>>> {
        let DeValue::Array(array) = node.value else {
            let one = matches!(node.value, DeValue::String(_) | DeValue::Table(_));
            let mistake = self.wrong_kind(node, "an array");
            mistake.help = one.then(|| "put it between `[` and `]`".into());
            return None;
        };
        if array.len() > most {
            let message = format!("has {} items", array.len());
            self.wrong(&node.path, &node.span, message).expected = Some(format!("at most {most}"));
        }
        let items = array.iter().enumerate().take(most);
        Some(items.map(|(index, value)| node.item(index, value)).collect())
    }

    /// What `table` says about `key`, if anything.
    pub(crate) fn take<T: Value>(
        &mut self,
        node: &Node<'_>,
        table: &DeTable<'_>,
        key: &str,
    ) -> Option<At<T>> {
        let (key, value) = table.get_key_value(key)?;
        let child = Node {
            path: joined(&node.path, key.get_ref()),
            value: value.get_ref(),
            span: value.span(),
        };
        // A table is where its header is, and one that has none where its name first stands.
        let place = if child.span.is_empty() {
            key.span()
        } else {
            child.span.clone()
        };
        self.read(&child, place)
    }

    pub(crate) fn read<T: Value>(&mut self, node: &Node<'_>, span: Range<usize>) -> Option<At<T>> {
        let line = self.line(span.start);
        self.lines.insert(node.path.clone(), line);
        let value = T::read(node, self)?;
        Some(At {
            value,
            path: node.path.clone(),
            span,
        })
    }

    /// A key that must be there is not.
    pub(crate) fn missing(&mut self, node: &Node<'_>, key: &str, about: &str) {
        let mistake = self.wrong(&node.path, &node.span, format!("has no `{key}`"));
        mistake.help = Some(format!("`{key}` must be given: {}", first_sentence(about)));
    }
}

/// The first sentence of a doc comment, without its full stop, beginning small.
fn first_sentence(about: &str) -> String {
    let sentence = about.trim().split(". ").next().unwrap_or_default();
    let sentence = sentence.split(['.', ':', ';']).next().unwrap_or_default().trim();
    let mut letters = sentence.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// A doc comment on one line.
fn plain(about: &str) -> String {
    about.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The schema of a table with these keys: name, what it is, its schema, whether it must be there.
pub(crate) fn object(about: &str, keys: Vec<(&str, &str, Json, bool)>) -> Json {
    let required: Vec<_> = keys.iter().filter(|key| key.3).map(|key| key.0).collect();
    let described = keys.iter().map(|(key, about, schema, _)| {
        let mut schema = schema.clone();
        schema["description"] = json!(plain(about));
        ((*key).to_owned(), schema)
    });
    let properties: Map<String, Json> = described.collect();
    let mut schema = json!({
        "type": "object",
        "description": plain(about),
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// A table of a file: the struct, how it is read, and its schema, from one definition. All keys may be left out but those
/// marked `required`.
macro_rules! table {
    (
        $(#[doc = $about:literal])*
        struct $name:ident {
            $( $(#[doc = $doc:literal])* $key:literal $field:ident: $type:ty $(= $required:ident)?, )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $name {
            $( $(#[doc = $doc])* pub(crate) $field: Option<$crate::reading::At<$type>>, )*
        }

        impl $crate::reading::Value for $name {
            fn read(
                node: &$crate::reading::Node<'_>,
                reading: &mut $crate::reading::Reading<'_>,
            ) -> Option<Self> {
                let table = reading.table(node)?;
                reading.unknown_keys(node, table, &[$($key),*]);
                $(
                    let marks: &[&str] = &[$(stringify!($required))?];
                    if !marks.is_empty() && !node.has($key) {
                        reading.missing(node, $key, concat!($($doc, "\n"),*));
                    }
                )*
                Some(Self { $( $field: reading.take(node, table, $key), )* })
            }

            fn schema() -> serde_json::Value {
                $crate::reading::object(concat!($($about, "\n"),*), vec![
                    $( {
                        let marks: &[&str] = &[$(stringify!($required))?];
                        let schema = <$type as $crate::reading::Value>::schema();
                        ($key, concat!($($doc, "\n"),*), schema, !marks.is_empty())
                    }, )*
                ])
            }
        }
    };
}
pub(crate) use table;
