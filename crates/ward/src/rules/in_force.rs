//! The rules in force: those that an aggregator goes by, or those of a configuration.

use std::{path::PathBuf, time::Duration};

use anyhow::anyhow;
use ward_alerts::{Rule, RuleSet, RuleSpec, Unknown};
use ward_config::{Loaded, Source};
use ward_model::{RuleName, Severity};
use ward_proto::v1;

use crate::{Failure, client::Client, config, output::Escaped};

/// A configuration, as an aggregator with this file and environment would load it.
pub(super) fn loaded(file: Option<PathBuf>) -> Result<Loaded, Failure> {
    let source = Source {
        file,
        env: config::variables(),
        flags: Vec::new(),
    };
    Ok(source.load()?)
}

/// Those that an aggregator goes by.
pub(super) async fn asked(client: &mut Client) -> Result<RuleSet, Failure> {
    let answer = client.alerts.list_rules(v1::ListRulesRequest {}).await;
    let answer = answer.map_err(|status| client.failed(&status))?.into_inner();
    let on = answer.rules.into_iter().filter(|rule| !rule.off);
    on.map(compiled).collect()
}

fn compiled(wire: v1::Rule) -> Result<Rule, Failure> {
    let name = Escaped(&wire.name).to_string();
    let cannot = |why: String| {
        let why = Escaped(&why);
        Failure::Other(anyhow!(
            "the aggregator's rule {name} cannot be run here ({why}): use a `ward` of its version, or name its \
             configuration with --config"
        ))
    };
    let spec = spec(wire).map_err(&cannot)?;
    let first = |mistakes: Vec<ward_alerts::RuleMistake>| {
        mistakes
            .into_iter()
            .next()
            .map(|mistake| mistake.wrong.message)
            .unwrap_or_default()
    };
    Rule::compile(spec).map_err(|mistakes| cannot(first(mistakes)))
}

/// As strict as nothing else that a server says: a rule of which part is not understood would be another rule.
fn spec(wire: v1::Rule) -> Result<RuleSpec, String> {
    let name = RuleName::new(&wire.name).map_err(|invalid| invalid.to_string())?;
    let severity = Option::<Severity>::from(wire.severity()).ok_or("how urgent it is is not understood")?;
    let unknown = match v1::UnknownHandling::try_from(wire.unknown) {
        Ok(v1::UnknownHandling::Unspecified | v1::UnknownHandling::Keep) => Unknown::Keep,
        Ok(v1::UnknownHandling::Judge) => Unknown::Judge,
        Err(_) => return Err("what it makes of Unknown is not understood".to_owned()),
    };
    Ok(RuleSpec {
        name,
        about_system: wire.about_system,
        services: wire.services,
        expr: wire.expr,
        hold: Some(wire.hold).filter(|hold| !hold.is_empty()),
        for_: Duration::from_millis(wire.for_ms),
        keep_firing_for: Duration::from_millis(wire.keep_firing_for_ms),
        severity,
        unknown,
        suppression: wire.suppression,
        labels: wire.labels.into_iter().collect(),
        annotations: wire.annotations.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use ward_alerts::shipped;

    use super::*;

    /// As an aggregator has to tell them.
    fn wire(spec: RuleSpec) -> v1::Rule {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap();
        v1::Rule {
            name: spec.name.to_string(),
            about_system: spec.about_system,
            services: spec.services,
            expr: spec.expr,
            hold: spec.hold.unwrap_or_default(),
            for_ms: ms(spec.for_),
            keep_firing_for_ms: ms(spec.keep_firing_for),
            severity: v1::Severity::from(spec.severity).into(),
            unknown: match spec.unknown {
                Unknown::Keep => v1::UnknownHandling::Keep.into(),
                Unknown::Judge => v1::UnknownHandling::Judge.into(),
            },
            suppression: spec.suppression,
            labels: spec.labels.into_iter().collect(),
            annotations: spec.annotations.into_iter().collect(),
            ..v1::Rule::default()
        }
    }

    #[test]
    fn rules_that_were_told_are_the_rules_that_were() {
        let mut all = shipped();
        all[0].services = vec!["shop-*".into()];
        all[0].labels = [("team".to_owned(), "shop".to_owned())].into();
        for rule in all {
            assert_eq!(spec(wire(rule.clone())), Ok(rule));
        }
    }

    #[test]
    fn a_rule_that_is_not_understood_is_not_taken_for_another() {
        let rule = || wire(shipped().remove(0));
        for newer in [
            v1::Rule {
                severity: 99,
                ..rule()
            },
            v1::Rule {
                severity: 0,
                ..rule()
            },
            v1::Rule {
                unknown: 99,
                ..rule()
            },
            v1::Rule {
                name: "a-b\u{1b}".into(),
                ..rule()
            },
            v1::Rule {
                expr: "signals.x >\u{1b}".into(),
                ..rule()
            },
        ] {
            let said = compiled(newer).unwrap_err().to_string();
            assert!(
                said.contains("cannot be run here") && !said.contains('\u{1b}'),
                "{said}"
            );
        }
    }
}
