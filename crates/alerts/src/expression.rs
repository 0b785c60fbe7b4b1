//! CEL over facts: an expression is parsed once, and judged for each thing.
//!
//! Evaluated by the crate `cel`, as others would; what it says of a text is checked before, and stricter ([`check`]): a
//! mistake in a rule is found when it is written, and not on the night when it would have fired. Compiling the tree to
//! something of our own would be faster, and would be a language of our own: judging takes 0.2 to 0.6 µs as it is (the least of
//! four runs of `cargo test --release -p ward-alerts --test judging -- --nocapture`, on two busy cores), so that ten rules of
//! 10,000 services that all change at once take 60 ms.
//!
//! What cannot be evaluated is Absent, and no error: a signal that nobody sends, a cause behind the last, a number too large.

use std::sync::{Arc, LazyLock};

use cel::{
    Context, Env, Program, Value,
    common::{types::CelBool, value::Val},
};
use ward_model::{Name, Wall};

use self::variables::Variables;
pub(crate) use self::{check::Made, syntax::with_stack, types::About};
use crate::facts::{ServiceFacts, SystemFacts};

mod check;
mod span;
mod syntax;
mod types;
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

/// An expression that can be judged.
#[derive(Debug)]
pub(crate) struct Expression {
    program: Program,
    signals: Vec<Name>,
    mentions_status: bool,
    mentions_own: bool,
    unknown: Option<std::ops::Range<usize>>,
}

/// What CEL brings, made once.
static CEL: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Expression {
    /// Parses and checks. To be called within [`with_stack`].
    pub(crate) fn parse(text: &str, about: About, made: Made) -> Result<Self, Vec<WrongExpression>> {
        let program = syntax::parse(text).map_err(|wrong| vec![wrong])?;
        let found = check::check(text, &program, about, made);
        if !found.mistakes.is_empty() {
            return Err(found.mistakes);
        }
        Ok(Self {
            program,
            signals: found.signals.into_iter().collect(),
            mentions_status: found.status,
            mentions_own: found.own,
            unknown: found.unknown,
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

    /// It asks for something that is not known while the own status is Unknown.
    pub(crate) fn mentions_own(&self) -> bool {
        self.mentions_own
    }

    /// Where it asks whether a status is Unknown, in bytes of its text.
    pub(crate) fn asks_whether_unknown(&self) -> Option<std::ops::Range<usize>> {
        self.unknown.clone()
    }

    pub(crate) fn judge(&self, subject: Subject<'_>, now: Wall) -> Truth {
        let holds = |value: &dyn Val| value.downcast_ref::<CelBool>().map(|holds| *holds.inner());
        match self.evaluate(subject, now, holds).flatten() {
            Some(true) => Truth::True,
            Some(false) => Truth::False,
            None => Truth::Absent,
        }
    }

    /// What `read` makes of its value; nothing if it has none: it asks for a signal that nobody sends, for a cause behind
    /// the last, or for a number that is too large for an int.
    pub(crate) fn evaluate<T>(
        &self,
        subject: Subject<'_>,
        now: Wall,
        read: impl FnOnce(&dyn Val) -> T,
    ) -> Option<T> {
        let variables = Variables {
            subject,
            now,
            mentioned: &self.signals,
        };
        let mut context = Context::with_env(Arc::clone(&CEL));
        context.set_variable_resolver(&variables);
        let value = Value::resolve_val(self.program.expression(), &context).ok()?;
        Some(read(value.as_ref()))
    }
}

#[cfg(test)]
mod tests;
