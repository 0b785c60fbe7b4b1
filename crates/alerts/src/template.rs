//! Texts for people with CEL in them: `{{ service }} fails {{ signals.error_ratio * 100.0 }} % of what it is asked`.
//!
//! No loops, no functions of formatting: what Prometheus has Go templates for, CEL says inside the braces. A literal `{{` is
//! written as `{{ '{{' }}`. A number has four digits that count, a list is joined with commas, what is not there is `-`.

use std::ops::Range;

use cel::common::{
    types::{CelBool, CelDouble, CelInt, CelList, CelString},
    value::Val,
};
use ward_model::Wall;

use crate::expression::{About, Expression, Made, Subject, WrongExpression};

/// Longest template, in bytes: a screen of text.
const TEMPLATE_BYTES: usize = 4_096;
/// Most expressions in one. Each is judged for every alert that changes.
const EXPRESSIONS: usize = 32;
/// Longest text that is made of one, in bytes, with what marks that it was cut. The message of a check has 512 at the most,
/// and mail and chat show less than this.
pub(crate) const TEXT_BYTES: usize = 2_048;

/// What is cut ends so.
const CUT: &str = "…";

/// A template that can be rendered.
#[derive(Debug)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(String),
    Value(Expression),
}

impl Template {
    /// Parses and checks. To be called within [`crate::expression::with_stack`].
    ///
    /// # Errors
    ///
    /// All that is wrong, placed in the whole text.
    pub(crate) fn parse(text: &str, about: About) -> Result<Self, Vec<WrongExpression>> {
        let wrong =
            |at: Range<usize>, message: String, help: Option<String>| WrongExpression { at, message, help };
        if text.len() > TEMPLATE_BYTES {
            let message = format!("has {} bytes, at most {TEMPLATE_BYTES} are permitted", text.len());
            return Err(vec![wrong(0..text.len(), message, None)]);
        }
        let parts = parts(text).map_err(|at| {
            let help = Some("write }} behind it; a literal {{ is written {{ '{{' }}".to_owned());
            vec![wrong(at, "has a {{ that is not closed".to_owned(), help)]
        })?;
        let values = parts.iter().filter(|part| matches!(part, Part::Value(_))).count();
        if values > EXPRESSIONS {
            let message = format!("has {values} expressions, at most {EXPRESSIONS} are permitted");
            return Err(vec![wrong(0..text.len(), message, None)]);
        }
        Self::compile(text, parts, about)
    }

    fn compile(text: &str, parts: Vec<Part>, about: About) -> Result<Self, Vec<WrongExpression>> {
        let (mut pieces, mut mistakes) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Text(at) => pieces.push(Piece::Text(text[at].to_owned())),
                Part::Value(at) => match Expression::parse(&text[at.clone()], about, Made::Text) {
                    Ok(value) => pieces.push(Piece::Value(value)),
                    Err(wrong) => mistakes.extend(wrong.into_iter().map(|wrong| WrongExpression {
                        at: wrong.at.start + at.start..wrong.at.end + at.start,
                        ..wrong
                    })),
                },
            }
        }
        if mistakes.is_empty() {
            Ok(Self(pieces))
        } else {
            Err(mistakes)
        }
    }

    /// The text about a subject, within [`TEXT_BYTES`].
    pub(crate) fn render(&self, subject: Subject<'_>, now: Wall) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Value(value) => {
                    let shown = value.evaluate(subject, now, |value| show(&mut text, value));
                    if shown.is_none() {
                        text.push('-');
                    }
                }
            }
        }
        cut(text)
    }
}

/// Where in a template what stands; of an expression what is within its braces.
#[derive(Debug, PartialEq)]
enum Part {
    Text(Range<usize>),
    Value(Range<usize>),
}

/// # Errors
///
/// Where a `{{` stands that is not closed.
fn parts(text: &str) -> Result<Vec<Part>, Range<usize>> {
    let (mut parts, mut done) = (Vec::new(), 0);
    while let Some(found) = text[done..].find("{{") {
        let open = done + found;
        let end = closing(&text[open + 2..]).ok_or(open..open + 2)?;
        parts.push(Part::Text(done..open));
        parts.push(Part::Value(open + 2..open + 2 + end));
        done = open + 2 + end + 2;
    }
    parts.push(Part::Text(done..text.len()));
    parts.retain(|part| !matches!(part, Part::Text(at) if at.is_empty()));
    Ok(parts)
}

/// Where the `}}` stands that ends an expression: the first that is in no string of it.
fn closing(text: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '}') if text[at..].starts_with("}}") => return Some(at),
            _ => (),
        }
    }
    None
}

fn show(text: &mut String, value: &dyn Val) {
    if let Some(said) = value.downcast_ref::<CelString<'_>>() {
        plain(text, said.inner());
    } else if let Some(number) = value.downcast_ref::<CelDouble>() {
        text.push_str(&short(*number.inner()));
    } else if let Some(count) = value.downcast_ref::<CelInt>() {
        text.push_str(&count.inner().to_string());
    } else if let Some(holds) = value.downcast_ref::<CelBool>() {
        text.push_str(if *holds.inner() { "true" } else { "false" });
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        for (at, value) in list.inner().iter().enumerate() {
            text.push_str(if at == 0 { "" } else { ", " });
            show(text, value.as_ref());
        }
        if list.inner().is_empty() {
            text.push('-');
        }
    }
}

/// What others said goes into mail, chat and terminals: control characters, and those that hide or turn around what stands
/// beside them, are told and not obeyed. Slack calls everybody for `<!channel>`, and somebody for `<@U1>`: with a space
/// behind the `<` both are text.
fn plain(text: &mut String, said: &str) {
    for c in said.chars() {
        if matches!(c, '!' | '@') && text.ends_with('<') {
            text.push(' ');
        }
        if is_format(c) {
            text.extend(c.escape_unicode());
        } else if c.is_control() {
            text.extend(c.escape_debug());
        } else {
            text.push(c);
        }
    }
}

/// Marks of width zero, and those that set the direction of a text.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Four digits that count, and no zeros behind them: 0.0734, 7.34, 12345.
fn short(number: f64) -> String {
    const DIGITS: i32 = 4;
    // From here on every digit would be told, and below it zeros: people read powers of ten better.
    let (least, most) = (1e-6, 1e15);
    let size = number.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if size.is_finite() && !(least..most).contains(&size) {
        return format!("{number:.3e}");
    }
    // The place of the first digit; a number that is rounded up to the next one has a digit more, which does no harm.
    let first = size.log10().floor() as i32;
    let decimals = usize::try_from(DIGITS - 1 - first).unwrap_or(0);
    let written = format!("{number:.decimals$}");
    match written.contains('.') {
        true => written.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => written,
    }
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES {
        let whole = |at: &usize| text.is_char_boundary(*at);
        let end = (0..=TEXT_BYTES - CUT.len()).rev().find(whole);
        text.truncate(end.unwrap_or(0));
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests;
