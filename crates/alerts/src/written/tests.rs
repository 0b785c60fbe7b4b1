//! Of written histories: that they pass, that they can fail, and what is said of either.

use proptest::prelude::*;
use ward_model::Severity;

use super::*;
use crate::{
    rule::{Rule, RuleSet, RuleSpec, Unknown},
    shipped::shipped,
};

const SHIPPED: &str = include_str!("../../histories/shipped.toml");

/// What is other than expected, one line each.
fn missed(text: &str) -> String {
    let tests = parse(text).unwrap_or_else(|wrong| panic!("{}", lines(&wrong)));
    let outcomes = run(&tests, &RuleSet::shipped());
    let missed = |outcome: &Outcome| lines(&outcome.missed);
    outcomes.iter().map(missed).collect()
}

fn wrong(text: &str) -> String {
    parse(text).map_or_else(|wrong| lines(&wrong), |tests| format!("{tests:?}"))
}

fn lines<T: ToString>(all: &[T]) -> String {
    all.iter().map(|one| one.to_string() + "\n").collect()
}

#[test]
fn shipped_rules_do_what_is_written() {
    assert_eq!(missed(SHIPPED), "");
}

/// All that a test expects.
fn expected(test: &Test) -> impl Iterator<Item = &Expected> {
    let moments = test.moments.values();
    moments.filter_map(|moment| moment.expected.as_ref())
}

/// Whether it looks at the alerts of a rule.
fn looks(test: &Test, rule: &RuleName) -> bool {
    let mut only = test.rules.iter().flatten().peekable();
    only.peek().is_none() || only.any(|(name, _)| name == rule)
}

/// One history in which it fires, and one, passed as all are, in which it comes near and never does.
#[test]
fn each_shipped_rule_has_a_history_that_fires_it_and_one_that_must_not() {
    let tests = parse(SHIPPED).unwrap();
    for rule in RuleSet::shipped().iter().map(|rule| &rule.spec().name) {
        let is = |named: &Named| named.key.rule == *rule;
        let fires = |test: &Test| expected(test).any(|expected| expected.firing.iter().any(is));
        let is_near = |test: &Test| expected(test).any(|expected| expected.pending.iter().flatten().any(is));
        let looking = || tests.0.iter().filter(|test| looks(test, rule));
        assert!(looking().any(fires), "no history fires {rule}");
        // Nothing is to keep the Watchdog from firing.
        let must_not = looking().any(|test| is_near(test) && !fires(test));
        assert!(
            must_not || rule.as_str() == "Watchdog",
            "no history must not fire {rule}"
        );
    }
}

/// The rule as it is, changed in one way each.
fn changed(spec: &RuleSpec) -> Vec<(&'static str, RuleSpec)> {
    let change = |how, change: &dyn Fn(&mut RuleSpec)| {
        let mut spec = spec.clone();
        change(&mut spec);
        (how, spec)
    };
    let mut all = vec![
        change("never true", &|spec| {
            spec.expr = format!("({}) && false", spec.expr)
        }),
        change("always true", &|spec| {
            spec.expr = format!("({}) || true", spec.expr)
        }),
        change("at its level", &|spec| spec.expr = spec.expr.replace("> ", ">= ")),
        change("longer", &|spec| spec.for_ += Duration::from_secs(1)),
        change("shorter", &|spec| {
            spec.for_ = spec.for_.saturating_sub(Duration::from_secs(1))
        }),
        change("kept longer", &|spec| {
            spec.keep_firing_for += Duration::from_secs(10)
        }),
        change("not kept", &|spec| spec.keep_firing_for = Duration::ZERO),
        change("urgent", &|spec| spec.severity = Severity::Critical),
        change("not urgent", &|spec| spec.severity = Severity::Info),
        change("not held", &|spec| spec.hold = None),
        change("not suppressed", &|spec| spec.suppression = false),
        change("whoever was not heard", &|spec| {
            spec.expr = spec.expr.replace(" && reason != 'ObserverSuspect'", "");
        }),
        change("keeping Unknown", &|spec| spec.unknown = Unknown::Keep),
    ];
    if spec.suppression && !spec.expr.contains("signals") {
        // Rules on signals are judged by their signals whatever the status.
        all.push(change("judging Unknown", &|spec| spec.unknown = Unknown::Judge));
    }
    // A breaker is open or not: there is no level between.
    if !spec.expr.ends_with("> 0.0") {
        let higher = |spec: &mut RuleSpec| spec.expr = spec.expr.replace("> 0.", "> 0.02 + 0.");
        all.push(change("from a higher level", &higher));
    }
    all.retain(|(_, changed)| changed != spec);
    all
}

/// Who changes a shipped rule has to change its history.
#[test]
fn the_histories_notice_what_is_changed_in_a_shipped_rule() {
    let tests = parse(SHIPPED).unwrap();
    let mut unnoticed = Vec::new();
    let changing = |spec: &RuleSpec| spec.name.as_str() != "Watchdog";
    for spec in shipped().iter().filter(|spec| changing(spec)) {
        let looking = tests.0.iter().filter(|test| looks(test, &spec.name));
        let tests = Tests(looking.cloned().collect());
        for (how, changed) in changed(spec) {
            // One that asks whether something is Unknown, and does not judge it then, is no rule.
            let Ok(changed) = Rule::compile(changed) else {
                assert_eq!((spec.name.as_str(), how), ("ServiceUnknown", "keeping Unknown"));
                continue;
            };
            let rules = RuleSet::shipped().with(changed);
            if run(&tests, &rules).iter().all(Outcome::passed) {
                unnoticed.push(format!("{} {how}", spec.name));
            }
        }
    }
    assert_eq!(unnoticed, [""; 0]);
}

#[test]
fn what_is_other_than_expected_is_said() {
    let text = r#"
[[test]]
name = "wrong in every way"
rules = ["ServiceUnhealthy", "ServiceUnhealty"]
[test.at.0s]
bank = "unhealthy"
ledger = "unhealthy"
checkout = { status = "unhealthy", causes = ["bank"], needs = ["bank"] }
cart = "healthy"
[test.at.20s]
expect = "nothing"
[test.at.30s]
expect.firing = ["bank/ServiceUnhealthy", "cart/ServiceUnhealthy", "checkout/ServiceUnhealthy"]
expect.suppressed = { "checkout/ServiceUnhealthy" = "ledger/ServiceUnhealthy", "bank/ServiceUnhealthy" = "maintenance" }
expect.labels."bank/ServiceUnhealthy" = { root_cause = "cart", team = "a" }
expect.labels."cart/ServiceUnhealthy" = { team = "a" }
expect.annotations."bank/ServiceUnhealthy" = { summary = "bank is ill" }
[test.at.1m]
bank = "healthy"
expect.firing = ["bank/ServiceUnhealthy", "ledger/ServiceUnhealthy"]
expect.resolved = []
"#;
    insta::assert_snapshot!(missed(text));
}

#[test]
fn mistakes_are_said_by_line() {
    let text = r#"
tets = 1
[[test]]
naem = "a"
rules = ["a b", 3]
[test.at.5]
[test.at.9d]
[test.at.60s]
bank = "unhealthly"
[test.at.1m]
Bank = "healthy"
system = "gone"
checkout = { statsu = "healthy", reason = "lost", causes = ["a_b", 1], criticality = "high", instances = { totl = 1 } }
cart = { min_healthy = -1, maintenance = "yes", message = 3, needs = "bank", own = true, instances = 3 }
expect = "nothign"
[test.at.2m]
expect = {}
[test.at.3m]
expect.firing = ["bank", "ba_nk/A", "bank/A B", "other/Rule", 7]
expect.pendign = []
expect.suppressed = { "bank/Rule" = "maintenence", "x" = "maintenance" }
expect.labels = { "bank/Rule" = { a = 1 } }
system.observer = { scre = 1, score = "a" }
system.services.totl = 1
[test.signals]
every = "0s"
bank.error_ratio = "0.1y"
bank.Error = "1"
bank.disk_ratio = 3
"Ü" = 3
[[test]]
name = "expects nothing"
[test.at.0s]
bank = "healthy"
"#;
    insta::assert_snapshot!(wrong(text));
    assert_eq!(
        wrong("[[test]]\nname = \"a\nb = 1"),
        "line 2: is no TOML: invalid basic string, expected `\"`\n"
    );
    assert_eq!(
        wrong(&"#".repeat(FILE_BYTES + 1)),
        "line 1: the file has 1048577 bytes, expected at most 1048576 (make several of it)\n"
    );
}

#[test]
fn what_is_not_said_stays() {
    let text = r#"
[[test]]
name = "a signal that ends, a service that goes"
rules = ["ErrorRatioCritical", "ServiceUnhealthy"]
[test.at.17s]
bank.message = "said, and its signals stay"
[test.at.30s]
expect.firing = ["bank/ErrorRatioCritical"]
[test.at.10m]
expect.firing = ["bank/ErrorRatioCritical"]
[test.at.11m]
expect.firing = ["bank/ErrorRatioCritical"]
bank = "gone"
[test.at.11m1s]
expect = "nothing"
[test.signals]
every = "5s"
bank.error_ratio = "0.2"
"#;
    let resolved = "line 12, at 11m: expected bank/ErrorRatioCritical firing; it is resolved since 11m\n";
    assert_eq!(missed(text), resolved);
}

#[test]
fn time_passes_where_nothing_happens() {
    let text = r#"
[[test]]
name = "it fires on its second"
[test.at.0s]
bank = "unhealthy"
[test.at.1h]
expect = "nothing"
"#;
    let firing = "line 7, at 1h: expected no other firing; bank/ServiceUnhealthy is firing since 30s\n";
    assert_eq!(missed(text), firing);
}

#[test]
fn a_status_alone_is_as_ward_decides_by_default() {
    let text = r#"
[[test]]
name = "own, reason, causes and age"
[test.at.0s]
bank = "healthy"
[test.at.10s]
bank = "unhealthy"
checkout = { status = "degraded", causes = ["bank"] }
cart = { status = "degraded", causes = ["bank"], own = "degraded", reason = "Lost" }
expect.firing = []
[test.at.1m5s]
bank.message = "still the same, since 10s"
expect.firing = []
[test.at.1m11s]
expect.firing = [
  "bank/OwnCause", "bank/OwnBad", "cart/Lost", "cart/OwnBad", "checkout/Explained", "bank/Old", "cart/Old", "checkout/Old",
]
[test.at.1m12s]
bank = "healthy"
checkout = "healthy"
cart = "healthy"
expect.firing = []
"#;
    let rule = |(name, expr): (&str, &str)| {
        let spec = RuleSpec {
            name: RuleName::new(name).unwrap(),
            expr: expr.to_owned(),
            for_: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            annotations: BTreeMap::new(),
            suppression: false,
            ..shipped().remove(0)
        };
        Rule::compile(spec).unwrap()
    };
    let rules = [
        (
            "OwnCause",
            "causes.exists(cause, cause == service) && since_seconds > 60.0",
        ),
        ("OwnBad", "own != 'healthy' && since_seconds > 60.0"),
        (
            "Explained",
            "own == 'healthy' && reason == 'Dependency' && since_seconds > 60.0",
        ),
        ("Lost", "reason == 'Lost' && since_seconds > 60.0"),
        ("Old", "status != 'healthy' && since_seconds > 60.0"),
    ];
    let outcomes = run(&parse(text).unwrap(), &rules.map(rule).into_iter().collect());
    assert_eq!(lines(&outcomes[0].missed), "");
}

proptest! {
    /// Whatever is done to a file: no panic, and each place that is marked lies on characters of it.
    #[test]
    fn any_file_is_read_or_refused(cut in any::<prop::sample::Index>(), length in 0_usize..40, put in "\\PC{0,6}|[=\\[\\]{}\"\\n.]{0,4}") {
        let start = cut.index(SHIPPED.len());
        prop_assume!(SHIPPED.is_char_boundary(start));
        let end = (start + length).min(SHIPPED.len());
        let text = format!("{}{put}{}", &SHIPPED[..start], SHIPPED.get(end..).unwrap_or_default());
        match parse(&text) {
            Ok(tests) => prop_assert!(run(&tests, &RuleSet::shipped()).len() >= tests.len()),
            Err(wrong) => {
                prop_assert!(!wrong.is_empty());
                for wrong in wrong {
                    prop_assert!(text.get(wrong.at.clone()).is_some(), "{}", wrong);
                }
            }
        }
    }
}
