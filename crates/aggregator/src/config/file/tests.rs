//! The file read, and what is said when it cannot be.

use std::error::Error;

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ward.toml");
    fs::write(&path, text).unwrap();
    read(&path, Config::new("/data"))
}

/// The error and what is below it, as it is shown.
fn refused(text: &str) -> String {
    let error = parse(text).unwrap_err();
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    format!("{error}: {source}")
}

#[test]
fn what_is_said_is_taken_and_the_rest_stays() {
    let config = parse(
        r#"
        [aggregator]
        grpc = "127.0.0.1:1"
        debug = true

        [services.storefront]
        criticality = "critical"
        min_healthy = "50%"
        dependencies = ["payments", { service = "ads", kind = "soft" }, { service = "bank", any_of = "payers" }]

        [services.ads]
        min_healthy = 2
        "#,
    )
    .unwrap();
    assert_eq!(
        (config.grpc.port(), config.http.port(), config.debug),
        (1, 7780, true)
    );
    assert_eq!(config.data_dir, Path::new("/data"));
    let storefront = &config.services[&Name::service("storefront").unwrap()];
    assert_eq!(storefront.criticality, Some(Criticality::Critical));
    assert_eq!(storefront.min_healthy, Some(MinHealthy::Percent(50)));
    let needs: Vec<_> = storefront
        .dependencies
        .as_ref()
        .unwrap()
        .iter()
        .map(|d| (d.service.as_str(), d.kind))
        .collect();
    let (hard, soft) = (DependencyKind::Hard, DependencyKind::Soft);
    assert_eq!(needs, [("payments", hard), ("ads", soft), ("bank", hard)]);
    let ads = &config.services[&Name::service("ads").unwrap()];
    assert_eq!(
        (ads.min_healthy, ads.criticality, &ads.dependencies),
        (Some(MinHealthy::Count(2)), None, &None)
    );
    assert_eq!(
        parse("").unwrap(),
        Config::new("/data"),
        "an empty file says nothing"
    );
}

#[test]
fn an_unknown_key_is_an_error_with_a_suggestion() {
    let text = refused("[aggregator]\n# comment\ngrcp = \"127.0.0.1:1\"\n");
    for part in [
        "ward.toml\"",
        "line 3, column 1",
        "key aggregator.grcp",
        "did you mean grpc?",
        "grcp = \"127.0.0.1:1\"",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn errors_say_where_and_what_was_expected() {
    for (file, parts) in [
        (
            "[aggregator]\nhttp = \"here\"",
            ["line 2", "aggregator.http", "socket address"],
        ),
        (
            "[aggregator]\ninsecure = 1",
            ["line 2", "aggregator.insecure", "boolean"],
        ),
        (
            "[services.a]\nmin_healthy = 0",
            ["line 2", "services.a.min_healthy", "at least 1"],
        ),
        (
            "[services.a]\nmin_healthy = \"150%\"",
            ["line 2", "services.a.min_healthy", "percentage"],
        ),
        (
            "[services.a]\ncriticality = \"high\"",
            ["line 2", "services.a.criticality", "critical"],
        ),
        (
            "[services.a]\ndependencies = [\"b\", \"B\"]",
            ["line 2", "services.a.dependencies", "'B'"],
        ),
        (
            "[services.a]\ndependencies = [{ service = \"b\", kinds = \"soft\" }]",
            ["line 2", "did you mean kind?", "kinds"],
        ),
        ("[services.system]\n", ["line 1", "services.system", "reserved"]),
        ("[services.a", ["line 1", "services.a", "expected"]),
        ("services = 3", ["line 1", "services", "expected"]),
    ] {
        let text = refused(file);
        for part in parts {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::from_file(Path::new("/nowhere/ward.toml")).unwrap_err();
    assert_eq!(error.to_string(), "read the configuration \"/nowhere/ward.toml\"");
}
