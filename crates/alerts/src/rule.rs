//! Rules: as they are written, and as they are run.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use ward_model::{Name, RuleName, Severity};

use crate::{
    expression::{Expression, Subject, Truth, WrongExpression},
    shipped::shipped,
};

/// What becomes of an alert while the thing it is about is Unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// It stays as it is: Unknown neither fires nor resolves.
    #[default]
    Keep,
    /// The condition is judged as it stands.
    Judge,
}

/// A rule as it is written, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSpec {
    /// Its name.
    pub name: RuleName,
    /// About the system rather than about each service.
    pub about_system: bool,
    /// Only about services whose name is one of these, or begins so where a pattern ends with `*`; empty: all.
    pub services: Vec<String>,
    /// The condition, in CEL.
    pub expr: String,
    /// While this holds, a pending alert does not begin to fire; for at most as long again as `for`.
    pub hold: Option<String>,
    /// How long the condition has to hold.
    pub for_: Duration,
    /// How long it fires on after the condition has ended.
    pub keep_firing_for: Duration,
    /// How urgent.
    pub severity: Severity,
    /// While Unknown.
    pub unknown: Unknown,
    /// It suppresses and is suppressed through the dependency graph.
    pub suppression: bool,
    /// Beside those that every alert has.
    pub labels: BTreeMap<String, String>,
    /// Templates: CEL in `{{ }}`.
    pub annotations: BTreeMap<String, String>,
}

/// Where in a rule something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// In its condition.
    Expr,
    /// In what holds it.
    Hold,
    /// In this annotation.
    Annotation(String),
}

/// Something is wrong in a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleMistake {
    /// In which text.
    pub part: Part,
    /// Where in it, what, and what would be right.
    pub wrong: WrongExpression,
}

impl RuleMistake {
    /// Where in the text of its part, in bytes.
    pub fn at(&self) -> Range<usize> {
        self.wrong.at.clone()
    }
}

/// A rule that can be run.
#[derive(Debug)]
pub struct Rule {
    spec: RuleSpec,
    expr: Expression,
    hold: Option<Expression>,
}

impl Rule {
    /// Parses and checks all of it.
    ///
    /// # Errors
    ///
    /// All that is wrong in it.
    pub fn compile(spec: RuleSpec) -> Result<Self, Vec<RuleMistake>> {
        let wrong = |part: Part| move |wrong| vec![RuleMistake { part, wrong }];
        let expr = Expression::parse(&spec.expr).map_err(wrong(Part::Expr))?;
        let hold = spec.hold.as_deref().map(Expression::parse).transpose();
        let hold = hold.map_err(wrong(Part::Hold))?;
        Ok(Self { spec, expr, hold })
    }

    /// As it is written.
    pub fn spec(&self) -> &RuleSpec {
        &self.spec
    }

    /// The signals that its condition and what holds it ask for; its annotations are not counted.
    pub fn signals(&self) -> impl Iterator<Item = &Name> {
        let hold = self.hold.iter().flat_map(Expression::signals);
        self.expr.signals().iter().chain(hold)
    }

    /// Whether its condition asks for something that is not known while the status is Unknown: the status itself, `own`,
    /// its reason, message, age or causes, or instances.
    pub fn mentions_status(&self) -> bool {
        self.expr.mentions_status()
    }

    /// Whether its condition holds.
    pub fn judge(&self, subject: Subject<'_>, now: ward_model::Wall) -> Truth {
        self.expr.judge(subject, now)
    }

    /// Whether it is held back.
    pub fn is_held(&self, subject: Subject<'_>, now: ward_model::Wall) -> bool {
        self.hold
            .as_ref()
            .is_some_and(|hold| hold.judge(subject, now) == Truth::True)
    }

    /// Its annotations about a subject.
    pub fn annotate(&self, _subject: Subject<'_>, _now: ward_model::Wall) -> BTreeMap<String, String> {
        self.spec.annotations.clone()
    }
}

/// The rules in force, by name.
#[derive(Clone, Debug, Default)]
pub struct RuleSet(Arc<BTreeMap<RuleName, Rule>>);

/// Of as they are written.
impl PartialEq for RuleSet {
    fn eq(&self, other: &Self) -> bool {
        self.iter().map(Rule::spec).eq(other.iter().map(Rule::spec))
    }
}

impl RuleSet {
    /// Those that are in force where nothing else is said.
    pub fn shipped() -> Self {
        let compiled = |spec| Rule::compile(spec).expect("shipped rules are right; a test compiles them");
        shipped().into_iter().map(compiled).collect()
    }

    /// The rule of a name.
    pub fn get(&self, name: &RuleName) -> Option<&Rule> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.values()
    }
}

impl FromIterator<Rule> for RuleSet {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        let named = rules.into_iter().map(|rule| (rule.spec.name.clone(), rule));
        Self(Arc::new(named.collect()))
    }
}
