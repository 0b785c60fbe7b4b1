//! The text that Prometheus reads.

use std::collections::BTreeSet;

use ward_engine::{Detail, Figures};
use ward_model::{Dependency, DependencyKind, Epoch, Name, Revision, Status, Wall};

use super::*;
use crate::hub::{self, hub};

fn encode(metrics: &Metrics, figures: Option<Figures>) -> String {
    let (_publisher, hub) = hub(Epoch(1), Revision(0), [], hub::Config::default());
    let listeners = Listeners {
        grpc: Arc::default(),
        http: Arc::default(),
    };
    let part = |name, wrong: Option<&str>| Part {
        name,
        wrong: wrong.map(Into::into),
        queued: 3,
        left_out: 0,
    };
    hub.witness(ward_model::AuditHead {
        origin: "ward.1/audit".into(),
        size: 7,
        root: [0; 32],
    });
    let parts = [part("audit", None), part("store", Some("away"))];
    let alerts = Alerts {
        board: Arc::default(),
        receivers: Vec::new(),
        now: Wall(0),
    };
    let decided = Decided {
        details: details(figures.is_some().into()),
        figures,
        queued: 0,
    };
    metrics.encode(decided, &hub, &listeners, parts, alerts).unwrap()
}

fn details(services: usize) -> Vec<Detail> {
    let name = |text: &str| Name::service(text).unwrap();
    let detail = |index| Detail {
        service: name(&format!("s{index:05}")),
        instances: [1, 0, 2, 0],
        in_maintenance: true,
        dependencies: vec![Dependency {
            service: name("bank"),
            kind: DependencyKind::Soft,
            any_of: None,
        }],
        causes: vec![name("bank")],
        checks: [(name("answers"), Status::Degraded)].into(),
        signals: [(name("error-ratio"), 0.25)].into(),
    };
    (0..services).map(detail).collect()
}

fn figures(services: usize) -> Figures {
    let services =
        (0..services).map(|index| (Name::service(&format!("s{index:05}")).unwrap(), Status::Degraded));
    Figures {
        services: services.collect(),
        system: Status::Unhealthy,
        ..Figures::default()
    }
}

#[test]
fn every_family_is_described_once_and_the_text_ends() {
    let metrics = Metrics::new(Lost::default());
    metrics.count_report("hello");
    metrics.count_rejections("invalid", 1);
    metrics.count_request("Forget", tonic::Code::NotFound);
    let text = encode(&metrics, Some(figures(2)));
    assert!(text.ends_with("# EOF\n"));
    let described: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    assert_eq!(
        described.len(),
        described.iter().collect::<BTreeSet<_>>().len(),
        "{described:#?}"
    );
    for line in [
        r#"ward_service_status{service="s00001",status="degraded"} 1"#,
        r#"ward_service_status{service="s00001",status="healthy"} 0"#,
        r#"ward_system_status{status="unhealthy"} 1"#,
        r#"ward_reports_total{kind="hello"} 1"#,
        r#"ward_rejections_total{code="invalid"} 1"#,
        r#"ward_requests_total{method="Forget",code="not_found"} 1"#,
        r#"ward_instances{freshness="lost"} 0"#,
        r#"ward_transitions_total{level="service"} 0"#,
        r#"ward_connections{listener="grpc"} 0"#,
        r#"ward_connections_refused_total{listener="http",reason="address"} 0"#,
        "ward_beats_total 0",
        "ward_engine_queued 0",
        r#"ward_service_instances{service="s00000",status="degraded"} 2"#,
        r#"ward_service_maintenance{service="s00000"} 1"#,
        r#"ward_service_check_status{service="s00000",check="answers",status="degraded"} 1"#,
        r#"ward_service_check_status{service="s00000",check="answers",status="healthy"} 0"#,
        r#"ward_service_signal{service="s00000",signal="error-ratio"} 0.25"#,
        r#"ward_service_dependency{service="s00000",dependency="bank",kind="soft"} 1"#,
        r#"ward_service_cause{service="s00000",cause="bank"} 1"#,
        "ward_watchers{transport=\"grpc\"} 0",
        "ward_watchers{transport=\"sse\"} 0",
        "ward_observer_score 0",
        "# TYPE ward_rollup_seconds histogram",
        "# TYPE ward_report_to_watch_seconds histogram",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing in\n{text}"
        );
    }
}

#[test]
fn series_are_capped_and_vanish_with_their_service() {
    let metrics = Metrics::new(Lost::default());
    let mut many = figures(collect::SERVICES_SHOWN + 3);
    many.services.last_mut().unwrap().1 = Status::Unhealthy;
    let text = encode(&metrics, Some(many));
    assert!(text.contains(r#"ward_service_status{service="__overflow__",status="unhealthy"} 1"#));
    assert!(!text.contains("s10000"), "past the cap");
    assert!(text.contains("\nward_series_dropped_total 3\n"));
    let text = encode(&metrics, Some(figures(1)));
    assert!(!text.contains("__overflow__") && !text.contains("s00001") && text.contains("s00000"));
}

#[test]
fn what_services_name_themselves_is_capped_too() {
    let mut many = details(services::SHOWN + 3);
    many.iter_mut().for_each(|detail| detail.causes.clear());
    assert_eq!(services::beyond(&many), 3 * 3, "checks, signals, dependencies");
    assert_eq!(services::beyond(&many[3..]), 0);
    let mut text = String::new();
    let mut registry = Registry::default();
    registry.register_collector(Box::new(services::Services(many)));
    encode_registry(&mut text, &registry).unwrap();
    for (family, each) in [
        ("ward_service_check_status{", 4),
        ("ward_service_signal{", 1),
        ("ward_service_dependency{", 1),
    ] {
        let shown = text.lines().filter(|line| line.starts_with(family)).count();
        assert_eq!(shown, each * services::SHOWN, "{family}");
    }
}

#[test]
fn without_the_engine_there_is_still_something_to_see() {
    let text = encode(&Metrics::new(Lost::default()), None);
    assert!(text.contains("ward_beats_total 0") && !text.contains("ward_system_status"));
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn remembering_is_shown_with_the_head_of_the_log() {
    let text = encode(&Metrics::new(Lost::default()), None);
    for line in [
        "ward_memory_up{part=\"audit\"} 1",
        "ward_memory_up{part=\"store\"} 0",
        "ward_memory_queued{part=\"store\"} 3",
        "ward_memory_left_out_total{part=\"audit\"} 0",
        "ward_audit_events 7",
        "ward_audit_head_info{origin=\"ward.1/audit\",root=\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"} 1",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} in {text}");
    }
}
