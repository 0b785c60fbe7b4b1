//! The one way out: data on standard output, all else on standard error.
//!
//! Views make text; [`Out`] writes it, without colour where nobody sees colour. `print!` was not taken: it panics when the
//! reader is gone, and it can write to the wrong stream.

mod escape;
mod json;
mod style;
mod table;
mod time;

use std::{
    fmt,
    io::{self, BufRead, IsTerminal, Read, Write},
};

use anstream::{AutoStream, ColorChoice};
use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;

use crate::Failure;

pub(crate) use escape::Escaped;
pub(crate) use json::Cursor;
pub(crate) use style::{
    BOLD, DIM, FAILED, GOOD, WARNING, colour, paint, screen_colour, urgency, urgent, word,
};
pub(crate) use table::Table;
pub(crate) use time::{Times, span};

/// How data is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and lines for people
    #[default]
    Text,
    /// JSON for programs
    Json,
}

/// More than anybody answers to a question.
const ANSWER_BYTES: u64 = 1024;

/// Whether somebody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// As far as one can tell.
    There,
    /// The other end of the pipe is closed: no mistake, `ward watch | head` is enough for some.
    Gone,
}

/// Both standard streams.
pub(crate) struct Out {
    data: AutoStream<io::Stdout>,
    notes: AutoStream<io::Stderr>,
}

impl Out {
    pub(crate) fn new() -> Self {
        Self {
            data: anstream::stdout(),
            notes: anstream::stderr(),
        }
    }

    /// Writes data.
    pub(crate) fn data(&mut self, text: &str) -> Result<Reader, Failure> {
        match self
            .data
            .write_all(text.as_bytes())
            .and_then(|()| self.data.flush())
        {
            Ok(()) => Ok(Reader::There),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(Failure::Other(
                anyhow::Error::new(error).context("write to standard output"),
            )),
        }
    }

    /// Writes `value` as JSON over several lines, for one answer.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<Reader, Failure> {
        let text = json::pretty(value).context("write JSON")?;
        self.data(&text)
    }

    /// Writes `value` as JSON on one line, for one of many.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<Reader, Failure> {
        let text = json::line(value).context("write JSON")?;
        self.data(&text)
    }

    /// Says something beside the data.
    pub(crate) fn note(&mut self, text: &str) {
        // Where nobody listens there is nobody to tell.
        drop(writeln!(self.notes, "{text}"));
    }

    /// Says why the command failed.
    pub(crate) fn error(&mut self, text: &str) {
        let error = paint(FAILED, "error");
        drop(writeln!(self.notes, "{error}: {text}"));
    }

    /// Whether there is somebody who can be asked.
    pub(crate) fn has_person(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks them. Anything but yes is no, the end of the input too.
    pub(crate) fn confirm(&mut self, question: &str) -> Result<bool, Failure> {
        drop(write!(self.notes, "{question} [y/N] "));
        drop(self.notes.flush());
        let mut answer = String::new();
        io::stdin()
            .lock()
            .take(ANSWER_BYTES)
            .read_line(&mut answer)
            .context("read the answer")?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// Whether colour is wanted on standard output.
    pub(crate) fn colours() -> bool {
        AutoStream::choice(&io::stdout()) != ColorChoice::Never
    }

    /// The width that data should keep to; `None` where it is read by a program.
    pub(crate) fn width(&self) -> Option<u16> {
        io::stdout().is_terminal().then(table::terminal_width).flatten()
    }
}

impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out").finish_non_exhaustive()
    }
}
