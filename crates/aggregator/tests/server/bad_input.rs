//! What should not be sent, and is. Each has a clear error or a defined meaning, is counted, and harms nobody else.

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use ward_proto::v1::{
    self, RejectionCode,
    Status::{Healthy, Unhealthy, Unknown},
};

use crate::harness::{Aggregator, Reporter, hello, start, until, update};

/// Somebody who does everything right, on a connection of its own.
async fn bystander(ward: &Aggregator) -> Reporter {
    let mut reporter = ward.reporter().await;
    reporter.hello(hello("bystander", Healthy)).await;
    reporter
}

async fn unharmed(ward: &Aggregator, bystander: &mut Reporter) {
    assert_eq!(ward.status_of("bystander").await, Healthy);
    bystander.update(update(0, 2, Unhealthy)).await;
    until("the bystander is still heard", async || {
        (ward.status_of("bystander").await == Unhealthy).then_some(())
    })
    .await;
}

fn dependency(service: &str) -> v1::Dependency {
    v1::Dependency {
        service: service.into(),
        ..Default::default()
    }
}

fn signal(value: f64) -> v1::SignalValue {
    v1::SignalValue {
        name: "error_ratio".into(),
        value,
    }
}

/// A field, and how to spoil it.
type Spoil = (&'static str, fn(&mut v1::Hello));

const SPOILS: [Spoil; 12] = [
    ("hello.service", |hello| hello.service = "Bank".into()),
    ("hello.service", |hello| hello.service = "\u{1b}[31mbank".into()),
    ("hello.service", |hello| hello.service = "system".into()),
    ("hello.service", |hello| hello.service = "x".repeat(10_000)),
    ("hello.instance", |hello| hello.instance.clear()),
    ("hello.incarnation", |hello| hello.incarnation.clear()),
    ("hello.version", |hello| hello.version = "x".repeat(10_000)),
    ("hello.interval_ms", |hello| hello.interval_ms = 1),
    ("hello.labels", |hello| {
        hello.labels = [("k".into(), "x".repeat(10_000))].into()
    }),
    ("hello.criticality", |hello| hello.criticality = 77),
    ("hello.results[0].status", |hello| hello.results[0].status = 9),
    ("hello.startup_deadline_ms", |hello| {
        hello.startup_deadline_ms = u32::MAX
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_hello_is_refused_with_the_field_and_harms_no_other_part() {
    let ward = start().await;
    let mut bystander = bystander(&ward).await;
    let mut reporter = ward.reporter().await;
    let good = hello("bank", Healthy);
    for (field, spoil) in SPOILS {
        let mut hello = good.clone();
        spoil(&mut hello);
        let refused = reporter.hello_refused(hello).await;
        assert_eq!(refused.code(), RejectionCode::Invalid);
        assert!(refused.message.starts_with(field), "{field}: {}", refused.message);
        assert!(
            !refused.message.chars().any(char::is_control),
            "{}",
            refused.message
        );
    }
    // A good one beside a bad one is taken.
    let both = vec![
        v1::Hello {
            service: String::new(),
            ..good.clone()
        },
        good,
    ];
    reporter
        .send(v1::ReportRequest {
            hellos: both,
            ..Default::default()
        })
        .await;
    let answer = reporter.next().await;
    assert_eq!((answer.rejections.len(), answer.registrations.len()), (1, 1));
    assert_eq!(
        ward.metric(r#"ward_rejections_total{code="invalid"}"#).await,
        SPOILS.len() as f64 + 1.0
    );
    unharmed(&ward, &mut bystander).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_are_none_are_left_out_and_the_rest_counts() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    for (index, value) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
        .into_iter()
        .enumerate()
    {
        let hello = v1::Hello {
            instance: format!("i{index}"),
            values: vec![signal(value)],
            ..hello("bank", Healthy)
        };
        reporter
            .send(v1::ReportRequest {
                hellos: vec![hello],
                ..Default::default()
            })
            .await;
        let answer = reporter.next().await;
        assert_eq!((answer.registrations.len(), answer.rejections.len()), (1, 1));
        assert!(
            answer.rejections[0].message.starts_with("hello.values[0].value"),
            "{answer:?}"
        );
    }
    assert_eq!(ward.status_of("bank").await, Healthy);
    assert_eq!(ward.metric(r#"ward_rejections_total{code="invalid"}"#).await, 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_a_sender_decides_nothing() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    for (index, sent_unix_ms) in [0, 4_102_444_800_000, i64::MIN, i64::MAX].into_iter().enumerate() {
        reporter
            .hello(v1::Hello {
                instance: format!("i{index}"),
                sent_unix_ms,
                ..hello("bank", Healthy)
            })
            .await;
    }
    assert_eq!(ward.status_of("bank").await, Healthy);
}

#[tokio::test(flavor = "multi_thread")]
async fn dependencies_on_oneself_on_nothing_and_in_a_circle_have_a_meaning() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let own = v1::Hello {
        dependencies: vec![dependency("alone")],
        ..hello("alone", Healthy)
    };
    reporter
        .send(v1::ReportRequest {
            hellos: vec![own],
            ..Default::default()
        })
        .await;
    let answer = reporter.next().await;
    assert!(
        answer.rejections[0]
            .message
            .starts_with("hello.dependencies[0].service"),
        "{answer:?}"
    );
    assert_eq!(ward.status_of("alone").await, Healthy, "left out, not fatal");

    reporter
        .hello(v1::Hello {
            dependencies: vec![dependency("nobody")],
            ..hello("needy", Healthy)
        })
        .await;
    assert_eq!(
        ward.status_of("needy").await,
        Unknown,
        "nothing is known of what it needs"
    );

    reporter
        .hello(v1::Hello {
            dependencies: vec![dependency("hen")],
            ..hello("egg", Healthy)
        })
        .await;
    let hen = reporter
        .hello(v1::Hello {
            dependencies: vec![dependency("egg")],
            ..hello("hen", Healthy)
        })
        .await;
    assert_eq!(ward.status_of("egg").await, Healthy);
    reporter.update(update(hen, 2, Unhealthy)).await;
    until("both are ill", async || {
        (ward.status_of("egg").await == Unhealthy).then_some(())
    })
    .await;
    reporter.update(update(hen, 3, Healthy)).await;
    until("both recover", async || {
        (ward.status_of("egg").await == Healthy).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lives_cannot_hold_one_id_and_an_old_one_does_not_come_back() {
    let ward = start().await;
    let mut first = ward.reporter().await;
    first.hello(hello("bank", Healthy)).await;
    let mut second = ward.reporter().await;
    let usurper = v1::Hello {
        incarnation: "second".into(),
        ..hello("bank", Unhealthy)
    };
    let refused = second.hello_refused(usurper.clone()).await;
    assert_eq!(
        (refused.code(), refused.service.as_str()),
        (RejectionCode::AlreadyExists, "bank")
    );
    assert_eq!(ward.status_of("bank").await, Healthy);
    drop(first);
    until("the first is not fresh any more", async || {
        (ward.service("bank").await.instances[0].freshness() != v1::Freshness::Fresh).then_some(())
    })
    .await;
    second.hello(usurper).await;
    let refused = second.hello_refused(hello("bank", Healthy)).await;
    assert!(
        matches!(
            refused.code(),
            RejectionCode::Superseded | RejectionCode::AlreadyExists
        ),
        "an old life is refused: {refused:?}"
    );
    assert_eq!(ward.service("bank").await.instances[0].incarnation, "second");
    assert_eq!(
        ward.metric(r#"ward_rejections_total{code="already_exists"}"#)
            .await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_and_sequences_that_are_wrong_are_refused() {
    let ward = start().await;
    let mut bystander = bystander(&ward).await;
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    for request in [
        v1::ReportRequest {
            beats: vec![u32::MAX],
            ..Default::default()
        },
        v1::ReportRequest {
            updates: vec![update(7, 2, Unhealthy)],
            ..Default::default()
        },
        v1::ReportRequest {
            goodbyes: vec![v1::Goodbye {
                handle: 8,
                ..Default::default()
            }],
            ..Default::default()
        },
    ] {
        assert_eq!(
            reporter.refused(request).await.code(),
            RejectionCode::UnknownHandle
        );
    }
    let replayed = v1::ReportRequest {
        updates: vec![update(handle, 1, Unhealthy)],
        ..Default::default()
    };
    let refused = reporter.refused(replayed).await;
    assert_eq!(refused.code(), RejectionCode::Replayed);
    assert!(refused.message.contains("go on with 2"), "{}", refused.message);
    let bad = v1::Update {
        results: vec![v1::CheckResult::default()],
        ..update(handle, 2, Unhealthy)
    };
    let refused = reporter
        .refused(v1::ReportRequest {
            updates: vec![bad],
            ..Default::default()
        })
        .await;
    assert!(
        refused.message.starts_with("update.results[0]"),
        "{}",
        refused.message
    );
    assert_eq!(ward.status_of("bank").await, Healthy);
    // Twenty thousand of them are counted and not told one by one.
    reporter
        .send(v1::ReportRequest {
            beats: vec![99; 20_000],
            ..Default::default()
        })
        .await;
    assert_eq!(reporter.next().await.rejections.len(), 100);
    assert_eq!(
        ward.metric(r#"ward_rejections_total{code="unknown_handle"}"#)
            .await,
        20_003.0
    );
    unharmed(&ward, &mut bystander).await;
}

/// Sends bytes as they are.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = v1::ReportResponse;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = v1::ReportResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        v1::ReportResponse::decode(bytes)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

async fn raw_stream(ward: &Aggregator) -> (mpsc::Sender<Bytes>, tonic::Streaming<v1::ReportResponse>) {
    let address = format!("http://{}", ward.app.grpc_addr());
    let channel = tonic::transport::Endpoint::from_shared(address)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let (requests, out) = mpsc::channel(4);
    let path = "/ward.health.v1.HealthService/Report".parse().unwrap();
    let request = tonic::Request::new(ReceiverStream::new(out));
    (
        requests,
        grpc.streaming(request, path, Raw).await.unwrap().into_inner(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_refused_and_the_stream_goes_on() {
    let ward = start().await;
    let (requests, mut answers) = raw_stream(&ward).await;
    requests
        .send(Bytes::from_static(b"\xff\xff\xff\xffgarbage"))
        .await
        .unwrap();
    let answer = answers.message().await.unwrap().unwrap();
    assert_eq!(answer.rejections[0].code(), RejectionCode::Invalid);
    assert_eq!(answer.acknowledged, 1);
    let good = v1::ReportRequest {
        hellos: vec![hello("bank", Healthy)],
        ..Default::default()
    };
    requests.send(good.encode_to_vec().into()).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().registrations.len(), 1);
    assert_eq!(ward.status_of("bank").await, Healthy);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_ends_its_own_stream_only() {
    let ward = start().await;
    let mut bystander = bystander(&ward).await;
    let (requests, mut answers) = raw_stream(&ward).await;
    requests.send(Bytes::from(vec![0; 65 * 1024])).await.unwrap();
    let error = answers.message().await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::OutOfRange, "{error}");
    assert_eq!(
        ward.metric(r#"ward_rejections_total{code="broken_stream"}"#)
            .await,
        1.0
    );
    unharmed(&ward, &mut bystander).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_decoded_is_refused_and_counted() {
    let ward = start().await;
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", ward.app.grpc_addr())).unwrap();
    let mut client = tonic::client::Grpc::new(channel.connect().await.unwrap());
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/ward.health.v1.HealthService/GetService");
    let request = tonic::Request::new(Bytes::from_static(b"\xff\xff\xff\xffgarbage"));
    let refused = client.unary(request, path, Raw).await;
    assert!(refused.is_err());
    let counted = ward
        .metric(r#"ward_requests_total{method="GetService",code="internal"}"#)
        .await;
    assert_eq!(counted, 1.0);
}
