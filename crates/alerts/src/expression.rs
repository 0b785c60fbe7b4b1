//! CEL over facts: an expression is parsed once, and judged for each thing.

use std::collections::HashMap;

use cel::{Context, ExecutionError, Program, Value};
use ward_model::{Name, Wall};

use crate::facts::{ServiceFacts, SystemFacts};

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
}

impl Expression {
    pub(crate) fn parse(text: &str) -> Result<Self, WrongExpression> {
        let program = Program::compile(text).map_err(|errors| WrongExpression {
            at: 0..text.len(),
            message: errors.to_string(),
            help: None,
        })?;
        Ok(Self { program })
    }

    pub(crate) fn judge(&self, subject: Subject<'_>, now: Wall) -> Truth {
        match self.program.execute(&context(subject, now)) {
            Ok(Value::Bool(true)) => Truth::True,
            Ok(_) => Truth::False,
            Err(ExecutionError::NoSuchKey(_)) => Truth::Absent,
            Err(_) => Truth::Absent,
        }
    }
}

fn context(subject: Subject<'_>, now: Wall) -> Context<'static, 'static> {
    let mut context = Context::default();
    if let Subject::Service {
        name,
        facts,
        suspect_dependencies,
    } = subject
    {
        context.add_variable_from_value("service", name.as_str());
        context.add_variable_from_value("status", facts.status.as_str());
        context.add_variable_from_value("since_seconds", (now.0 - facts.since.0) as f64 / 1e3);
        let signals = facts
            .signals
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), *value));
        context.add_variable_from_value("signals", signals.collect::<HashMap<_, _>>());
        let dependencies = HashMap::from([("suspect", i64::from(suspect_dependencies))]);
        context.add_variable_from_value("dependencies", dependencies);
    }
    context
}
