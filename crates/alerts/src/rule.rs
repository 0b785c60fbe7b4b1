//! Rules: as they are written, and as they are run.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, LazyLock},
    time::Duration,
};

use ward_model::{Name, RuleName, Severity, Wall};

use crate::{
    expression::{About, Expression, Made, Subject, Truth, WrongExpression, with_stack},
    shipped::shipped,
    template::Template,
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
    parts: Parts,
}

#[derive(Debug)]
struct Parts {
    expr: Expression,
    hold: Option<Expression>,
    annotations: BTreeMap<String, Template>,
}

impl Parts {
    fn compile(spec: &RuleSpec) -> Result<Self, Vec<RuleMistake>> {
        let about = match spec.about_system {
            true => About::System,
            false => About::Service,
        };
        let mut mistakes = Vec::new();
        let expr = keep(&mut mistakes, &Part::Expr, condition(&spec.expr, about));
        let never = expr.as_ref().and_then(Expression::asks_whether_unknown);
        if let Some(at) = never.filter(|_| spec.unknown == Unknown::Keep) {
            mistakes.push(RuleMistake {
                part: Part::Expr,
                wrong: WrongExpression {
                    at,
                    message: "is never true: while a status is unknown, this rule is not judged".to_owned(),
                    help: Some("write unknown = \"judge\"".to_owned()),
                },
            });
        }
        let hold = spec
            .hold
            .as_deref()
            .map(|hold| condition(hold, about))
            .transpose();
        let hold = keep(&mut mistakes, &Part::Hold, hold);
        let mut annotations = BTreeMap::new();
        for (name, text) in &spec.annotations {
            let part = Part::Annotation(name.clone());
            let template = keep(&mut mistakes, &part, Template::parse(text, about));
            annotations.extend(template.map(|template| (name.clone(), template)));
        }
        match (expr, hold) {
            (Some(expr), Some(hold)) if mistakes.is_empty() => Ok(Self {
                expr,
                hold,
                annotations,
            }),
            _ => Err(mistakes),
        }
    }
}

fn condition(text: &str, about: About) -> Result<Expression, Vec<WrongExpression>> {
    Expression::parse(text, about, Made::Condition)
}

fn keep<T>(
    mistakes: &mut Vec<RuleMistake>,
    part: &Part,
    parsed: Result<T, Vec<WrongExpression>>,
) -> Option<T> {
    let of_part = |wrong| RuleMistake {
        part: part.clone(),
        wrong,
    };
    let kept = |wrong: Vec<_>| mistakes.extend(wrong.into_iter().map(of_part));
    parsed.map_err(kept).ok()
}

impl Rule {
    /// Parses and checks all of it.
    ///
    /// # Errors
    ///
    /// All that is wrong in it.
    pub fn compile(spec: RuleSpec) -> Result<Self, Vec<RuleMistake>> {
        let compiled = with_stack(|| Parts::compile(&spec));
        let parts = compiled.unwrap_or_else(|wrong| {
            Err(vec![RuleMistake {
                part: Part::Expr,
                wrong,
            }])
        });
        parts.map(|parts| Self { spec, parts })
    }

    /// As it is written.
    pub fn spec(&self) -> &RuleSpec {
        &self.spec
    }

    /// The signals that its condition and what holds it ask for; its annotations are not counted.
    pub fn signals(&self) -> impl Iterator<Item = &Name> {
        let hold = self.parts.hold.iter().flat_map(Expression::signals);
        self.parts.expr.signals().iter().chain(hold)
    }

    /// Whether its condition asks for something that is not known while the status is Unknown: the status itself, `own`,
    /// its reason, message, age or causes, or instances.
    pub fn mentions_status(&self) -> bool {
        self.parts.expr.mentions_status()
    }

    /// Whether its condition asks for something that is not known while the own status is Unknown: `own`, or instances.
    pub fn mentions_own(&self) -> bool {
        self.parts.expr.mentions_own()
    }

    /// Whether its condition holds.
    pub fn judge(&self, subject: Subject<'_>, now: Wall) -> Truth {
        self.parts.expr.judge(subject, now)
    }

    /// Whether it is held back.
    pub fn is_held(&self, subject: Subject<'_>, now: Wall) -> bool {
        self.parts
            .hold
            .as_ref()
            .is_some_and(|hold| hold.judge(subject, now) == Truth::True)
    }

    /// Its annotations about a subject.
    pub fn annotate(&self, subject: Subject<'_>, now: Wall) -> BTreeMap<String, String> {
        let annotations = self.parts.annotations.iter();
        annotations
            .map(|(name, template)| (name.clone(), template.render(subject, now)))
            .collect()
    }
}

/// The rules in force, by name.
#[derive(Clone, Debug, Default)]
pub struct RuleSet(Arc<BTreeMap<RuleName, Arc<Rule>>>);

/// Of as they are written.
impl PartialEq for RuleSet {
    fn eq(&self, other: &Self) -> bool {
        self.iter().map(Rule::spec).eq(other.iter().map(Rule::spec))
    }
}

impl RuleSet {
    /// Those that are in force where nothing else is said.
    pub fn shipped() -> Self {
        /// The same each time, so compiled once.
        static SHIPPED: LazyLock<RuleSet> = LazyLock::new(|| {
            let compiled = |spec| Rule::compile(spec).expect("shipped rules are right; a test compiles them");
            shipped().into_iter().map(compiled).collect()
        });
        SHIPPED.clone()
    }

    /// The same with a rule in the place of the one of its name, if there is one.
    #[must_use]
    pub fn with(&self, rule: Rule) -> Self {
        let mut rules = BTreeMap::clone(&self.0);
        rules.insert(rule.spec.name.clone(), Arc::new(rule));
        Self(Arc::new(rules))
    }

    /// The rule of a name.
    pub fn get(&self, name: &RuleName) -> Option<&Rule> {
        self.0.get(name).map(Arc::as_ref)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.values().map(Arc::as_ref)
    }
}

impl FromIterator<Rule> for RuleSet {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        let named = rules
            .into_iter()
            .map(|rule| (rule.spec.name.clone(), Arc::new(rule)));
        Self(Arc::new(named.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_in_a_rule_is_said_at_once() {
        let spec = RuleSpec {
            expr: "statsu == 'unhealthy'".to_owned(),
            hold: Some("maintenance && 1".to_owned()),
            annotations: [
                ("summary", "fine"),
                ("description", "{{ service }} {{ signals }}"),
            ]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
            ..shipped().remove(0)
        };
        let wrong = Rule::compile(spec.clone()).unwrap_err();
        let said: Vec<_> = wrong
            .iter()
            .map(|wrong| (wrong.part.clone(), wrong.at()))
            .collect();
        assert_eq!(
            said,
            [
                (Part::Expr, 0..6),
                (Part::Hold, 15..16),
                (Part::Annotation("description".to_owned()), 17..24)
            ]
        );
        let system = RuleSpec {
            about_system: true,
            ..shipped().remove(0)
        };
        let wrong = Rule::compile(system).unwrap_err();
        assert!(
            wrong[0]
                .wrong
                .message
                .contains("`signals`, which is no variable of the system")
        );
    }

    #[test]
    fn who_asks_whether_something_is_unknown_has_to_judge_it() {
        let compile = |expr: &str, unknown| {
            let spec = RuleSpec {
                expr: expr.to_owned(),
                unknown,
                ..shipped().remove(0)
            };
            Rule::compile(spec)
        };
        for (expr, at) in [
            ("status == 'unknown'", 0..19),
            ("maintenance || 'unknown' == own", 15..31),
            ("status in ['unhealthy', 'unknown']", 0..34),
        ] {
            let wrong = compile(expr, Unknown::Keep).unwrap_err();
            assert_eq!(wrong.len(), 1, "{expr}");
            assert_eq!((&wrong[0].part, wrong[0].at()), (&Part::Expr, at), "{expr}");
            assert_eq!(wrong[0].wrong.help.as_deref(), Some("write unknown = \"judge\""));
            assert!(compile(expr, Unknown::Judge).is_ok(), "{expr}");
        }
        for fine in [
            "status != 'unknown'",
            "message == 'unknown'",
            "status in ['unhealthy']",
        ] {
            assert!(compile(fine, Unknown::Keep).is_ok(), "{fine}");
        }
    }

    #[test]
    fn what_holds_a_rule_and_its_signals_are_known() {
        let spec = RuleSpec {
            expr: "signals.a > 1.0".to_owned(),
            hold: Some("has(signals.b) && status == 'unknown'".to_owned()),
            annotations: BTreeMap::new(),
            ..shipped().remove(0)
        };
        let rule = Rule::compile(spec).unwrap();
        let signals: Vec<_> = rule.signals().map(Name::as_str).collect();
        assert_eq!(signals, ["a", "b"]);
        assert!(!rule.mentions_status(), "what holds it is not its condition");
    }
}
