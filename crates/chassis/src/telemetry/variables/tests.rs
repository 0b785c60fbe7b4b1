//! What the OTEL variables make of traces, and what is wrong with them.

use super::*;

/// What the variables say about the service `shop`.
fn told(variables: &[(&str, &str)]) -> (Option<Settings>, Vec<String>) {
    read("shop", |name| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

const AT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");

fn on(variables: &[(&str, &str)]) -> Settings {
    let (settings, warnings) = told(&[&[AT], variables].concat());
    assert!(warnings.is_empty(), "{warnings:?}");
    settings.unwrap()
}

/// Off, and without a word unless `warned`.
fn off(variables: &[(&str, &str)], warned: &str) {
    let (settings, warnings) = told(variables);
    assert_eq!(settings, None, "{variables:?}");
    assert_eq!(warnings.is_empty(), warned.is_empty(), "{warnings:?}");
    assert!(
        warnings.iter().all(|warning| warning.starts_with(warned)),
        "{warnings:?}"
    );
}

#[test]
fn nobody_is_called_unasked() {
    off(&[], "");
    off(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], "");
    off(
        &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:4317")],
        "",
    );
    off(&[AT, ("OTEL_TRACES_EXPORTER", "none")], "");
    off(&[AT, ("OTEL_SDK_DISABLED", "True")], "");
    assert!(told(&[("OTEL_TRACES_EXPORTER", "otlp")]).0.is_some());
    assert!(told(&[("OTEL_TRACES_EXPORTER", "console, otlp")]).0.is_some());
    assert!(
        told(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317")])
            .0
            .is_some()
    );
    on(&[("OTEL_SDK_DISABLED", "false")]);
}

#[test]
fn what_cannot_be_done_is_said_and_its_value_is_not() {
    off(&[AT, ("OTEL_TRACES_EXPORTER", "zipkin")], "OTEL_TRACES_EXPORTER");
    off(
        &[AT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    );
    off(
        &[
            AT,
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ],
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    );
    off(
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter2@")],
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    );
    let (_, warnings) = told(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter2@")]);
    assert!(!warnings[0].contains("hunter2"), "{warnings:?}");
}

#[test]
fn a_service_has_the_name_that_it_is_given() {
    let attributes = (
        "OTEL_RESOURCE_ATTRIBUTES",
        "deployment.environment=test, service.name = theirs",
    );
    assert_eq!(on(&[]).service, "shop");
    assert_eq!(on(&[attributes]).service, "theirs");
    assert_eq!(on(&[attributes, ("OTEL_SERVICE_NAME", "ours")]).service, "ours");
}

#[test]
fn the_queue_and_its_pace_are_bounded() {
    let settings = on(&[]);
    assert_eq!(
        (settings.queue, settings.delay, settings.limit),
        (QUEUE, DELAY, LIMIT)
    );
    let told = on(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1500"),
    ]);
    assert_eq!((told.queue, told.delay), (1, LEAST_DELAY));
    assert_eq!(told.limit, Duration::from_millis(1_500));
    assert_eq!(
        on(&[("OTEL_BSP_MAX_QUEUE_SIZE", "18446744073709551615")]).queue,
        MOST_QUEUED
    );
}

#[test]
fn what_makes_no_sense_is_passed_over_and_said() {
    for (name, value) in [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/client.key"),
    ] {
        let (settings, warnings) = told(&[AT, (name, value)]);
        assert_eq!(settings.map(|settings| settings.limit), Some(LIMIT), "{name}");
        assert!(
            warnings.len() == 1 && warnings[0].starts_with(name),
            "{warnings:?}"
        );
    }
    for (arg, warned) in [("0.25", 0), ("1", 0), ("2", 1), ("all", 1), ("", 1)] {
        let sampler = [
            AT,
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", arg),
        ];
        assert_eq!(told(&sampler).1.len(), warned, "{arg:?}");
    }
}

#[test]
fn what_is_reached_by_tls_is_told_by_its_address() {
    let is_tls = |address, insecure| {
        on(&[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", address),
            ("OTEL_EXPORTER_OTLP_INSECURE", insecure),
        ])
        .is_tls
    };
    assert!(!on(&[]).is_tls);
    assert!(!told(&[("OTEL_TRACES_EXPORTER", "otlp")]).0.unwrap().is_tls);
    assert!(is_tls("https://collector:4317", "true"));
    assert!(!is_tls("http://collector:4317", "false"));
    assert!(is_tls("collector:4317", ""));
    assert!(!is_tls("collector:4317", "True"));
}

#[test]
fn certificates_are_those_of_traces_first() {
    let settings = on(&[
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/all.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/traces.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/me.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/me.key"),
    ]);
    assert_eq!(settings.ca, Some("/traces.pem".into()));
    assert_eq!(settings.identity, Some(("/me.pem".into(), "/me.key".into())));
}
