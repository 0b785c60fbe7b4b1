//! The witness over real connections: to an aggregator that shows heads of a log with its bookmarks, and makes proofs out of
//! whatever history it has just then.

use std::borrow::Cow;

use parking_lot::Mutex as Lock;
use tokio::sync::Notify;
use tokio_stream::wrappers::ReceiverStream;
use ward_proto::v1::audit_service_server::{AuditService, AuditServiceServer};
use ward_tlog::{ProofError, TileId, Tiles, Tree, consistency_proof, leaf_hash};

use super::*;

/// The entries of a log; that of another seed has others from the fourth on.
#[derive(Clone)]
struct History(Vec<Hash>);

impl History {
    fn new(seed: u8) -> Self {
        let entry = |index: u8| if index < 3 { [index, 0] } else { [index, seed] };
        Self((0..=255).map(|index| leaf_hash(&entry(index))).collect())
    }

    fn head(&self, origin: &str, size: u64) -> AuditHead {
        let mut tree = Tree::new();
        self.0[..size as usize].iter().for_each(|leaf| tree.push(*leaf));
        let root = tree.root().0;
        AuditHead {
            origin: origin.to_owned(),
            size,
            root,
        }
    }
}

impl Tiles for History {
    type Error = ();

    fn tile(&self, _: TileId) -> Result<Cow<'_, [Hash]>, ()> {
        Ok(self.0.as_slice().into())
    }
}

/// How it answers those who want a proof.
#[derive(Clone, Default)]
enum Prover {
    #[default]
    Away,
    Of(History),
    Broken,
    Mute,
    /// As it does then.
    Late(Arc<Notify>),
}

#[derive(Clone, Default)]
struct Auditor(Arc<Lock<Prover>>);

macro_rules! not_in_this_play {
    ($($method:ident($request:ty) -> $response:ty;)*) => {
        #[tonic::async_trait]
        impl AuditService for Auditor {
            type TailEventsStream = Answers<v1::TailEventsResponse>;

            async fn consistency(
                &self, request: Request<v1::ConsistencyRequest>,
            ) -> Result<Response<v1::ConsistencyResponse>, tonic::Status> {
                let asked = request.into_inner();
                let mut prover = self.0.lock().clone();
                if let Prover::Late(going_on) = prover {
                    going_on.notified().await;
                    prover = self.0.lock().clone();
                }
                let hashes = match prover {
                    Prover::Away => return Err(tonic::Status::unavailable("the log is being opened")),
                    Prover::Mute | Prover::Late(_) => std::future::pending().await,
                    Prover::Broken => vec![vec![0; 31]],
                    Prover::Of(history) => {
                        let proof = consistency_proof(asked.old_size, asked.new_size, &history);
                        let proof = proof.map_err(|_| tonic::Status::out_of_range("no such log"))?;
                        proof.iter().map(|hash| hash.0.to_vec()).collect()
                    }
                };
                Ok(Response::new(v1::ConsistencyResponse { hashes }))
            }

            async fn tail_events(
                &self, _: Request<v1::TailEventsRequest>,
            ) -> Result<Response<Self::TailEventsStream>, tonic::Status> {
                Err(tonic::Status::unimplemented("not in this play"))
            }

            $(async fn $method(&self, _: Request<$request>) -> Result<Response<$response>, tonic::Status> {
                Err(tonic::Status::unimplemented("not in this play"))
            })*
        }
    };
}

not_in_this_play! {
    list_events(v1::ListEventsRequest) -> v1::ListEventsResponse;
    checkpoint(v1::CheckpointRequest) -> v1::CheckpointResponse;
    prove(v1::ProveRequest) -> v1::ProveResponse;
}

/// Says what it is told to, for as long as it is there.
struct Stage {
    address: String,
    says: mpsc::Sender<v1::WatchResponse>,
    speaker: Speaker,
    prover: Arc<Lock<Prover>>,
}

/// What the next who watches is told.
#[derive(Clone, Default)]
struct Speaker(Arc<Lock<Option<mpsc::Receiver<v1::WatchResponse>>>>);

macro_rules! nothing_else {
    ($($method:ident($request:ty) -> $response:ty;)*) => {
        #[tonic::async_trait]
        impl v1::health_service_server::HealthService for Speaker {
            type ReportStream = Answers<v1::ReportResponse>;
            type WatchStream = Answers<v1::WatchResponse>;

            async fn watch(
                &self, _: Request<v1::WatchRequest>,
            ) -> Result<Response<Self::WatchStream>, tonic::Status> {
                let words = self.0.lock().take();
                let words = words.ok_or_else(|| tonic::Status::unavailable("the play is over"))?;
                Ok(Response::new(Box::pin(ReceiverStream::new(words).map(Ok))))
            }

            async fn report(
                &self, _: Request<Streaming<v1::ReportRequest>>,
            ) -> Result<Response<Self::ReportStream>, tonic::Status> {
                Err(tonic::Status::unimplemented("not in this play"))
            }

            $(async fn $method(&self, _: Request<$request>) -> Result<Response<$response>, tonic::Status> {
                Err(tonic::Status::unimplemented("not in this play"))
            })*
        }
    };
}

nothing_else! {
    report_once(v1::ReportOnceRequest) -> v1::ReportOnceResponse;
    get_system(v1::GetSystemRequest) -> v1::GetSystemResponse;
    list_services(v1::ListServicesRequest) -> v1::ListServicesResponse;
    get_service(v1::GetServiceRequest) -> v1::GetServiceResponse;
    get_history(v1::GetHistoryRequest) -> v1::GetHistoryResponse;
    explain(v1::ExplainRequest) -> v1::ExplainResponse;
    start_maintenance(v1::StartMaintenanceRequest) -> v1::StartMaintenanceResponse;
    end_maintenance(v1::EndMaintenanceRequest) -> v1::EndMaintenanceResponse;
    list_maintenance(v1::ListMaintenanceRequest) -> v1::ListMaintenanceResponse;
    forget(v1::ForgetRequest) -> v1::ForgetResponse;
}

impl Stage {
    async fn open() -> Self {
        let (listener, address) = stage().await;
        let (speaker, prover) = (Speaker::default(), Arc::default());
        let server = tonic::transport::Server::builder()
            .add_service(HealthServiceServer::new(speaker.clone()))
            .add_service(AuditServiceServer::new(Auditor(Arc::clone(&prover))))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        let (says, _) = mpsc::channel(1);
        let mut opened = Self {
            address,
            says,
            speaker,
            prover,
        };
        opened.begin_again().await;
        opened
    }

    /// Ends the stream that is there. The next one begins with the state of revision 3 of epoch 7.
    async fn begin_again(&mut self) {
        let (says, words) = mpsc::channel(16);
        says.send(snapshot(7, 3, Status::Healthy)).await.unwrap();
        *self.speaker.0.lock() = Some(words);
        self.says = says;
    }

    async fn watched(&self, held: Vec<AuditHead>) -> Watcher {
        let mut watcher = Watcher::builder(&self.address).audit_heads(held).start().unwrap();
        assert_eq!(told(&mut watcher).await, [Status::Healthy]);
        watcher
    }

    async fn shows(&self, head: &AuditHead) {
        let bookmark = v1::Bookmark {
            cursor: Some(v1::Cursor {
                epoch: 7,
                revision: 3,
            }),
            observer: None,
            audit: Some(head.into()),
        };
        let event = Some(v1::watch_response::Event::Bookmark(bookmark));
        self.says.send(v1::WatchResponse { event }).await.unwrap();
    }

    fn proves(&self, prover: Prover) {
        *self.prover.lock() = prover;
    }
}

const LOG: &str = "ward.example/1";

/// The finding behind the next bookmark.
async fn found(watcher: &mut Watcher) -> Finding {
    assert!(matches!(next(watcher).await, Event::Bookmark { .. }));
    match next(watcher).await {
        Event::Audit(finding) => finding,
        other => panic!("expected a finding, got {other:?}"),
    }
}

#[tokio::test]
async fn a_log_that_grows_is_verified_with_each_bookmark() {
    let (stage, history) = (Stage::open().await, History::new(0));
    stage.proves(Prover::Of(history.clone()));
    let mut watcher = stage.watched(Vec::new()).await;
    for size in [3, 7, 200] {
        let head = history.head(LOG, size);
        stage.shows(&head).await;
        let Finding::Held(held) = found(&mut watcher).await else {
            panic!("{size}: expected it to be held");
        };
        assert_eq!(held, head);
        assert_eq!(watcher.audit_heads(), [head]);
    }
}

/// The aggregator's log is written anew from its fourth entry on, and is as well signed and as long as it was.
#[tokio::test]
async fn a_rewritten_log_is_noticed_by_who_was_watching() {
    let (stage, history, other) = (Stage::open().await, History::new(0), History::new(1));
    stage.proves(Prover::Of(history.clone()));
    let mut watcher = stage.watched(Vec::new()).await;
    let held = history.head(LOG, 9);
    stage.shows(&held).await;
    assert!(matches!(found(&mut watcher).await, Finding::Held(_)));
    stage.proves(Prover::Of(other.clone()));
    for size in [12, 9] {
        stage.shows(&other.head(LOG, size)).await;
        let Finding::Rewritten {
            held: before,
            shown,
            why,
        } = found(&mut watcher).await
        else {
            panic!("{size}: expected an accusation");
        };
        assert_eq!((before, shown), (held.clone(), other.head(LOG, size)));
        let expected = if size == 9 {
            ProofError::Root
        } else {
            ProofError::OldRoot
        };
        assert_eq!(why, expected);
    }
    // A split view: the log shown to others is still there, and a proof of it does not help the head shown here.
    stage.proves(Prover::Of(history.clone()));
    stage.shows(&other.head(LOG, 13)).await;
    assert!(matches!(found(&mut watcher).await, Finding::Rewritten { .. }));
    assert_eq!(watcher.audit_heads(), [held]);
}

#[tokio::test]
async fn what_was_held_before_is_what_the_next_watch_begins_with() {
    let (history, other) = (History::new(0), History::new(1));
    let stage = Stage::open().await;
    stage.proves(Prover::Of(history.clone()));
    let mut watcher = stage.watched(vec![history.head(LOG, 9)]).await;
    stage.shows(&history.head(LOG, 12)).await;
    assert!(matches!(found(&mut watcher).await, Finding::Held(_)));
    let held = watcher.audit_heads().to_vec();
    drop((watcher, stage));

    let stage = Stage::open().await;
    stage.proves(Prover::Of(other.clone()));
    let mut watcher = stage.watched(held).await;
    stage.shows(&other.head(LOG, 20)).await;
    assert!(matches!(found(&mut watcher).await, Finding::Rewritten { .. }));
}

#[tokio::test]
async fn who_cannot_prove_right_now_is_asked_again_and_not_accused() {
    let (stage, history) = (Stage::open().await, History::new(0));
    let mut watcher = stage.watched(vec![history.head(LOG, 9)]).await;
    stage.shows(&history.head(LOG, 10)).await;
    let Finding::Unverified { why, .. } = found(&mut watcher).await else {
        panic!("expected no verdict");
    };
    assert!(why.to_string().contains("the log is being opened"), "{why}");
    // Told once; the bookmarks go on, and the next one asks again.
    stage.proves(Prover::Broken);
    stage.shows(&history.head(LOG, 11)).await;
    assert!(matches!(next(&mut watcher).await, Event::Bookmark { .. }));
    let quiet = timeout(Duration::from_millis(300), watcher.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    stage.proves(Prover::Of(history.clone()));
    stage.shows(&history.head(LOG, 12)).await;
    assert!(matches!(found(&mut watcher).await, Finding::Held(_)));
}

/// Whoever asks for a proof goes on watching meanwhile, and does so over a dropped call.
#[tokio::test]
async fn a_proof_that_does_not_come_holds_up_nothing() {
    let (stage, history) = (Stage::open().await, History::new(0));
    stage.proves(Prover::Mute);
    let mut watcher = stage.watched(vec![history.head(LOG, 9)]).await;
    stage.shows(&history.head(LOG, 10)).await;
    assert!(matches!(next(&mut watcher).await, Event::Bookmark { .. }));
    assert!(timeout(Duration::from_millis(100), watcher.next()).await.is_err());
    // Bookmarks that come before the answer do not put it off.
    stage.shows(&history.head(LOG, 11)).await;
    assert!(matches!(next(&mut watcher).await, Event::Bookmark { .. }));
    stage.says.send(revision(7, 4, Status::Degraded)).await.unwrap();
    assert_eq!(told(&mut watcher).await, [Status::Degraded]);
    let Event::Audit(Finding::Unverified { shown, why, .. }) = next(&mut watcher).await else {
        panic!("expected no verdict");
    };
    assert!(matches!(why, Error::Unanswered(_)), "{why:?}");
    assert_eq!(shown.size, 10);
}

/// An aggregator that is stopped while it is asked, and comes back with a restored log under another name: what is then
/// answered is no answer to the question, which is forgotten with the stream that it came from.
#[tokio::test]
async fn a_restart_in_between_is_no_accusation() {
    let (mut stage, history, restored) = (Stage::open().await, History::new(0), History::new(1));
    let going_on = Arc::new(Notify::new());
    stage.proves(Prover::Late(Arc::clone(&going_on)));
    let mut watcher = stage.watched(vec![history.head(LOG, 9)]).await;
    stage.shows(&history.head(LOG, 10)).await;
    assert!(matches!(next(&mut watcher).await, Event::Bookmark { .. }));
    assert!(timeout(Duration::from_millis(100), watcher.next()).await.is_err());
    stage.begin_again().await;
    assert!(matches!(next(&mut watcher).await, Event::Lost { .. }));
    stage.proves(Prover::Of(restored.clone()));
    going_on.notify_one();
    assert!(matches!(next(&mut watcher).await, Event::Restored { .. }));
    stage.shows(&restored.head("ward.example/2", 10)).await;
    let Finding::Another { before, now } = found(&mut watcher).await else {
        panic!("expected another log");
    };
    let origins = (before.origin.as_str(), now.origin.as_str());
    assert_eq!(origins, (LOG, "ward.example/2"));
}

#[tokio::test]
async fn heads_that_are_none_are_passed_over() {
    let (stage, history) = (Stage::open().await, History::new(0));
    stage.proves(Prover::Of(history.clone()));
    let mut watcher = stage.watched(Vec::new()).await;
    let named = |origin: &str| history.head(origin, 9);
    let sized = |size| AuditHead { size, ..named(LOG) };
    let names = ["", "a\nb", "\u{1b}[2J", &"a".repeat(257)].map(named);
    for head in names.into_iter().chain([sized(0), sized(1 << 63)]) {
        stage.shows(&head).await;
        assert!(matches!(next(&mut watcher).await, Event::Bookmark { .. }));
    }
    stage.shows(&history.head(LOG, 9)).await;
    assert!(matches!(found(&mut watcher).await, Finding::Held(_)));
    assert_eq!(watcher.audit_heads().len(), 1);
}
