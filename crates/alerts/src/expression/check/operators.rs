//! Operators: which types each takes, and what it makes of them.

use cel::common::ast::{Expr, IdedExpr, LiteralValue};

use ward_model::Status;

use super::{Check, alike, shown};
use crate::{
    expression::types::{Scalar, Type, Words},
    near::nearest,
};

const NEVER: &str = "never true";

impl Check<'_> {
    /// An expression that must be a bool.
    pub(super) fn bool(&mut self, expr: &IdedExpr) -> Option<Type> {
        match self.value(expr)? {
            is @ Type::One(Scalar::Bool) => Some(is),
            is => {
                let written = shown(self.spans.text(self.spans.of(expr)));
                let help = comparison(is).map(|with| format!("compare it, as in {written} {with}"));
                self.wrong(expr, format!("is {is} where a bool is expected"), help)
            }
        }
    }

    /// `one` and `other` are both to be a bool.
    pub(super) fn logic(&mut self, operands: &[IdedExpr]) -> Option<Type> {
        let all = operands.iter().map(|operand| self.bool(operand));
        // All are looked at, so that all that is wrong is said at once.
        all.fold(Some(Type::One(Scalar::Bool)), Option::and)
    }

    pub(super) fn conditional(&mut self, expr: &IdedExpr, args: &[IdedExpr]) -> Option<Type> {
        let [condition, then, otherwise] = args else {
            return None;
        };
        let condition = self.bool(condition);
        let (then, otherwise) = (self.scalar(then), self.scalar(otherwise));
        condition?;
        match (then?, otherwise?) {
            (one, other) if one == other => Some(Type::One(one)),
            (Scalar::Text(_), Scalar::Text(_)) => Some(Type::One(Scalar::Text(Words::Any))),
            (one, other) => {
                let (one, other) = (Type::One(one), Type::One(other));
                self.wrong(
                    expr,
                    format!("is {one} or {other}, expected the same of both"),
                    None,
                )
            }
        }
    }

    /// `==` and `!=`.
    pub(super) fn equality(&mut self, expr: &IdedExpr, args: &[IdedExpr], equal: bool) -> Option<Type> {
        let [left, right] = args else { return None };
        let (one, other) = (self.scalar(left), self.scalar(right));
        let (one, other) = (one?, other?);
        if !alike(one, other) {
            return self.incomparable(expr, one, other);
        }
        if let (Scalar::Text(one), Scalar::Text(other)) = (one, other) {
            self.words(expr, (left, one), (right, other), outcome(equal))?;
        }
        Some(Type::One(Scalar::Bool))
    }

    /// `<`, `<=`, `>` and `>=`.
    pub(super) fn order(&mut self, expr: &IdedExpr, args: &[IdedExpr]) -> Option<Type> {
        let [left, right] = args else { return None };
        let (one, other) = (self.scalar(left), self.scalar(right));
        match (one?, other?) {
            (Scalar::Int | Scalar::Double, Scalar::Int | Scalar::Double) => Some(Type::One(Scalar::Bool)),
            (Scalar::Text(_), Scalar::Text(_)) => {
                let help = "write which ones, as in status in ['degraded', 'unhealthy']".to_owned();
                self.wrong(
                    expr,
                    "puts strings in the order of the alphabet".to_owned(),
                    Some(help),
                )
            }
            (one, other) => self.incomparable(expr, one, other),
        }
    }

    pub(super) fn within(&mut self, expr: &IdedExpr, args: &[IdedExpr]) -> Option<Type> {
        let [element, list] = args else { return None };
        let (one, of) = (self.scalar(element), self.of(list));
        let (one, of) = (one?, of?);
        if let (Type::Signals, Expr::Literal(LiteralValue::String(name))) = (of, &element.expr) {
            return self
                .signal(element, name.inner())
                .map(|_| Type::One(Scalar::Bool));
        }
        let Type::Many(other) = of else {
            return self.wrong(list, format!("looks into {of}, which is no list"), None);
        };
        if !alike(one, other) {
            return self.incomparable(expr, one, other);
        }
        let written = match &list.expr {
            Expr::List(list) => list.elements.as_slice(),
            _ => std::slice::from_ref(list),
        };
        if let (Scalar::Text(one), Scalar::Text(other)) = (one, other) {
            for word in written {
                self.words(expr, (element, one), (word, other), NEVER)?;
            }
        }
        Some(Type::One(Scalar::Bool))
    }

    /// `+`, `-`, `*`, `/` and `%`.
    pub(super) fn arithmetic(&mut self, expr: &IdedExpr, args: &[IdedExpr], operator: &str) -> Option<Type> {
        let [left, right] = args else { return None };
        let (one, other) = (self.scalar(left), self.scalar(right));
        match (operator, one?, other?) {
            ("+", Scalar::Text(_), Scalar::Text(_)) => Some(Type::One(Scalar::Text(Words::Any))),
            ("/", Scalar::Int, Scalar::Int) => {
                let help = "write double(…) around both".to_owned();
                let message = "divides two ints, which drops what is behind the point".to_owned();
                self.wrong(expr, message, Some(help))
            }
            ("+" | "-" | "*" | "%", Scalar::Int, Scalar::Int) => Some(Type::One(Scalar::Int)),
            ("+" | "-" | "*" | "/", Scalar::Double, Scalar::Double) => Some(Type::One(Scalar::Double)),
            (_, one @ (Scalar::Int | Scalar::Double), other @ (Scalar::Int | Scalar::Double))
                if one != other =>
            {
                let int = if one == Scalar::Int { left } else { right };
                self.mixed(expr, int, operator)
            }
            (_, one, other) => {
                let (one, other) = (Type::One(one), Type::One(other));
                self.wrong(expr, format!("has `{operator}` between {one} and {other}"), None)
            }
        }
    }

    pub(super) fn negation(&mut self, expr: &IdedExpr, args: &[IdedExpr]) -> Option<Type> {
        match self.scalar(args.first()?)? {
            is @ (Scalar::Int | Scalar::Double) => Some(Type::One(is)),
            is => self.wrong(expr, format!("has `-` before {}", Type::One(is)), None),
        }
    }

    /// CEL compares an int with a double, and does not calculate with both.
    fn mixed(&mut self, expr: &IdedExpr, int: &IdedExpr, operator: &str) -> Option<Type> {
        let written = self.spans.text(self.spans.of(int));
        let help = match int.expr {
            Expr::Literal(_) => format!("write {written}.0"),
            _ => format!("write double({written})"),
        };
        self.wrong(
            expr,
            format!("has `{operator}` between an int and a double"),
            Some(help),
        )
    }

    fn incomparable(&mut self, expr: &IdedExpr, one: Scalar, other: Scalar) -> Option<Type> {
        let (one, other) = (Type::One(one), Type::One(other));
        self.wrong(expr, format!("compares {one} with {other}"), None)
    }

    /// Two texts can be the same. `None` if not, which was said.
    fn words(
        &mut self,
        expr: &IdedExpr,
        (left, one): (&IdedExpr, Words),
        (right, other): (&IdedExpr, Words),
        outcome: &str,
    ) -> Option<()> {
        for (of, literal) in [(one, right), (other, left)] {
            if let Expr::Literal(LiteralValue::String(word)) = &literal.expr {
                self.word(literal, of, word.inner(), outcome)?;
                let asks =
                    of == Words::Status && outcome == NEVER && word.inner() == Status::Unknown.as_str();
                if asks {
                    self.found.unknown.get_or_insert(self.spans.of(expr));
                }
            }
        }
        let known = one != Words::Any && other != Words::Any;
        if known && one != other {
            let (one, other) = (one.as_str(), other.as_str());
            return self.wrong(
                expr,
                format!("is {outcome}: it compares {one} with {other}"),
                None,
            );
        }
        Some(())
    }

    fn word(&mut self, literal: &IdedExpr, of: Words, word: &str, outcome: &str) -> Option<()> {
        if of.has(word) {
            return Some(());
        }
        let all = of.all();
        let help = match nearest(word, all.iter().copied()) {
            Some(meant) => Some(format!("did you mean '{meant}'?")),
            None if all.is_empty() => Some("names are of a-z, 0-9, '.' and '-'".to_owned()),
            None => Some(format!("there are {}", all.join(", "))),
        };
        let (word, of) = (shown(word), of.as_str());
        self.wrong(
            literal,
            format!("is {outcome}: '{}' is not {of}", word.escape_debug()),
            help,
        )
    }
}

fn outcome(equal: bool) -> &'static str {
    if equal { NEVER } else { "always true" }
}

/// What somebody may have left out behind a value.
fn comparison(is: Type) -> Option<&'static str> {
    match is {
        Type::One(Scalar::Int) => Some("> 0"),
        Type::One(Scalar::Double) => Some("> 0.5"),
        Type::One(Scalar::Text(Words::Status)) => Some("== 'unhealthy'"),
        _ => None,
    }
}
