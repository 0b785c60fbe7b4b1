//! CEL over facts: an expression is parsed once, and judged for each thing.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, Program, Value,
    common::{ast::Expr, types::CelBool},
};
use ward_model::{Name, Wall};

use self::variables::Variables;
use crate::facts::{ServiceFacts, SystemFacts};

mod variables;

/// What an expression is about.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A service.
    Service {
        /// Its name.
        name: &'a Name,
        /// What is known of it.
        facts: &'a ServiceFacts,
        /// How many of the services that it needs, or that these need, have suspect instances.
        suspect_dependencies: u32,
    },
    /// The system.
    System(&'a SystemFacts),
}

/// What an expression says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// What it asks for is not there: a signal that nobody sends.
    Absent,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongExpression {
    /// Where, in bytes of its text.
    pub at: std::ops::Range<usize>,
    /// What is wrong there; reads behind the name of what is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

/// A parsed condition.
#[derive(Debug)]
pub(crate) struct Expression {
    program: Program,
    signals: Vec<Name>,
    mentions_status: bool,
}

/// What CEL brings, made once.
static CEL: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Expression {
    pub(crate) fn parse(text: &str) -> Result<Self, WrongExpression> {
        let program = Program::compile(text).map_err(|errors| WrongExpression {
            at: 0..text.len(),
            message: errors.to_string(),
            help: None,
        })?;
        let mut mentions = Mentions::default();
        mentions.take(&program.expression().expr);
        Ok(Self {
            program,
            signals: mentions.signals.into_iter().collect(),
            mentions_status: mentions.status,
        })
    }

    /// The signals that it asks for.
    pub(crate) fn signals(&self) -> &[Name] {
        &self.signals
    }

    /// It asks for something that is not known while the status is Unknown.
    pub(crate) fn mentions_status(&self) -> bool {
        self.mentions_status
    }

    pub(crate) fn judge(&self, subject: Subject<'_>, now: Wall) -> Truth {
        let variables = Variables {
            subject,
            now,
            mentioned: &self.signals,
        };
        let mut context = Context::with_env(Arc::clone(&CEL));
        context.set_variable_resolver(&variables);
        let value = Value::resolve_val(self.program.expression(), &context);
        match value
            .ok()
            .as_ref()
            .and_then(|value| value.downcast_ref::<CelBool>())
        {
            Some(holds) if *holds.inner() => Truth::True,
            Some(_) => Truth::False,
            None => Truth::Absent,
        }
    }
}

#[derive(Default)]
struct Mentions {
    signals: BTreeSet<Name>,
    status: bool,
}

impl Mentions {
    fn take(&mut self, expr: &Expr) {
        match expr {
            Expr::Ident(name) => {
                self.status |= matches!(
                    name.as_str(),
                    "status" | "own" | "reason" | "message" | "since_seconds" | "instances" | "causes"
                );
            }
            Expr::Select(select) => {
                if select.operand.expr == Expr::Ident("signals".to_owned()) {
                    self.signals.extend(Name::new(&select.field));
                }
                self.take(&select.operand.expr);
            }
            Expr::Call(call) => {
                if let Some(target) = &call.target {
                    self.take(&target.expr);
                }
                call.args.iter().for_each(|arg| self.take(&arg.expr));
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.take(&element.expr)),
            Expr::Comprehension(all) => {
                self.take(&all.iter_range.expr);
                self.take(&all.loop_step.expr);
            }
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests;
