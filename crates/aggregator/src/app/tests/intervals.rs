//! Intervals that the file changes while streams are open. Nothing from outside declares at run time but a reload, and
//! what a reload does to the engine is told to it here directly.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use ward_engine::{Declaration, Event, Reply};
use ward_model::Name;

use super::*;

struct Reporter {
    requests: mpsc::Sender<v1::ReportRequest>,
    answers: Streaming<v1::ReportResponse>,
}

impl Reporter {
    async fn connect(app: &App) -> Self {
        let (requests, out) = mpsc::channel(16);
        let address = format!("http://{}", app.grpc_addr());
        let mut client = HealthServiceClient::connect(address).await.unwrap();
        let answers = client.report(ReceiverStream::new(out)).await.unwrap();
        let answers = answers.into_inner();
        Self { requests, answers }
    }

    async fn hello(&mut self, instance: &str, interval_ms: u32) -> v1::Registration {
        let hello = v1::Hello {
            service: "bank".into(),
            instance: instance.into(),
            incarnation: "first".into(),
            interval_ms,
            ..Default::default()
        };
        let hellos = vec![hello];
        let request = v1::ReportRequest {
            hellos,
            ..Default::default()
        };
        self.requests.send(request).await.unwrap();
        self.registrations().await.remove(0)
    }

    async fn beat(&self, handle: u32) {
        let beats = vec![handle];
        let request = v1::ReportRequest {
            beats,
            ..Default::default()
        };
        self.requests.send(request).await.unwrap();
    }

    /// The next that are told; acknowledgements are passed over.
    async fn registrations(&mut self) -> Vec<v1::Registration> {
        loop {
            let answer = timeout(SOON, self.answers.message());
            let answer = answer.await.expect("in time").unwrap().expect("not the end");
            if !answer.registrations.is_empty() {
                return answer.registrations;
            }
        }
    }
}

async fn declare(app: &App, interval: Option<Duration>) {
    let declaration = interval.map(|interval| Declaration {
        interval: Some(interval),
        ..Declaration::default()
    });
    let service = Name::service("bank").unwrap();
    let event = Event::DeclareAll(vec![(service, declaration)]);
    assert_eq!(app.edge.decider.apply(event).await.unwrap(), Reply::Done);
}

async fn figures(app: &App) -> [u64; 4] {
    app.edge
        .decider
        .read(|engine| engine.figures().instances)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_for_long_is_told_at_once_that_it_may_not_be() {
    let home = tempfile::tempdir().unwrap();
    let app = started(&home).await;
    let mut reporter = Reporter::connect(&app).await;
    let own = reporter.hello("one", 600_000).await;
    assert_eq!(own.interval_ms, 600_000);
    let other = reporter.hello("two", 200).await;
    declare(&app, Some(Duration::from_millis(200))).await;
    let told = reporter.registrations().await;
    assert_eq!(told.len(), 1, "only who has another interval now: {told:?}");
    assert_eq!(
        (told[0].handle, told[0].interval_ms, told[0].suspect_after_ms),
        (own.handle, 200, 2_200)
    );
    // Its beats are good for the new lease from here on, and the other's still are.
    reporter.beat(own.handle).await;
    reporter.beat(other.handle).await;
    let silent = async {
        while figures(&app).await[0] > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, silent)
        .await
        .expect("both are missed by the new lease");
    declare(&app, None).await;
    let told = reporter.registrations().await;
    assert_eq!((told.len(), told[0].interval_ms), (1, 600_000), "taken back");
    assert!(app.stop().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_are_told_as_the_last_and_who_comes_later_is_told_once() {
    let home = tempfile::tempdir().unwrap();
    let app = started(&home).await;
    declare(&app, Some(Duration::from_secs(7))).await;
    let mut reporter = Reporter::connect(&app).await;
    assert_eq!(reporter.hello("one", 1_000).await.interval_ms, 7_000);
    for seconds in 8..40 {
        declare(&app, Some(Duration::from_secs(seconds))).await;
    }
    let mut last = 0;
    while last != 39_000 {
        let told = reporter.registrations().await;
        assert!(
            told.iter().all(|told| told.interval_ms > last),
            "in order: {told:?}"
        );
        last = told[0].interval_ms;
    }
    assert_eq!(reporter.hello("two", 1_000).await.interval_ms, 39_000);
    assert!(app.stop().await.is_clean());
}
