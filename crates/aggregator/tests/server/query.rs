//! Looking, and operating.

use tonic::Code;
use ward_proto::v1::{
    self,
    Status::{Degraded, Healthy, Unhealthy},
};

use crate::harness::{hello, start, update};

#[tokio::test(flavor = "multi_thread")]
async fn services_are_listed_page_by_page() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    for index in 0..7 {
        let status = if index % 2 == 0 { Healthy } else { Unhealthy };
        reporter.hello(hello(&format!("s{index}"), status)).await;
    }
    let mut client = ward.client().await;
    let (mut names, mut request) = (
        Vec::new(),
        v1::ListServicesRequest {
            page_size: 3,
            ..Default::default()
        },
    );
    loop {
        let page = client.list_services(request.clone()).await.unwrap().into_inner();
        assert!(page.services.len() <= 3);
        names.extend(page.services.into_iter().map(|service| service.name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(names, ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]);
    let ill = v1::ListServicesRequest {
        least_severity: Degraded.into(),
        ..Default::default()
    };
    let page = client.list_services(ill).await.unwrap().into_inner();
    let names: Vec<_> = page
        .services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert_eq!(
        (names, page.next_page_token),
        (vec!["s1", "s3", "s5"], String::new())
    );
    for (request, field) in [
        (
            v1::ListServicesRequest {
                page_token: "No!".into(),
                ..Default::default()
            },
            "page_token",
        ),
        (
            v1::ListServicesRequest {
                least_severity: 99,
                ..Default::default()
            },
            "least_severity",
        ),
    ] {
        let refused = client.list_services(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found_and_counted() {
    let ward = start().await;
    let mut client = ward.client().await;
    let name = || "nobody".to_owned();
    let missing = [
        client
            .get_service(v1::GetServiceRequest { name: name() })
            .await
            .unwrap_err(),
        client
            .explain(v1::ExplainRequest { name: name() })
            .await
            .unwrap_err(),
        client
            .start_maintenance(v1::StartMaintenanceRequest {
                service: name(),
                by: "me".into(),
                ..Default::default()
            })
            .await
            .unwrap_err(),
        client
            .forget(v1::ForgetRequest {
                service: name(),
                by: "me".into(),
                ..Default::default()
            })
            .await
            .unwrap_err(),
    ];
    for error in missing {
        assert_eq!(error.code(), Code::NotFound, "{error}");
        assert!(
            error.message().contains("ward status"),
            "says what to do: {error}"
        );
    }
    assert_eq!(
        ward.metric(r#"ward_requests_total{method="GetService",code="not_found"}"#)
            .await,
        1.0
    );
    let invalid = client
        .get_service(v1::GetServiceRequest { name: "A".into() })
        .await
        .unwrap_err();
    assert_eq!(invalid.code(), Code::InvalidArgument);
    assert!(invalid.message().starts_with("name "), "{invalid}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_leads_to_the_root_cause() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let needs = v1::Dependency {
        service: "bank".into(),
        ..Default::default()
    };
    reporter
        .hello(v1::Hello {
            dependencies: vec![needs],
            ..hello("payments", Healthy)
        })
        .await;
    reporter.hello(hello("bank", Unhealthy)).await;
    let mut client = ward.client().await;
    let answer = client
        .explain(v1::ExplainRequest {
            name: "payments".into(),
        })
        .await
        .unwrap()
        .into_inner();
    let links: Vec<_> = answer.chains[0]
        .links
        .iter()
        .map(|link| link.service.as_str())
        .collect();
    assert_eq!(links, ["payments", "bank"]);
    assert_eq!(answer.chains[0].links[1].evidence[0].name, "work");
    assert!(answer.cursor.unwrap().epoch != 0);
    let system = client
        .explain(v1::ExplainRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(system.condition.unwrap().status(), Unhealthy);
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_caps_what_a_service_does_to_the_system() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    let mut client = ward.client().await;
    let start = v1::StartMaintenanceRequest {
        service: "bank".into(),
        by: "me".into(),
        why: "new disks".into(),
        duration_ms: 60_000,
    };
    let maintenance = client
        .start_maintenance(start.clone())
        .await
        .unwrap()
        .into_inner()
        .maintenance
        .unwrap();
    assert_eq!(maintenance.end_unix_ms - maintenance.start_unix_ms, 60_000);
    reporter.update(update(handle, 2, Unhealthy)).await;
    crate::harness::until("the system is degraded, not worse", async || {
        let system = ward
            .client()
            .await
            .get_system(v1::GetSystemRequest {})
            .await
            .unwrap()
            .into_inner()
            .system?;
        (system.condition?.status() != Healthy).then(|| system.services.unwrap().unhealthy)
    })
    .await;
    let end = v1::EndMaintenanceRequest {
        service: "bank".into(),
        by: "me".into(),
    };
    client.end_maintenance(end.clone()).await.unwrap();
    let again = client.end_maintenance(end).await.unwrap_err();
    assert_eq!(again.code(), Code::FailedPrecondition, "{again}");
    for (wrong, field) in [
        (
            v1::StartMaintenanceRequest {
                by: String::new(),
                ..start.clone()
            },
            "by",
        ),
        (
            v1::StartMaintenanceRequest {
                why: "\u{7}".into(),
                ..start.clone()
            },
            "why",
        ),
        (
            v1::StartMaintenanceRequest {
                service: "system".into(),
                ..start
            },
            "service",
        ),
    ] {
        let refused = client.start_maintenance(wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_gone_and_told() {
    let ward = start().await;
    let mut client = ward.client().await;
    let once = v1::ReportOnceRequest {
        hello: Some(hello("cron", Healthy)),
        goodbye: false,
    };
    client.report_once(once.clone()).await.unwrap();
    let forget = v1::ForgetRequest {
        service: "cron".into(),
        instance: "one".into(),
        by: "me".into(),
    };
    let alive = client.forget(forget.clone()).await.unwrap_err();
    assert_eq!(alive.code(), Code::FailedPrecondition, "{alive}");
    client
        .report_once(v1::ReportOnceRequest {
            goodbye: true,
            ..once
        })
        .await
        .unwrap();
    let mut watch = ward.watch(v1::WatchRequest::default()).await;
    watch.delta().await;
    client
        .forget(v1::ForgetRequest {
            instance: String::new(),
            ..forget
        })
        .await
        .unwrap();
    let delta = watch.delta().await;
    let removed = delta.entities.iter().any(|entity| {
        matches!(&entity.state, Some(v1::entity::State::Removed(removed)) if removed.service == "cron")
    });
    assert!(removed, "{delta:?}");
    assert!(
        client
            .get_service(v1::GetServiceRequest { name: "cron".into() })
            .await
            .is_err()
    );
}
