//! Every field of text that somebody can send, one after the other.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, transport::Channel};
use ward_proto::v1::{
    self, CheckDeclaration, CheckResult, Dependency, EndMaintenanceRequest, ExplainRequest, ForgetRequest,
    GetServiceRequest, Goodbye, Hello, ListServicesRequest, ReportOnceRequest, ReportRequest,
    SignalDeclaration, SignalValue, StartMaintenanceRequest, Update, WatchRequest,
    health_service_client::HealthServiceClient,
};

use super::{PAYLOADS, exchange, search::Search};
use crate::honest::connect;

/// A field of a hello.
type Field = fn(&mut Hello, String);

const FIELDS: [Field; 15] = [
    |hello, text| hello.service = text,
    |hello, text| hello.instance = text,
    |hello, text| hello.incarnation = text,
    |hello, text| hello.version = text,
    |hello, text| hello.labels = [("key".to_owned(), text)].into(),
    |hello, text| hello.labels = [(text, "value".to_owned())].into(),
    |hello, text| hello.dependencies[0].service = text,
    |hello, text| hello.dependencies[0].any_of = text,
    |hello, text| hello.checks[0].name = text,
    |hello, text| hello.checks[0].subject = text,
    |hello, text| hello.signals[0].name = text,
    |hello, text| hello.results[0].name = text,
    |hello, text| hello.results[0].message = text,
    |hello, text| hello.values[0].name = text,
    |hello, text| hello.results[0].message = text.repeat(20),
];

fn hello(service: &str) -> Hello {
    Hello {
        service: service.to_owned(),
        instance: "one".into(),
        incarnation: "one".into(),
        interval_ms: 3_600_000,
        dependencies: vec![Dependency {
            service: "needed".into(),
            ..Dependency::default()
        }],
        checks: vec![CheckDeclaration {
            name: "check".into(),
            ..CheckDeclaration::default()
        }],
        signals: vec![SignalDeclaration {
            name: "signal".into(),
            ..SignalDeclaration::default()
        }],
        results: vec![CheckResult {
            name: "check".into(),
            status: v1::Status::Unhealthy.into(),
            message: "a message".into(),
        }],
        values: vec![SignalValue {
            name: "signal".into(),
            value: 1.0,
        }],
        ..Hello::default()
    }
}

/// Returns the services that were told.
pub(super) async fn over_grpc(addr: SocketAddr, search: &mut Search) -> anyhow::Result<Vec<String>> {
    let mut client = connect(addr).await?;
    let mut victims = Vec::new();
    for payload in PAYLOADS {
        for field in FIELDS {
            let victim = format!("victim-{}", victims.len());
            let mut hello = hello(&victim);
            field(&mut hello, payload.to_owned());
            victims.push(victim);
            let request = ReportOnceRequest {
                hello: Some(hello),
                goodbye: false,
            };
            let answer = client.report_once(request).await;
            for rejection in told(answer, search)?
                .into_iter()
                .flat_map(|answer| answer.rejections)
            {
                search.lines("a rejection", rejection.message.as_bytes());
            }
        }
        commands(&mut client, payload, search).await?;
        stream(client.clone(), payload, search).await?;
    }
    Ok(victims)
}

/// What was answered, if it was; a refusal is searched, and must not be a failure.
fn told<T>(answer: Result<tonic::Response<T>, Status>, search: &mut Search) -> anyhow::Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if matches!(status.code(), Code::InvalidArgument | Code::NotFound) => {
            search.lines("a refusal", status.message().as_bytes());
            Ok(None)
        }
        Err(status) => Err(status).context("neither taken nor refused"),
    }
}

async fn commands(
    client: &mut HealthServiceClient<Channel>,
    payload: &str,
    search: &mut Search,
) -> anyhow::Result<()> {
    let text = || payload.to_owned();
    for (service, by, why) in [
        (text(), "me".to_owned(), "so".to_owned()),
        ("victim-3".to_owned(), text(), "so".to_owned()),
        ("victim-3".to_owned(), "me".to_owned(), text()),
    ] {
        let end = EndMaintenanceRequest {
            service: service.clone(),
            by: by.clone(),
        };
        let start = StartMaintenanceRequest {
            service,
            by,
            why,
            duration_ms: 0,
        };
        told(client.start_maintenance(start).await, search)?;
        told(client.end_maintenance(end).await, search)?;
    }
    // What stays in force, and so is shown.
    let start = StartMaintenanceRequest {
        service: "victim-4".into(),
        by: payload.chars().filter(|c| !c.is_control()).collect(),
        why: payload.chars().filter(|c| !c.is_control()).collect(),
        duration_ms: 0,
    };
    told(client.start_maintenance(start).await, search)?;
    for (service, instance, by) in [
        (text(), String::new(), "me".to_owned()),
        ("nobody".to_owned(), text(), "me".to_owned()),
        ("nobody".to_owned(), "one".to_owned(), text()),
    ] {
        let forget = ForgetRequest {
            service,
            instance,
            by,
        };
        told(client.forget(forget).await, search)?;
    }
    told(
        client.get_service(GetServiceRequest { name: text() }).await,
        search,
    )?;
    told(client.explain(ExplainRequest { name: text() }).await, search)?;
    let list = ListServicesRequest {
        page_token: text(),
        ..ListServicesRequest::default()
    };
    told(client.list_services(list).await, search)?;
    let watch = WatchRequest {
        names: vec![text()],
        ..WatchRequest::default()
    };
    told(client.watch(watch).await, search)?;
    Ok(())
}

/// A stream that says it in an update, and as the reason of its goodbye.
async fn stream(
    mut client: HealthServiceClient<Channel>,
    payload: &str,
    search: &mut Search,
) -> anyhow::Result<()> {
    let (requests, sent) = mpsc::channel(4);
    let result = |name: &str, message: &str| CheckResult {
        name: name.to_owned(),
        status: v1::Status::Degraded.into(),
        message: message.to_owned(),
    };
    let hello = Hello {
        results: Vec::new(),
        ..hello("streamed")
    };
    let update = |sequence, results| Update {
        handle: 0,
        sequence,
        results,
        ..Update::default()
    };
    let updates = vec![
        update(1, vec![result("check", payload)]),
        update(2, vec![result(payload, "a message")]),
    ];
    let goodbye = Goodbye {
        handle: 0,
        reason: payload.to_owned(),
    };
    requests
        .send(ReportRequest {
            hellos: vec![hello],
            updates,
            ..ReportRequest::default()
        })
        .await?;
    requests
        .send(ReportRequest {
            goodbyes: vec![goodbye],
            ..ReportRequest::default()
        })
        .await?;
    let mut answers = client.report(ReceiverStream::new(sent)).await?.into_inner();
    let mut acknowledged = 0;
    while acknowledged < 2 {
        let answer = answers.message().await?.context("the stream was ended")?;
        acknowledged = answer.acknowledged;
        for rejection in answer.rejections {
            search.lines("a rejection", rejection.message.as_bytes());
        }
    }
    Ok(())
}

/// The same over HTTP, as far as its bodies have other fields or other guards.
pub(super) async fn over_http(addr: SocketAddr, search: &mut Search) -> anyhow::Result<Vec<String>> {
    let mut victims = Vec::new();
    for payload in PAYLOADS {
        for body in bodies(payload, &mut victims) {
            search.answer(
                "an answer to a report",
                &post(addr, "/api/v1/report", &body).await?,
            );
        }
        for body in [
            json!({ "service": payload, "by": "me" }),
            json!({ "service": "victim-3", "by": payload }),
            json!({ "service": "victim-3", "by": "me", "why": payload }),
            json!({ "service": "victim-3", "by": "me", payload: payload }),
            json!({ "service": "victim-3", "by": "me", "duration": payload }),
        ] {
            search.answer(
                "an answer to a command",
                &post(addr, "/api/v1/maintenance", &body).await?,
            );
        }
    }
    Ok(victims)
}

fn bodies(payload: &str, victims: &mut Vec<String>) -> Vec<Value> {
    let parts = [
        json!({ "service": payload }),
        json!({ "instance": payload }),
        json!({ "incarnation": payload }),
        json!({ "version": payload }),
        json!({ "interval": payload }),
        json!({ "labels": { "key": payload } }),
        json!({ "labels": { payload: "value" } }),
        json!({ "criticality": payload }),
        json!({ "dependencies": [{ "service": payload }] }),
        json!({ "dependencies": [{ "service": "needed", "any_of": payload }] }),
        json!({ "checks": [{ "name": payload }] }),
        json!({ "checks": [{ "name": "check", "subject": payload }] }),
        json!({ "signals": [{ "name": payload }] }),
        json!({ "status": payload }),
        json!({ "status": "degraded", "message": payload }),
        json!({ "results": [{ "name": payload, "status": "healthy" }] }),
        json!({ "results": [{ "name": "check", "status": "unhealthy", "message": payload }] }),
        json!({ "values": [{ "name": payload, "value": 1 }] }),
        json!({ payload: payload }),
    ];
    let whole = |part: Value| {
        let victim = format!("posted-{}", victims.len());
        let mut body = json!({ "service": victim, "status": "degraded", "interval": "1h" });
        if let (Value::Object(body), Value::Object(part)) = (&mut body, part) {
            body.extend(part);
        }
        victims.push(victim);
        body
    };
    parts.into_iter().map(whole).collect()
}

async fn post(addr: SocketAddr, path: &str, body: &Value) -> anyhow::Result<Vec<u8>> {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.0\r\nhost: {addr}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    exchange(addr, &(head + &body), Duration::from_secs(30)).await
}
