//! JSON for programs, harmless on a terminal.
//!
//! serde_json escapes what JSON demands, which leaves DEL, C1 controls and reordering characters as they are; here they
//! are `\uXXXX`, which means the same to every parser.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{
    Serializer,
    ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter},
};
use ward_model::{Epoch, Revision};

use super::escape::is_harmful;

/// The place in an aggregator's history that an answer is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cursor {
    // Hexadecimal: an epoch fills 64 bits, more than many readers of JSON numbers keep.
    epoch: String,
    revision: Revision,
}

impl Cursor {
    pub(crate) fn new(Epoch(epoch): Epoch, revision: Revision) -> Self {
        Self {
            epoch: format!("{epoch:016x}"),
            revision,
        }
    }
}

/// Over several lines, with a newline at the end.
pub(crate) fn pretty(value: &impl Serialize) -> serde_json::Result<String> {
    written(value, PrettyFormatter::new())
}

/// On one line, with a newline at the end.
pub(crate) fn line(value: &impl Serialize) -> serde_json::Result<String> {
    written(value, CompactFormatter)
}

fn written(value: &impl Serialize, formatter: impl Formatter) -> serde_json::Result<String> {
    let mut text = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut text, Harmless(formatter)))?;
    text.push(b'\n');
    String::from_utf8(text).map_err(serde::ser::Error::custom)
}

struct Harmless<F>(F);

macro_rules! as_usual {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$method(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for Harmless<F> {
    as_usual! {
        begin_array(); end_array(); begin_array_value(first: bool); end_array_value();
        begin_object(); end_object(); begin_object_key(first: bool); end_object_key();
        begin_object_value(); end_object_value(); write_char_escape(escape: CharEscape);
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| is_harmful(c)) {
            self.0.write_string_fragment(writer, &rest[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsers_read_what_terminals_do_not_obey() {
        let text = "a\u{1b}[31m\u{7f}\u{9b}\u{202e}\u{e0041}ü\"\n";
        let written = line(&[text]).unwrap();
        assert_eq!(
            written,
            "[\"a\\u001b[31m\\u007f\\u009b\\u202e\\udb40\\udc41ü\\\"\\n\"]\n"
        );
        assert_eq!(serde_json::from_str::<[String; 1]>(&written).unwrap(), [text]);
        let nested = pretty(&[[1], [2]]).unwrap();
        assert_eq!(nested, serde_json::to_string_pretty(&[[1], [2]]).unwrap() + "\n");
    }

    #[test]
    fn an_epoch_keeps_all_its_bits() {
        let cursor = Cursor::new(Epoch(u64::MAX - 1), Revision(7));
        assert_eq!(
            line(&cursor).unwrap(),
            "{\"epoch\":\"fffffffffffffffe\",\"revision\":7}\n"
        );
    }
}
