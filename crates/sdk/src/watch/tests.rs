//! The watcher over real connections to a server that plays a script for each `Watch` call.

mod audit;

use std::{collections::VecDeque, pin::Pin, sync::Arc};

use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    time::timeout,
};
use tokio_stream::{Stream, StreamExt as _, wrappers::TcpListenerStream};
use tonic::{Request, Response, Streaming};
use ward_model::{Condition, Reason, Revision, SystemState, Wall};
use ward_proto::v1::{self, health_service_server::HealthServiceServer};

use super::*;

/// What is sent in one call, and whether it then stays open.
type Scene = (Vec<v1::WatchResponse>, bool);

#[derive(Clone)]
struct Scripted {
    scenes: Arc<Mutex<VecDeque<Scene>>>,
    asked: mpsc::Sender<v1::WatchRequest>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, tonic::Status>> + Send>>;

macro_rules! not_in_this_play {
    ($($method:ident($request:ty) -> $response:ty;)*) => {
        #[tonic::async_trait]
        impl v1::health_service_server::HealthService for Scripted {
            type ReportStream = Answers<v1::ReportResponse>;
            type WatchStream = Answers<v1::WatchResponse>;

            async fn watch(
                &self, request: Request<v1::WatchRequest>,
            ) -> Result<Response<Self::WatchStream>, tonic::Status> {
                self.asked.send(request.into_inner()).await.expect("the test listens");
                let scene = self.scenes.lock().await.pop_front();
                let (messages, stays) = scene.ok_or_else(|| tonic::Status::unavailable("the play is over"))?;
                let spoken = tokio_stream::iter(messages.into_iter().map(Ok));
                Ok(Response::new(match stays {
                    true => Box::pin(spoken.chain(tokio_stream::pending())),
                    false => Box::pin(spoken),
                }))
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

not_in_this_play! {
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

/// Plays `scenes` on `listener`; gives what is asked for.
fn play(listener: TcpListener, scenes: Vec<Scene>) -> mpsc::Receiver<v1::WatchRequest> {
    let (asked, requests) = mpsc::channel(16);
    let server = HealthServiceServer::new(Scripted {
        scenes: Arc::new(Mutex::new(scenes.into())),
        asked,
    });
    let serve = tonic::transport::Server::builder()
        .add_service(server)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(serve);
    requests
}

async fn stage() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn system(status: Status) -> Entity {
    let condition = Condition {
        status,
        reason: Reason::Dependency,
        message: String::new(),
        since: Wall(1),
    };
    Entity::System(SystemState {
        condition,
        ..SystemState::default()
    })
}

fn delta(epoch: u64, to: u64, kind: v1::DeltaKind, status: Status) -> v1::WatchResponse {
    let entities = vec![(&system(status)).into()];
    let delta = v1::Delta {
        epoch,
        to,
        kind: kind.into(),
        last: true,
        entities,
        ..v1::Delta::default()
    };
    v1::WatchResponse {
        event: Some(v1::watch_response::Event::Delta(delta)),
    }
}

fn snapshot(epoch: u64, to: u64, status: Status) -> v1::WatchResponse {
    delta(epoch, to, v1::DeltaKind::Snapshot, status)
}

fn revision(epoch: u64, to: u64, status: Status) -> v1::WatchResponse {
    delta(epoch, to, v1::DeltaKind::Revision, status)
}

fn closing(retry_after_ms: u32) -> v1::WatchResponse {
    let closing = v1::Closing {
        reason: "drain".into(),
        retry_after_ms,
    };
    v1::WatchResponse {
        event: Some(v1::watch_response::Event::Closing(closing)),
    }
}

async fn next(watcher: &mut Watcher) -> Event {
    timeout(Duration::from_secs(10), watcher.next())
        .await
        .expect("an event within ten seconds")
}

async fn told(watcher: &mut Watcher) -> Vec<Status> {
    match next(watcher).await {
        Event::Update(update) => update
            .changes
            .iter()
            .map(|changed| changed.entity.status())
            .collect(),
        other => panic!("expected an update, got {other:?}"),
    }
}

#[tokio::test]
async fn a_broken_stream_is_told_once_and_resumed() {
    let (listener, address) = stage().await;
    let mut requests = play(
        listener,
        vec![
            (
                vec![snapshot(7, 3, Status::Healthy), revision(7, 4, Status::Degraded)],
                false,
            ),
            (vec![revision(7, 5, Status::Unhealthy)], true),
        ],
    );
    let name = Name::new("bank").unwrap();
    let builder = Watcher::builder(address)
        .names([name])
        .level(Level::System)
        .least_severity(Status::Degraded);
    let mut watcher = builder.start().unwrap();
    assert_eq!(told(&mut watcher).await, [Status::Healthy]);
    assert_eq!(told(&mut watcher).await, [Status::Degraded]);
    assert!(matches!(
        next(&mut watcher).await,
        Event::Lost { error: Error::Ended }
    ));
    assert!(matches!(
        next(&mut watcher).await,
        Event::Restored { epoch_changed: false }
    ));
    assert_eq!(told(&mut watcher).await, [Status::Unhealthy]);
    assert_eq!(watcher.state()[&EntityKey::System], system(Status::Unhealthy));

    let first = requests.recv().await.unwrap();
    assert_eq!((first.names, first.resume), (vec!["bank".to_owned()], None));
    assert_eq!(first.level, i32::from(v1::WatchLevel::System));
    assert_eq!(first.least_severity, i32::from(v1::Status::Degraded));
    assert_eq!(
        requests.recv().await.unwrap().resume,
        Some(v1::Cursor {
            epoch: 7,
            revision: 4
        })
    );
}

#[tokio::test]
async fn a_restart_tells_only_what_differs() {
    let (listener, address) = stage().await;
    let closing = closing(0);
    let scenes = vec![
        (vec![snapshot(7, 3, Status::Healthy), closing], true),
        (
            vec![snapshot(8, 1, Status::Healthy), revision(8, 2, Status::Degraded)],
            true,
        ),
    ];
    let _requests = play(listener, scenes);
    let mut watcher = Watcher::builder(address).start().unwrap();
    assert_eq!(told(&mut watcher).await, [Status::Healthy]);
    assert!(matches!(
        next(&mut watcher).await,
        Event::Lost {
            error: Error::Closing { .. }
        }
    ));
    assert!(matches!(
        next(&mut watcher).await,
        Event::Restored { epoch_changed: true }
    ));
    assert_eq!(told(&mut watcher).await, [Status::Degraded]);
}

#[tokio::test]
async fn silence_and_disorder_lose_the_connection() {
    let (listener, address) = stage().await;
    let mut requests = play(
        listener,
        vec![
            (vec![snapshot(7, 3, Status::Healthy)], true),
            (vec![revision(7, 2, Status::Unhealthy)], true),
            (vec![snapshot(7, 9, Status::Degraded)], true),
        ],
    );
    let mut builder = Watcher::builder(format!("http://{address}"));
    builder.silence = Duration::from_millis(100);
    let mut watcher = builder.start().unwrap();
    assert_eq!(told(&mut watcher).await, [Status::Healthy]);
    assert!(matches!(
        next(&mut watcher).await,
        Event::Lost {
            error: Error::Silent(_)
        }
    ));
    assert!(matches!(
        next(&mut watcher).await,
        Event::Restored { epoch_changed: false }
    ));
    assert_eq!(told(&mut watcher).await, [Status::Degraded]);
    let resumes = [
        requests.recv().await,
        requests.recv().await,
        requests.recv().await,
    ];
    let resumes = resumes.map(|request| request.unwrap().resume.map(|cursor| cursor.revision));
    assert_eq!(resumes, [None, Some(3), None], "behind a disorder it starts over");
}

#[tokio::test]
async fn nobody_there_is_told_once_until_somebody_is() {
    let (listener, address) = stage().await;
    drop(listener);
    let mut watcher = Watcher::builder(address.clone()).start().unwrap();
    assert!(matches!(
        next(&mut watcher).await,
        Event::Lost {
            error: Error::Connect(_)
        }
    ));
    // A dropped call loses nothing: the next one goes on trying.
    assert!(timeout(Duration::from_millis(200), watcher.next()).await.is_err());
    let _requests = play(
        TcpListener::bind(&address).await.unwrap(),
        vec![(vec![snapshot(1, 1, Status::Healthy)], true)],
    );
    assert!(matches!(
        next(&mut watcher).await,
        Event::Restored { epoch_changed: false }
    ));
    assert_eq!(told(&mut watcher).await, [Status::Healthy]);
    assert_eq!(
        watcher.cursor(),
        Some(Cursor {
            epoch: Epoch(1),
            revision: Revision(1)
        })
    );
}

#[tokio::test]
async fn messages_of_no_use_do_not_make_it_come_back_the_sooner() {
    let (listener, address) = stage().await;
    let nonsense = || delta(7, 3, v1::DeltaKind::Unspecified, Status::Healthy);
    let scenes = (0..3).map(|_| (vec![nonsense()], true)).collect();
    let mut requests = play(listener, scenes);
    let mut watcher = Watcher::builder(address).start().unwrap();
    assert!(matches!(
        next(&mut watcher).await,
        Event::Lost {
            error: Error::Invalid(_)
        }
    ));
    let asked = async {
        for _ in 0..4 {
            requests.recv().await.unwrap();
        }
    };
    tokio::select! {
        event = next(&mut watcher) => panic!("told once, and then {event:?}"),
        () = asked => {}
    }
    assert!(
        watcher.link.failures >= 3,
        "one for each stream that was of no use"
    );
}

#[tokio::test]
async fn it_comes_back_when_it_was_asked_to_and_no_sooner() {
    let (listener, address) = stage().await;
    let scenes = vec![
        (vec![snapshot(7, 3, Status::Healthy), closing(3_000)], true),
        (vec![snapshot(8, 1, Status::Degraded)], true),
    ];
    let _requests = play(listener, scenes);
    let mut watcher = Watcher::builder(address).start().unwrap();
    assert_eq!(told(&mut watcher).await, [Status::Healthy]);
    assert!(matches!(next(&mut watcher).await, Event::Lost { .. }));
    // Far longer than the first pause that nobody asked for, of 100 ms at most.
    let soon = timeout(Duration::from_millis(500), watcher.next()).await;
    assert!(soon.is_err(), "{soon:?}");
    assert!(matches!(next(&mut watcher).await, Event::Restored { .. }));
}
