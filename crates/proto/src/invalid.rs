//! What is wrong with a message from outside: where, and what was expected.
//!
//! It never repeats what was sent, which may be anything, control sequences for a terminal included. An enum with one
//! variant for each mistake was not taken: nobody decides by the kind of mistake, everybody shows the sentence.

use std::fmt;

use ward_model::InvalidName;

/// One field that is not as it must be. Reads as a sentence: `hello.checks[2].name is empty, expected ...`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct Invalid {
    /// The path to the field, such as `hello.checks[2].name`.
    pub field: String,
    /// What is wrong with it and what was expected; continues the field as a sentence.
    pub message: String,
}

impl Invalid {
    /// The field at `field` is as `message` says.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }

    /// The same, seen from the message that has this one at `path`.
    #[must_use]
    pub fn within(self, path: impl fmt::Display) -> Self {
        Self {
            field: format!("{path}.{}", self.field),
            message: self.message,
        }
    }

    /// A name that is none, at `field`.
    pub(crate) fn name(field: impl fmt::Display) -> impl FnOnce(InvalidName) -> Self {
        move |invalid| Self::new(field.to_string(), invalid.to_string())
    }

    pub(crate) fn missing(field: &str) -> Self {
        Self::new(field, "is missing")
    }
}

/// What could be taken of a message, and what was left out of it without refusing the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted<T> {
    /// The good part.
    pub value: T,
    /// The rest, one each. Bounded by the counts of [`ward_model::bounds`].
    pub left_out: Vec<Invalid>,
}

/// At most `most` of what is called `field`.
pub(crate) fn at_most(field: &str, count: usize, most: usize) -> Result<(), Invalid> {
    if count > most {
        return Err(Invalid::new(
            field,
            format!("has {count} entries, expected at most {most}"),
        ));
    }
    Ok(())
}

/// Converts each element of the list called `field`, telling which one was wrong.
pub(crate) fn each<W, M>(
    field: &str,
    list: Vec<W>,
    mut convert: impl FnMut(W) -> Result<M, Invalid>,
) -> Result<Vec<M>, Invalid> {
    let list = list.into_iter().enumerate();
    list.map(|(index, wire)| {
        convert(wire).map_err(|invalid| invalid.within(format_args!("{field}[{index}]")))
    })
    .collect()
}
