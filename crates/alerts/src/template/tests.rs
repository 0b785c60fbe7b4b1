//! Of templates: what they show, and what is wrong in them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ward_model::{Name, Status};

use super::*;
use crate::{ServiceFacts, expression::with_stack};

fn parse(text: &str) -> Result<Template, Vec<WrongExpression>> {
    with_stack(|| Template::parse(text, About::Service)).unwrap()
}

fn rendered(text: &str, facts: &ServiceFacts) -> String {
    let subject = Subject::Service {
        name: &Name::new("checkout").unwrap(),
        facts,
        suspect_dependencies: 0,
    };
    parse(text).unwrap().render(subject, Wall(0))
}

#[test]
fn values_are_shown_for_people() {
    let name = |text| Name::new(text).unwrap();
    let facts = ServiceFacts {
        status: Status::Unhealthy,
        message: "no \u{1b}[31m answer".to_owned(),
        causes: vec![name("bank"), name("ledger")],
        signals: BTreeMap::from([(name("error_ratio"), 0.0734)]),
        ..ServiceFacts::default()
    };
    for (text, shown) in [
        ("", ""),
        ("{{service}} is {{ status }}", "checkout is unhealthy"),
        (
            "{{ signals.error_ratio * 100.0 }} % ({{ signals.error_ratio }})",
            "7.34 % (0.0734)",
        ),
        ("{{ signals.cpu_ratio }}", "-"),
        (
            "{{ causes }}; {{ causes[0] }}, {{ causes[2] }}",
            "bank, ledger; bank, -",
        ),
        (
            "{{ min_healthy + 1 }} {{ maintenance }} {{ status == 'unhealthy' }}",
            "1 false true",
        ),
        ("{{ message }}", "no \\u{1b}[31m answer"),
        // Nobody is called, and nothing is turned around.
        ("{{ '<!channel> <@U1>' }}", "< !channel> < @U1>"),
        ("<{{ '!here> a < b' }}", "< !here> a < b"),
        (
            "{{ 'a\\u200b\\u202ebank\\u2066\\ufeff' }}",
            "a\\u{200b}\\u{202e}bank\\u{2066}\\u{feff}",
        ),
        ("a literal {{ '{{' }}, }} and }", "a literal {{, }} and }"),
        ("{{ '}}' + \"'}}\" }}", "}}'}}"),
        ("{{ '\\'}}' }}", "'}}"),
    ] {
        assert_eq!(rendered(text, &facts), shown, "{text}");
    }
    assert_eq!(rendered("{{ causes }}", &ServiceFacts::default()), "-");
}

#[test]
fn mistakes_have_their_place_in_the_whole_text() {
    let marked = |text: &str| {
        let wrong = parse(text).unwrap_err();
        let marked =
            |wrong: WrongExpression| (text[wrong.at.clone()].to_owned(), wrong.at.start, wrong.message);
        wrong.into_iter().map(marked).collect::<Vec<_>>()
    };
    let unknown = |name: &str| format!("names `{name}`, which is no variable of a service");
    assert_eq!(
        marked("ü {{ statsu }} and {{ instances.totl }}"),
        [
            ("statsu".to_owned(), 6, unknown("statsu")),
            ("instances.totl".to_owned(), 23, unknown("instances.totl"))
        ]
    );
    assert_eq!(
        marked("{{ status"),
        [("{{".to_owned(), 0, "has a {{ that is not closed".to_owned())]
    );
    assert_eq!(marked("a {{ 'b }} c")[0].1, 2, "its string is not closed");
    assert_eq!(marked("{{ signals }}")[0].2, "uses `signals` as a value");
    assert_eq!(marked("{{ }}")[0].2, "is empty");
}

#[test]
fn numbers_are_short() {
    for (number, shown) in [
        (0.0734, "0.0734"),
        (0.1 + 0.2, "0.3"),
        (7.340000000000001, "7.34"),
        (99.996, "100"),
        (12_345.678, "12346"),
        (0.0, "0"),
        (-0.0, "0"),
        (-2.5, "-2.5"),
        (100.0, "100"),
        (1e-9, "1.000e-9"),
        (1e300, "1.000e300"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        assert_eq!(short(number), shown);
    }
}

#[test]
fn what_is_too_long_is_refused_or_cut() {
    let wrong = |text: &str| parse(text).unwrap_err().remove(0).message;
    assert_eq!(
        wrong(&"a".repeat(4_097)),
        "has 4097 bytes, at most 4096 are permitted"
    );
    assert_eq!(
        wrong(&"{{ 1 }}".repeat(33)),
        "has 33 expressions, at most 32 are permitted"
    );
    let text = rendered(&"ü".repeat(1_025), &ServiceFacts::default());
    assert_eq!(text, format!("{}…", "ü".repeat(1_022)));
}

proptest! {
    /// Four digits are kept of every number, in few characters.
    #[test]
    fn a_short_number_is_near(number in prop::num::f64::NORMAL) {
        let shown = short(number);
        let read: f64 = shown.parse().unwrap();
        prop_assert!((read - number).abs() <= number.abs() * 5.1e-4, "{number} as {shown}");
        prop_assert!(shown.len() <= 17, "{number} as {shown}");
    }

    /// Whatever the text: no panic, every place lies on characters of it, and what is rendered is within its bound.
    #[test]
    fn any_template_is_parsed_or_refused(pieces in prop::collection::vec("\\{\\{|\\}\\}|'|\"|status|message| |ü|1|\\PC", 0..20)) {
        let text = pieces.concat();
        match parse(&text) {
            Ok(_) => prop_assert!(rendered(&text, &ServiceFacts::default()).len() <= TEXT_BYTES),
            Err(wrong) => for wrong in wrong {
                prop_assert!(text.get(wrong.at).is_some());
            },
        }
    }
}
