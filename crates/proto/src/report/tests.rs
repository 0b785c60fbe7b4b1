//! Each way of a hello or an update to be wrong, by the field it is told under.

use super::*;

fn good() -> v1::Hello {
    v1::Hello {
        service: "payments".into(),
        instance: "payments-1".into(),
        incarnation: "4f1c".into(),
        sequence: 7,
        ..v1::Hello::default()
    }
}

fn check(name: &str) -> v1::CheckDeclaration {
    v1::CheckDeclaration {
        name: name.into(),
        ..Default::default()
    }
}

fn need(service: &str, any_of: &str) -> v1::Dependency {
    v1::Dependency {
        service: service.into(),
        any_of: any_of.into(),
        kind: 0,
    }
}

fn level(raise: f64, clear: f64) -> Option<v1::SignalLevel> {
    Some(v1::SignalLevel { raise, clear })
}

fn signal(degraded: Option<v1::SignalLevel>, unhealthy: Option<v1::SignalLevel>) -> v1::SignalDeclaration {
    v1::SignalDeclaration {
        name: "error_ratio".into(),
        degraded,
        unhealthy,
    }
}

fn value(name: &str, value: f64) -> v1::SignalValue {
    v1::SignalValue {
        name: name.into(),
        value,
    }
}

/// The field that `spoil` makes a hello be refused for.
fn refused(spoil: impl FnOnce(&mut v1::Hello)) -> String {
    let mut wire = good();
    spoil(&mut wire);
    Converted::<Hello>::try_from(wire)
        .expect_err("must be refused")
        .field
}

fn taken(change: impl FnOnce(&mut v1::Hello)) -> Converted<Hello> {
    let mut wire = good();
    change(&mut wire);
    Converted::try_from(wire).expect("must be taken")
}

#[test]
fn what_is_left_out_has_its_default() {
    let Converted {
        value: hello,
        left_out,
    } = taken(|_| ());
    assert!(left_out.is_empty());
    assert_eq!(hello.interval, INTERVAL_DEFAULT);
    assert_eq!(hello.startup_deadline, STARTUP_DEADLINE_DEFAULT);
    assert_eq!((hello.criticality, hello.min_healthy), (None, None));
    let hello = taken(|hello| {
        hello.checks.push(check("db"));
        hello.dependencies.push(need("bank", ""));
        hello.min_healthy = Some(v1::MinHealthy { amount: None });
    });
    assert_eq!(hello.value.checks[0].kind, ward_model::CheckKind::Required);
    assert_eq!(hello.value.dependencies[0].kind, ward_model::DependencyKind::Hard);
    assert_eq!(hello.value.min_healthy, None);
}

#[test]
fn identity_and_times_are_within_bounds() {
    assert_eq!(refused(|hello| hello.service.clear()), "hello.service");
    assert_eq!(refused(|hello| hello.service = "system".into()), "hello.service");
    assert_eq!(refused(|hello| hello.instance = "a/b".into()), "hello.instance");
    assert_eq!(
        refused(|hello| hello.incarnation = "x".repeat(65)),
        "hello.incarnation"
    );
    assert_eq!(refused(|hello| hello.version = "x".repeat(65)), "hello.version");
    assert_eq!(refused(|hello| hello.version = "1\n2".into()), "hello.version");
    assert_eq!(refused(|hello| hello.interval_ms = 99), "hello.interval_ms");
    assert_eq!(
        refused(|hello| hello.interval_ms = 3_600_001),
        "hello.interval_ms"
    );
    assert_eq!(
        taken(|hello| hello.interval_ms = 100).value.interval,
        INTERVAL_MIN
    );
    assert_eq!(
        refused(|hello| hello.startup_deadline_ms = u32::MAX),
        "hello.startup_deadline_ms"
    );
    assert_eq!(refused(|hello| hello.criticality = 17), "hello.criticality");
}

#[test]
fn what_is_reported_once_may_be_rare_and_without_a_life_and_nothing_else() {
    let life = Incarnation::new("new").unwrap();
    let once = |change: fn(&mut v1::Hello)| {
        let mut wire = good();
        change(&mut wire);
        hello_once(wire, &life)
    };
    let refused = |change| once(change).expect_err("must be refused");
    let anonymous = once(|hello| hello.incarnation.clear()).unwrap().value;
    assert_eq!(anonymous.incarnation, life);
    assert_eq!(once(|_| ()).unwrap().value.incarnation.to_string(), "4f1c");
    let month = once(|hello| hello.interval_ms = 2_678_400_000).unwrap().value;
    assert_eq!(month.interval, INTERVAL_ONCE_MAX);
    let more = refused(|hello| hello.interval_ms = 2_678_400_001);
    assert_eq!(
        more.to_string(),
        "hello.interval_ms is 2678400001, expected 100 to 2678400000, or 0 for the default"
    );
    assert_eq!(refused(|hello| hello.interval_ms = 99).field, "hello.interval_ms");
    assert_eq!(refused(|hello| hello.instance.clear()).field, "hello.instance");
    assert_eq!(
        refused(|hello| hello.incarnation = "\n".into()).field,
        "hello.incarnation"
    );
    let streaming = good();
    let streaming = v1::Hello {
        incarnation: String::new(),
        ..streaming
    };
    let refused = Converted::<Hello>::try_from(streaming).expect_err("streams are strict");
    assert_eq!(refused.field, "hello.incarnation");
}

#[test]
fn labels_are_bounded_and_harmless() {
    let label = |key: &str, value: &str| {
        let (key, value) = (key.to_string(), value.to_string());
        move |hello: &mut v1::Hello| {
            hello.labels.insert(key, value);
        }
    };
    assert_eq!(refused(label("", "x")), "hello.labels");
    assert_eq!(refused(label(&"k".repeat(129), "x")), "hello.labels.key");
    assert_eq!(refused(label("k", "a\u{1b}[2Jb")), "hello.labels.value");
    assert_eq!(
        refused(|hello| hello.labels = (0..17).map(|n| (format!("k{n}"), "v".into())).collect()),
        "hello.labels"
    );
    assert_eq!(taken(label("zone", "eu-1")).value.labels["zone"], "eu-1");
}

#[test]
fn declarations_are_checked_where_they_stand() {
    assert_eq!(
        refused(|h| h.checks = vec![check("a"), check("b"), check("")]),
        "hello.checks[2].name"
    );
    assert_eq!(
        refused(|h| h.checks = vec![check("a"), check("a")]),
        "hello.checks[1].name"
    );
    assert_eq!(
        refused(|h| h.checks = (0..33).map(|n| check(&format!("c{n}"))).collect()),
        "hello.checks"
    );
    assert_eq!(
        refused(|h| h.checks = vec![v1::CheckDeclaration {
            kind: 9,
            ..check("a")
        }]),
        "hello.checks[0].kind"
    );
    let nan = level(f64::NAN, 0.0);
    assert_eq!(
        refused(|h| h.signals.push(signal(nan, None))),
        "hello.signals[0].degraded.raise"
    );
    let endless = level(1.0, f64::NEG_INFINITY);
    assert_eq!(
        refused(|h| h.signals.push(signal(None, endless))),
        "hello.signals[0].unhealthy.clear"
    );
    assert_eq!(
        refused(|h| h.signals.push(signal(level(1.0, 2.0), None))),
        "hello.signals[0].degraded.clear"
    );
    let crossed = signal(level(0.5, 0.4), level(0.1, 0.1));
    assert_eq!(
        refused(|h| h.signals.push(crossed)),
        "hello.signals[0].unhealthy.raise"
    );
    assert_eq!(
        refused(|h| h.signals = vec![signal(None, None); 2]),
        "hello.signals[1].name"
    );
    let min = |amount| move |h: &mut v1::Hello| h.min_healthy = Some(v1::MinHealthy { amount: Some(amount) });
    assert_eq!(
        refused(min(v1::min_healthy::Amount::Percent(0))),
        "hello.min_healthy.percent"
    );
    assert_eq!(
        refused(min(v1::min_healthy::Amount::Percent(101))),
        "hello.min_healthy.percent"
    );
    assert_eq!(
        refused(min(v1::min_healthy::Amount::Count(0))),
        "hello.min_healthy.count"
    );
}

#[test]
fn a_check_about_its_own_service_is_a_plain_check() {
    let own = v1::CheckDeclaration {
        subject: "payments".into(),
        ..check("self")
    };
    let other = v1::CheckDeclaration {
        subject: "bank".into(),
        ..check("bank")
    };
    let Converted { value, left_out } = taken(|hello| hello.checks = vec![own, other]);
    assert!(left_out.is_empty());
    assert_eq!(value.checks[0].subject, None);
    assert_eq!(value.checks[1].subject, Some(Name::service("bank").unwrap()));
}

#[test]
fn what_means_nothing_is_left_out_and_told() {
    let Converted {
        value: hello,
        left_out,
    } = taken(|hello| {
        hello.dependencies = vec![
            need("payments", ""),
            need("bank", ""),
            need("bank", ""),
            need("bank", "banks"),
            need("b2", "banks"),
        ];
        hello.values = vec![value("a", f64::NAN), value("b", 1.0), value("c", f64::INFINITY)];
    });
    let fields: Vec<_> = left_out.iter().map(|invalid| invalid.field.as_str()).collect();
    let expected = [
        "hello.dependencies[0].service",
        "hello.dependencies[2].service",
        "hello.values[0].value",
        "hello.values[2].value",
    ];
    assert_eq!(fields, expected);
    assert_eq!(hello.dependencies.len(), 3);
    assert_eq!(hello.values.len(), 1);
    assert_eq!(
        refused(|hello| hello.dependencies = vec![need("bank", ""); 65]),
        "hello.dependencies"
    );
}

#[test]
fn updates_are_checked_as_well() {
    let result = |name: &str, status| v1::CheckResult {
        name: name.into(),
        status,
        message: "a\tb".into(),
    };
    let update = |results, values| {
        Converted::<Update>::try_from(v1::Update {
            handle: 1,
            sequence: 8,
            full: false,
            results,
            values,
            traceparent: "no context at all, which is nobody's business here".into(),
        })
    };
    assert_eq!(
        update(vec![result("a", 0)], vec![]).unwrap_err().field,
        "update.results[0].status"
    );
    assert_eq!(
        update(vec![result("a", 5)], vec![]).unwrap_err().field,
        "update.results[0].status"
    );
    assert_eq!(
        update(vec![result("a", 1), result("a", 1)], vec![])
            .unwrap_err()
            .field,
        "update.results[1].name"
    );
    assert_eq!(
        update(vec![], vec![value("A", 1.0)]).unwrap_err().field,
        "update.values[0].name"
    );
    assert_eq!(
        update(vec![], vec![value("a", 1.0); 33]).unwrap_err().field,
        "update.values"
    );
    let good = update(vec![result("a", 4)], vec![value("b", f64::NAN), value("c", 2.0)]).unwrap();
    assert_eq!(good.value.results[0].message, "a b");
    assert_eq!(good.value.values.len(), 1);
    assert_eq!(good.left_out[0].field, "update.values[0].value");
}

#[test]
fn nothing_sent_is_repeated() {
    let hostile = "\u{1b}]0;owned\u{7}";
    let mut wire = good();
    wire.service = hostile.into();
    let told = Converted::<Hello>::try_from(wire).unwrap_err().to_string();
    assert!(
        !told.contains("owned") && !told.contains(char::is_control),
        "{told:?}"
    );
}
