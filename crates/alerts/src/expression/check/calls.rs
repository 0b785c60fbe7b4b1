//! Calls: which functions are permitted, and of what.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};

use super::Check;
use crate::{
    expression::types::{Scalar, Type, Words},
    near::nearest,
};

/// All that may be called. What is not here makes lists or maps, takes a regular expression, or converts what needs none.
const PERMITTED: [&str; 9] = [
    "has",
    "exists",
    "all",
    "size",
    "startsWith",
    "endsWith",
    "contains",
    "double",
    "int",
];

impl Check<'_> {
    pub(super) fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Option<Type> {
        let args = call.args.as_slice();
        match call.func_name.as_str() {
            "_&&_" | "_||_" | "!_" => self.logic(args),
            "_?_:_" => self.conditional(expr, args),
            "_==_" => self.equality(expr, args, true),
            "_!=_" => self.equality(expr, args, false),
            "_<_" | "_<=_" | "_>_" | "_>=_" => self.order(expr, args),
            "@in" => self.within(expr, args),
            operator @ ("_+_" | "_-_" | "_*_" | "_/_" | "_%_") => {
                self.arithmetic(expr, args, operator.trim_matches('_'))
            }
            "-_" => self.negation(expr, args),
            "_[_]" => self.index(expr, args),
            function => self.function(expr, call, function),
        }
    }

    fn function(&mut self, expr: &IdedExpr, call: &CallExpr, function: &str) -> Option<Type> {
        let (target, args) = (call.target.as_deref(), call.args.as_slice());
        match (function, target, args) {
            ("size", None, [of]) | ("size", Some(of), []) => self.size(expr, of),
            ("startsWith" | "endsWith" | "contains", Some(of), [part]) => {
                let (of, part) = (self.text(of), self.text(part));
                of.and(part).and(Some(Type::One(Scalar::Bool)))
            }
            ("double" | "int", None, [number]) => self.number(expr, function, number),
            (known, ..) if PERMITTED.contains(&known) => {
                let help = Some(format!("write {}", usage(known)));
                self.wrong(
                    expr,
                    format!("calls `{known}` in another way than it is defined"),
                    help,
                )
            }
            (unknown, ..) => self.not_permitted(expr, unknown),
        }
    }

    pub(super) fn not_permitted(&mut self, expr: &IdedExpr, function: &str) -> Option<Type> {
        let help = match nearest(function, PERMITTED) {
            Some(meant) => format!("did you mean {}?", usage(meant)),
            None => format!("permitted are {}", PERMITTED.join(", ")),
        };
        let function = function.escape_debug();
        self.wrong(
            expr,
            format!("calls `{function}`, which is not permitted"),
            Some(help),
        )
    }

    fn size(&mut self, expr: &IdedExpr, of: &IdedExpr) -> Option<Type> {
        match self.value(of)? {
            Type::Many(_) | Type::One(Scalar::Text(_)) => Some(Type::One(Scalar::Int)),
            is => self.wrong(expr, format!("asks for the size of {is}"), None),
        }
    }

    fn text(&mut self, expr: &IdedExpr) -> Option<Type> {
        match self.scalar(expr)? {
            Scalar::Text(_) => Some(Type::One(Scalar::Text(Words::Any))),
            is => {
                let is = Type::One(is);
                self.wrong(expr, format!("is {is} where a string is expected"), None)
            }
        }
    }

    fn number(&mut self, expr: &IdedExpr, function: &str, of: &IdedExpr) -> Option<Type> {
        match self.scalar(of)? {
            Scalar::Int | Scalar::Double if function == "int" => Some(Type::One(Scalar::Int)),
            Scalar::Int | Scalar::Double => Some(Type::One(Scalar::Double)),
            is => self.wrong(expr, format!("makes a number of {}", Type::One(is)), None),
        }
    }

    fn index(&mut self, expr: &IdedExpr, args: &[IdedExpr]) -> Option<Type> {
        let [of, index] = args else { return None };
        match (self.of(of)?, &index.expr) {
            (Type::Signals, Expr::Literal(LiteralValue::String(name))) => self.signal(expr, name.inner()),
            (Type::Signals, _) => {
                let help = Some("write its name, as in signals['http.p99']".to_owned());
                self.wrong(
                    index,
                    "asks for a signal whose name is not written out".to_owned(),
                    help,
                )
            }
            (Type::Many(is), _) => match self.scalar(index)? {
                Scalar::Int => Some(Type::One(is)),
                index => {
                    let index = Type::One(index);
                    self.wrong(expr, format!("counts what is in a list by {index}"), None)
                }
            },
            (is, _) => self.wrong(expr, format!("looks into {is}, which is no list"), None),
        }
    }
}

fn usage(function: &str) -> &'static str {
    match function {
        "has" => "has(signals.cpu_ratio)",
        "exists" => "causes.exists(cause, cause == 'bank')",
        "all" => "causes.all(cause, cause == 'bank')",
        "size" => "size(causes)",
        "startsWith" => "service.startsWith('shop-')",
        "endsWith" => "service.endsWith('-db')",
        "contains" => "message.contains('timeout')",
        "double" => "double(instances.healthy)",
        _ => "int(since_seconds)",
    }
}
