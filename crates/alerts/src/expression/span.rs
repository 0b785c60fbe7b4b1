//! Where in the text a part of an expression stands.
//!
//! The tree of the crate `cel` knows one token of each node: the operator, the dot, the opening bracket. Of what surrounds
//! it only brackets are looked for, so a comment that holds one can move an end, and never more than that.

use std::ops::Range;

use cel::{
    Program,
    common::ast::{Expr, IdedExpr},
};

use super::syntax::children;

/// The text with the places of its tokens.
#[derive(Clone, Copy)]
pub(super) struct Spans<'t> {
    pub(super) text: &'t str,
    pub(super) program: &'t Program,
}

impl<'t> Spans<'t> {
    /// All of an expression.
    pub(super) fn of(self, expr: &IdedExpr) -> Range<usize> {
        let own = self.token(expr);
        let parts = children(expr).into_iter().map(|child| self.of(child));
        let all = parts.fold(own, |all, part| all.start.min(part.start)..all.end.max(part.end));
        match &expr.expr {
            Expr::Select(select) if select.test => self.call(all, self.field(expr, &select.field).end),
            Expr::Select(select) => all.start..self.field(expr, &select.field).end,
            Expr::Call(call) if call.func_name == "_[_]" => all.start..self.past(all.end, ']'),
            Expr::Call(call) if call.target.is_some() => all.start..self.past(all.end, ')'),
            Expr::Call(call) if is_name(&call.func_name) => self.call(all.clone(), all.end),
            Expr::Comprehension(_) => all.start..self.past(all.end, ')'),
            Expr::List(_) => all.start..self.past(all.end, ']'),
            _ => all,
        }
    }

    /// The name of what is called: the word before its bracket.
    pub(super) fn name(self, expr: &IdedExpr) -> Range<usize> {
        let bracket = self.token(expr).start;
        let before = self.text[..bracket].trim_end();
        before.len() - word_at_end(before).len()..before.len()
    }

    /// The text of a place.
    pub(super) fn text(self, at: Range<usize>) -> &'t str {
        self.text.get(at).unwrap_or_default()
    }

    fn token(self, expr: &IdedExpr) -> Range<usize> {
        let known = self.program.source_info().offset_for(expr.id);
        let (first, last) = known.unwrap_or_default();
        let end = (last as usize + 1).min(self.text.len());
        (first as usize).min(end)..end
    }

    /// What is selected, behind its dot. Of `has(a.b)` only the bracket is known.
    fn field(self, expr: &IdedExpr, field: &str) -> Range<usize> {
        let behind = children(expr).first().map_or(0, |of| self.of(of).end);
        let found = self.text[behind..].find(field).map_or(behind, |at| behind + at);
        found..(found + field.len()).min(self.text.len())
    }

    /// From the name before the bracket to the bracket behind `end`.
    fn call(self, all: Range<usize>, end: usize) -> Range<usize> {
        let before = self.text[..all.start].trim_end();
        before.len() - word_at_end(before).len()..self.past(end, ')')
    }

    fn past(self, end: usize, bracket: char) -> usize {
        let rest = self.text.get(end..).unwrap_or_default();
        rest.find(bracket).map_or(end, |at| end + at + 1)
    }
}

fn is_name(function: &str) -> bool {
    function.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn word_at_end(text: &str) -> &str {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    &text[text.trim_end_matches(word).len()..]
}
