//! Walking through the file of written histories: values with their places, and all that is wrong on the way.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::WrongHistory;
use crate::near::nearest;

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub(super) value: &'a DeValue<'a>,
    pub(super) at: Range<usize>,
}

/// A file being read.
#[derive(Debug)]
pub(super) struct Reading<'t> {
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    pub(super) wrong: Vec<WrongHistory>,
}

/// Most mistakes that are told: who has more has one and the same in all lines.
const TOLD: usize = 50;

impl<'a> Node<'a> {
    pub(super) fn of(value: &'a Spanned<DeValue<'a>>) -> Self {
        Self {
            value: value.get_ref(),
            at: value.span(),
        }
    }

    fn kind(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }
}

impl<'t> Reading<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let behind = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            lines: std::iter::once(0).chain(behind).collect(),
            wrong: Vec::new(),
        }
    }

    /// The line of a place, counted from 1.
    pub(super) fn line(&self, at: &Range<usize>) -> usize {
        self.lines.partition_point(|start| *start <= at.start).max(1)
    }

    /// Says that something is wrong.
    pub(super) fn say<T>(
        &mut self,
        at: &Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Option<T> {
        if self.wrong.len() < TOLD {
            let end = at.end.min(self.text.len());
            self.wrong.push(WrongHistory {
                at: at.start.min(end)..end,
                line: self.line(at),
                message: message.into(),
                help,
            });
        }
        None
    }

    /// Says that a key or a word is none of those that are known.
    pub(super) fn unknown(&mut self, at: &Range<usize>, what: &str, word: &str, known: &[&str]) {
        let help = match nearest(word, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        let word = word.escape_debug();
        self.say::<()>(at, format!("`{word}` is no {what}"), Some(help));
    }

    /// The keys of a table with their values, in the order of the file.
    pub(super) fn table<'a>(&mut self, node: &Node<'a>) -> Option<Vec<(Key<'a>, Node<'a>)>> {
        match node.value {
            DeValue::Table(table) => Some(entries(table)),
            _ => self.other(node, "a table"),
        }
    }

    pub(super) fn array<'a>(&mut self, node: &Node<'a>) -> Option<Vec<Node<'a>>> {
        match node.value {
            DeValue::Array(array) => Some(array.iter().map(Node::of).collect()),
            _ => self.other(node, "an array"),
        }
    }

    pub(super) fn string<'a>(&mut self, node: &Node<'a>) -> Option<&'a str> {
        match node.value {
            DeValue::String(text) => Some(text),
            _ => self.other(node, "a string"),
        }
    }

    pub(super) fn bool(&mut self, node: &Node<'_>) -> Option<bool> {
        match node.value {
            DeValue::Boolean(holds) => Some(*holds),
            _ => self.other(node, "true or false"),
        }
    }

    pub(super) fn count(&mut self, node: &Node<'_>) -> Option<u32> {
        let count = match node.value {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        count.or_else(|| self.other(node, "a count, from 0"))
    }

    /// A word that stands for something.
    pub(super) fn word<T: Copy>(&mut self, node: &Node<'_>, what: &str, known: &[(&str, T)]) -> Option<T> {
        let word = self.string(node)?;
        let found = known.iter().find(|(known, _)| *known == word);
        let words: Vec<_> = known.iter().map(|(known, _)| *known).collect();
        match found {
            Some((_, meant)) => Some(*meant),
            None => {
                self.unknown(&node.at, what, word, &words);
                None
            }
        }
    }

    fn other<T>(&mut self, node: &Node<'_>, expected: &str) -> Option<T> {
        const SHOWN: usize = 30;
        let (kind, text) = (node.kind(), self.text.get(node.at.clone()).unwrap_or_default());
        let shown: String = text.chars().take_while(|c| !c.is_control()).take(SHOWN).collect();
        self.say(
            &node.at,
            format!("`{shown}` is {kind}, expected {expected}"),
            None,
        )
    }
}

/// A key, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Key<'a> {
    pub(super) name: &'a str,
    pub(super) at: Range<usize>,
}

/// In the order of the file.
pub(super) fn entries<'a>(table: &'a DeTable<'a>) -> Vec<(Key<'a>, Node<'a>)> {
    let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
        let name: &std::borrow::Cow<'a, str> = key.get_ref();
        let key = Key { name, at: key.span() };
        (key, Node::of(value))
    };
    let mut entries: Vec<_> = table.iter().map(entry).collect();
    entries.sort_by_key(|(key, _)| key.at.start);
    entries
}
