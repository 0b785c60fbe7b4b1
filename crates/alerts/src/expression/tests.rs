//! Of expressions: what they say of facts.

use std::collections::BTreeMap;

use ward_model::{Name, ObserverState, Reason, Status, Wall};

use super::*;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn service() -> ServiceFacts {
    ServiceFacts {
        status: Status::Unhealthy,
        own: Status::Healthy,
        reason: Reason::Dependency,
        message: "needs bank".to_owned(),
        since: Wall(1_000),
        causes: vec![name("bank")],
        min_healthy: 2,
        signals: BTreeMap::from([(name("error_ratio"), 0.0734), (name("http.p99"), 2.0)]),
        ..ServiceFacts::default()
    }
}

fn of_service(text: &str) -> Truth {
    let subject = Subject::Service {
        name: &name("checkout"),
        facts: &service(),
        suspect_dependencies: 1,
    };
    Expression::parse(text).unwrap().judge(subject, Wall(31_500))
}

#[test]
fn it_says_true_false_or_absent() {
    for (text, says) in [
        (
            "service == 'checkout' && status == 'unhealthy' && own == 'healthy'",
            Truth::True,
        ),
        ("reason == 'Dependency' && message.contains('bank')", Truth::True),
        ("since_seconds == 30.5 && criticality == 'important'", Truth::True),
        (
            "causes.exists(cause, cause == 'bank') && size(causes) == 1",
            Truth::True,
        ),
        (
            "maintenance || min_healthy != 2 || instances.total > 0",
            Truth::False,
        ),
        ("dependencies.suspect > 0", Truth::True),
        ("signals.error_ratio > 0.05", Truth::True),
        ("signals.error_ratio > 0.1", Truth::False),
        ("signals.cpu_ratio > 0.1", Truth::Absent),
        ("has(signals.cpu_ratio)", Truth::False),
        ("has(signals.cpu_ratio) && signals.cpu_ratio > 0.1", Truth::False),
        ("has(signals.error_ratio)", Truth::True),
        ("signals.cpu_ratio > 0.1 || status == 'unhealthy'", Truth::True),
        ("signals.cpu_ratio > 0.1 && status == 'healthy'", Truth::False),
        ("causes[7] == 'bank'", Truth::Absent),
    ] {
        assert_eq!(of_service(text), says, "{text}");
    }
}

#[test]
fn the_system_has_its_own() {
    let facts = SystemFacts {
        observer: ObserverState {
            score: 3,
            blind: true,
            ..ObserverState::default()
        },
        ..SystemFacts::default()
    };
    let judge = |text| {
        Expression::parse(text)
            .unwrap()
            .judge(Subject::System(&facts), Wall(0))
    };
    assert_eq!(judge("observer.blind && observer.score == 3"), Truth::True);
    assert_eq!(judge("status == 'unhealthy' || services.total > 0"), Truth::False);
}
