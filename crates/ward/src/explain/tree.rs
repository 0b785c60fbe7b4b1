//! Chains as one indented tree: what two chains share at their head is written once.

use std::fmt::Write;

use ward_model::{CausalLink, Condition, Evidence, Explanation, Name};

use crate::{
    output::{BOLD, Escaped, Times, paint, word},
    status::number,
};

/// One service, and what follows from below it.
#[derive(Debug)]
struct Node<'a> {
    link: &'a CausalLink,
    below: Vec<Node<'a>>,
}

/// What people see.
pub(super) fn text(explanation: &Explanation, times: &Times) -> String {
    let name = explanation.name.as_ref().map_or("system", Name::as_str);
    let condition = &explanation.condition;
    let mut text = format!(
        "{} is {} for {}",
        paint(BOLD, name),
        word(condition.status),
        times.ago(condition.since)
    );
    if !condition.status.is_bad() {
        text.push_str(": nothing to explain\n");
        return text;
    }
    text.push_str(&format!("{}\n", why(condition)));
    let mut roots = Vec::new();
    for chain in &explanation.chains {
        // The first link is what was asked about; its line stands above.
        let skip = usize::from(
            chain
                .links
                .first()
                .is_some_and(|first| Some(&first.service) == explanation.name.as_ref()),
        );
        grow(&mut roots, &chain.links[skip..]);
        if let [only] = chain.links.as_slice()
            && skip == 1
        {
            evidence(&mut text, &only.evidence, "  ", times);
        }
    }
    draw(&mut text, &roots, "", times);
    text
}

fn grow<'a>(nodes: &mut Vec<Node<'a>>, links: &'a [CausalLink]) {
    let Some((first, rest)) = links.split_first() else {
        return;
    };
    let at = nodes
        .iter()
        .position(|node| node.link.service == first.service)
        .unwrap_or_else(|| {
            nodes.push(Node {
                link: first,
                below: Vec::new(),
            });
            nodes.len() - 1
        });
    let node = &mut nodes[at];
    // A service that is a cause itself and leads to another shows its evidence once.
    if node.link.evidence.is_empty() && !first.evidence.is_empty() {
        node.link = first;
    }
    grow(&mut node.below, rest);
}

fn draw(text: &mut String, nodes: &[Node<'_>], indent: &str, times: &Times) {
    for (at, node) in nodes.iter().enumerate() {
        let last = at + 1 == nodes.len();
        let (branch, below) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let CausalLink {
            service,
            via,
            condition,
            ..
        } = node.link;
        let via = via
            .map(|kind| format!(" ({})", format!("{kind:?}").to_lowercase()))
            .unwrap_or_default();
        let (service, status, why) = (paint(BOLD, service), word(condition.status), why(condition));
        writeln!(
            text,
            "{indent}{branch}{service}{via} {status} for {}{why}",
            times.ago(condition.since)
        )
        .expect("a string takes all");
        let below = format!("{indent}{below}");
        evidence(text, &node.link.evidence, &below, times);
        draw(text, &node.below, &below, times);
    }
}

fn why(condition: &Condition) -> String {
    match condition.message.as_str() {
        "" => format!(": {}", condition.reason),
        message => format!(": {}, {}", condition.reason, Escaped(message)),
    }
}

fn evidence(text: &mut String, evidence: &[Evidence], indent: &str, times: &Times) {
    for Evidence {
        service,
        instance,
        name,
        value,
        threshold,
        condition,
    } in evidence
    {
        let whose = instance
            .as_ref()
            .map_or_else(|| service.to_string(), |instance| format!("{service}/{instance}"));
        let what = match (name, value) {
            (Some(name), Some(value)) => {
                let level = threshold
                    .map(|level| format!(" (level {})", number(level)))
                    .unwrap_or_default();
                format!(" signal {name} = {}{level}", number(*value))
            }
            (Some(name), None) => format!(" check {name}"),
            (None, _) => String::new(),
        };
        let (status, why) = (word(condition.status), why(condition));
        writeln!(
            text,
            "{indent}· {whose}{what} {status} for {}{why}",
            times.ago(condition.since)
        )
        .expect("a string takes all");
    }
}

#[cfg(test)]
mod tests {
    use ward_model::{CausalChain, DependencyKind, Reason, Status, Wall};

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn condition(status: Status, reason: Reason, message: &str) -> Condition {
        Condition {
            status,
            reason,
            message: message.into(),
            since: Wall(1_000),
        }
    }

    fn link(
        service: &str,
        via: Option<DependencyKind>,
        reason: Reason,
        evidence: Vec<Evidence>,
    ) -> CausalLink {
        CausalLink {
            service: name(service),
            via,
            condition: condition(Status::Unhealthy, reason, ""),
            evidence,
        }
    }

    fn drawn(explanation: &Explanation) -> String {
        anstream::adapter::strip_str(&text(explanation, &Times::utc(Wall(13_000)))).to_string()
    }

    #[test]
    fn chains_share_their_heads_and_end_in_evidence() {
        let error_ratio = Evidence {
            service: name("bank"),
            instance: Some(name("0")),
            name: Some(name("error_ratio")),
            value: Some(0.31),
            threshold: Some(0.05),
            condition: condition(Status::Unhealthy, Reason::Threshold, ""),
        };
        let seen = Evidence {
            service: name("payments"),
            instance: Some(name("1")),
            name: Some(name("reach")),
            value: None,
            threshold: None,
            condition: condition(Status::Degraded, Reason::Reported, "slow\u{1b}[2J"),
        };
        let gone = Evidence {
            service: name("cart"),
            instance: Some(name("0")),
            name: None,
            value: None,
            threshold: None,
            condition: condition(Status::Unhealthy, Reason::Lost, ""),
        };
        let hard = Some(DependencyKind::Hard);
        let chains = [
            vec![
                link("storefront", None, Reason::Dependency, vec![]),
                link("payments", hard, Reason::Dependency, vec![]),
                link("bank", hard, Reason::Threshold, vec![error_ratio, seen]),
            ],
            vec![
                link("storefront", None, Reason::Dependency, vec![]),
                link("cart", hard, Reason::Quorum, vec![gone]),
            ],
        ];
        let explanation = Explanation {
            name: Some(name("storefront")),
            condition: condition(Status::Unhealthy, Reason::Dependency, "payments is unhealthy"),
            chains: chains.map(|links| CausalChain { links }).into(),
        };
        assert_eq!(
            drawn(&explanation),
            "\
storefront is unhealthy for 12s: Dependency, payments is unhealthy
├─ payments (hard) unhealthy for 12s: Dependency
│  └─ bank (hard) unhealthy for 12s: Threshold
│     · bank/0 signal error_ratio = 0.31 (level 0.05) unhealthy for 12s: Threshold
│     · payments/1 check reach degraded for 12s: Reported, slow\\u{1b}[2J
└─ cart (hard) unhealthy for 12s: Quorum
   · cart/0 unhealthy for 12s: Lost
"
        );
        let system = Explanation {
            name: None,
            ..explanation
        };
        assert!(drawn(&system).starts_with("system is unhealthy for 12s"));
        assert!(
            drawn(&system).contains("\n└─ storefront unhealthy for 12s: Dependency\n   ├─ payments (hard)")
        );
    }

    #[test]
    fn its_own_cause_and_no_cause() {
        let lost = Evidence {
            service: name("bank"),
            instance: Some(name("0")),
            name: None,
            value: None,
            threshold: None,
            condition: condition(Status::Unhealthy, Reason::Lost, "silent for 15s"),
        };
        let chain = CausalChain {
            links: vec![link("bank", None, Reason::Quorum, vec![lost])],
        };
        let mut explanation = Explanation {
            name: Some(name("bank")),
            condition: condition(Status::Unhealthy, Reason::Quorum, ""),
            chains: vec![chain],
        };
        let expected =
            "bank is unhealthy for 12s: Quorum\n  · bank/0 unhealthy for 12s: Lost, silent for 15s\n";
        assert_eq!(drawn(&explanation), expected);
        explanation = Explanation {
            condition: condition(Status::Healthy, Reason::Reported, ""),
            chains: Vec::new(),
            ..explanation
        };
        assert_eq!(
            drawn(&explanation),
            "bank is healthy for 12s: nothing to explain\n"
        );
    }
}
