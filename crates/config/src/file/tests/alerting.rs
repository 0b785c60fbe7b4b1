//! Rules and receivers: what may be said, what is wrong, and where that is shown.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use ward_alerts::{Rule, RuleSet, RuleSpec, Unknown, shipped};
use ward_model::{RuleName, Severity};

use super::{load, refused};
use crate::{Alerting, Auth, Receiver, ReceiverUrl, Webhook};

fn alerting(text: &str) -> Alerting {
    load(text).unwrap_or_else(|errors| panic!("{errors}")).alerting
}

fn rule<'a>(alerting: &'a Alerting, name: &str) -> &'a RuleSpec {
    alerting.rules.get(&RuleName::new(name).unwrap()).unwrap().spec()
}

fn as_shipped(name: &str) -> RuleSpec {
    shipped()
        .into_iter()
        .find(|rule| rule.name.as_str() == name)
        .unwrap()
}

#[test]
fn a_shipped_rule_differs_only_in_what_is_named() {
    let alerting = alerting(
        r#"
        [alerting.rules.ServiceUnhealthy]
        for = "1m"
        annotations.summary = "{{ service }} is down"
        labels.team = "shop"
        [alerting.rules.CpuHigh]
        enabled = false
        "#,
    );
    let mut expected = as_shipped("ServiceUnhealthy");
    expected.for_ = Duration::from_secs(60);
    expected
        .annotations
        .insert("summary".into(), "{{ service }} is down".into());
    expected.labels.insert("team".into(), "shop".into());
    assert!(expected.annotations.len() > 1 && expected.hold.is_some());
    assert_eq!(rule(&alerting, "ServiceUnhealthy"), &expected);
    assert_eq!(rule(&alerting, "MemoryHigh"), &as_shipped("MemoryHigh"));
    let off = RuleName::new("CpuHigh").unwrap();
    assert!(alerting.rules.get(&off).is_none());
    assert_eq!(alerting.rules.iter().count(), shipped().len() - 1);
}

#[test]
fn a_rule_of_ones_own_says_all_there_is() {
    let alerting = alerting(
        r#"
        [alerting.rules.QueueTooLong]
        expr = "signals.queue_length > 1000.0"
        for = "5m"
        keep_firing_for = "10m"
        severity = "warning"
        about = "service"
        services = ["checkout", "shop-*"]
        hold = "dependencies.suspect > 0"
        unknown = "judge"
        suppression = true
        labels = { team = "shop" }
        annotations = { runbook_url = "https://r.example/q" }
        [alerting.rules.Quiet]
        expr = "services.unhealthy > 3"
        severity = "info"
        about = "system"
        [alerting.rules.Off]
        enabled = false
        expr = "true"
        severity = "info"
        "#,
    );
    let expected = RuleSpec {
        name: RuleName::new("QueueTooLong").unwrap(),
        about_system: false,
        services: vec!["checkout".into(), "shop-*".into()],
        expr: "signals.queue_length > 1000.0".into(),
        hold: Some("dependencies.suspect > 0".into()),
        for_: Duration::from_secs(300),
        keep_firing_for: Duration::from_secs(600),
        severity: Severity::Warning,
        unknown: Unknown::Judge,
        suppression: true,
        labels: BTreeMap::from([("team".into(), "shop".into())]),
        annotations: BTreeMap::from([("runbook_url".into(), "https://r.example/q".into())]),
    };
    assert_eq!(rule(&alerting, "QueueTooLong"), &expected);
    let quiet = rule(&alerting, "Quiet");
    assert!(quiet.about_system && quiet.annotations.is_empty() && !quiet.suppression);
    assert_eq!(
        (quiet.for_, quiet.unknown, &quiet.hold),
        (Duration::ZERO, Unknown::Keep, &None)
    );
    assert_eq!(alerting.rules.iter().count(), shipped().len() + 2);
}

#[test]
fn every_rule_has_a_runbook_if_one_is_told_where_they_are() {
    let alerting = alerting(
        r#"
        [alerting]
        runbooks = "https://r.example/"
        [alerting.rules.Own]
        expr = "true"
        severity = "info"
        [alerting.rules.CpuHigh]
        annotations.runbook_url = "https://other.example"
        "#,
    );
    let url = |name: &str| rule(&alerting, name).annotations["runbook_url"].clone();
    assert_eq!(url("Own"), "https://r.example/Own");
    assert_eq!(url("ServiceUnhealthy"), "https://r.example/ServiceUnhealthy");
    assert_eq!(url("CpuHigh"), "https://other.example");
}

#[test]
fn a_runbook_is_below_where_they_are_with_and_without_a_slash() {
    for runbooks in ["https://r.example", "https://r.example/"] {
        let alerting = alerting(&format!("[alerting]\nrunbooks = \"{runbooks}\"\n"));
        assert_eq!(alerting.runbooks.as_deref(), Some("https://r.example/"));
        let url = &rule(&alerting, "ServiceUnhealthy").annotations["runbook_url"];
        assert_eq!(url, "https://r.example/ServiceUnhealthy");
    }
    let within = alerting("[alerting]\nrunbooks = \"https://r.example/*.md\"\n");
    let url = &rule(&within, "ServiceUnhealthy").annotations["runbook_url"];
    assert_eq!(url, "https://r.example/ServiceUnhealthy.md");
}

#[test]
fn receivers_are_called_by_where_they_are_unless_told() {
    let alerting = alerting(
        r#"
        [alerting]
        external_url = "https://ward.example.org"
        labels.cluster = "eu-1"
        [[alerting.alertmanagers]]
        url = "http://127.0.0.1:9093"
        [[alerting.alertmanagers]]
        url = "https://am.example/prefix"
        name = "am-2"
        username = "ward"
        password_file = "/p"
        ca = "/ca.pem"
        cert = "/c.pem"
        key = "/c.key"
        timeout = "3s"
        [[alerting.webhooks]]
        url = "https://hooks.example/?to=ward"
        token_file = "/t"
        watchdog = true
        least_severity = "critical"
        "#,
    );
    let plain = Receiver {
        name: "127.0.0.1:9093".into(),
        url: ReceiverUrl("http://127.0.0.1:9093".into()),
        url_file: None,
        auth: Auth::None,
        ca: None,
        identity: None,
        timeout: Duration::from_secs(10),
    };
    let full = Receiver {
        name: "am-2".into(),
        url: ReceiverUrl("https://am.example/prefix".into()),
        url_file: None,
        auth: Auth::Basic {
            username: "ward".into(),
            password_file: "/p".into(),
        },
        ca: Some("/ca.pem".into()),
        identity: Some(("/c.pem".into(), "/c.key".into())),
        timeout: Duration::from_secs(3),
    };
    let hook = Receiver {
        name: "hooks.example:443".into(),
        url: ReceiverUrl("https://hooks.example/?to=ward".into()),
        auth: Auth::Bearer {
            token_file: "/t".into(),
        },
        ..plain.clone()
    };
    assert_eq!(alerting.alertmanagers, [plain, full]);
    let webhook = Webhook {
        receiver: hook,
        watchdog: true,
        least_severity: Severity::Critical,
    };
    assert_eq!(alerting.webhooks, [webhook]);
    assert_eq!(alerting.labels["cluster"], "eu-1");
    assert_eq!(alerting.external_url.as_deref(), Some("https://ward.example.org"));
}

#[test]
fn labels_addresses_and_files() {
    insta::assert_snapshot!(refused(
        r#"[alerting]
labels = { cluster = "eu-1", service = "x", "a-b" = "c", __x = "d", e = "" }
external_url = "https://example.org/?a=b"
runbooks = "runbooks.example.org/{{ x }}"
rule_files = ["rules/*/a.toml", "rules/", "~/x"]
"#
    ));
}

#[test]
fn rules() {
    insta::assert_snapshot!(refused(
        r#"[alerting.rules.ServiceUnhealthy]
for = "40d"
colour = 1
annotations = { "run-book" = "x" }
[alerting.rules.CpuHihg]
enabled = false
[alerting.rules.Own]
for = "1m"
[alerting.rules.QueueTooLong]
expr = "signals.queue_length > 1000.0"
severity = "page"
about = "svc"
services = ["Shop", "shop-*"]
unknown = "drop"
keep_firing_for = 3
[alerting.rules."queue-too-long"]
expr = 3
severity = "info"
[alerting.rules.OfSystem]
expr = "services.unhealthy > 3"
severity = "info"
about = "system"
services = ["a"]
labels = { team = "{{ service }}" }
[alerting.rules.ObserverInDoubt]
about = "service"
"#
    ));
}

/// At the letter, however the string is written.
#[test]
fn expressions() {
    insta::assert_snapshot!(refused(
        r#"[alerting.rules.One]
expr = "status == \"unhealthly\" || servce == 'a'"
severity = "page"
hold = '''
dependencies.suspect > 0
  && instances.totl > 3
'''
annotations.summary = "\u007b{ service }} has {{ signals.x + 'a' }}"
annotations.description = """
It is {{ status }}. \
   Its queue is {{ signal.queue }}.
"""
[alerting.rules.Two]
expr = ""
severity = "info"
[alerting.rules.CpuHigh]
hold = "true &&& false"
"#
    ));
}

#[test]
fn receivers() {
    insta::assert_snapshot!(refused(
        r#"[[alerting.alertmanagers]]
url = "http://am:9093"
username = "a:b"
ca = "/ca.pem"
[[alerting.alertmanagers]]
url = "http://am:9093/"
password_file = "/x"
token_file = "/y"
[[alerting.alertmanagers]]
url = "https://am:9094/?a=b"
cert = "/c"
timeout = "2m"
[[alerting.webhooks]]
name = "a b"
url = "ftp://x"
least_severity = "high"
watchdog = 1
[[alerting.webhooks]]
name = "am:9093"
[[alerting.webhooks]]
url = "https://x.example"
name = "am:9093"
[[alerting.webhooks]]
url = "https://x.example"
url_file = "/u"
[[alerting.webhooks]]
url_file = "/u"
"#
    ));
}

#[test]
fn a_name_in_an_address_is_not_told() {
    let told = refused("[alerting]\nexternal_url = \"https://hunter2@ward.example\"\n");
    assert!(told.contains("has a name or a password in it"), "{told}");
}

#[test]
fn a_file_of_rules_is_no_configuration() {
    let told = refused("[rules.Own]\nexpr = \"true\"\nseverity = \"info\"\n");
    assert!(
        told.contains("a file of rules is read where `rule_files` names it"),
        "{told}"
    );
}

#[test]
fn too_many_of_something() {
    let many = |count: usize, each: &dyn Fn(usize) -> String| (0..count).map(each).collect::<String>();
    let rules = many(257, &|n| {
        format!("[alerting.rules.R{n}]\nexpr = \"true\"\nseverity = \"info\"\n")
    });
    let labels = many(17, &|n| format!("alerting.labels.l{n} = \"x\"\n"));
    let receivers = many(17, &|n| format!("[[alerting.webhooks]]\nurl = \"http://h{n}\"\n"));
    for (text, expected) in [
        (rules, "is one rule more than the 256 that there may be"),
        (labels, "alerting.labels has 17 entries"),
        (receivers, "alerting.webhooks has 17 items"),
    ] {
        let text = refused(&text);
        assert!(
            text.lines().next().unwrap().contains(expected),
            "{}",
            &text[..200]
        );
    }
}

fn any_rule() -> impl Strategy<Value = RuleSpec> {
    let severity = prop::sample::select(Severity::ALL.to_vec());
    let words = prop_oneof!["[ -z~äß\u{1f600}\n]{0,20}", Just("{{ status }}".to_owned())];
    let annotations = prop::collection::btree_map("[a-z][a-z0-9_]{0,9}", words, 0..3);
    let labels = prop::collection::btree_map("own_[a-z0-9]{0,9}", "[ -z~äß]{1,20}", 0..3);
    let time = (0u64..2_678_400_000).prop_map(Duration::from_millis);
    let expr = prop::sample::select(vec!["true", "status == \"unhealthy\"", "message != 'a\\\\b'"]);
    let services = prop::collection::vec("[a-z0-9.-]{1,9}[*]?", 0..3);
    (
        severity,
        annotations,
        labels,
        [time.clone(), time],
        expr,
        services,
        any::<[bool; 4]>(),
    )
        .prop_map(
            |(severity, annotations, labels, [for_, keep_firing_for], expr, services, is)| RuleSpec {
                name: RuleName::new("Any").unwrap(),
                about_system: is[0],
                services: if is[0] { Vec::new() } else { services },
                expr: expr.into(),
                hold: is[1].then(|| "false".into()),
                for_,
                keep_firing_for,
                severity,
                unknown: if is[2] { Unknown::Judge } else { Unknown::Keep },
                suppression: is[3],
                labels,
                annotations,
            },
        )
}

fn any_receiver() -> impl Strategy<Value = Receiver> {
    let auth = prop_oneof![
        Just(Auth::None),
        "[ -9;-~ä]{1,9}".prop_map(|username| Auth::Basic {
            username,
            password_file: "/p".into()
        }),
        "/[ -~]{1,9}".prop_map(|path| Auth::Bearer {
            token_file: path.into()
        }),
    ];
    let identity = prop::option::of(Just(("/c".into(), "/k".into())));
    ("[!#-Z^-~]{1,20}", auth, identity, 100u64..=60_000).prop_map(|(name, auth, identity, ms)| Receiver {
        name,
        url: ReceiverUrl("https://a.example:1/b".into()),
        url_file: None,
        auth,
        ca: None,
        identity,
        timeout: Duration::from_millis(ms),
    })
}

/// With some shipped rules switched off or changed, and some of one's own.
pub(super) fn any_alerting() -> impl Strategy<Value = Alerting> {
    let changed = prop::collection::btree_map(0usize..30, prop::option::of(any_rule()), 0..4);
    let receivers = prop::collection::btree_map("[a-z]{1,3}", any_receiver(), 0..4);
    (changed, receivers, any::<bool>()).prop_map(|(changed, receivers, is)| {
        let mut specs = shipped();
        for (at, rule) in changed {
            match (specs.get(at).cloned(), rule) {
                (None, Some(rule)) => specs.push(RuleSpec {
                    name: RuleName::new(&format!("Own{at}")).unwrap(),
                    ..rule
                }),
                (Some(old), Some(rule)) => {
                    // What is shipped is said over, and stays where nothing is.
                    let mut annotations = old.annotations;
                    annotations.extend(rule.annotations);
                    let (name, about_system) = (old.name, old.about_system);
                    let services = if about_system { Vec::new() } else { rule.services };
                    let hold = rule.hold.or(old.hold);
                    specs[at] = RuleSpec {
                        name,
                        about_system,
                        services,
                        hold,
                        annotations,
                        ..rule
                    };
                }
                (Some(_), None) => drop(specs.remove(at)),
                (None, None) => {}
            }
        }
        let rules: RuleSet = specs
            .into_iter()
            .map(|spec| Rule::compile(spec).unwrap())
            .collect();
        let mut receivers: Vec<_> = receivers
            .into_iter()
            .map(|(name, receiver)| Receiver {
                name: name + &receiver.name,
                ..receiver
            })
            .collect();
        receivers.sort_by(|a, b| a.name.cmp(&b.name));
        receivers.dedup_by(|a, b| a.name == b.name);
        let webhooks = receivers.split_off(receivers.len() / 2);
        let webhook = |receiver| Webhook {
            receiver,
            watchdog: is,
            least_severity: Severity::Warning,
        };
        Alerting {
            labels: is.then(|| ("a".to_owned(), "b".to_owned())).into_iter().collect(),
            external_url: is.then(|| "https://a.example".into()),
            runbooks: None,
            rules,
            alertmanagers: receivers,
            webhooks: webhooks.into_iter().map(webhook).collect(),
        }
    })
}
