//! Of expressions: what they say of facts.

use std::collections::BTreeMap;

use cel::common::types::CelInt;
use ward_model::{InstanceCounts, Name, ObserverState, Reason, ServiceCounts, Status, Wall};

use super::{
    syntax::{BRACKETS, DEPTH, NODES, TEXT_BYTES},
    types::{Scalar, Type},
    *,
};

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
    Expression::parse(text, About::Service, Made::Condition)
        .unwrap()
        .judge(subject, Wall(31_500))
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
        ("signals['http.p99'] > 1.0", Truth::True),
        ("'http.p99' in signals && !('http.p95' in signals)", Truth::True),
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
        Expression::parse(text, About::System, Made::Condition)
            .unwrap()
            .judge(Subject::System(&facts), Wall(0))
    };
    assert_eq!(judge("observer.blind && observer.score == 3"), Truth::True);
    assert_eq!(judge("status == 'unhealthy' || services.total > 0"), Truth::False);
}

/// One line each: the part that is wrong, what is said of it, and the help.
fn mistakes(text: &str, about: About) -> String {
    let parsed = with_stack(|| Expression::parse(text, about, Made::Condition)).unwrap();
    let line = |wrong: WrongExpression| {
        let part = text.get(wrong.at).expect("lies on characters");
        let help = wrong.help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("    `{part}` {}{help}\n", wrong.message)
    };
    let wrong = parsed.err().unwrap_or_default();
    wrong.into_iter().map(line).collect()
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let texts = include_str!("mistakes.txt").lines();
    let said = texts.map(|text| {
        let mistakes = mistakes(text, About::Service);
        assert!(!mistakes.is_empty(), "nothing is wrong with {text:?}");
        format!("{text}\n{mistakes}")
    });
    insta::assert_snapshot!(said.collect::<String>());
    assert_eq!(
        mistakes("service == 'bank'", About::System),
        "    `service` names `service`, which is no variable of the system (rules about a service have it)\n"
    );
}

#[test]
fn a_type_or_a_function_that_cel_has_is_no_variable() {
    for text in [
        "int == int",
        "bool",
        "type(1) == type(2)",
        "duration('1s') > duration('2s')",
        "string(1) == '1'",
    ] {
        assert_ne!(mistakes(text, About::Service), "", "{text}");
    }
}

/// Each name of the table is one that evaluates, to the type that the table says.
#[test]
fn every_variable_has_a_value_of_its_type() {
    let services = service();
    let checkout = name("checkout");
    let of_service = Subject::Service {
        name: &checkout,
        facts: &services,
        suspect_dependencies: 0,
    };
    let system = SystemFacts::default();
    for (about, subject) in [
        (About::Service, of_service),
        (About::System, Subject::System(&system)),
    ] {
        for (variable, is, _) in about.variables().iter().filter(|(_, is, _)| *is != Type::Signals) {
            let parsed = Expression::parse(variable, about, Made::Text).unwrap();
            let evaluated = parsed.evaluate(subject, Wall(0), |value| value.get_type().name().to_owned());
            let cel = match is {
                Type::One(Scalar::Bool) => "bool",
                Type::One(Scalar::Int) => "int",
                Type::One(Scalar::Double) => "double",
                Type::One(Scalar::Text(_)) => "string",
                _ => "list",
            };
            assert_eq!(evaluated.as_deref(), Some(cel), "{variable}");
        }
    }
}

/// No count is that of another.
#[test]
fn each_count_is_its_own() {
    let instances = InstanceCounts {
        total: 1,
        healthy: 2,
        unknown: 3,
        degraded: 4,
        unhealthy: 5,
        suspect: 6,
        lost: 7,
    };
    let services = ServiceCounts {
        total: 1,
        healthy: 2,
        unknown: 3,
        degraded: 4,
        unhealthy: 5,
    };
    let facts = ServiceFacts {
        instances,
        min_healthy: 8,
        ..ServiceFacts::default()
    };
    let checkout = name("checkout");
    let of_service = Subject::Service {
        name: &checkout,
        facts: &facts,
        suspect_dependencies: 9,
    };
    let system = SystemFacts {
        services,
        observer: ObserverState {
            score: 6,
            ..ObserverState::default()
        },
        ..SystemFacts::default()
    };
    let counts = |about: About, subject: Subject<'_>| {
        let counts = about
            .variables()
            .iter()
            .filter(|(_, is, _)| *is == Type::One(Scalar::Int));
        let count = |(variable, ..): &(&str, Type, bool)| {
            let parsed = Expression::parse(variable, about, Made::Text).unwrap();
            let value = parsed.evaluate(subject, Wall(0), |value| {
                value.downcast_ref::<CelInt>().map(|int| *int.inner())
            });
            format!("{variable}={}", value.flatten().unwrap())
        };
        counts.map(count).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        counts(About::Service, of_service),
        "min_healthy=8 instances.total=1 instances.healthy=2 instances.unknown=3 instances.degraded=4 instances.unhealthy=5 \
         instances.suspect=6 instances.lost=7 dependencies.suspect=9"
    );
    assert_eq!(
        counts(About::System, Subject::System(&system)),
        "services.total=1 services.healthy=2 services.unknown=3 services.degraded=4 services.unhealthy=5 observer.score=6"
    );
}

#[test]
fn what_it_mentions_is_known() {
    let mentions = |text: &str| {
        let parsed = Expression::parse(text, About::Service, Made::Condition).unwrap();
        let signals: Vec<_> = parsed.signals().iter().map(ToString::to_string).collect();
        (signals.join(" "), parsed.mentions_status())
    };
    assert_eq!(
        mentions("signals.b > 1.0 || has(signals.a)"),
        ("a b".to_owned(), false)
    );
    assert_eq!(
        mentions("signals['x.y'] > 1.0 || 'z' in signals"),
        ("x.y z".to_owned(), false)
    );
    for text in [
        "status == 'healthy'",
        "own == 'healthy'",
        "reason == 'Lost'",
        "message == ''",
        "since_seconds > 1.0",
        "instances.lost > 0",
        "causes.exists(c, c == 'bank')",
    ] {
        assert!(mentions(text).1, "{text}");
    }
    assert!(!mentions("maintenance || min_healthy > 1 || dependencies.suspect > 0 || service == 'a'").1);
}

#[test]
fn what_is_too_much_is_refused_before_it_is_parsed() {
    let text = format!("{}true{}", "(".repeat(BRACKETS + 1), ")".repeat(BRACKETS + 1));
    assert!(mistakes(&text, About::Service).contains("33 opening brackets, at most 32"));
    let text = format!("status == '{}'", "a".repeat(TEXT_BYTES));
    assert!(mistakes(&text, About::Service).contains("has 1036 bytes, at most 1024"));
    let text = format!("true{}", " || true".repeat(120));
    assert_eq!(mistakes(&text, About::Service), "", "as many as there may be");
    let text = format!("1{} > 1", "+1".repeat(DEPTH));
    assert!(mistakes(&text, About::Service).contains("is 18 parts deep, at most 16"));
    let text = format!("1 in [1{}]", ",1".repeat(NODES));
    assert!(mistakes(&text, About::Service).contains("has 260 parts, at most 256"));
}

/// Half of what a thread has, in a debug build.
#[test]
fn the_deepest_that_is_permitted_is_judged_on_a_small_stack() {
    let sum = format!("1{} > 1", "+1".repeat(DEPTH - 2));
    let unary = format!("{}true{}", "!(".repeat(DEPTH - 1), ")".repeat(DEPTH - 1));
    let chain = format!("{}true", "maintenance ? false : ".repeat(DEPTH - 1));
    for text in [sum, unary, chain] {
        let parsed = with_stack(|| Expression::parse(&text, About::Service, Made::Condition)).unwrap();
        let parsed = parsed.unwrap();
        let judge = move || {
            let subject = Subject::Service {
                name: &name("checkout"),
                facts: &service(),
                suspect_dependencies: 0,
            };
            parsed.judge(subject, Wall(0))
        };
        let small = std::thread::Builder::new().stack_size(1 << 20);
        assert_ne!(
            small.spawn(judge).unwrap().join().unwrap(),
            Truth::Absent,
            "{text}"
        );
    }
}

/// As many brackets as there may be, in every way they nest, do not end the stack they are parsed on.
#[test]
fn brackets_nested_as_deep_as_permitted_are_parsed() {
    for open in [
        "(",
        "[",
        "{",
        "f(",
        "-(",
        "1?(",
        "a.exists(x,",
        "a{b:",
        "a[",
        "{1:",
    ] {
        let brackets = open.repeat(BRACKETS);
        assert_ne!(mistakes(&brackets, About::Service), "", "{open}");
    }
}

mod whatever {
    use proptest::prelude::*;

    use super::*;

    fn token() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "status",
            "own",
            "signals",
            "signals.cpu_ratio",
            "causes",
            "instances.total",
            "has",
            "exists",
            "all",
            "size",
            "map",
            "double",
            "int",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            ".",
            "?",
            ":",
            "!",
            "-",
            "+",
            "*",
            "/",
            "%",
            "==",
            "!=",
            "<",
            "<=",
            ">",
            "&&",
            "||",
            "in",
            "true",
            "null",
            "1",
            "1.5",
            "1u",
            "0x1",
            "9223372036854775807",
            "1e999",
            "'a'",
            "\"b\"",
            "'",
            "\"",
            "r'",
            "b'a'",
            "'''",
            "//",
            "\n",
            "`a`",
            "\\",
            "@",
            "=",
            "\u{e4}",
            "\u{0}",
            "x",
            "for",
        ]);
        prop_oneof![9 => word.prop_map(str::to_owned), 1 => any::<String>()]
    }

    proptest! {
        /// Whatever the text: no panic, and each place that is marked lies on characters of it.
        #[test]
        fn text_is_parsed_or_refused(tokens in prop::collection::vec(token(), 0..24), space in any::<bool>()) {
            let text = tokens.join(if space { " " } else { "" });
            for made in [Made::Condition, Made::Text] {
                let parsed = with_stack(|| Expression::parse(&text, About::Service, made)).expect("the parser went on");
                match parsed {
                    Ok(parsed) => {
                        let (checkout, facts) = (name("checkout"), service());
                        let subject = Subject::Service { name: &checkout, facts: &facts, suspect_dependencies: 0 };
                        parsed.judge(subject, Wall(0));
                    }
                    Err(wrong) => {
                        prop_assert!(!wrong.is_empty());
                        for mistake in wrong {
                            prop_assert!(text.get(mistake.at.clone()).is_some(), "{:?}", mistake);
                        }
                    }
                }
            }
        }
    }
}
