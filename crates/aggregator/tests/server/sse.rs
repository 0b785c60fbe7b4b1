//! `/api/v1/watch`, as a client of another make sees it.

mod client;

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use ward_aggregator::ClientLimits;
use ward_proto::v1::{
    self,
    Status::{Degraded, Healthy, Unhealthy},
};

use self::client::{Knowledge, Response, Sent};
use crate::harness::{
    Aggregator, Reporter, SOON, hello, result, start, start_unbounded, start_with, until, update,
};

const WATCH: &str = "GET /api/v1/watch";

async fn watch(ward: &Aggregator, query: &str, id: Option<&str>) -> Response {
    let id = id.map(|id| format!("Last-Event-ID: {id}"));
    let headers: Vec<&str> = ["Accept: text/event-stream"]
        .into_iter()
        .chain(id.as_deref())
        .collect();
    let response = Response::of(ward.app.http_addr(), &format!("{WATCH}{query}"), &headers, None).await;
    assert_eq!(response.status(), 200, "{}", response.head);
    response
}

async fn metric(ward: &Aggregator, series: &str) -> f64 {
    let page = Response::of(ward.app.http_addr(), "GET /metrics", &["connection: close"], None).await;
    let text = page.body().await;
    let values = text
        .lines()
        .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    values.map(|value| value.parse().unwrap()).next().unwrap_or(0.0)
}

async fn watchers(ward: &Aggregator) -> f64 {
    metric(ward, r#"ward_watchers{transport="sse"}"#).await
}

/// Takes events until this service has this status.
async fn learn(knowledge: &mut Knowledge, events: &mut Response, service: &str, status: &str) {
    while knowledge
        .state
        .get(service)
        .is_none_or(|state| state["condition"]["status"] != status)
    {
        let sent = events.next().await.expect("not the end");
        knowledge.take(&sent);
    }
}

fn kinds(sent: &Sent) -> Vec<String> {
    let kind = |entity: &Value| entity.as_object().unwrap().keys().next().unwrap().clone();
    sent.data["entities"]
        .as_array()
        .unwrap()
        .iter()
        .map(kind)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_goes_on_where_it_was() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    let mut events = watch(&ward, "", None).await;
    for header in [
        "content-type: text/event-stream",
        "cache-control: no-store",
        "x-accel-buffering: no",
    ] {
        assert!(
            events.head.contains(&format!("{header}\r\n")),
            "{header} in {}",
            events.head
        );
    }
    let opening = events.next().await.unwrap();
    assert!((500..2_000).contains(&opening.retry.unwrap()), "{opening:?}");
    let snapshot = events.delta().await;
    assert_eq!(
        (snapshot.event.as_str(), &snapshot.data["from"]),
        ("snapshot", &Value::from(0))
    );
    drop(events);
    reporter.update(update(handle, 2, Unhealthy)).await;
    let id = snapshot.id.unwrap();
    for (query, header) in [
        (String::new(), Some(id.as_str())),
        (format!("?resume={id}"), None),
        // One who reconnects repeats its URL and knows better by then.
        ("?resume=00-1".to_owned(), Some(&id)),
    ] {
        let mut events = watch(&ward, &query, header).await;
        let revision = events.delta().await;
        assert_eq!(revision.event, "revision", "{query}");
        assert_eq!(
            format!(
                "{}-{}",
                revision.data["epoch"].as_str().unwrap(),
                revision.data["from"]
            ),
            id
        );
    }
    let (epoch, revision) = id.split_once('-').unwrap();
    for lost in [format!("0{revision}-{revision}"), format!("{epoch}-{}", u64::MAX)] {
        assert_eq!(
            watch(&ward, "", Some(&lost)).await.delta().await.event,
            "snapshot",
            "{lost}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_asked_over_grpc_goes_on_here() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let handle = reporter.hello(hello("bank", Healthy)).await;
    let system = ward
        .client()
        .await
        .get_system(v1::GetSystemRequest {})
        .await
        .unwrap()
        .into_inner();
    let cursor = system.cursor.unwrap();
    reporter.update(update(handle, 2, Degraded)).await;
    let id = format!("{:016x}-{}", cursor.epoch, cursor.revision);
    let revision = watch(&ward, &format!("?resume={id}"), None).await.delta().await;
    assert_eq!(
        (revision.event.as_str(), &revision.data["from"]),
        ("revision", &cursor.revision.into())
    );
}

/// Many instances with much to say: a step for one who watches instances is several messages.
async fn talkative(ward: &Aggregator) -> (Reporter, Vec<u32>) {
    let mut reporter = ward.reporter().await;
    let mut handles = Vec::new();
    for index in 0..40 {
        let talkative = v1::Hello {
            instance: format!("i-{index}"),
            results: verbose(Healthy),
            ..hello("bank", Healthy)
        };
        handles.push(reporter.hello(talkative).await);
    }
    (reporter, handles)
}

fn verbose(status: v1::Status) -> Vec<v1::CheckResult> {
    let check = |index| v1::CheckResult {
        name: format!("work-{index}"),
        message: "m".repeat(800),
        ..result(status)
    };
    (0..20).map(check).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_cut_within_a_step_resumes_before_it() {
    let ward = start().await;
    let (reporter, handles) = talkative(&ward).await;
    let mut knowledge = Knowledge::default();
    let mut events = watch(&ward, "?level=instance", None).await;
    let first = events.delta().await;
    assert!(!first.is_last(), "the snapshot is larger than a message");
    knowledge.take(&first);
    assert_eq!(knowledge.id, None, "nothing is whole yet");
    knowledge.break_off();

    let mut events = watch(&ward, "?level=instance", knowledge.id.as_deref()).await;
    while !knowledge.take(&events.next().await.unwrap()) {}
    assert_eq!(knowledge.steps, ["snapshot"]);
    assert_eq!(knowledge.state.len(), 42);
    drop(events);

    // More than is told apart, while it is away.
    for sequence in [2, 3] {
        for handle in &handles {
            let status = if sequence == 2 { Degraded } else { Unhealthy };
            let results = verbose(status);
            reporter
                .update(v1::Update {
                    results,
                    ..update(*handle, sequence, status)
                })
                .await;
        }
    }
    let last = handles.len() as u64;
    until("all is taken in", async || {
        let service = ward.service("bank").await.service.unwrap();
        (u64::from(service.instances.unwrap().unhealthy) == last).then_some(())
    })
    .await;
    let id = knowledge.id.clone();
    let mut events = watch(&ward, "?level=instance", id.as_deref()).await;
    let first = events.delta().await;
    assert_eq!(
        (first.event.as_str(), first.is_last(), &first.id),
        ("coalesced", false, &None)
    );
    knowledge.take(&first);
    knowledge.break_off();
    assert_eq!(knowledge.id, id);
    let mut events = watch(&ward, "?level=instance", id.as_deref()).await;
    while !knowledge.take(&events.next().await.unwrap()) {}
    assert_eq!(knowledge.steps, ["snapshot", "coalesced"]);

    let mut anew = Knowledge::default();
    let mut events = watch(&ward, "?level=instance", None).await;
    while !anew.take(&events.next().await.unwrap()) {}
    assert_eq!(knowledge.state, anew.state);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_out_what_was_not_asked_for() {
    let ward = start().await;
    let mut reporter = ward.reporter().await;
    let bank = reporter.hello(hello("bank", Healthy)).await;
    let shop = reporter.hello(hello("shop", Healthy)).await;
    reporter.hello(hello("till", Healthy)).await;
    for (query, expected) in [
        ("?names=bank&level=system", &["system"][..]),
        ("?names=bank", &["system", "service"]),
        (
            "?names=bank,shop&level=service",
            &["system", "service", "service"],
        ),
        ("?names=bank&names=shop", &["system", "service", "service"]),
        ("?names=bank&level=instance", &["system", "service", "instance"]),
        ("?least_severity=unhealthy", &[]),
    ] {
        let snapshot = watch(&ward, query, None).await.delta().await;
        assert_eq!(kinds(&snapshot), expected, "{query}");
        assert!(snapshot.is_last(), "nothing is told as well");
    }
    let (mut severe, mut knowledge) = (
        watch(&ward, "?least_severity=unhealthy", None).await,
        Knowledge::default(),
    );
    reporter.update(update(shop, 2, Unhealthy)).await;
    learn(&mut knowledge, &mut severe, "shop", "unhealthy").await;
    reporter.update(update(bank, 2, Degraded)).await;
    reporter.update(update(shop, 3, Healthy)).await;
    learn(&mut knowledge, &mut severe, "shop", "healthy").await;
    assert!(!knowledge.state.contains_key("bank"), "it was never that bad");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_refused_before_the_stream_begins() {
    let ward = start().await;
    let many = vec!["x"; 129].join(",");
    let long = format!("{WATCH}?names={}", "x,".repeat(10_000));
    let cases: &[(&str, &[&str], u16, &str)] = &[
        (&format!("{WATCH}?level=everything"), &[], 400, "level"),
        (
            &format!("{WATCH}?least_severity=worst"),
            &[],
            400,
            "least_severity",
        ),
        (&format!("{WATCH}?names=a,B"), &[], 400, "names[1]"),
        (
            &format!("{WATCH}?names={many}"),
            &[],
            400,
            "names has 129 entries",
        ),
        (&format!("{WATCH}?resume=1"), &[], 400, "resume"),
        (&format!("{WATCH}?resume=%00%1b%5b31m"), &[], 400, "resume"),
        (&format!("{WATCH}?service=bank"), &[], 400, "query"),
        (&format!("{WATCH}?level=system&level=service"), &[], 400, "level"),
        (WATCH, &["Last-Event-ID: latest"], 400, "Last-Event-ID"),
        (WATCH, &["Last-Event-ID: 1-2-3"], 400, "Last-Event-ID"),
        (WATCH, &["Accept: application/json"], 406, "text/event-stream"),
        (
            WATCH,
            &["Accept: text/event-stream;q=0, application/json"],
            406,
            "text/event-stream",
        ),
        ("POST /api/v1/watch", &["Content-Length: 0"], 405, ""),
    ];
    for (request, headers, status, says) in cases {
        let refused = Response::of(ward.app.http_addr(), request, headers, None).await;
        assert_eq!(refused.status(), *status, "{request} {headers:?}");
        assert!(
            refused.head.contains("application/problem+json"),
            "{}",
            refused.head
        );
        let problem: Value = serde_json::from_str(&refused.body().await).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{request} {headers:?}: {detail}");
        assert!(!detail.contains('\u{1b}'), "{detail:?}");
    }
    // Longer than a request's head may be.
    let refused = Response::of(ward.app.http_addr(), &long, &[], None).await;
    assert!([414, 431].contains(&refused.status()), "{}", refused.head);
    assert_eq!(watchers(&ward).await, 0.0);
    for accept in [
        "Accept: */*",
        "Accept: text/html, text/*;q=0.5",
        "Accept: TEXT/Event-Stream",
        "X-Nothing: said",
    ] {
        let taken = Response::of(ward.app.http_addr(), WATCH, &[accept], None).await;
        assert_eq!(taken.status(), 200, "{accept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bookmarks_come_while_nothing_happens_and_who_leaves_is_noticed() {
    let ward = start_with(|mut config| {
        config.bookmark_every = Duration::from_millis(200);
        // Neither ends a stream that is under way.
        config.limits.header_timeout = Some(Duration::from_millis(300));
        config.limits.handshake_timeout = Some(Duration::from_millis(300));
        config
    })
    .await;
    let (mut events, mut knowledge) = (watch(&ward, "", None).await, Knowledge::default());
    let mut bookmarks = 0;
    while bookmarks < 5 {
        let sent = events.next().await.unwrap();
        knowledge.take(&sent);
        if sent.event == "bookmark" {
            bookmarks += 1;
            assert_eq!(sent.data["observer"]["blind"], false, "{sent:?}");
        }
    }
    // One who resumes where nothing has happened since is told that at once.
    let id = knowledge.id.unwrap();
    let mut resumed = watch(&ward, "", Some(&id)).await;
    let told = [resumed.next().await.unwrap(), resumed.next().await.unwrap()];
    assert_eq!((told[1].event.as_str(), &told[1].id), ("bookmark", &Some(id)));
    assert_eq!(watchers(&ward).await, 2.0);
    drop((events, resumed));
    until("they are gone", async || {
        (watchers(&ward).await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_noticed_before_there_is_anything_to_say() {
    let ward = start_with(|mut config| {
        config.bookmark_every = Duration::from_secs(3_600);
        config
    })
    .await;
    let mut events = watch(&ward, "", None).await;
    events.delta().await;
    assert_eq!(watchers(&ward).await, 1.0);
    drop(events);
    until("it is gone", async || {
        (watchers(&ward).await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_reaches_a_slow_reader_as_the_newest_state() {
    let ward = start_unbounded().await;
    let mut reporter = ward.reporter().await;
    // On a busy machine the burst takes longer than it takes to be flapping at a shorter interval.
    let slow = v1::Hello {
        interval_ms: 60_000,
        ..hello("bank", Healthy)
    };
    let handle = reporter.hello(slow).await;
    let (mut events, mut knowledge) = (watch(&ward, "", None).await, Knowledge::default());
    learn(&mut knowledge, &mut events, "bank", "healthy").await;
    for sequence in 2..=20_000 {
        let status = if sequence % 2 == 0 { Unhealthy } else { Healthy };
        let message = "x".repeat(400);
        let results = vec![v1::CheckResult {
            message,
            ..result(status)
        }];
        reporter
            .update(v1::Update {
                results,
                ..update(handle, sequence, status)
            })
            .await;
    }
    // An update that is left out for overload is asked for again, and the last of these may be one.
    let insisting = async {
        for sequence in 20_001.. {
            reporter.update(update(handle, sequence, Degraded)).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = learn(&mut knowledge, &mut events, "bank", "degraded") => {}
        () = insisting => unreachable!("there are sequences enough"),
    }
    assert!(
        knowledge.steps.iter().any(|step| step == "coalesced"),
        "it read nothing during the burst"
    );
    assert!(metric(&ward, "ward_coalesced_changes_total").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_reads_nothing_is_cut_off() {
    let ward = start_with(|mut config| {
        config.client_limits = ClientLimits::unguarded();
        config.stall_after = Duration::from_secs(1);
        config
    })
    .await;
    let (reporter, handles) = talkative(&ward).await;
    // More than any buffer on the way holds: everything, again and again.
    let (address, request) = (ward.app.http_addr(), format!("{WATCH}?level=instance"));
    let silent = Response::of(address, &request, &[], Some(4_096)).await;
    let mut reading = watch(&ward, "?level=instance", None).await;
    let read_on = tokio::spawn(async move {
        while let Some(sent) = reading.next().await {
            assert_ne!(sent.event, "closing", "one who reads is not ended");
        }
    });
    let stirring = tokio::spawn(async move {
        for sequence in 2.. {
            for handle in &handles {
                let status = if sequence % 2 == 0 { Degraded } else { Unhealthy };
                let results = verbose(status);
                reporter
                    .update(v1::Update {
                        results,
                        ..update(*handle, sequence, status)
                    })
                    .await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    timeout(Duration::from_secs(60), async {
        while metric(&ward, "ward_stalled_watchers_total").await == 0.0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("it is noticed");
    until("its connection is gone", async || {
        (watchers(&ward).await == 1.0).then_some(())
    })
    .await;
    stirring.abort();
    silent.until_cut().await;
    assert!(!read_on.is_finished(), "nobody else is");
    read_on.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_tells_every_stream_and_ends_it() {
    let ward = start().await;
    let mut events = watch(&ward, "", None).await;
    events.delta().await;
    let address = ward.app.http_addr();
    let stopping = tokio::spawn(ward.app.stop());
    let closing = loop {
        let sent = events.next().await.expect("a last word");
        if sent.event == "closing" {
            break sent;
        }
    };
    assert!(
        closing.data["reason"].as_str().unwrap().contains("stopping"),
        "{closing:?}"
    );
    assert_eq!(closing.id, None);
    assert_eq!(closing.retry, closing.data["retry_after_ms"].as_u64());
    assert!((100..1_000).contains(&closing.retry.unwrap()));
    assert_eq!(events.next().await, None, "a clean end");
    drop(events);
    let report = timeout(SOON, stopping).await.unwrap().unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_is_told_and_its_client_goes_on_elsewhere() {
    let ward = start_with(|mut config| {
        config.limits.connection_age = Some(Duration::from_secs(1));
        config
    })
    .await;
    let mut knowledge = Knowledge::default();
    for step in 0..2 {
        let mut events = watch(&ward, "", knowledge.id.as_deref()).await;
        let mut last_word = None;
        while let Some(sent) = events.next().await {
            knowledge.take(&sent);
            last_word = Some(sent.event);
        }
        assert_eq!(last_word.as_deref(), Some("closing"), "connection {step}");
    }
    assert_eq!(
        knowledge.steps.iter().filter(|step| *step == "snapshot").count(),
        1,
        "resumed"
    );
}

/// A fleet that does things at random while watchers of both kinds come and go.
#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_what_a_question_and_a_grpc_watcher_say() {
    let ward = start_unbounded().await;
    let mut reporter = ward.reporter().await;
    let services: Vec<String> = (0..12).map(|index| format!("s-{index}")).collect();
    let mut handles = Vec::new();
    for service in &services {
        handles.push(reporter.hello(hello(service, Healthy)).await);
    }
    let mut knowledge = Knowledge::default();
    let mut events = watch(&ward, "?level=instance", None).await;
    let mut sequences = vec![1; handles.len()];
    for _ in 0..60 {
        for _ in 0..rand::random_range(1..40) {
            let who = rand::random_range(0..handles.len());
            sequences[who] += 1;
            let status = [Healthy, Degraded, Unhealthy][rand::random_range(0..3)];
            reporter
                .update(update(handles[who], sequences[who], status))
                .await;
        }
        match rand::random_range(0..3) {
            0 => {
                knowledge.break_off();
                events = watch(&ward, "?level=instance", knowledge.id.as_deref()).await;
            }
            1 => {
                let sent = events.next().await.unwrap();
                knowledge.take(&sent);
            }
            _ => {}
        }
    }
    let goodbye = v1::Goodbye {
        handle: handles[0],
        ..Default::default()
    };
    reporter
        .send(v1::ReportRequest {
            goodbyes: vec![goodbye],
            ..Default::default()
        })
        .await;
    for (who, _) in services.iter().enumerate().skip(1) {
        let status = [Unhealthy, Degraded][who % 2];
        let message = "the end".to_owned();
        let results = vec![v1::CheckResult {
            message,
            ..result(status)
        }];
        reporter
            .update(v1::Update {
                results,
                ..update(handles[who], sequences[who] + 1, status)
            })
            .await;
    }
    let knows_the_end = |knowledge: &Knowledge| {
        let ends = services[1..].iter().filter(|service| {
            let state = knowledge.state.get(*service);
            state.is_some_and(|state| state["condition"]["message"] == "work: the end")
        });
        ends.count() == services.len() - 1
    };
    while !knows_the_end(&knowledge) {
        let sent = events.next().await.expect("not the end");
        knowledge.take(&sent);
    }
    compare(&ward, &knowledge).await;
}

async fn compare(ward: &Aggregator, knowledge: &Knowledge) {
    let mut client = ward.client().await;
    let list = client
        .list_services(v1::ListServicesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let system = client
        .get_system(v1::GetSystemRequest {})
        .await
        .unwrap()
        .into_inner()
        .system
        .unwrap();
    let mut told: Vec<(String, v1::Condition)> = vec![("system".into(), system.condition.unwrap())];
    told.extend(
        list.services
            .into_iter()
            .map(|service| (service.name, service.condition.unwrap())),
    );
    let names = knowledge.state.keys().filter(|key| !key.contains('/'));
    let mut expected: Vec<&String> = told.iter().map(|(name, _)| name).collect();
    expected.sort();
    assert_eq!(names.collect::<Vec<_>>(), expected);
    for (name, condition) in &told {
        let found = &knowledge.state[name]["condition"];
        let status = condition
            .status()
            .as_str_name()
            .trim_start_matches("STATUS_")
            .to_lowercase();
        assert_eq!(
            (found["status"].as_str(), found["message"].as_str()),
            (Some(&*status), Some(&*condition.message)),
            "{name}"
        );
    }
    // And in every detail with what is answered here.
    let answer = async |path: &str| -> Value {
        let answer = Response::of(ward.app.http_addr(), &format!("GET {path}"), &[], None).await;
        serde_json::from_str(&answer.body().await).unwrap()
    };
    assert_eq!(
        answer("/api/v1/system").await["system"],
        knowledge.state["system"]
    );
    let services = answer("/api/v1/services?page_size=1000").await;
    for service in services["services"].as_array().unwrap() {
        assert_eq!(*service, knowledge.state[service["name"].as_str().unwrap()]);
    }
    let request = v1::WatchRequest {
        level: v1::WatchLevel::Instance.into(),
        ..Default::default()
    };
    let snapshot = ward.watch(request).await.delta().await;
    assert_eq!(
        snapshot.entities.len(),
        knowledge.state.len(),
        "as many as a gRPC watcher knows"
    );
    let mut anew = Knowledge::default();
    let mut events = watch(ward, "?level=instance", None).await;
    while !anew.take(&events.next().await.unwrap()) {}
    assert_eq!(knowledge.state, anew.state);
}
