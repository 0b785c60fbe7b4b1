//! What a file may say, and what is said about what it may not.
//!
//! What people read is held to what was read once: the snapshots, one for each kind of mistake.

mod alerting;
mod schema;

use std::time::Duration;

use proptest::prelude::*;
use ward_access::{Grants, Policy};
use ward_engine::Levels;
use ward_model::{Criticality, Dependency, DependencyKind, MinHealthy, SignalLevel, Wall};

use super::read_text as load;
use super::*;
use crate::{
    Service, Window,
    window::{Days, Zone},
};

fn refused(text: &str) -> String {
    load(text)
        .map(|settings| settings.to_toml())
        .expect_err(text)
        .to_string()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

#[test]
fn an_empty_file_says_nothing() {
    for text in [
        "",
        "\n\n",
        "# a comment\r\n",
        "\u{feff}",
        "[aggregator]\n[services]\n",
    ] {
        assert_eq!(load(text).unwrap(), load("").unwrap(), "{text:?}");
    }
}

#[test]
fn what_is_said_is_taken_and_the_rest_stays() {
    let settings = load(
        r#"
        [aggregator]
        grpc = "127.0.0.1:1"
        debug = true

        [services.storefront]
        criticality = "critical"
        min_healthy = "50%"
        interval = "1m30s"
        dependencies = ["payments", { service = "ads", kind = "soft" }, { service = "bank", any_of = "payers" }]
        levels.error_ratio = { degraded = 0.01, unhealthy = { raise = 0.05, clear = 0.02 } }
        levels.cpu_ratio = {}

        [services."ads.eu"]
        min_healthy = 2
        degraded_is_serving = false
        maintenance = [{ start = 2026-01-01T00:00:00+01:00, end = "2026-01-01T01:00:00Z", why = "move" }]
        "#,
    )
    .unwrap();
    let own = &settings.aggregator;
    assert_eq!((own.grpc.port(), own.http.port(), own.debug), (1, 7780, true));
    assert_eq!(own.data_dir, PathBuf::from("/data"));
    let storefront = &settings.services[&name("storefront")].declaration;
    assert_eq!(storefront.criticality, Some(Criticality::Critical));
    assert_eq!(storefront.min_healthy, Some(MinHealthy::Percent(50)));
    assert_eq!(storefront.interval, Some(Duration::from_secs(90)));
    let needs: Vec<_> = storefront
        .dependencies
        .iter()
        .flatten()
        .map(|d| (d.service.as_str(), d.kind))
        .collect();
    let (hard, soft) = (DependencyKind::Hard, DependencyKind::Soft);
    assert_eq!(needs, [("payments", hard), ("ads", soft), ("bank", hard)]);
    let level = |raise, clear| Some(SignalLevel { raise, clear });
    let errors = Levels {
        degraded: level(0.01, 0.009),
        unhealthy: level(0.05, 0.02),
    };
    assert_eq!(
        storefront.levels[&name("error_ratio")],
        errors,
        "a tenth below, unless told"
    );
    assert_eq!(
        storefront.levels[&name("cpu_ratio")],
        Levels::default(),
        "without levels"
    );
    let ads = &settings.services[&name("ads.eu")];
    assert_eq!(ads.declaration.min_healthy, Some(MinHealthy::Count(2)));
    assert_eq!(
        (ads.declaration.criticality, &ads.declaration.dependencies),
        (None, &None)
    );
    assert_eq!(ads.degraded_is_serving, Some(false));
    let (start, end) = (Wall(1_767_222_000_000), Wall(1_767_229_200_000));
    assert_eq!(
        ads.maintenance,
        [Window::fixed(start, end, "move".into()).unwrap()]
    );
}

#[test]
fn clear_is_below_raise_on_both_sides_of_zero() {
    for (raise, clear) in [("0.05", 0.045), ("100", 90.0), ("0", 0.0), ("-10", -11.0)] {
        let settings = load(&format!("services.a.levels.x.degraded = {raise}")).unwrap();
        let levels = &settings.services[&name("a")].declaration.levels[&name("x")];
        assert_eq!(levels.degraded.unwrap().clear, clear, "{raise}");
    }
}

#[test]
fn keys_that_are_not_known() {
    insta::assert_snapshot!(refused(
        r#"grpc = "127.0.0.1:1"
colour = "red"
[aggregator]
grcp = "127.0.0.1:1"
data-dir = "/data"
colour = "red"
[payments]
criticality = "critical"
[service.bank]
[services.bank]
min_helthy = 1
dependencies = [{ service = "ledger", kinds = "soft" }]
levels.error_ratio = { degraded = 0.1, unhealty = 0.2 }
[[services.bank.maintenance]]
start = 2026-01-01T00:00:00Z
stop = 2026-01-01T01:00:00Z
"#
    ));
}

#[test]
fn values_of_another_kind() {
    insta::assert_snapshot!(refused(
        r#"[aggregator]
grpc = 7700
insecure = 1
debug = "true"
cors_origins = "https://a.example"
[services.bank]
criticality = true
min_healthy = false
interval = 5
dependencies = "ledger"
levels = 3
degraded_is_serving = "yes"
maintenance = { every = "day" }
[services.shop]
dependencies = [3]
levels.error_ratio = { degraded = "0.9" }
maintenance = ["sunday"]
[services]
other = 3
"#
    ));
    insta::assert_snapshot!(refused("services = 3\naggregator = []\n"), @r"
    error: services is a number
     --> ward.toml:1:12
      |
    1 | services = 3
      |            ^ expected a table

    error: aggregator is an array
     --> ward.toml:2:14
      |
    2 | aggregator = []
      |              ^^ expected a table
    ");
}

#[test]
fn addresses_paths_and_origins() {
    insta::assert_snapshot!(refused(
        r#"[aggregator]
grpc = "localhost:7700"
http = ":7780"
data_dir = "~/ward"
cors_origins = ["https://a.example/", "b.example", "ftp://c.example", "null"]
hosts = ["https://Ward.example:7780/health", "*example", "ward.example."]
"#
    ));
    insta::assert_snapshot!(refused(
        "[aggregator]\ngrpc = \"7700\"\nhttp = \"*:7780\"\ndata_dir = \"\"\n"
    ));
}

#[test]
fn words_amounts_and_durations() {
    insta::assert_snapshot!(refused(
        r#"[services.bank]
criticality = "Critical"
min_healthy = 0
interval = "5 seconds"
[services.shop]
criticality = "high"
min_healthy = "150%"
interval = "10ms"
[services.cart]
min_healthy = "2"
interval = "300"
dependencies = [{ service = "bank", kind = "weak" }]
[services.mail]
min_healthy = 0.5
interval = "32d"
levels.x = { degraded = nan }
"#
    ));
}

#[test]
fn names() {
    insta::assert_snapshot!(refused(
        r#"[services.Bank]
[services.bank]
[services.Shop]
[services.system]
[services."a b"]
[services.a_b]
[services.ok]
dependencies = ["Ledger", "", "liveness"]
levels."error ratio" = {}
"#
    ));
}

#[test]
fn dependencies() {
    insta::assert_snapshot!(refused(
        r#"[services.bank]
dependencies = ["bank", "ledger", "mail", "ledger", { kind = "soft" }, { service = "mail", any_of = "Mailers" }]
"#
    ));
}

#[test]
fn levels() {
    insta::assert_snapshot!(refused(
        r#"[services.bank]
levels.error_ratio = { degraded = { raise = 0.1, clear = 0.2 } }
levels.cpu_ratio = { degraded = 0.9, unhealthy = 0.8 }
levels.memory_ratio = { degraded = { clear = 0.2 } }
"#
    ));
}

#[test]
fn windows() {
    insta::assert_snapshot!(refused(
        r#"[[services.bank.maintenance]]
start = 2026-01-01T01:00:00
end = 2026-01-01
[[services.bank.maintenance]]
start = 2026-01-01T01:00:00Z
end = 2026-01-01T01:00:00Z
[[services.bank.maintenance]]
start = 2026-01-01T01:00:00Z
[[services.bank.maintenance]]
every = "sunay"
at = "2:00"
for = "2 hours"
zone = "Europe/Berln"
[[services.bank.maintenance]]
every = "month"
at = "02:00"
for = "2h"
[[services.bank.maintenance]]
every = ["sunday", "monday", "sunday"]
at = "24:00"
for = "2h"
day_of_month = 32
[[services.bank.maintenance]]
every = ["sunday", "monday"]
day_of_month = 1
at = 02:00:00
for = "25h"
why = "a\u001b[2Jb"
[[services.bank.maintenance]]
every = []
at = "02:00"
for = "0s"
"#
    ));
}

#[test]
fn what_is_no_toml() {
    for (case, text) in [
        (
            "a string without its end",
            "[aggregator]\ngrpc = \"127.0.0.1:1\nhttp = \"127.0.0.1:2\"\n",
        ),
        ("no value", "[aggregator]\ngrpc =\nhttp = what\n"),
        (
            "a header without its end",
            "[services.bank\ncriticality = \"high\"\n[services.shop]\ncriticality = \"high\"\n",
        ),
        (
            "an array without its end",
            "[services.bank]\ndependencies = [\"a\", \"b\"\nmin_healthy = 2\n",
        ),
        (
            "twice",
            "[aggregator]\ngrpc = \"[::1]:1\"\ngrpc = \"[::1]:2\"\n[services.bank]\n[services.shop]\n[services.bank]\n",
        ),
        ("a line that is nothing", "[aggregator]\nthis is no toml\n"),
        ("a bare backslash", "[aggregator]\ndata_dir = \"C:\\data\"\n"),
    ] {
        insta::assert_snapshot!(case.replace(' ', "_"), refused(text));
    }
}

#[test]
fn too_many_of_something() {
    let many = |count: usize, each: &dyn Fn(usize) -> String| (0..count).map(each).collect::<String>();
    let dependencies = many(65, &|n| format!("\"s{n}\", "));
    let windows = many(17, &|_| {
        "[[services.a.maintenance]]\nevery = \"day\"\nat = \"01:00\"\nfor = \"1h\"\n".into()
    });
    let levels = many(33, &|n| format!("services.a.levels.s{n} = {{}}\n"));
    let services = many(10_001, &|n| format!("[services.s{n}]\n"));
    let needed = many(200, &|n| {
        let list = many(60, &|m| format!("\"n{n}-{m}\", "));
        format!("[services.s{n}]\ndependencies = [{list}]\n")
    });
    for (text, expected) in [
        (
            format!("services.a.dependencies = [{dependencies}]"),
            "services.a.dependencies has 65 items",
        ),
        (windows, "services.a.maintenance has 17 items"),
        (levels, "services.a.levels names 33 signals"),
        (services, "services names 10001 services"),
        (needed, "services names 12200 services, with those that they need"),
    ] {
        let text = refused(&text);
        assert!(
            text.starts_with(&format!("error: {expected}\n")),
            "{}",
            &text[..200]
        );
        assert!(text.contains("expected at most "), "{text}");
    }
}

#[test]
fn mistakes_are_told_in_order_and_not_without_end() {
    let text: String = (0..500)
        .map(|n| format!("services.a{n}.min_healthy = 0\n"))
        .collect();
    let errors = load(&text).unwrap_err();
    assert_eq!((errors.count(), errors.mistakes().len()), (500, 100));
    assert!(errors.to_string().ends_with("and 400 more like these"));
    let lines: Vec<_> = errors
        .mistakes()
        .iter()
        .map(|mistake| mistake.place.to_string())
        .collect();
    assert_eq!(
        (lines[0].as_str(), lines[99].as_str()),
        ("ward.toml:1:27", "ward.toml:100:28")
    );
    let one_line = errors.mistakes()[0].to_string();
    assert_eq!(one_line.lines().count(), 1);
    assert!(
        one_line.starts_with("ward.toml:1:27: services.a0.min_healthy is 0, expected "),
        "{one_line}"
    );
}

#[test]
fn long_numbers_are_cut() {
    let digits = "7".repeat(5_000);
    let zeros = "0".repeat(5_000);
    for said in [
        format!("min_healthy = {digits}"),
        format!("min_healthy = \"{zeros}7\""),
        format!("interval = {digits}"),
        format!("interval = \"{digits}\""),
        format!(
            "maintenance = [{{ every = \"month\", day_of_month = {digits}, at = \"02:00\", for = \"1h\" }}]"
        ),
    ] {
        let errors = load(&format!("[services.a]\n{said}\n")).unwrap_err();
        for mistake in errors.mistakes() {
            let told = mistake.to_string();
            assert!(told.len() < 500 && told.contains("..."), "{told}");
        }
    }
}

#[test]
fn the_ends_of_lines_are_not_shown() {
    let text = "[services.a]\ninterval = 5\ninterval = \"5s\"\n[services.a]\nmin_healthy = \nx\n[y\n\"z\n";
    for text in [text.to_owned(), text.trim_end().to_owned()] {
        let shown = refused(&text.replace('\n', "\r\n"));
        assert!(!shown.contains("{d}"), "{shown}");
    }
}

/// Neither takes long: work that grows with the square of the file would take days.
#[test]
fn the_largest_files_are_read_in_time() {
    const DEADLINE: Duration = Duration::from_secs(180);
    let table = |n: usize| {
        let levels: String = (0..14)
            .map(|signal| format!("levels.s{signal} = {{ degraded = 1 }}\n"))
            .collect();
        format!("[services.a{n}]\nmin_healthy = 2\ninterval = \"5s\"\n{levels}")
    };
    let valid: String = (0..10_000).map(table).collect();
    assert!(valid.len() > 4 << 20);
    let broken = "x\n".repeat(1 << 20);
    for (text, mistakes) in [(valid, false), (broken, true)] {
        let (done, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(load(&text).map(drop).map_err(|errors| errors.count())));
        let read = wait.recv_timeout(DEADLINE).expect("read in time");
        assert_eq!(read.is_err_and(|count| count == 1 << 20), mistakes);
    }
}

#[test]
fn nothing_of_a_file_moves_a_terminal() {
    let evil = "\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\u{200b}";
    let quoted = "\\u001b[2J\\u202e";
    for text in [
        format!("[aggregator] # {evil}\ngrpc = 3 # {evil}\n"),
        format!("[aggregator]\n\"{quoted}\" = 3\n"),
        format!("[aggregator]\ngrpc = \"{quoted}\"\n"),
        format!(
            "[services.\"{quoted}\"]\n[services.a]\ndependencies = [\"{quoted}\"]\ncriticality = \"{quoted}\"\n"
        ),
        format!("[services.a]\nmin_healthy = \"{quoted}\"\nlevels.\"{quoted}\" = {{}}\n"),
        format!("[aggregator]\ngrpc = \"{evil}\"\n"),
        format!("{evil}\n"),
        format!("[{evil}\ngrpc = {evil}\n"),
    ] {
        let errors = load(&text).unwrap_err();
        let lines = errors
            .mistakes()
            .iter()
            .map(ToString::to_string)
            .collect::<String>();
        for shown in [errors.to_string(), lines] {
            let harmful = |c: char| c != '\n' && crate::mistake::is_harmful(c);
            assert!(!shown.contains(harmful), "{shown:?}");
        }
    }
}

#[test]
fn lines_that_end_as_on_windows_are_shown_in_place() {
    insta::assert_snapshot!(refused("[aggregator]\r\n\tgrpc = \"here\"\r\nhttp = 3\r\n"), @r#"
    error: aggregator.grpc is "here", which is no address
     --> ward.toml:2:9
      |
    2 |     grpc = "here"
      |            ^^^^^^ expected an IP address and a port, such as "127.0.0.1:7700" or "[::1]:7700"

    error: aggregator.http is a number
     --> ward.toml:3:8
      |
    3 | http = 3
      |        ^ expected an IP address and a port, such as "127.0.0.1:7700" or "[::1]:7700"
    "#);
}

fn any_service() -> impl Strategy<Value = Service> {
    let level = (-1e6f64..1e6, 0f64..1e3).prop_map(|(raise, below)| SignalLevel {
        raise,
        clear: raise - below,
    });
    let levels = prop::option::of(level).prop_map(|degraded| Levels {
        degraded,
        unhealthy: None,
    });
    let amount = prop_oneof![
        (1u32..100).prop_map(MinHealthy::Count),
        (1u32..=100).prop_map(MinHealthy::Percent)
    ];
    let criticality = prop_oneof![
        Just(Criticality::Critical),
        Just(Criticality::Important),
        Just(Criticality::Optional)
    ];
    let kind = prop_oneof![Just(DependencyKind::Hard), Just(DependencyKind::Soft)];
    let group = prop::option::of("[a-z0-9._-]{1,20}".prop_map(|text| name(&text)));
    let dependencies =
        prop::collection::btree_map("need-[a-z0-9.-]{1,20}", (kind, group), 0..5).prop_map(|all| {
            let dependency = |(service, (kind, any_of)): (String, _)| Dependency {
                service: name(&service),
                kind,
                any_of,
            };
            all.into_iter().map(dependency).collect::<Vec<_>>()
        });
    let why = "[ -~äß\u{1f600}]{0,20}";
    let fixed = (-1_000_000i64..4_000_000, 1i64..1_000_000, why).prop_map(|(start, lasts, why)| {
        Window::fixed(Wall(start * 1_000), Wall((start + lasts) * 1_000), why).unwrap()
    });
    let days = prop_oneof![
        Just(Days::Daily),
        Just(Days::Weekly(vec![
            jiff::civil::Weekday::Monday,
            jiff::civil::Weekday::Sunday
        ])),
        (1i8..=31).prop_map(Days::Monthly)
    ];
    let zone = prop_oneof![Just("UTC"), Just("Europe/Berlin")].prop_map(|zone| Zone::named(zone).unwrap());
    let recurring = (days, 0i8..24, 0i8..60, 1u64..86_400_000, zone, why).prop_map(
        |(days, hour, minute, ms, zone, why)| {
            Window::recurring(
                days,
                jiff::civil::time(hour, minute, 0, 0),
                Duration::from_millis(ms),
                zone,
                why,
            )
            .unwrap()
        },
    );
    let windows = prop::collection::vec(prop_oneof![fixed, recurring], 0..4);
    let signals = prop::collection::btree_map("[a-z0-9._-]{1,20}".prop_map(|text| name(&text)), levels, 0..4);
    let interval = (100u64..2_678_400_000).prop_map(Duration::from_millis);
    (
        prop::option::of(criticality),
        prop::option::of(amount),
        prop::option::of(dependencies),
        prop::option::of(interval),
        signals,
        prop::option::of(any::<bool>()),
        windows,
    )
        .prop_map(
            |(criticality, min_healthy, dependencies, interval, levels, degraded_is_serving, maintenance)| {
                Service {
                    declaration: ward_engine::Declaration {
                        criticality,
                        min_healthy,
                        dependencies,
                        interval,
                        levels,
                    },
                    degraded_is_serving,
                    maintenance,
                }
            },
        )
}

/// Access that is granted to nobody there can be would be missed by somebody who believes it granted.
#[test]
fn only_who_can_come_has_a_row() {
    let row = |name: &str| load(&format!("[access.\"{name}\"]\n"));
    for good in ["spiffe://a/b/c", "a.example", "anonymous"] {
        assert!(row(good).is_ok(), "{good}");
    }
    for bad in [
        "spiffe://a/b/",
        "spiffe://a//b",
        "spiffe://a/../b",
        "spiffe://a",
        "A.example",
    ] {
        let said = row(bad).unwrap_err().to_string();
        assert!(said.contains("names no identity that there can be"), "{said}");
    }
}

fn any_access() -> impl Strategy<Value = Policy> {
    let pattern = || {
        prop::collection::vec(
            "[a-z0-9.-]{1,20}[*]?".prop_map(|text| text.parse().unwrap()),
            0..3,
        )
    };
    let grants = (pattern(), pattern(), pattern(), any::<[bool; 3]>());
    let grants = grants.prop_map(|(report, observe, agent, [watch, command, administer])| Grants {
        report,
        observe,
        agent,
        watch,
        command,
        administer,
    });
    let name = "anonymous|spiffe://[a-z]{1,9}(/[a-zA-Z0-9._-]{0,4}[a-zA-Z0-9_-]){1,3}|[a-z][a-z0-9.-]{0,9}";
    prop::collection::btree_map(name, grants, 0..4).prop_map(Policy::new)
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let services = prop::collection::btree_map(
        "svc-[a-z0-9.-]{1,20}".prop_map(|text| name(&text)),
        any_service(),
        0..4,
    );
    let path = "/[ -~ä]{1,20}";
    (
        any::<(std::net::Ipv6Addr, u16)>(),
        any::<(bool, bool)>(),
        path,
        services,
        any_access(),
        alerting::any_alerting(),
    )
        .prop_map(|(grpc, flags, path, services, access, alerting)| {
            let mut aggregator = Aggregator::new(&path);
            if !access.is_empty() {
                aggregator.server_cert = Some(format!("{path}.pem").into());
                aggregator.client_crl = Some(format!("{path}.crl").into());
            }
            aggregator.grpc = grpc.into();
            (aggregator.debug, aggregator.degraded_is_serving) = flags;
            aggregator.cors_origins = vec!["https://a.example".into()];
            aggregator.hosts = vec!["*.internal".into()];
            let store = crate::Store {
                url_file: access.is_empty().then(|| format!("{path}.url").into()),
                keep_days: std::time::Duration::from_secs(86_400 + u64::from(grpc.1)),
                ..crate::Store::default()
            };
            Settings {
                aggregator,
                store,
                services,
                access,
                alerting,
            }
        })
}

proptest! {
    #[test]
    fn what_is_in_force_can_be_written_down_and_read_again(settings in any_settings()) {
        let text = settings.to_toml();
        let again = match load(&text) {
            Ok(again) => again,
            Err(errors) => return Err(TestCaseError::fail(format!("{text}\n{errors}"))),
        };
        prop_assert_eq!(again.hash(), settings.hash());
        prop_assert_eq!(again, settings);
        prop_assert!(schema::refusals(&text).is_empty(), "{}\n{:?}", text, schema::refusals(&text));
    }

    #[test]
    fn no_text_is_too_much(text in any::<String>()) {
        if let Err(errors) = load(&text) {
            prop_assert!(errors.count() > 0);
            prop_assert!(!errors.to_string().contains(|c| c != '\n' && crate::mistake::is_harmful(c)));
            prop_assert!(!errors.styled().is_empty());
        }
    }

    /// What begins well and is broken somewhere.
    #[test]
    fn no_slip_is_too_much(at in 0usize..4_000, len in 0usize..40, with in "[\\PC\"'\\[\\]{}=#.,\n\r\t]{0,8}") {
        let sample = crate::sample::tests::said();
        let clip = |byte: usize| (0..=byte.min(sample.len())).rev().find(|&b| sample.is_char_boundary(b)).unwrap();
        let text = format!("{}{with}{}", &sample[..clip(at)], &sample[clip(at + len)..]);
        if let Err(errors) = load(&text) {
            prop_assert!(errors.to_string().contains("--> ward.toml:"), "{}", errors);
        }
    }
}
