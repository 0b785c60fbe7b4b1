//! The schema, by a validator that others use: it takes what the parser takes, and refuses what it refuses as far as a
//! schema can see that.

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use toml::de::{DeTable, DeValue};

use super::load;
use crate::{sample, sample::tests::said, schema, show};

fn validator() -> Validator {
    let schema: Json = serde_json::from_str(&schema()).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// A file as editors see it: moments are strings.
fn json(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => json!(i64::from_str_radix(number.as_str(), number.radix()).unwrap()),
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(value) => json!(value),
        DeValue::Datetime(moment) => json!(moment.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => table_json(table),
    }
}

fn table_json(table: &DeTable<'_>) -> Json {
    let pairs = table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref())));
    Json::Object(pairs.collect())
}

/// What the schema says against a file.
pub(super) fn refusals(text: &str) -> Vec<String> {
    thread_local!(static VALIDATOR: Validator = validator());
    let document = table_json(DeTable::parse(text).unwrap().get_ref());
    VALIDATOR.with(|validator| {
        validator
            .iter_errors(&document)
            .map(|error| error.to_string())
            .collect()
    })
}

#[test]
fn it_takes_the_sample_with_and_without_its_keys() {
    for text in [sample(), &said()] {
        assert_eq!(refusals(text), Vec::<String>::new());
    }
}

const FLAGS: &[&str] = &["true", "false", "1", "\"true\"", "[]"];

const AMOUNTS: &[&str] = &[
    "1", "0", "-1", "1.5", "1000000", "1000001", "\"50%\"", "\"0%\"", "\"100%\"", "\"101%\"", "\"%\"",
    "\"5\"", "true",
];

const DURATIONS: &[&str] = &[
    "\"5s\"",
    "\"1m30s\"",
    "\"500ms\"",
    "\"5\"",
    "\"5 s\"",
    "\"s\"",
    "\"\"",
    "5",
    "\"5S\"",
    "\"1w\"",
];

const ADDRESSES: &[&str] = &[
    "\"127.0.0.1:0\"",
    "\"[::1]:7700\"",
    "\"[fe80::1%3]:1\"",
    "\"0.0.0.0:65535\"",
    "\"0.0.0.0:65536\"",
    "\"256.0.0.1:1\"",
    "\"localhost:1\"",
    "\":1\"",
    "\"1\"",
    "\"127.0.0.1\"",
    "\"::1:7700\"",
    "7700",
];

const NAMES: &[&str] = &[
    "[\"a\"]",
    "[\"a.b-c9\"]",
    "[\"A\"]",
    "[\"a_b\"]",
    "[\"\"]",
    "[\"system\"]",
    "\"a\"",
    "[1]",
    "[]",
];

const TABLES: &[&str] = &[
    "[{ service = \"a\" }]",
    "[{ service = \"a\", kind = \"soft\", any_of = \"g_1\" }]",
    "[{ kind = \"soft\" }]",
    "[{ service = \"a\", kind = \"weak\" }]",
    "[{ service = \"a\", kinds = 1 }]",
    "[{ service = \"a\", any_of = \"G\" }]",
];

const LEVELS: &[&str] = &[
    "{}",
    "{ degraded = 1 }",
    "{ degraded = 0.5, unhealthy = 1 }",
    "{ degraded = { raise = 1 } }",
    "{ degraded = { raise = 1, clear = 0.5 } }",
    "{ degraded = { clear = 1 } }",
    "{ degraded = \"1\" }",
    "{ bad = 1 }",
    "3",
];

const WINDOWS: &[&str] = &[
    "[{ start = 2026-01-01T00:00:00Z, end = 2026-01-01T01:00:00Z }]",
    "[{ start = 2026-01-01T00:00:00Z }]",
    "[{ start = 2026-01-01T00:00:00, end = 2026-01-01T01:00:00Z }]",
    "[{ every = \"day\", at = \"01:00\", for = \"1h\" }]",
    "[{ every = \"someday\", at = \"01:00\", for = \"1h\" }]",
    "[{ every = \"day\", at = \"24:00\", for = \"1h\" }]",
    "[{ every = \"day\", at = 01:00:00, for = \"1h\", zone = \"UTC\", why = \"w\" }]",
    "[{ every = \"day\", at = \"01:00\" }]",
    "[{ every = [\"monday\"], at = \"01:00\", for = \"1h\" }]",
    "[{ every = [], at = \"01:00\", for = \"1h\" }]",
    "[{ every = \"month\", day_of_month = 31, at = \"01:00\", for = \"1h\" }]",
    "[{ every = \"month\", day_of_month = 32, at = \"01:00\", for = \"1h\" }]",
    "{}",
    "[1]",
    "[{}]",
    "[{ every = \"day\", at = \"01:00\", for = \"1h\", why = \"a\\u0007\" }]",
    "[{ every = \"day\", at = \"01:00\", for = \"1h\", zone = \"not a zone\" }]",
    "[{ every = [\"monday\", \"monday\"], at = \"01:00\", for = \"1h\" }]",
];

/// Single values, good and bad, for each key that takes one.
const VALUES: &[(&str, &[&str])] = &[
    ("aggregator.grpc", ADDRESSES),
    ("aggregator.http", ADDRESSES),
    (
        "aggregator.data_dir",
        &[
            "\"/data\"",
            "\"\"",
            "\"~/data\"",
            "\"~data\"",
            "3",
            "\"a\\u0000b\"",
        ],
    ),
    ("aggregator.insecure", FLAGS),
    ("aggregator.degraded_is_serving", FLAGS),
    (
        "aggregator.cors_origins",
        &[
            "[]",
            "[\"*\"]",
            "[\"https://a.example:8443\"]",
            "[\"https://a.example/\"]",
            "[\"a.example\"]",
            "\"*\"",
        ],
    ),
    (
        "aggregator.server_cert",
        &["\"/etc/ward/a.pem\"", "\"\"", "\"~/a.pem\"", "3", "[]"],
    ),
    (
        "access",
        &[
            "{}",
            "[]",
            "{ a = 1 }",
            "{ A = {} }",
            "{ anonymous = {} }",
            "{ \"spiffe://a/b\" = {} }",
            "{ \"spiffe://a\" = {} }",
            "{ \"spiffe://a/b/\" = {} }",
            "{ \"spiffe://a//b\" = {} }",
            "{ \"spiffe://a/./b\" = {} }",
            "{ \"spiffe://a/b/..\" = {} }",
            "{ \"spiffe://a/.../..b\" = {} }",
            "{ \"spiffe://A/b\" = {} }",
            "{ \"https://a/b\" = {} }",
            "{ \"\" = {} }",
        ],
    ),
    ("access.a.watch", FLAGS),
    ("access.a.administer", FLAGS),
    (
        "access.a.report",
        &[
            "[]",
            "[\"*\"]",
            "[\"a-*\", \"b\"]",
            "[\"*a\"]",
            "[\"A\"]",
            "[\"\"]",
            "\"*\"",
            "[1]",
        ],
    ),
    ("access.a.root", FLAGS),
    (
        "aggregator.hosts",
        &[
            "[]",
            "[\"*\"]",
            "[\"ward.example.org\", \"*.internal\", \"ward_1\"]",
            "[\"*.\"]",
            "[\"a..b\"]",
            "[\"a.example:7780\"]",
            "[\"A.example\"]",
            "[\"\"]",
            "\"*\"",
        ],
    ),
    (
        "store.url",
        &[
            "\"postgresql://u:p@h:1/n?sslmode=disable\"",
            "\"postgres://h\"",
            "\"postgresql://\"",
            "\"postgresql://u:p @h\"",
            "\"mysql://h\"",
            "\"\"",
            "3",
        ],
    ),
    ("store.url_file", &["\"/etc/ward/url\"", "\"\"", "3"]),
    ("store.keep_history", &["\"90d\"", "\"36h\"", "\"x\"", "3"]),
    ("store.keep_days", &["\"400d\"", "\"\"", "true"]),
    ("store.colour", &["1"]),
    ("aggregator.colour", &["1"]),
    ("aggregator", &["{}", "[]", "1"]),
    (
        "services",
        &[
            "{}",
            "[]",
            "1",
            "{ a = 1 }",
            "{ A = {} }",
            "{ system = {} }",
            "{ a_b = {} }",
        ],
    ),
    ("colour", &["1"]),
    (
        "services.s.criticality",
        &[
            "\"critical\"",
            "\"important\"",
            "\"optional\"",
            "\"high\"",
            "\"Critical\"",
            "1",
        ],
    ),
    ("services.s.min_healthy", AMOUNTS),
    ("services.s.interval", DURATIONS),
    ("services.s.degraded_is_serving", FLAGS),
    ("services.s.dependencies", NAMES),
    ("services.s.dependencies", TABLES),
    ("services.s.levels.x", LEVELS),
    (
        "services.s.levels",
        &[
            "{ \"error ratio\" = {} }",
            "{ error_ratio = {} }",
            "{ X = {} }",
            "[]",
        ],
    ),
    ("services.s.maintenance", WINDOWS),
    ("services.s.colour", &["1"]),
    ("store.keep_recorded", &["\"8d\"", "\"x\"", "3"]),
    ("alerting", &["{}", "[]", "1", "{ colour = 1 }"]),
    (
        "alerting.labels",
        &[
            "{}",
            "{ cluster = \"eu\" }",
            "{ _a9 = \"eu\" }",
            "{ severity = \"eu\" }",
            "{ __a = \"eu\" }",
            "{ \"a-b\" = \"eu\" }",
            "{ 9a = \"eu\" }",
            "{ a = \"\" }",
            "{ a = \"{{ b }}\" }",
            "{ a = \"b\\n\" }",
            "{ a = 1 }",
            "[]",
        ],
    ),
    ("alerting.external_url", URLS),
    ("alerting.runbooks", URLS),
    (
        "alerting.rule_files",
        &[
            "[]",
            "[\"a.toml\", \"/etc/ward/*.toml\", \"../a*b*\"]",
            "[\"*/a.toml\"]",
            "[\"a/\"]",
            "[\"a/..\"]",
            "[\"\"]",
            "[\"~/a\"]",
            "\"a\"",
            "[1]",
        ],
    ),
    (
        "alerting.rules",
        &[
            "{}",
            "{ CpuHigh = {} }",
            "{ CpuHigh = { enabled = false } }",
            "{ Own = {} }",
            "{ Own = { expr = \"true\" } }",
            "{ Own = { severity = \"info\" } }",
            "{ Own = { expr = \"true\", severity = \"info\" } }",
            "{ CpuHigher = { expr = \"true\", severity = \"info\" } }",
            "{ \"a-b\" = { expr = \"true\", severity = \"info\" } }",
            "{ 1a = { expr = \"true\", severity = \"info\" } }",
            "{ CpuHigh = 1 }",
            "[]",
        ],
    ),
    ("alerting.rules.CpuHigh.enabled", FLAGS),
    ("alerting.rules.CpuHigh.expr", &["\"true\"", "\"\"", "true"]),
    ("alerting.rules.CpuHigh.hold", &["\"false\"", "\"\"", "1"]),
    ("alerting.rules.CpuHigh.for", DURATIONS),
    ("alerting.rules.CpuHigh.keep_firing_for", DURATIONS),
    ("alerting.rules.CpuHigh.severity", SEVERITIES),
    (
        "alerting.rules.CpuHigh.about",
        &["\"service\"", "\"services\"", "1"],
    ),
    (
        "alerting.rules.CpuHigh.services",
        &["[]", "[\"a\", \"b-*\"]", "[\"A\"]", "\"a\""],
    ),
    (
        "alerting.rules.CpuHigh.unknown",
        &["\"keep\"", "\"judge\"", "\"drop\"", "1"],
    ),
    ("alerting.rules.CpuHigh.suppression", FLAGS),
    (
        "alerting.rules.CpuHigh.labels",
        &["{ a = \"b\" }", "{ source = \"b\" }"],
    ),
    (
        "alerting.rules.CpuHigh.annotations",
        &[
            "{ source = \"b\" }",
            "{ a = \"\" }",
            "{ a = \"b\\n\\tc {{ service }}\" }",
            "{ a = \"\\u0007\" }",
            "{ \"a b\" = \"c\" }",
            "{ a = 1 }",
        ],
    ),
    ("alerting.alertmanagers", RECEIVERS),
    ("alerting.webhooks", RECEIVERS),
    (
        "alerting.webhooks",
        &[
            "[{ url = \"http://a/?b=c\" }]",
            "[{ url = \"http://a\", watchdog = true, least_severity = \"info\" }]",
            "[{ url = \"http://a\", watchdog = 1 }]",
            "[{ url = \"http://a\", least_severity = \"high\" }]",
        ],
    ),
    (
        "alerting.alertmanagers",
        &[
            "[{ url = \"http://a\", watchdog = true }]",
            "[{ url = \"http://a/?b=c\" }]",
        ],
    ),
];

const URLS: &[&str] = &[
    "\"http://a\"",
    "\"https://a.example:8443/b/%20c@d\"",
    "\"http://[::1]:1/\"",
    "\"http://\"",
    "\"http://u@a\"",
    "\"http://u:p@a\"",
    "\"a.example\"",
    "\"ftp://a\"",
    "\"http://a b\"",
    "\"http://a/{{ b }}\"",
    "\"http://a/?b\"",
    "\"http://a/#b\"",
    "\"\"",
    "1",
];

const SEVERITIES: &[&str] = &[
    "\"critical\"",
    "\"warning\"",
    "\"info\"",
    "\"none\"",
    "\"page\"",
    "1",
];

const RECEIVERS: &[&str] = &[
    "[]",
    "[{ url = \"http://a\" }]",
    "[{ url = \"http://a\", name = \"a-1\", timeout = \"1s\" }]",
    "[{ url = \"http://a\", username = \"b\", password_file = \"/c\" }]",
    "[{ url = \"http://a\", token_file = \"/c\" }]",
    "[{ url = \"https://a\", ca = \"/a\", cert = \"/b\", key = \"/c\" }]",
    "[{ name = \"a\" }]",
    "[{ url = \"http://a\", name = \"a b\" }]",
    "[{ url = \"http://a\", name = \"\" }]",
    "[{ url = \"http://a\", name = \"a\\\\b\" }]",
    "[{ url = \"http://a\", username = \"a:b\", password_file = \"/c\" }]",
    "[{ url = \"http://a\", token = \"secret\" }]",
    "[{ url = \"http://a\", token_file = \"\" }]",
    "[{ url = \"http://a\", timeout = 1 }]",
    "{ url = \"http://a\" }",
    "[\"http://a\"]",
];

#[test]
fn it_refuses_each_value_that_the_parser_refuses_and_no_other() {
    let mut seen = [0, 0];
    for (key, values) in VALUES {
        for value in *values {
            let text = format!("{key} = {value}\n");
            let (parser, schema) = (load(&text), refusals(&text));
            assert_eq!(
                parser.is_err(),
                !schema.is_empty(),
                "{text}{parser:?}\n{schema:?}"
            );
            seen[usize::from(parser.is_err())] += 1;
        }
    }
    assert!(seen[0] > 40 && seen[1] > 60, "{seen:?}");
}

const KEYS: &[&str] = &[
    "aggregator",
    "services",
    "access",
    "server_key",
    "anonymous",
    "report",
    "watch",
    "grpc",
    "data_dir",
    "debug",
    "cors_origins",
    "hosts",
    "a",
    "b",
    "Bank",
    "criticality",
    "min_healthy",
    "interval",
    "dependencies",
    "service",
    "kind",
    "any_of",
    "levels",
    "error_ratio",
    "degraded",
    "unhealthy",
    "raise",
    "clear",
    "maintenance",
    "start",
    "end",
    "every",
    "at",
    "for",
    "zone",
    "why",
    "day_of_month",
    "degraded_is_serving",
    "labels",
    "rules",
    "rule_files",
    "CpuHigh",
    "expr",
    "severity",
    "hold",
    "annotations",
    "alertmanagers",
    "webhooks",
    "url",
    "name",
    "token_file",
    "timeout",
    "watchdog",
];

/// Any JSON, of words that mean something here among others.
fn documents() -> impl Strategy<Value = Json> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "critical",
            "hard",
            "soft",
            "50%",
            "2",
            "5s",
            "1h",
            "127.0.0.1:1",
            "a",
            "B",
            "system",
            "/data",
            "day",
            "month",
            "sunday",
            "02:00",
            "2026-01-01T00:00:00Z",
            "2026-01-02T00:00:00Z",
            "UTC",
            "https://a.example",
            "*.internal",
            "true",
            "info",
            "http://a",
            "https://a.example/?b",
            "judge",
            ""
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,6}",
    ];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Json::from),
        (-2i64..40).prop_map(Json::from),
        (-2f64..2.0).prop_map(Json::from),
        word.prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop::sample::select(KEYS);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::btree_map(key.prop_map(str::to_owned), inner, 0..5)
                .prop_map(|table| Json::Object(table.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What the schema refuses the parser refuses: an editor never complains about a file that works. (Not the other way
    /// round: that two keys contradict each other, a schema does not see.)
    #[test]
    fn editors_do_not_complain_about_what_works(service in documents(), aggregator in documents(), alerting in documents(), whole in documents()) {
        let of_service = json!({ "services": { "s": service } });
        let of_aggregator = json!({ "aggregator": aggregator });
        let of_alerting = json!({ "alerting": alerting });
        for document in [of_service, of_aggregator, of_alerting, whole] {
            let Json::Object(table) = &document else { continue };
            let text = table.iter().map(|(key, value)| format!("{key} = {}\n", show::toml(value))).collect::<String>();
            if load(&text).is_ok() {
                prop_assert_eq!(refusals(&text), Vec::<String>::new(), "{}", text);
            }
        }
    }
}
