//! What is wrong in an expression that parses: a name that nothing has, a type that does not fit, a word that never comes.
//!
//! Permitted is what can be judged at known cost: no regular expressions, no lists that are made, `exists` and `all` not
//! within each other. A comparison that is always the same is a mistake as well: a rule with `status == 'unhealthly'` would
//! be silent for ever.

use std::{collections::BTreeSet, ops::Range};

use cel::{
    Program,
    common::ast::{ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr},
};
use ward_model::Name;

use super::{
    WrongExpression,
    span::Spans,
    types::{About, Scalar, Type, Words},
};
use crate::near::nearest;

mod calls;
mod operators;

/// What an expression is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// To be true or false.
    Condition,
    /// To be shown.
    Text,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) mistakes: Vec<WrongExpression>,
    /// Signals that it asks for.
    pub(super) signals: BTreeSet<Name>,
    /// It asks for what is not known while the status is Unknown.
    pub(super) status: bool,
    /// It asks for what is not known while the own status is Unknown.
    pub(super) own: bool,
    /// Where it asks first whether a status is Unknown.
    pub(super) unknown: Option<Range<usize>>,
}

/// Checks all of it.
pub(super) fn check(text: &str, program: &Program, about: About, made: Made) -> Found {
    let mut check = Check {
        spans: Spans { text, program },
        about,
        element: None,
        found: Found::default(),
    };
    match made {
        Made::Condition => check.bool(program.expression()),
        Made::Text => check.value(program.expression()),
    };
    check.found.mistakes.sort_by_key(|mistake| mistake.at.start);
    check.found
}

struct Check<'t> {
    spans: Spans<'t>,
    about: About,
    /// Within `exists` and `all`: what an element is called, and what it is.
    element: Option<(String, Scalar)>,
    found: Found,
}

impl Check<'_> {
    /// The type of an expression; `None` where something is wrong with it that was said.
    fn of(&mut self, expr: &IdedExpr) -> Option<Type> {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr, literal),
            Expr::Ident(name) => self.ident(expr, name),
            Expr::Select(select) => self.select(expr, select),
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) => self.list(expr, &list.elements),
            Expr::Comprehension(over) => self.comprehension(expr, over),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                let message = "makes a map, which nothing here takes".to_owned();
                self.wrong(expr, message, None)
            }
        }
    }

    /// As `of`, for what must be a value.
    fn value(&mut self, expr: &IdedExpr) -> Option<Type> {
        let is = self.of(expr)?;
        let name = self.spans.text(self.spans.of(expr)).to_owned();
        match is {
            Type::Group => {
                let members = self.about.members(&name).collect::<Vec<_>>().join(", ");
                self.wrong(
                    expr,
                    format!("uses `{name}` as a value"),
                    Some(format!("write one of {members}")),
                )
            }
            Type::Signals => self.wrong(
                expr,
                "uses `signals` as a value".to_owned(),
                Some("write the one that is meant, as in signals.error_ratio".to_owned()),
            ),
            is => Some(is),
        }
    }

    fn scalar(&mut self, expr: &IdedExpr) -> Option<Scalar> {
        match self.value(expr)? {
            Type::One(scalar) => Some(scalar),
            is => {
                let help = "ask for what is in it with exists, all, size or in".to_owned();
                self.wrong(
                    expr,
                    format!("uses {is} where a single value is expected"),
                    Some(help),
                )
            }
        }
    }

    fn literal(&mut self, expr: &IdedExpr, literal: &LiteralValue) -> Option<Type> {
        let is = match literal {
            LiteralValue::Boolean(_) => Scalar::Bool,
            LiteralValue::Int(_) => Scalar::Int,
            LiteralValue::Double(_) => Scalar::Double,
            LiteralValue::String(_) => Scalar::Text(Words::Any),
            LiteralValue::UInt(_) => {
                let help = "leave out the u".to_owned();
                return self.wrong(
                    expr,
                    "has an unsigned int, which nothing here is".to_owned(),
                    Some(help),
                );
            }
            LiteralValue::Bytes(_) | LiteralValue::Null => {
                return self.wrong(expr, "has bytes or null, which nothing here is".to_owned(), None);
            }
        };
        Some(Type::One(is))
    }

    fn ident(&mut self, expr: &IdedExpr, name: &str) -> Option<Type> {
        if let Some((_, is)) = self.element.as_ref().filter(|(element, _)| element == name) {
            return Some(Type::One(*is));
        }
        self.variable(expr, name)
    }

    fn variable(&mut self, expr: &IdedExpr, name: &str) -> Option<Type> {
        if let Some((is, status)) = self.about.find(name) {
            self.found.status |= status;
            self.found.own |= name == "own" || name.starts_with("instances.");
            return Some(is);
        }
        let about = self.about;
        let known = about.variables().iter().map(|(known, ..)| *known);
        let elsewhere = about.other().find(name).is_some();
        let groups = known
            .clone()
            .filter_map(|known| known.split_once('.').map(|(group, _)| group));
        let help = match nearest(name, known.clone().chain(groups)) {
            _ if elsewhere => format!("rules about {} have it", about.other()),
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
        };
        let name = name.escape_debug();
        self.wrong(
            expr,
            format!("names `{name}`, which is no variable of {about}"),
            Some(help),
        )
    }

    fn select(&mut self, expr: &IdedExpr, select: &SelectExpr) -> Option<Type> {
        let of = self.of(&select.operand)?;
        let field = &select.field;
        match of {
            Type::Signals if select.test => self.signal(expr, field).map(|_| Type::One(Scalar::Bool)),
            Type::Signals => self.signal(expr, field),
            _ if select.test => {
                let help = Some("has() is for signals, which may be absent".to_owned());
                self.wrong(expr, "asks has() for what is always there".to_owned(), help)
            }
            Type::Group => {
                let group = self.spans.text(self.spans.of(&select.operand)).to_owned();
                self.variable(expr, &format!("{group}.{field}"))
            }
            is => self.wrong(
                expr,
                format!("asks for `{field}` of {is}, which has no fields"),
                self.dotted(expr),
            ),
        }
    }

    /// Somebody who writes `signals.http.p99` means the signal `http.p99`.
    fn dotted(&self, expr: &IdedExpr) -> Option<String> {
        let signal = self.spans.text(self.spans.of(expr)).strip_prefix("signals.")?;
        Some(format!(
            "for a signal with dots in its name write signals['{signal}']"
        ))
    }

    /// `expr` asks for a signal.
    fn signal(&mut self, expr: &IdedExpr, name: &str) -> Option<Type> {
        match Name::new(name) {
            Ok(name) => {
                self.found.signals.insert(name);
                Some(Type::One(Scalar::Double))
            }
            Err(invalid) => self.wrong(
                expr,
                format!("names a signal, {:?}, that {invalid}", shown(name)),
                None,
            ),
        }
    }

    fn list(&mut self, expr: &IdedExpr, elements: &[IdedExpr]) -> Option<Type> {
        let mut is = None;
        for element in elements {
            let scalar = self.scalar(element)?;
            match is {
                Some(first) if !alike(first, scalar) => {
                    let (first, scalar) = (Type::One(first), Type::One(scalar));
                    return self.wrong(
                        element,
                        format!("has {scalar} in a list that begins with {first}"),
                        None,
                    );
                }
                _ => is = Some(scalar),
            }
        }
        match is {
            Some(is) => Some(Type::Many(is)),
            None => self.wrong(expr, "has an empty list: nothing is in it".to_owned(), None),
        }
    }

    fn comprehension(&mut self, expr: &IdedExpr, over: &ComprehensionExpr) -> Option<Type> {
        let macro_name = self.spans.text(self.spans.name(expr)).to_owned();
        let condition = match (&over.accu_init.expr, &over.loop_step.expr) {
            (Expr::Literal(LiteralValue::Boolean(_)), Expr::Call(step)) => step.args.get(1),
            _ => None,
        };
        let Some(condition) = condition else {
            return self.not_permitted(expr, &macro_name);
        };
        let range = self.value(&over.iter_range);
        if self.element.is_some() {
            let message = format!("has `{macro_name}` within another");
            return self.wrong(expr, message, Some("make two rules of it".to_owned()));
        }
        let is = match range? {
            Type::Many(is) => is,
            is => {
                let message = format!("asks for what is in {is}, which is no list");
                return self.wrong(&over.iter_range, message, None);
            }
        };
        if self.about.find(&over.iter_var).is_some() {
            let message = format!("calls an element `{}`, as a variable is called", over.iter_var);
            return self.wrong(expr, message, Some("choose another name".to_owned()));
        }
        self.element = Some((over.iter_var.clone(), is));
        let condition = self.bool(condition);
        self.element = None;
        condition
    }

    /// Says that something is wrong.
    fn wrong<T>(&mut self, expr: &IdedExpr, message: String, help: Option<String>) -> Option<T> {
        let at = self.spans.of(expr);
        self.found.mistakes.push(WrongExpression { at, message, help });
        None
    }
}

/// Both are numbers, or both are the same.
fn alike(one: Scalar, other: Scalar) -> bool {
    let number = |scalar| matches!(scalar, Scalar::Int | Scalar::Double);
    let text = |scalar| matches!(scalar, Scalar::Text(_));
    one == other || (number(one) && number(other)) || (text(one) && text(other))
}

/// What somebody wrote, cut to what helps.
fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
