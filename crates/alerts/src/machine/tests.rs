//! The machine by example.

use std::{collections::BTreeMap, time::Duration};

use ward_model::{
    Acknowledgement, Alert, AlertKey, AlertState, Name, RuleName, Severity, Status, Suppression, Wall,
};

use super::{Machine, Seen};
use crate::{
    facts::{Facts, ServiceFacts, SystemFacts},
    rule::{Rule, RuleSet, RuleSpec, Unknown},
};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn key(service: &str, rule: &str) -> AlertKey {
    AlertKey {
        service: (service != "system").then(|| name(service)),
        rule: RuleName::new(rule).unwrap(),
    }
}

fn spec(name: &str, expr: &str, for_: u64) -> RuleSpec {
    RuleSpec {
        name: RuleName::new(name).unwrap(),
        about_system: false,
        services: Vec::new(),
        expr: expr.into(),
        hold: None,
        for_: Duration::from_secs(for_),
        keep_firing_for: Duration::ZERO,
        severity: Severity::Critical,
        unknown: Unknown::Keep,
        suppression: false,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

/// `Down`: unhealthy for 30 s, with suppression.
fn down() -> RuleSpec {
    RuleSpec {
        suppression: true,
        ..spec("Down", "status == 'unhealthy'", 30)
    }
}

fn rules(specs: impl IntoIterator<Item = RuleSpec>) -> RuleSet {
    specs
        .into_iter()
        .map(|spec| Rule::compile(spec).unwrap())
        .collect()
}

fn facts(status: Status, causes: &[&str]) -> ServiceFacts {
    ServiceFacts {
        status,
        causes: causes.iter().map(|cause| name(cause)).collect(),
        ..ServiceFacts::default()
    }
}

/// A machine, and what its steps said, as lines.
struct Bench {
    machine: Machine,
    rules: RuleSet,
    seen: Vec<Seen>,
}

impl Bench {
    fn new(specs: impl IntoIterator<Item = RuleSpec>) -> Self {
        let rules = rules(specs);
        Self {
            machine: Machine::new(rules.clone()),
            rules,
            seen: Vec::new(),
        }
    }

    fn see(&mut self, service: &str, facts: ServiceFacts) -> &mut Self {
        let facts = Facts::Service(name(service), Box::new(facts));
        self.seen.push(Seen::Facts(facts));
        self
    }

    fn is(&mut self, service: &str, status: Status, causes: &[&str]) -> &mut Self {
        self.see(service, facts(status, causes))
    }

    fn tell(&mut self, seen: Seen) -> &mut Self {
        self.seen.push(seen);
        self
    }

    /// Steps at `second`, and says what changed.
    fn at(&mut self, second: i64) -> Vec<String> {
        let seen = std::mem::take(&mut self.seen);
        self.machine
            .step(Wall(second * 1_000), seen)
            .iter()
            .map(|alert| line(alert))
            .collect()
    }

    fn alert(&self, service: &str, rule: &str) -> &Alert {
        self.machine.alert(&key(service, rule)).unwrap()
    }

    /// As if the aggregator had been away since `last_alive`.
    fn restart(&mut self, last_alive: Option<i64>) {
        let kept: Vec<_> = self.machine.alerts().map(|alert| (**alert).clone()).collect();
        let kept = serde_json::to_string(&kept).unwrap();
        let acknowledged = self.machine.acknowledgements().cloned().collect();
        self.machine = Machine::new(self.rules.clone());
        self.machine
            .restore(serde_json::from_str(&kept).unwrap(), acknowledged);
        let last_alive = last_alive.map(|second| Wall(second * 1_000));
        self.tell(Seen::Facts(Facts::Started { last_alive }));
    }
}

fn line(alert: &Alert) -> String {
    let ended = alert.state == AlertState::Resolved && alert.fired.is_none();
    let state = if ended { "over" } else { alert.state.as_str() };
    let why = match &alert.suppression {
        Some(Suppression::Cause(by)) => format!(" by {by}"),
        Some(Suppression::Maintenance(of)) => format!(" by maintenance of {of:?}"),
        None => String::new(),
    };
    format!("{} {state}{why}", alert.key)
}

const NOTHING: [&str; 0] = [];
use Status::{Degraded, Healthy, Unhealthy, Unknown as Unseen};

#[test]
fn one_page_names_the_cause() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]);
    bench.is("atm", Unhealthy, &["bank"]);
    assert_eq!(bench.at(0), ["bank/Down pending", "atm/Down pending"]);
    assert_eq!(bench.at(29), NOTHING);
    assert_eq!(bench.machine.next_due(), Some(Wall(30_000)));
    assert_eq!(
        bench.at(30),
        ["bank/Down firing", "atm/Down suppressed by bank/Down"]
    );
    let labels = &bench.alert("bank", "Down").labels;
    assert_eq!(
        (&*labels["root_cause"], &*labels["is_root_cause"]),
        ("bank", "true")
    );
    assert_eq!(labels["criticality"], "important");
    bench.is("bank", Healthy, &[]).is("atm", Healthy, &[]);
    assert_eq!(bench.at(40), ["bank/Down resolved", "atm/Down over"]);
    assert_eq!(bench.at(40 + 15 * 60), ["bank/Down over"]);
    assert_eq!(bench.machine.next_due(), None);
}

#[test]
fn what_is_said_twice_is_no_news() {
    let mut bench = Bench::new([down(), spec("Cpu", "signals.cpu_ratio > 0.8", 0)]);
    let bank = facts(Unhealthy, &["bank"]);
    assert_eq!(bench.see("bank", bank.clone()).at(0), ["bank/Down pending"]);
    let judged = bench.machine.judged();
    assert_eq!(bench.see("bank", bank).at(1), NOTHING);
    let signals = Seen::Signals(name("bank"), BTreeMap::new());
    assert_eq!(bench.tell(signals.clone()).tell(signals).at(2), NOTHING);
    assert_eq!(bench.at(3), NOTHING);
    assert_eq!(bench.machine.judged(), judged);
}

#[test]
fn only_the_last_word_of_a_step_counts() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]).is("bank", Healthy, &[]);
    assert_eq!(bench.at(0), NOTHING);
    bench.is("bank", Unhealthy, &["bank"]).at(1);
    bench.is("bank", Healthy, &[]).is("bank", Unhealthy, &["bank"]);
    assert_eq!(bench.at(2), NOTHING);
    assert_eq!(bench.at(31), ["bank/Down firing"]);
}

#[test]
fn services_that_cause_each_other_are_not_silent() {
    let mut bench = Bench::new([down()]);
    // What the engine never says: neither is its own cause.
    bench.is("a", Unhealthy, &["b"]).is("b", Unhealthy, &["a"]).at(0);
    assert_eq!(bench.at(30), ["a/Down suppressed by b/Down", "b/Down firing"]);
    bench.is("b", Healthy, &[]);
    assert_eq!(bench.at(31), ["a/Down pending", "b/Down resolved"]);
    assert_eq!(bench.at(61), ["a/Down firing"]);
    // Both are their own causes.
    let mut bench = Bench::new([down()]);
    bench.is("a", Unhealthy, &["a", "b"]);
    bench.is("b", Unhealthy, &["b", "a"]).at(0);
    assert_eq!(bench.at(30), ["a/Down firing", "b/Down firing"]);
    assert_eq!(bench.alert("b", "Down").labels["root_cause"], "b");
}

#[test]
fn behind_a_cause_without_an_alert_nothing_hides() {
    let mut bench = Bench::new([down()]);
    bench.is("atm", Unhealthy, &["nobody"]);
    bench
        .is("shop", Unhealthy, &["bank"])
        .is("bank", Degraded, &["bank"])
        .at(0);
    assert_eq!(bench.at(30), ["atm/Down firing", "shop/Down firing"]);
    let labels = &bench.alert("shop", "Down").labels;
    assert_eq!(labels["root_cause"], "bank");
    assert_eq!(labels.get("is_root_cause"), None, "it is a victim");
}

#[test]
fn a_page_does_not_hide_behind_a_note() {
    let note = RuleSpec {
        severity: Severity::Warning,
        suppression: true,
        ..spec("Slow", "status == 'degraded'", 0)
    };
    let mut bench = Bench::new([down(), note]);
    bench.is("bank", Degraded, &["bank"]).at(0);
    bench
        .is("atm", Unhealthy, &["bank"])
        .is("shop", Degraded, &["bank"]);
    let seen = ["atm/Down pending", "shop/Slow suppressed by bank/Slow"];
    assert_eq!(bench.at(1), seen);
    assert_eq!(bench.at(31), ["atm/Down firing"]);
}

#[test]
fn who_is_freed_fires_at_once_where_its_cause_goes_on() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]);
    bench.is("atm", Unhealthy, &["bank"]).at(0);
    bench.at(30);
    bench.is("atm", Unhealthy, &["vault"]);
    assert_eq!(bench.at(40), ["atm/Down firing"]);
    let atm = bench.alert("atm", "Down");
    assert_eq!((atm.since, atm.fired), (Wall(0), Some(Wall(40_000))));
    assert_eq!(atm.labels["root_cause"], "vault");
    // And what fires is not withheld, whatever becomes of its cause.
    bench.is("vault", Unhealthy, &["vault"]).at(41);
    assert_eq!(bench.at(71), ["vault/Down firing"]);
}

#[test]
fn a_dependent_that_recovers_after_its_cause_is_no_second_page() {
    let slow = RuleSpec {
        suppression: true,
        ..spec("Slow", "status == 'degraded'", 300)
    };
    let mut bench = Bench::new([down(), slow]);
    bench
        .is("bank", Unhealthy, &["bank"])
        .is("till", Degraded, &["bank"]);
    bench.is("atm", Unhealthy, &["bank"]).at(0);
    bench.at(300);
    let freed = ["atm/Down pending", "bank/Down resolved", "till/Slow pending"];
    let mut told = bench.is("bank", Healthy, &[]).at(310);
    told.sort();
    assert_eq!(told, freed);
    assert_eq!(bench.is("atm", Healthy, &[]).at(311), ["atm/Down over"]);
    // What is not over half a minute later is told, and waits no longer.
    assert_eq!(bench.at(339), NOTHING);
    assert_eq!(bench.at(340), ["till/Slow firing"]);
}

#[test]
fn nobody_waits_twice_behind_what_never_fired() {
    let mut bench = Bench::new([down()]);
    bench.is("atm", Unhealthy, &["bank"]).at(0);
    bench.is("bank", Unhealthy, &["bank"]).at(10);
    assert_eq!(bench.at(30), ["atm/Down suppressed by bank/Down"]);
    bench.is("bank", Healthy, &[]);
    assert_eq!(bench.at(39), ["bank/Down over", "atm/Down firing"]);
}

/// `Cpu` and `CpuMost`: a warning after 30 s, and a page after 10 s that fires on for a minute.
fn cpu_pair() -> [RuleSpec; 2] {
    let cpu = RuleSpec {
        suppression: true,
        severity: Severity::Warning,
        ..spec("Cpu", "signals.cpu_ratio > 0.5", 30)
    };
    let most = RuleSpec {
        suppression: true,
        keep_firing_for: Duration::from_secs(60),
        ..spec("CpuMost", "signals.cpu_ratio > 0.8", 10)
    };
    [cpu, most]
}

#[test]
fn a_service_that_recovers_is_no_second_page_for_its_last_sample() {
    let [cpu_rule, most] = cpu_pair();
    let mut bench = Bench::new([down(), cpu_rule, most]);
    let mut bank = with_cpu(Unhealthy);
    bank.causes = vec![name("bank")];
    bench.see("bank", bank).at(0);
    bench.at(30);
    bench.see("bank", with_cpu(Healthy));
    let freed = bench.at(40);
    // The more urgent of both explains the other all along.
    let told = [
        "bank/Cpu suppressed by bank/CpuMost",
        "bank/CpuMost pending",
        "bank/Down resolved",
    ];
    assert_eq!(freed, told);
    assert_eq!(bench.alert("bank", "CpuMost").since, Wall(40_000));
    let over = bench.tell(cpu(Some(0.1))).at(45);
    assert_eq!(over, ["bank/Cpu over", "bank/CpuMost over"]);
}

#[test]
fn a_signal_that_was_withheld_for_its_own_service_is_told_when_that_ends_by_itself() {
    let mut bench = Bench::new(cpu_pair());
    bench.see("bank", with_cpu(Healthy)).at(0);
    bench.at(10);
    assert_eq!(bench.at(30), ["bank/Cpu suppressed by bank/CpuMost"]);
    bench.tell(cpu(Some(0.6))).at(40);
    assert_eq!(bench.at(99), NOTHING);
    assert_eq!(bench.at(100), ["bank/Cpu pending", "bank/CpuMost resolved"]);
    assert_eq!(bench.at(130), ["bank/Cpu firing"]);
    // Or because there is no such rule any more.
    let mut bench = Bench::new(cpu_pair());
    bench.see("bank", with_cpu(Healthy)).at(0);
    bench.at(10);
    bench.at(30);
    let [alone, _] = cpu_pair();
    bench.machine.replace_rules(rules([alone]));
    assert_eq!(bench.at(31), ["bank/Cpu firing", "bank/CpuMost resolved"]);
}

#[test]
fn a_signal_is_explained_by_others_only_where_they_alone_are_why_it_is_bad() {
    let [_, most] = cpu_pair();
    for (status, causes, is_told) in [
        (Unhealthy, &["bank"][..], false),
        (Unhealthy, &["atm", "bank"], true),
        (Degraded, &["bank"], true),
    ] {
        let mut bench = Bench::new([down(), most.clone()]);
        bench.is("bank", Unhealthy, &["bank"]).at(0);
        bench.at(30);
        let atm = ServiceFacts {
            signals: [(name("cpu_ratio"), 0.9)].into(),
            ..facts(status, causes)
        };
        // Pending, its own status would suppress it as well: out of sight here.
        bench.machine.replace_rules(rules([
            RuleSpec {
                services: vec!["bank".into()],
                ..down()
            },
            most.clone(),
        ]));
        bench.see("atm", atm).at(31);
        let told = bench.at(41);
        let expected = match is_told {
            true => "atm/CpuMost firing",
            false => "atm/CpuMost suppressed by bank/Down",
        };
        assert_eq!(told, [expected], "{status:?} {causes:?}");
    }
}

#[test]
fn nothing_hides_behind_what_fires_in_an_hour() {
    let slow = RuleSpec {
        suppression: true,
        ..spec("Long", "status != 'healthy'", 3_600)
    };
    let mut bench = Bench::new([
        RuleSpec {
            services: vec!["atm".into()],
            ..down()
        },
        RuleSpec {
            services: vec!["bank".into()],
            ..slow
        },
    ]);
    bench.is("bank", Unhealthy, &["bank"]);
    bench.is("atm", Unhealthy, &["bank"]).at(0);
    assert_eq!(bench.at(30), ["atm/Down firing"]);
    bench.is("atm", Healthy, &[]).at(31);
    bench.is("atm", Unhealthy, &["bank"]).at(3_500);
    // Twice what it waits for by itself is a minute: that is soon enough.
    bench.at(3_530);
    assert_eq!(bench.alert("atm", "Down").state, AlertState::Firing);
    bench.is("atm", Healthy, &[]).at(3_531);
    bench.is("atm", Unhealthy, &["bank"]).at(3_532);
    assert_eq!(bench.at(3_562), ["atm/Down suppressed by bank/Long"]);
}

#[test]
fn labels_stay_and_annotations_vary() {
    let told = RuleSpec {
        labels: [("team".to_owned(), "money".to_owned())].into(),
        ..down()
    };
    let mut bench = Bench::new([told]);
    bench.is("atm", Unhealthy, &["bank"]).at(0);
    bench.at(30);
    let labels = bench.alert("atm", "Down").labels.clone();
    assert_eq!((&*labels["team"], &*labels["root_cause"]), ("money", "bank"));
    bench.is("atm", Unhealthy, &["vault", "bank"]);
    assert_eq!(bench.at(31), ["atm/Down firing"]);
    assert_eq!(bench.alert("atm", "Down").labels, labels);
    assert_eq!(bench.alert("atm", "Down").causes, [name("vault"), name("bank")]);
    // Another firing, of its own.
    bench.is("atm", Healthy, &[]).at(40);
    bench.is("atm", Unhealthy, &["vault"]).at(41);
    assert_eq!(bench.at(71), ["atm/Down firing"]);
    let again = bench.alert("atm", "Down");
    assert_eq!((again.fired, again.resolved), (Some(Wall(71_000)), None));
    assert_eq!(again.labels["root_cause"], "vault");
}

#[test]
fn what_is_gone_is_resolved() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]);
    bench.is("atm", Unhealthy, &["bank"]).at(0);
    bench.at(30);
    let gone = |service| Seen::Facts(Facts::Gone(name(service)));
    assert_eq!(
        bench.tell(gone("bank")).at(31),
        ["bank/Down resolved", "atm/Down pending"]
    );
    assert_eq!(bench.at(61), ["atm/Down firing"]);
    assert_eq!(
        bench.tell(gone("bank")).tell(gone("atm")).at(62),
        ["atm/Down resolved"]
    );
}

#[test]
fn rules_change() {
    let mut bench = Bench::new([down(), spec("Bad", "status != 'healthy'", 0)]);
    bench.is("bank", Unhealthy, &["bank"]).at(0);
    assert_eq!(bench.at(30), ["bank/Down firing"]);
    let stricter = RuleSpec {
        severity: Severity::Warning,
        expr: "status == 'unhealthy' || status == 'degraded'".into(),
        ..down()
    };
    bench.machine.replace_rules(rules([stricter]));
    assert_eq!(bench.machine.next_due(), Some(Wall(30_000)));
    assert_eq!(bench.at(31), ["bank/Bad resolved"]);
    assert_eq!(bench.is("bank", Degraded, &["bank"]).at(32), NOTHING);
    assert_eq!(bench.alert("bank", "Down").labels["severity"], "critical");
    bench.machine.replace_rules(rules([]));
    assert_eq!(bench.at(33), ["bank/Down resolved"]);
    bench
        .machine
        .replace_rules(rules([spec("Bad", "status != 'healthy'", 0)]));
    assert_eq!(bench.at(34), ["bank/Bad firing"]);
}

#[test]
fn rules_are_about_those_they_name() {
    let named = RuleSpec {
        services: vec!["shop-*".into(), "bank".into()],
        ..spec("Bad", "status != 'healthy'", 0)
    };
    let mut bench = Bench::new([named]);
    for service in ["shop-1", "shop", "bank", "banks"] {
        bench.is(service, Unhealthy, &[]);
    }
    assert_eq!(bench.at(0), ["bank/Bad firing", "shop-1/Bad firing"]);
}

fn in_maintenance(status: Status, causes: &[&str]) -> ServiceFacts {
    ServiceFacts {
        maintenance: true,
        ..facts(status, causes)
    }
}

#[test]
fn maintenance_pages_nobody_and_ends_honestly() {
    let mut bench = Bench::new([down()]);
    bench.see("bank", in_maintenance(Unhealthy, &["bank"]));
    bench.is("atm", Unhealthy, &["bank"]);
    // Not all that causes this is in maintenance.
    bench.is("shop", Unhealthy, &["bank", "stock"]);
    bench.at(0);
    let withheld = [
        "bank/Down suppressed by maintenance of [\"bank\"]",
        "atm/Down suppressed by maintenance of [\"bank\"]",
        "shop/Down firing",
    ];
    assert_eq!(bench.at(30), withheld);
    bench.is("bank", Unhealthy, &["bank"]);
    assert_eq!(
        bench.at(100),
        ["bank/Down firing", "atm/Down suppressed by bank/Down"]
    );
    assert_eq!(bench.alert("bank", "Down").since, Wall(0));
}

#[test]
fn maintenance_of_a_cause_withholds_what_it_explains_only() {
    let [_, most] = cpu_pair();
    let memory = RuleSpec {
        suppression: false,
        ..spec("Memory", "signals.cpu_ratio > 0.8", 10)
    };
    let many: Vec<String> = (0..ward_model::bounds::CAUSES)
        .map(|at| format!("c{at}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut bench = Bench::new([down(), most, memory]);
    for cause in &many {
        bench.see(cause, in_maintenance(Unhealthy, &[cause]));
    }
    let atm = ServiceFacts {
        signals: [(name("cpu_ratio"), 0.9)].into(),
        ..facts(Unhealthy, &["c0"])
    };
    bench.see("atm", atm).at(0);
    let told = [
        "atm/CpuMost suppressed by maintenance of [\"c0\"]",
        "atm/Memory firing",
    ];
    assert_eq!(bench.at(10), told);
    // A list that is full may not have all of them.
    bench
        .is("shop", Unhealthy, &many)
        .is("mall", Unhealthy, &many[1..])
        .at(11);
    bench.at(41);
    assert_eq!(bench.alert("shop", "Down").state, AlertState::Firing);
    assert_eq!(bench.alert("mall", "Down").state, AlertState::Suppressed);
}

#[test]
fn maintenance_withholds_nothing_that_fires() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]).at(0);
    bench.at(30);
    assert_eq!(
        bench.see("bank", in_maintenance(Unhealthy, &["bank"])).at(31),
        NOTHING
    );
    bench.see("bank", in_maintenance(Healthy, &[]));
    assert_eq!(bench.at(32), ["bank/Down resolved"]);
}

#[test]
fn time_may_jump() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]);
    bench.is("atm", Unhealthy, &["bank"]).at(0);
    assert_eq!(
        bench.at(9_000),
        ["bank/Down firing", "atm/Down suppressed by bank/Down"]
    );
    assert_eq!(bench.at(5), NOTHING);
    assert_eq!(
        bench.is("bank", Healthy, &[]).is("atm", Healthy, &[]).at(6).len(),
        2
    );
    assert_eq!(bench.alert("bank", "Down").resolved, Some(Wall(9_000_000)));
}

#[test]
fn unknown_neither_fires_nor_resolves() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]).at(0);
    bench.is("bank", Unseen, &[]).at(20);
    assert_eq!(bench.at(500), NOTHING);
    bench.is("bank", Unhealthy, &["bank"]).at(1_000);
    assert_eq!(bench.alert("bank", "Down").since, Wall(980_000));
    assert_eq!(bench.at(1_009), NOTHING);
    assert_eq!(bench.at(1_010), ["bank/Down firing"]);
    bench.is("bank", Unseen, &[]).at(1_011);
    assert_eq!(bench.at(9_999), NOTHING);
    assert_eq!(bench.is("bank", Healthy, &[]).at(10_000), ["bank/Down resolved"]);
}

#[test]
fn behind_what_nobody_can_know_nothing_hides() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]).at(0);
    bench.is("bank", Unseen, &[]).at(1);
    bench.is("atm", Unhealthy, &["bank"]).at(2);
    assert_eq!(bench.at(32), ["atm/Down firing"]);
}

#[test]
fn unknown_is_judged_where_a_rule_says_so() {
    let unseen = RuleSpec {
        unknown: Unknown::Judge,
        ..spec("Unseen", "status == 'unknown'", 60)
    };
    let mut bench = Bench::new([unseen]);
    bench.is("bank", Unseen, &[]).at(0);
    assert_eq!(bench.at(60), ["bank/Unseen firing"]);
    // After a start it is the aggregator that does not know.
    bench.restart(Some(60));
    let settling = |settling| {
        let mut facts = SystemFacts::default();
        facts.observer.settling = settling;
        Seen::Facts(Facts::System(Box::new(facts)))
    };
    bench
        .tell(settling(true))
        .is("bank", Unseen, &[])
        .is("atm", Unseen, &[]);
    assert_eq!(bench.at(70), ["bank/Unseen firing"]);
    assert_eq!(bench.at(200), NOTHING);
    assert_eq!(
        bench.tell(settling(false)).at(201),
        ["atm/Unseen pending", "bank/Unseen firing"]
    );
    assert_eq!(bench.is("bank", Healthy, &[]).at(202), ["bank/Unseen resolved"]);
}

#[test]
fn the_system_is_not_judged_while_it_settles() {
    let system = RuleSpec {
        about_system: true,
        ..spec("System", "status == 'unhealthy'", 0)
    };
    let watchdog = RuleSpec {
        about_system: true,
        severity: Severity::None,
        ..spec("Watchdog", "true", 0)
    };
    let mut bench = Bench::new([system, watchdog, down()]);
    let mut facts = SystemFacts {
        status: Unhealthy,
        causes: vec![name("bank")],
        ..SystemFacts::default()
    };
    facts.observer.settling = true;
    let seen = |facts: &SystemFacts| Seen::Facts(Facts::System(Box::new(facts.clone())));
    assert_eq!(bench.tell(seen(&facts)).at(0), ["system/Watchdog firing"]);
    facts.observer.settling = false;
    bench.is("bank", Unhealthy, &["bank"]);
    let told = bench.tell(seen(&facts)).at(1);
    assert_eq!(told, ["bank/Down pending", "system/System firing"]);
    let labels = &bench.alert("system", "System").labels;
    assert_eq!((&*labels["root_cause"], labels.get("service")), ("bank", None));
}

#[test]
fn the_system_is_explained_by_its_causes() {
    let system = RuleSpec {
        about_system: true,
        suppression: true,
        ..spec("System", "status == 'unhealthy'", 30)
    };
    let mut bench = Bench::new([system, down()]);
    let facts = SystemFacts {
        status: Unhealthy,
        causes: vec![name("bank")],
        ..SystemFacts::default()
    };
    bench.tell(Seen::Facts(Facts::System(Box::new(facts))));
    bench.is("bank", Unhealthy, &["bank"]).at(0);
    assert_eq!(
        bench.at(30),
        ["bank/Down firing", "system/System suppressed by bank/Down"]
    );
}

#[test]
fn it_fires_on_for_a_while() {
    let keeps = RuleSpec {
        keep_firing_for: Duration::from_secs(60),
        ..spec("Down", "status == 'unhealthy'", 0)
    };
    let mut bench = Bench::new([keeps]);
    assert_eq!(bench.is("bank", Unhealthy, &["bank"]).at(0), ["bank/Down firing"]);
    bench.is("bank", Healthy, &[]).at(10);
    bench.is("bank", Unhealthy, &["bank"]).at(60);
    bench.is("bank", Healthy, &[]).at(100);
    // Time in which nobody can know is no evidence.
    bench.is("bank", Unseen, &[]).at(130);
    bench.is("bank", Healthy, &[]).at(1_000);
    assert_eq!(bench.machine.next_due(), Some(Wall(1_030_000)));
    assert_eq!(bench.at(1_029), NOTHING);
    assert_eq!(bench.at(1_030), ["bank/Down resolved"]);
}

#[test]
fn it_is_held_for_so_long_and_no_longer() {
    let held = RuleSpec {
        hold: Some("dependencies.suspect > 0".into()),
        ..down()
    };
    let needs = |needed: &str, facts: ServiceFacts| ServiceFacts {
        dependencies: vec![name(needed)],
        ..facts
    };
    let mut suspect = facts(Healthy, &[]);
    suspect.instances.suspect = 1;
    let mut bench = Bench::new([held]);
    bench
        .see("bank", suspect.clone())
        .see("till", needs("bank", facts(Healthy, &[])));
    bench
        .see("shop", needs("till", facts(Unhealthy, &["shop"])))
        .at(0);
    assert_eq!(bench.at(30), NOTHING);
    assert_eq!(bench.at(59), NOTHING);
    assert_eq!(bench.at(60), ["shop/Down firing"]);
    // Or until it ends.
    bench
        .see("mall", needs("bank", facts(Unhealthy, &["mall"])))
        .at(100);
    assert_eq!(bench.at(130), NOTHING);
    bench.is("bank", Healthy, &[]);
    assert_eq!(bench.machine.next_due(), Some(Wall(131_000)));
    assert_eq!(bench.at(131), ["mall/Down firing"]);
}

fn cpu(value: Option<f64>) -> Seen {
    let signals = value.map(|value| (name("cpu_ratio"), value));
    Seen::Signals(name("bank"), signals.into_iter().collect())
}

#[test]
fn a_signal_that_is_missing_is_no_evidence() {
    let mut bench = Bench::new([spec("Cpu", "signals.cpu_ratio > 0.8", 30)]);
    // A service that is not known has no signals.
    assert_eq!(bench.tell(cpu(Some(0.9))).at(0), NOTHING);
    bench.is("bank", Healthy, &[]).tell(cpu(Some(0.9)));
    assert_eq!(bench.at(1), ["bank/Cpu pending"]);
    assert_eq!(bench.tell(cpu(None)).at(2), ["bank/Cpu over"]);
    bench.tell(cpu(Some(0.9))).at(3);
    // Its status does not matter.
    assert_eq!(bench.see("bank", with_cpu(Unseen)).at(33), ["bank/Cpu firing"]);
    bench.tell(cpu(None)).at(40);
    assert_eq!(bench.at(40 + 899), NOTHING);
    assert_eq!(bench.at(40 + 900), ["bank/Cpu resolved"]);
}

fn with_cpu(status: Status) -> ServiceFacts {
    ServiceFacts {
        signals: [(name("cpu_ratio"), 0.9)].into(),
        ..facts(status, &[])
    }
}

#[test]
fn a_restart_goes_on_with_signals_as_well() {
    let mut bench = Bench::new([spec("Cpu", "signals.cpu_ratio > 0.8", 30)]);
    bench
        .see("bank", with_cpu(Healthy))
        .see("atm", with_cpu(Healthy))
        .at(0);
    bench.restart(Some(20));
    bench.is("bank", Unseen, &[]).at(100);
    bench.is("bank", Healthy, &[]).at(110);
    bench.tell(cpu(Some(0.9))).at(120);
    assert_eq!(bench.at(129), NOTHING);
    assert_eq!(bench.at(130), ["bank/Cpu firing"]);
    // Nothing was ever heard of the other.
    assert_eq!(bench.at(999), NOTHING);
    assert_eq!(bench.at(1_000), ["atm/Cpu over"]);
}

#[test]
fn how_long_something_lasts_is_asked_again() {
    let mut bench = Bench::new([spec("Long", "status == 'degraded' && since_seconds > 300.0", 0)]);
    bench.is("bank", Degraded, &["bank"]).at(0);
    let mut fired = None;
    for _ in 0..300 {
        let due = bench.machine.next_due().unwrap();
        if !bench.machine.step(due, Vec::new()).is_empty() {
            fired = Some(due.0 / 1_000);
            break;
        }
    }
    assert!((301..=306).contains(&fired.unwrap()), "{fired:?}");
    assert!(bench.machine.judged() < 300);
}

#[test]
fn a_restart_is_no_news_about_anybody() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]);
    bench.is("atm", Unhealthy, &["bank"]).at(0);
    bench.at(30);
    bench.is("shop", Unhealthy, &["shop"]).at(40);
    let fired = bench.alert("bank", "Down").clone();
    bench.restart(Some(50));
    bench
        .is("bank", Unseen, &[])
        .is("atm", Unseen, &[])
        .is("shop", Unseen, &[])
        .at(100);
    assert_eq!(bench.at(5_000), NOTHING);
    let now = bench.alert("bank", "Down");
    assert_eq!(
        (&now.labels, now.fired, now.state),
        (&fired.labels, fired.fired, fired.state)
    );
    bench
        .is("bank", Unhealthy, &["bank"])
        .is("atm", Unhealthy, &["bank"]);
    bench.is("shop", Unhealthy, &["shop"]).at(5_010);
    assert_eq!(bench.alert("atm", "Down").state, AlertState::Suppressed);
    assert_eq!(bench.alert("bank", "Down").fired, Some(Wall(30_000)));
    assert_eq!(bench.at(5_029), NOTHING);
    assert_eq!(bench.at(5_030), ["shop/Down firing"]);
    assert_eq!(
        bench.is("bank", Healthy, &[]).at(5_031),
        ["bank/Down resolved", "atm/Down pending"]
    );
    assert_eq!(bench.at(5_061), ["atm/Down firing"]);
}

#[test]
fn what_was_unknown_before_a_restart_counts_no_more_behind_it() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]).at(0);
    bench.is("bank", Unseen, &[]).at(10);
    bench.restart(Some(500));
    bench.is("bank", Unhealthy, &["bank"]).at(600);
    assert_eq!(bench.at(619), NOTHING);
    assert_eq!(bench.at(620), ["bank/Down firing"]);
}

#[test]
fn without_a_word_about_it_a_restart_begins_anew() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]).at(0);
    bench.restart(None);
    bench.seen.clear();
    bench.is("bank", Unhealthy, &["bank"]).at(100);
    assert_eq!(bench.at(129), NOTHING);
    assert_eq!(bench.at(130), ["bank/Down firing"]);
}

#[test]
fn a_clock_that_was_set_back_over_a_restart_makes_nothing_of_the_future() {
    let mut bench = Bench::new([down()]);
    bench.is("atm", Unhealthy, &["atm"]).at(900);
    bench.at(930);
    bench.is("till", Unhealthy, &["till"]).at(960);
    bench.at(990);
    bench
        .is("till", Healthy, &[])
        .is("bank", Unhealthy, &["bank"])
        .at(1_000);
    bench.restart(Some(1_000));
    for service in ["atm", "bank"] {
        bench.is(service, Unhealthy, &[service]);
    }
    bench.is("till", Healthy, &[]).at(500);
    let atm = bench.alert("atm", "Down");
    assert_eq!((atm.since, atm.fired), (Wall(500_000), Some(Wall(930_000))));
    assert_eq!(bench.alert("till", "Down").resolved, Some(Wall(1_000_000)));
    assert_eq!(bench.at(529), NOTHING);
    assert_eq!(bench.at(530), ["bank/Down firing"]);
    assert_eq!(bench.is("atm", Healthy, &[]).at(540), ["atm/Down resolved"]);
    assert_eq!(bench.at(1_000 + 900), ["atm/Down over", "till/Down over"]);
}

#[test]
fn acknowledged_until_it_is_over() {
    let mut bench = Bench::new([down(), spec("Bad", "status != 'healthy'", 0)]);
    bench.is("bank", Unhealthy, &["bank"]).at(0);
    bench.at(30);
    let by = Acknowledgement {
        service: Some(name("bank")),
        rules: vec![RuleName::new("Down").unwrap()],
        by: "ada".into(),
        why: "on it".into(),
        start: Wall(40_000),
        end: Wall(1_000_000),
    };
    let told = Seen::Acknowledged(by.clone());
    assert_eq!(bench.tell(told.clone()).at(40), ["bank/Down firing"]);
    assert_eq!(bench.tell(told.clone()).at(41), NOTHING);
    assert_eq!(bench.alert("bank", "Down").acknowledged, Some(by));
    assert_eq!(bench.alert("bank", "Bad").acknowledged, None);
    // It goes on over a restart, and ends with the alert although another one fires.
    bench.restart(Some(41));
    bench.is("bank", Unhealthy, &["bank"]).at(50);
    assert_eq!(bench.machine.acknowledgements().count(), 1);
    assert_eq!(
        bench.is("bank", Degraded, &["bank"]).at(60)[0],
        "bank/Down resolved"
    );
    assert_eq!(bench.machine.acknowledgements().count(), 0);
    // Or in time; or when somebody says so.
    bench.is("bank", Unhealthy, &["bank"]).at(100);
    bench.at(130);
    bench.tell(told.clone()).at(131);
    assert_eq!(bench.at(999), NOTHING);
    assert_eq!(bench.machine.next_due(), Some(Wall(1_000_000)));
    assert_eq!(bench.at(1_000), ["bank/Down firing"]);
    assert_eq!(bench.alert("bank", "Down").acknowledged, None);
    let later = Acknowledgement {
        end: Wall(9_000_000),
        ..match told {
            Seen::Acknowledged(by) => by,
            _ => unreachable!(),
        }
    };
    bench.tell(Seen::Acknowledged(later)).at(1_001);
    bench.tell(Seen::Unacknowledged(Some(name("bank"))));
    assert_eq!(bench.at(1_002), ["bank/Down firing"]);
    assert_eq!(bench.alert("bank", "Down").acknowledged, None);
}

#[test]
fn what_has_no_room_is_counted_and_has_some_as_soon_as_there_is() {
    let warning = RuleSpec {
        severity: Severity::Warning,
        ..spec("Slow", "status == 'degraded'", 0)
    };
    let mut bench = Bench::new([down(), warning]);
    bench.machine.book = super::book::Book::with_room(2);
    for service in ["a", "b", "c"] {
        bench.is(service, Degraded, &[service]);
    }
    assert_eq!(bench.at(0), ["a/Slow firing"]);
    assert_eq!(bench.machine.beyond(), 2);
    // What wakes people has room that those have not.
    assert_eq!(bench.is("d", Unhealthy, &["d"]).at(1), ["d/Down pending"]);
    assert_eq!(bench.is("e", Unhealthy, &["e"]).at(2), NOTHING);
    assert_eq!(bench.machine.beyond(), 3);
    assert_eq!(bench.is("b", Healthy, &[]).at(3), NOTHING);
    assert_eq!(bench.machine.beyond(), 2);
    assert_eq!(bench.is("d", Healthy, &[]).at(4), ["d/Down over"]);
    assert_eq!(bench.machine.next_due(), Some(Wall(4_000)));
    assert_eq!(bench.at(5), ["e/Down pending"]);
    assert_eq!(bench.machine.beyond(), 1);
}

#[test]
fn what_is_resolved_gives_up_its_room_once_it_is_told() {
    let slow = RuleSpec {
        severity: Severity::Warning,
        ..spec("Slow", "status == 'degraded'", 0)
    };
    let mut bench = Bench::new([down(), slow]);
    bench.machine.book = super::book::Book::with_room(2);
    assert_eq!(bench.is("a", Degraded, &["a"]).at(0), ["a/Slow firing"]);
    bench.is("a", Healthy, &[]).is("b", Degraded, &["b"]);
    assert_eq!(bench.at(1), ["a/Slow resolved"]);
    assert_eq!(bench.machine.beyond(), 1);
    assert_eq!(bench.machine.next_due(), Some(Wall(1_000)));
    assert_eq!(bench.at(2), ["a/Slow over", "b/Slow firing"]);
    // What wakes people takes the place of either.
    bench.is("b", Healthy, &[]).at(3);
    assert_eq!(bench.is("c", Unhealthy, &["c"]).at(4), ["c/Down pending"]);
    let told = bench.is("d", Unhealthy, &["d"]).at(5);
    assert_eq!(told, ["b/Slow over", "d/Down pending"]);
    bench.at(35);
    bench.is("c", Healthy, &[]).at(36);
    // And what can wait does not take that of what does not.
    assert_eq!(bench.is("e", Degraded, &["e"]).at(37), NOTHING);
    let told = bench.is("f", Unhealthy, &["f"]).at(38);
    assert_eq!(told, ["c/Down over", "f/Down pending"]);
    assert_eq!(bench.machine.beyond(), 1);
    assert_eq!(bench.machine.next_due(), Some(Wall(68_000)));
}

#[test]
fn all_the_room_that_becomes_free_in_a_step_is_used() {
    let mut bench = Bench::new([down()]);
    bench.machine.book = super::book::Book::with_room(3);
    for service in ["a", "b", "c", "d", "e", "f"] {
        bench.is(service, Unhealthy, &[service]);
    }
    assert_eq!(bench.at(0).len(), 3);
    assert_eq!(bench.machine.beyond(), 3);
    bench.is("a", Healthy, &[]).is("b", Healthy, &[]);
    assert_eq!(bench.at(1), ["a/Down over", "b/Down over"]);
    assert_eq!(bench.at(2), ["d/Down pending", "e/Down pending"]);
    assert_eq!(bench.machine.beyond(), 1);
}

#[test]
fn what_a_service_says_of_itself_is_unknown_by_itself() {
    let own = spec("Own", "own == 'unhealthy'", 0);
    let lost = spec("Lost", "instances.lost > 0", 0);
    let mut bench = Bench::new([own, lost, spec("Bad", "status == 'unhealthy'", 0)]);
    let seen = |status, own, lost| {
        let mut facts = facts(status, &["bank"]);
        facts.own = own;
        facts.instances.lost = lost;
        facts
    };
    let fired = ["atm/Bad firing", "atm/Lost firing", "atm/Own firing"];
    assert_eq!(bench.see("atm", seen(Unhealthy, Unhealthy, 1)).at(0), fired);
    // It is out of sight, and what it needs is bad: that says nothing about itself.
    bench.see("atm", seen(Unhealthy, Unseen, 0)).at(1);
    for rule in ["Own", "Lost"] {
        let alert = bench.alert("atm", rule);
        assert_eq!(
            (alert.state, alert.unknown_since),
            (AlertState::Firing, Some(Wall(1_000)))
        );
    }
    assert_eq!(bench.alert("atm", "Bad").unknown_since, None);
    let over = ["atm/Lost resolved", "atm/Own resolved"];
    assert_eq!(bench.see("atm", seen(Unhealthy, Healthy, 0)).at(2), over);
}
