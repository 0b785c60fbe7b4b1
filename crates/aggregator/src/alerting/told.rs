//! What people are told with an alert beside its rule's words: the cause, the evidence, who else is affected, and how much of the
//! audit log there was.

use std::collections::BTreeMap;

use ward_engine::Engine;
use ward_model::{Alert, AlertKey, AlertState, CausalChain, Evidence, Name, RuleName, Suppression};
use ward_tlog::Hash;

use crate::{
    decider::{Decider, Unavailable},
    edge::http::runbooks,
    hub::Hub,
};

/// Most alerts explained at once: as much as a page can say, and a fraction of a tick of the engine's.
pub(super) const AT_ONCE: usize = 64;
/// Most pieces of evidence in words; the rest is counted.
const EVIDENCE: usize = 5;
/// Most services named as affected; the rest is counted.
const AFFECTED: usize = 10;

pub(super) type Annotations = BTreeMap<String, String>;

/// Explains alerts that fire, at most [`AT_ONCE`].
pub(super) async fn explained(
    decider: &Decider,
    keys: Vec<AlertKey>,
) -> Result<BTreeMap<AlertKey, Annotations>, Unavailable> {
    let look = move |engine: &Engine| {
        let explain = |key: AlertKey| Some((engine.explain(key.service.as_ref())?.chains, key));
        keys.into_iter().filter_map(explain).collect::<Vec<_>>()
    };
    let chains = decider.read(look).await?;
    Ok(chains
        .into_iter()
        .map(|(chains, key)| (key, of_chains(&chains)))
        .collect())
}

fn of_chains(chains: &[CausalChain]) -> Annotations {
    let mut told = Annotations::new();
    let ways: Vec<String> = chains.iter().map(way).collect();
    if !ways.is_empty() {
        told.insert("cause".into(), ways.join("; "));
    }
    let evidence: Vec<&Evidence> = chains
        .iter()
        .filter_map(|chain| chain.links.last())
        .flat_map(|link| &link.evidence)
        .collect();
    let mut words: Vec<String> = evidence
        .iter()
        .take(EVIDENCE)
        .map(|&evidence| in_words(evidence))
        .collect();
    if evidence.len() > EVIDENCE {
        words.push(format!("and {} more", evidence.len() - EVIDENCE));
    }
    if !words.is_empty() {
        told.insert("evidence".into(), words.join("; "));
    }
    told
}

/// `storefront > checkout > bank`.
fn way(chain: &CausalChain) -> String {
    let names: Vec<&str> = chain.links.iter().map(|link| link.service.as_str()).collect();
    names.join(" > ")
}

/// `bank/bank-1 check db: unhealthy, connection refused`.
fn in_words(evidence: &Evidence) -> String {
    let mut words = evidence.service.to_string();
    let mut add = |text: String| words.push_str(&text);
    if let Some(instance) = &evidence.instance {
        add(format!("/{instance}"));
    }
    if let Some(name) = &evidence.name {
        add(format!(" {name}"));
    }
    if let Some(value) = evidence.value {
        add(format!(" = {value}"));
    }
    if let Some(threshold) = evidence.threshold {
        add(format!(" (from {threshold} on)"));
    }
    add(format!(": {}", evidence.condition.status));
    if !evidence.condition.message.is_empty() {
        add(format!(", {}", evidence.condition.message));
    }
    words
}

/// Where what an alert means is to be read, of those with a page here. A rule may say another place.
pub(super) fn runbook_url(external_url: &str, rule: &RuleName) -> Option<String> {
    let path = runbooks::path(rule)?;
    Some(format!("{}{path}", external_url.trim_end_matches('/')))
}

/// As much of the audit log as was durable: who keeps the page can show later that the log was not rewritten.
pub(super) fn audit_head(hub: &Hub) -> Option<String> {
    let head = hub.audit()?;
    Some(format!("{} {} {}", head.origin, head.size, Hash(head.root)))
}

/// Services whose alerts are withheld because of each alert.
pub(super) fn affected<'a>(alerts: impl Iterator<Item = &'a Alert>) -> BTreeMap<AlertKey, String> {
    let mut affected: BTreeMap<AlertKey, Vec<&Name>> = BTreeMap::new();
    for alert in alerts.filter(|alert| alert.state == AlertState::Suppressed) {
        if let (Some(Suppression::Cause(cause)), Some(service)) = (&alert.suppression, &alert.key.service) {
            affected.entry(cause.clone()).or_default().push(service);
        }
    }
    let told = |mut names: Vec<&Name>| {
        names.dedup();
        let shown: Vec<&str> = names.iter().take(AFFECTED).map(|name| name.as_str()).collect();
        match names.len().checked_sub(AFFECTED).filter(|&more| more > 0) {
            Some(more) => format!("{} and {more} more", shown.join(", ")),
            None => shown.join(", "),
        }
    };
    affected
        .into_iter()
        .map(|(key, names)| (key, told(names)))
        .collect()
}

#[cfg(test)]
mod tests {
    use ward_model::{CausalLink, Condition, DependencyKind, Reason, RuleName, Severity, Status, Wall};

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn condition(message: &str) -> Condition {
        Condition {
            status: Status::Unhealthy,
            reason: Reason::Reported,
            message: message.into(),
            since: Wall(0),
        }
    }

    #[test]
    fn the_way_to_the_cause_and_what_is_seen_there_are_told() {
        let link = |service: &str, evidence| CausalLink {
            service: name(service),
            via: (service != "shop").then_some(DependencyKind::Hard),
            condition: condition("no"),
            evidence,
        };
        let evidence = Evidence {
            service: name("bank"),
            instance: Some(name("b1")),
            name: Some(name("error_ratio")),
            value: Some(0.5),
            threshold: Some(0.05),
            condition: condition("half of it fails"),
        };
        let chain = CausalChain {
            links: vec![link("shop", Vec::new()), link("bank", vec![evidence; 7])],
        };
        let told = of_chains(&[chain]);
        assert_eq!(told["cause"], "shop > bank");
        let one = "bank/b1 error_ratio = 0.5 (from 0.05 on): unhealthy, half of it fails";
        assert_eq!(told["evidence"], format!("{}; and 2 more", [one; 5].join("; ")));
    }

    #[test]
    fn a_page_names_those_whose_alerts_it_withholds() {
        let key = |service: &str| AlertKey {
            service: Some(name(service)),
            rule: RuleName::new("ServiceUnhealthy").unwrap(),
        };
        let withheld = |service: &str, state| Alert {
            state,
            suppression: Some(Suppression::Cause(key("bank"))),
            causes: vec![name("bank")],
            ..Alert::pending(key(service), Severity::Critical, Wall(0))
        };
        let names: Vec<String> = (0..12).map(|n| format!("s{n:02}")).collect();
        let mut alerts: Vec<Alert> = names
            .iter()
            .map(|name| withheld(name, AlertState::Suppressed))
            .collect();
        let told = affected(alerts[..2].iter());
        assert_eq!(told[&key("bank")], "s00, s01");
        alerts.push(withheld("pending", AlertState::Pending));
        let told = affected(alerts.iter());
        assert!(told[&key("bank")].ends_with("s09 and 2 more"), "{told:?}");
    }
}
