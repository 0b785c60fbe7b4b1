//! What may be said about one rule, and the rules that come of it.
//!
//! A rule is compiled where it is read, so that what is wrong in its expressions is shown in the file, at the place.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use serde_json::{Value as Json, json};
use ward_access::Pattern;
use ward_alerts::{Part, Rule, RuleMistake, RuleSet, RuleSpec, Unknown, nearest, shipped};
use ward_model::{RuleName, Severity};

use super::{Entries, List};
use crate::{
    Alerting,
    mistake::escaped,
    reading::{At, Node, Reading, Value, joined, table},
    value::{About, Annotation, Cel, LabelValue, Text, Wait},
};

/// Most rules that are said, in all files: each is judged for each service, again and again.
const RULES: usize = 256;
/// Most patterns of services of one rule: a name is compared with each of them.
const PATTERNS: usize = 64;
/// The annotation with a link to what is to be done.
const RUNBOOK_URL: &str = "runbook_url";

table! {
    /// What is said about one rule. What is left out is as it is shipped; of one of your own, as said at each key.
    struct RuleTable {
        /// Whether it is in force. Default true.
        "enabled" enabled: bool,
        /// The condition, in CEL. Needed, unless the rule is a shipped one.
        "expr" expr: Cel,
        /// How long the condition has to hold before the alert fires, at most "31d". Default "0s".
        "for" lasts: Wait,
        /// How long it fires on after the condition has ended, at most "31d". Default "0s".
        "keep_firing_for" keep_firing_for: Wait,
        /// How urgent. "critical": somebody is to be woken. "warning": to be looked at in working hours. "info": to be known.
        /// "none": for no person. Needed, unless the rule is a shipped one.
        "severity" severity: Severity,
        /// "service": it is about each service. "system": about the system. Default "service".
        "about" about: About,
        /// The services that it is about: names, with "*" at the end for all that begin so. Default: all.
        "services" services: List<Pattern, PATTERNS>,
        /// While this holds, in CEL, the alert does not begin to fire; for at most as long again as `for`. "false" for never.
        "hold" hold: Cel,
        /// What becomes of it while the status is Unknown. "keep": it stays as it is. "judge": the condition is judged as it
        /// stands. Default "keep".
        "unknown" unknown: Unknown,
        /// Whether it suppresses alerts of services that need this one, and is suppressed by those of services that it needs.
        /// Default false.
        "suppression" suppression: bool,
        /// Labels of its alerts. They say which alert it is.
        "labels" labels: Entries<LabelValue>,
        /// Text for people, with CEL between "{{" and "}}": `summary`, `description`, `runbook_url`, and what you like.
        "annotations" annotations: Entries<Annotation>,
    }
}

/// What one file says about rules.
#[derive(Clone, Debug)]
pub(crate) struct Rules(Vec<(RuleName, At<RuleTable>)>);

impl Value for Rules {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let table = reading.table(node)?;
        let mut read = Vec::new();
        for (key, _) in table {
            let text = key.get_ref().as_ref();
            let rule: Option<At<RuleTable>> = reading.take(node, table, text);
            match <RuleName as Text>::parse(text) {
                Ok(name) => read.extend(rule.map(|rule| {
                    let span = key.span();
                    (name, At { span, ..rule })
                })),
                Err(wrong) => {
                    let mistake = reading.wrong(&joined(&node.path, text), &key.span(), wrong.message);
                    (mistake.expected, mistake.help) = (Some(RuleName::EXPECTED.into()), wrong.help);
                }
            }
        }
        Some(Self(read))
    }

    fn schema() -> Json {
        let mut own = RuleTable::schema();
        own["required"] = json!(["expr", "severity"]);
        let names: Vec<_> = shipped().into_iter().map(|rule| rule.name.to_string()).collect();
        json!({
            "type": "object",
            "propertyNames": <RuleName as Text>::schema(),
            "patternProperties": { format!("^({})$", names.join("|")): RuleTable::schema() },
            "additionalProperties": own,
            "maxProperties": RULES,
        })
    }
}

/// What all files say about rules.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    runbooks: Option<String>,
    /// Rules that are in force already; those that are shipped where there are none.
    base: Option<RuleSet>,
    /// By name: where it was said, and what came of it, if it is in force.
    said: BTreeMap<RuleName, (String, Option<Rule>)>,
}

impl Changes {
    pub(super) fn new(runbooks: Option<String>) -> Self {
        Self {
            runbooks,
            ..Self::default()
        }
    }

    /// What is said is over these instead of over the shipped ones.
    pub(crate) fn over(base: RuleSet) -> Self {
        Self {
            base: Some(base),
            ..Self::default()
        }
    }

    /// What is there to be changed. A shipped rule that is switched off can be switched on again.
    fn known(&self) -> BTreeMap<RuleName, RuleSpec> {
        let base = self.base.iter().flat_map(RuleSet::iter);
        let all = shipped().into_iter().chain(base.map(|rule| rule.spec().clone()));
        all.map(|rule| (rule.name.clone(), rule)).collect()
    }

    /// Takes in what another file says.
    pub(super) fn take(&mut self, rules: Rules, reading: &mut Reading<'_>) {
        let mut known = self.known();
        for (name, rule) in rules.0 {
            if self.said.len() == RULES {
                let message = format!("is one rule more than the {RULES} that there may be");
                reading.wrong(&rule.path, &rule.span, message);
                return;
            }
            let spec = rule.settle(&name, known.remove(&name), reading);
            let compiled =
                spec.and_then(|spec| rule.compile(with_runbook(spec, self.runbooks.as_deref()), reading));
            if let Some((first, _)) = self.said.get(&name) {
                let mistake = reading.wrong(&rule.path, &rule.span, "is there twice");
                mistake.help = Some(format!("the first one is in {first}: keep one of them"));
                continue;
            }
            let is_enabled = rule.value.enabled.as_ref().is_none_or(|said| said.value);
            let place = reading.place(&rule.span).to_string();
            self.said.insert(name, (place, compiled.filter(|_| is_enabled)));
        }
    }

    /// The rules in force: what was said over what is shipped.
    pub(crate) fn in_force(self) -> RuleSet {
        let Self { runbooks, base, said } = self;
        if runbooks.is_none() && said.is_empty() {
            return base.unwrap_or_else(|| Alerting::default().rules);
        }
        let compile = |spec| {
            let spec = with_runbook(spec, runbooks.as_deref());
            Rule::compile(spec).expect("rules in force are right, and an address is no template")
        };
        let base = base.map_or_else(shipped, |base| {
            base.iter().map(|rule| rule.spec().clone()).collect()
        });
        let untouched = base
            .into_iter()
            .filter(|rule| !said.contains_key(&rule.name))
            .map(compile);
        let untouched: Vec<_> = untouched.collect();
        let said = said.into_values().filter_map(|(_, rule)| rule);
        untouched.into_iter().chain(said).collect()
    }
}

fn with_runbook(mut spec: RuleSpec, runbooks: Option<&str>) -> RuleSpec {
    if let Some(runbooks) = runbooks {
        let url = || match runbooks.contains('*') {
            true => runbooks.replace('*', &spec.name.to_string()),
            false => format!("{runbooks}{}", spec.name),
        };
        spec.annotations.entry(RUNBOOK_URL.to_owned()).or_insert_with(url);
    }
    spec
}

impl At<RuleTable> {
    /// What is said over what is shipped; `None` after saying what is missing.
    fn settle(
        &self,
        name: &RuleName,
        known: Option<RuleSpec>,
        reading: &mut Reading<'_>,
    ) -> Option<RuleSpec> {
        fn set<T: Clone, U>(place: &mut U, said: &Option<At<T>>, map: impl Fn(T) -> U) {
            if let Some(said) = said {
                *place = map(said.value.clone());
            }
        }
        let rule = &self.value;
        let mut spec = match known {
            Some(known) => known,
            None => self.begin(name, reading)?,
        };
        set(&mut spec.expr, &rule.expr, |cel| cel.0);
        set(&mut spec.for_, &rule.lasts, |wait| wait.0);
        set(&mut spec.keep_firing_for, &rule.keep_firing_for, |wait| wait.0);
        set(&mut spec.severity, &rule.severity, |severity| severity);
        set(&mut spec.about_system, &rule.about, |about| {
            about == About::System
        });
        set(&mut spec.services, &rule.services, |list| {
            list.0.into_iter().map(|pattern| pattern.value.into()).collect()
        });
        set(&mut spec.hold, &rule.hold, |cel| Some(cel.0));
        set(&mut spec.unknown, &rule.unknown, |unknown| unknown);
        set(&mut spec.suppression, &rule.suppression, |is| is);
        if let Some(labels) = &rule.labels {
            labels.value.over(&mut spec.labels, |label| &label.0);
        }
        if let Some(annotations) = &rule.annotations {
            annotations
                .value
                .over(&mut spec.annotations, |annotation| &annotation.0);
        }
        if let (true, Some(services)) = (spec.about_system, &rule.services) {
            let mistake = reading.wrong(
                &services.path,
                &services.span,
                "is there, and the rule is about the system",
            );
            mistake.help = Some("leave it out, or say `about = \"service\"`".into());
        }
        Some(spec)
    }

    /// A rule of one's own, with nothing said but what must be.
    fn begin(&self, name: &RuleName, reading: &mut Reading<'_>) -> Option<RuleSpec> {
        let mut missing = ["expr", "severity"].to_vec();
        // What is there and wrong was said.
        missing.retain(|key| !reading.lines.contains_key(&joined(&self.path, key)));
        if !missing.is_empty() {
            let shipped: Vec<_> = shipped().into_iter().map(|rule| rule.name.to_string()).collect();
            let near = nearest(name.as_str(), shipped.iter().map(String::as_str));
            let help = match near {
                Some(near) => {
                    format!("did you mean `{near}`? A rule of your own needs `expr` and `severity`")
                }
                None => {
                    let shipped = shipped.join(", ");
                    format!("a rule of your own needs `expr` and `severity`; shipped are {shipped}")
                }
            };
            let missing: Vec<_> = missing.iter().map(|key| format!("no `{key}`")).collect();
            let message = format!("has {}", missing.join(" and "));
            reading.wrong(&self.path, &self.span, message).help = Some(help);
        }
        self.value.expr.as_ref()?;
        Some(RuleSpec {
            name: name.clone(),
            about_system: false,
            services: Vec::new(),
            expr: String::new(),
            hold: None,
            for_: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            severity: Severity::default(),
            unknown: Unknown::default(),
            suppression: false,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        })
    }

    /// `None` after saying what is wrong.
    fn compile(&self, spec: RuleSpec, reading: &mut Reading<'_>) -> Option<Rule> {
        let blame = |mistakes: Vec<RuleMistake>| {
            let (said, shipped): (Vec<_>, Vec<_>) = mistakes
                .iter()
                .partition(|mistake| self.said(&mistake.part).is_some());
            // What is shipped is wrong in all its parts if it is about something else now; once says it.
            said.into_iter()
                .chain(shipped.into_iter().take(1))
                .for_each(|mistake| self.blame(mistake, reading));
        };
        Rule::compile(spec).map_err(blame).ok()
    }

    /// Where this file has a part, and its text.
    fn said(&self, part: &Part) -> Option<(&Range<usize>, &str)> {
        fn said<'a, T>(said: &'a At<T>, text: impl Fn(&'a T) -> &'a str) -> (&'a Range<usize>, &'a str) {
            (&said.span, text(&said.value))
        }
        let rule = &self.value;
        match part {
            Part::Expr => rule.expr.as_ref().map(|cel| said(cel, |cel| &cel.0)),
            Part::Hold => rule.hold.as_ref().map(|cel| said(cel, |cel| &cel.0)),
            Part::Annotation(name) => {
                let annotation = rule.annotations.as_ref()?.value.0.get(name);
                annotation.map(|annotation| said(annotation, |annotation| &annotation.0))
            }
        }
    }

    /// Shows what is wrong in a part: there, if it is in this file.
    fn blame(&self, wrong: &RuleMistake, reading: &mut Reading<'_>) {
        let path = match &wrong.part {
            Part::Expr => joined(&self.path, "expr"),
            Part::Hold => joined(&self.path, "hold"),
            Part::Annotation(name) => joined(&joined(&self.path, "annotations"), name),
        };
        let message = escaped(&wrong.wrong.message);
        let mistake = match self.said(&wrong.part) {
            Some((span, text)) => {
                let place = reading.within(span, text, &wrong.at());
                reading.wrong(&path, &place, message)
            }
            None => reading.wrong(&path, &self.span, format!("as it is shipped {message}")),
        };
        mistake.help = wrong.wrong.help.as_deref().map(escaped);
    }
}
