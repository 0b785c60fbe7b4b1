//! The text that Prometheus reads.

use std::collections::BTreeSet;

use ward_model::{Epoch, Name, Revision, Status, Wall};

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
    metrics.encode(figures, &hub, &listeners, parts, alerts).unwrap()
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
