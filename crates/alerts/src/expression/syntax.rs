//! From text to a tree, within bounds.
//!
//! Whoever writes rules is an operator, but a file may come from anybody and `ward rules test` reads any. The parser of the
//! crate `cel` is generated and recurses twelve functions for each bracket, which takes up to 190 KiB of stack in a debug
//! build: sixteen brackets end a thread of 2 MiB. Its own bound on recursion comes too late. So the text, and the number
//! of brackets in it, are bounded before it sees them, and it runs on a stack that is large enough for what is left.

use std::{ops::Range, thread};

use cel::{
    ParseErrors, Program,
    common::ast::{EntryExpr, Expr, IdedExpr},
};

use super::WrongExpression;

/// Longest text, in bytes. The longest that is shipped has 46.
pub(crate) const TEXT_BYTES: usize = 1_024;
/// Most opening brackets, in strings as well: counted without knowing which they are, so that no two lexers can disagree.
pub(crate) const BRACKETS: usize = 32;
/// Most nodes of the tree. Judging visits each once, or once for each element of a list that is written in the expression,
/// which is made of nodes as well: 128 elements times 128 nodes at the most.
pub(crate) const NODES: usize = 256;
/// Most nodes above another: judging recurses, on the stack of whoever steps the machine, 35 KiB for each in a debug build.
pub(crate) const DEPTH: usize = 16;
/// Stack to parse on: twice what [`BRACKETS`] take in a debug build. Pages that are not touched cost nothing.
const STACK_BYTES: usize = 16 << 20;

/// Runs `parse` where the stack is large enough. What panics in there, if anything does, is nobody's end.
///
/// # Errors
///
/// What to say of a text for which no thread could be had, or on which the parser gave up.
pub(crate) fn with_stack<T: Send>(parse: impl FnOnce() -> T + Send) -> Result<T, WrongExpression> {
    let gave_up = |why: String| WrongExpression {
        at: 0..0,
        message: format!("could not be parsed: {why}"),
        help: None,
    };
    thread::scope(|scope| {
        let builder = thread::Builder::new()
            .name("rule".to_owned())
            .stack_size(STACK_BYTES);
        match builder.spawn_scoped(scope, parse) {
            Ok(parsing) => parsing
                .join()
                .map_err(|_| gave_up("the parser gave up".to_owned())),
            Err(error) => Err(gave_up(format!("no thread to do it: {error}"))),
        }
    })
}

/// To be called within [`with_stack`].
///
/// # Errors
///
/// The first thing that is wrong; what follows it is usually a consequence.
pub(super) fn parse(text: &str) -> Result<Program, WrongExpression> {
    bounded(text)?;
    let program = Program::compile(text).map_err(|errors| explain(text, &errors))?;
    let (mut nodes, mut deepest) = (0, 0);
    measure(program.expression(), 1, &mut nodes, &mut deepest);
    if nodes > NODES {
        return Err(too_much(text, format!("has {nodes} parts"), NODES));
    }
    if deepest > DEPTH {
        return Err(too_much(text, format!("is {deepest} parts deep"), DEPTH));
    }
    Ok(program)
}

fn bounded(text: &str) -> Result<(), WrongExpression> {
    if text.len() > TEXT_BYTES {
        return Err(too_much(text, format!("has {} bytes", text.len()), TEXT_BYTES));
    }
    let brackets = text.matches(['(', '[', '{']).count();
    if brackets > BRACKETS {
        return Err(too_much(
            text,
            format!("has {brackets} opening brackets"),
            BRACKETS,
        ));
    }
    Ok(())
}

fn too_much(text: &str, message: String, most: usize) -> WrongExpression {
    WrongExpression {
        at: 0..text.len(),
        message: format!("{message}, at most {most} are permitted"),
        help: Some("make several rules of it".to_owned()),
    }
}

fn measure(expr: &IdedExpr, depth: usize, nodes: &mut usize, deepest: &mut usize) {
    *nodes += 1;
    *deepest = depth.max(*deepest);
    for child in children(expr) {
        measure(child, depth + 1, nodes, deepest);
    }
}

/// What an expression is made of.
pub(super) fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(over) => vec![
            &over.iter_range,
            &over.accu_init,
            &over.loop_cond,
            &over.loop_step,
            &over.result,
        ],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| entries(&entry.expr))
            .collect(),
        Expr::Struct(of) => of.entries.iter().flat_map(|entry| entries(&entry.expr)).collect(),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn entries(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}

/// In the words of people what the parser says in those of its grammar.
fn explain(text: &str, errors: &ParseErrors) -> WrongExpression {
    let Some(first) = errors.errors.first() else {
        return wrong(0..text.len(), "does not parse", None);
    };
    let at = token_at(text, offset(text, first.pos));
    let (found, said) = (&text[at.clone()], first.msg.as_str());
    if said.contains("Recursion limit") {
        return wrong(
            0..text.len(),
            "is nested too deep",
            Some("make several rules of it"),
        );
    }
    if said.contains("argument must be a simple name") {
        let help = "write a name there, as in causes.exists(cause, cause == 'bank')";
        return wrong(at, "has no name to call each element by", Some(help));
    }
    if said.contains("invalid argument to has()") {
        return wrong(
            at,
            "asks has() for what is no field",
            Some("write has(signals.cpu_ratio)"),
        );
    }
    match found {
        "" if text.trim().is_empty() => wrong(at, "is empty", None),
        "" => wrong(at, "ends where more was expected", None),
        "'" | "\"" => wrong(at, "has a string that is not closed", None),
        "=" => wrong(at, "has a single `=`", Some("write == to compare")),
        "and" | "AND" => wrong(at, "has `and`", Some("write &&")),
        "or" | "OR" => wrong(at, "has `or`", Some("write ||")),
        "not" | "NOT" => wrong(at, "has `not`", Some("write !")),
        found if said.contains("reserved identifier") => wrong(
            at,
            &format!("has `{found}`, a word that CEL keeps for itself"),
            None,
        ),
        found => {
            let found = found.escape_debug();
            wrong(at, &format!("has `{found}` where it was not expected"), None)
        }
    }
}

fn wrong(at: Range<usize>, message: &str, help: Option<&str>) -> WrongExpression {
    WrongExpression {
        at,
        message: message.to_owned(),
        help: help.map(str::to_owned),
    }
}

/// The parser counts lines, and characters in them, from 1.
fn offset(text: &str, (line, column): (isize, isize)) -> usize {
    let nth = |number: isize| usize::try_from(number - 1).unwrap_or(0);
    let lines = text.split_inclusive('\n');
    let before: usize = lines.take(nth(line)).map(str::len).sum();
    let rest = &text[before..];
    let within = rest
        .char_indices()
        .nth(nth(column))
        .map_or(rest.len(), |(at, _)| at);
    before + within
}

/// The word or the character at an offset.
fn token_at(text: &str, start: usize) -> Range<usize> {
    let rest = &text[start..];
    let word = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    let length = if word > 0 {
        word
    } else {
        rest.chars().next().map_or(0, char::len_utf8)
    };
    start..start + length
}
