//! `ward watch` as a witness of the audit log: of one that grows, one that is rewritten between two runs, and one of another
//! name.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    borrow::Cow,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    pin::Pin,
    process::{Child, Stdio},
    sync::mpsc::Receiver,
};

use nix::{
    fcntl::{FcntlArg, fcntl},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt as _, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};
use ward_proto::v1::{
    self,
    audit_service_server::{AuditService, AuditServiceServer},
    health_service_server::{HealthService, HealthServiceServer},
};
use ward_tlog::{Hash, TileId, Tiles, Tree, consistency_proof, leaf_hash};

use super::house::{PATIENCE, command, lines};

/// An aggregator with an audit log, of which it shows these sizes.
#[derive(Clone)]
struct Shown {
    origin: &'static str,
    leaves: Vec<Hash>,
    sizes: &'static [u64],
}

impl Shown {
    /// Logs of other seeds have other entries from the fourth on.
    fn new(origin: &'static str, seed: u8, sizes: &'static [u64]) -> Self {
        let entry = |index: u8| if index < 3 { [index, 0] } else { [index, seed] };
        let leaves = (0..=255).map(|index| leaf_hash(&entry(index))).collect();
        Self {
            origin,
            leaves,
            sizes,
        }
    }

    fn bookmark(&self, size: u64) -> v1::WatchResponse {
        let mut tree = Tree::new();
        self.leaves[..size as usize]
            .iter()
            .for_each(|leaf| tree.push(*leaf));
        let audit = v1::AuditHead {
            origin: self.origin.into(),
            size,
            root: tree.root().0.to_vec(),
        };
        let bookmark = v1::Bookmark {
            cursor: Some(v1::Cursor {
                epoch: 1,
                revision: 1,
            }),
            observer: None,
            audit: Some(audit),
        };
        v1::WatchResponse {
            event: Some(v1::watch_response::Event::Bookmark(bookmark)),
        }
    }

    /// Serves for as long as the test's runtime lives.
    async fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tonic::transport::Server::builder()
            .add_service(HealthServiceServer::new(self.clone()))
            .add_service(AuditServiceServer::new(self));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }
}

impl Tiles for Shown {
    type Error = ();

    fn tile(&self, _: TileId) -> Result<Cow<'_, [Hash]>, ()> {
        Ok(self.leaves.as_slice().into())
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// As `async_trait` writes it, which does not look into macros.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;

macro_rules! not_here {
    ($($method:ident($request:ty) -> $response:ty;)*) => {
        $(fn $method<'a, 'b>(&'a self, _: Request<$request>) -> Answer<'b, $response>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async { Err(Status::unimplemented("not here")) })
        })*
    };
}

#[tonic::async_trait]
impl AuditService for Shown {
    type TailEventsStream = Answers<v1::TailEventsResponse>;

    async fn consistency(
        &self,
        request: Request<v1::ConsistencyRequest>,
    ) -> Result<Response<v1::ConsistencyResponse>, Status> {
        let v1::ConsistencyRequest { old_size, new_size } = request.into_inner();
        let proof = consistency_proof(old_size, new_size, self).unwrap();
        let hashes = proof.iter().map(|hash| hash.0.to_vec()).collect();
        Ok(Response::new(v1::ConsistencyResponse { hashes }))
    }

    not_here! {
        list_events(v1::ListEventsRequest) -> v1::ListEventsResponse;
        tail_events(v1::TailEventsRequest) -> Self::TailEventsStream;
        checkpoint(v1::CheckpointRequest) -> v1::CheckpointResponse;
        prove(v1::ProveRequest) -> v1::ProveResponse;
    }
}

#[tonic::async_trait]
impl HealthService for Shown {
    type ReportStream = Answers<v1::ReportResponse>;
    type WatchStream = Answers<v1::WatchResponse>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let system = v1::SystemState {
            condition: Some(v1::Condition {
                status: v1::Status::Healthy.into(),
                reason: "Reported".into(),
                ..v1::Condition::default()
            }),
            ..v1::SystemState::default()
        };
        let system = v1::Entity {
            state: Some(v1::entity::State::System(system)),
        };
        let asked_for_bad = request.into_inner().least_severity == i32::from(v1::Status::Unhealthy);
        let delta = v1::Delta {
            epoch: 1,
            to: 1,
            kind: v1::DeltaKind::Snapshot.into(),
            last: true,
            entities: if asked_for_bad { Vec::new() } else { vec![system] },
            ..v1::Delta::default()
        };
        let first = v1::WatchResponse {
            event: Some(v1::watch_response::Event::Delta(delta)),
        };
        let bookmarks: Vec<_> = self.sizes.iter().map(|size| self.bookmark(*size)).collect();
        // A pause in between: a proof is asked for with each.
        let shown = tokio_stream::iter(bookmarks).throttle(std::time::Duration::from_millis(300));
        let all = tokio_stream::once(first)
            .chain(shown)
            .chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(all.map(Ok))))
    }

    async fn report(
        &self,
        _: Request<Streaming<v1::ReportRequest>>,
    ) -> Result<Response<Self::ReportStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    not_here! {
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
}

/// `ward watch -o json` with what it kept in this file.
struct Watching {
    child: Child,
    told: Receiver<String>,
}

impl Watching {
    fn start(server: &str, file: &Path) -> Self {
        let args = [
            "watch",
            "-o",
            "json",
            "--server",
            server,
            "--witness",
            file.to_str().unwrap(),
        ];
        let mut child = command(&args, &[])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = lines(child.stdout.take().unwrap());
        Self { child, told }
    }

    /// The next finding.
    fn found(&self) -> Value {
        loop {
            let line = self.told.recv_timeout(PATIENCE).unwrap();
            let record: Value = serde_json::from_str(&line).unwrap();
            if record["event"] == "audit" {
                return record;
            }
        }
    }

    /// Ends it as Ctrl-C does; gives its exit code and what it said on standard error.
    fn ended(mut self) -> (Option<i32>, String) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            Signal::SIGINT,
        )
        .unwrap();
        let mut notes = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut notes)
            .unwrap();
        (self.child.wait().unwrap().code(), notes)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const LOG: &str = "ward.example/1";

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_rewritten_between_two_watches_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("state").join("kept");
    let server = Shown::new(LOG, 0, &[5, 9]).serve().await;
    let watch = Watching::start(&server, &file);
    for (finding, size) in [("held", 5), ("held", 9)] {
        let record = watch.found();
        assert_eq!(
            (&record["finding"], &record["now"]["size"]),
            (&finding.into(), &size.into())
        );
        assert_eq!(record["now"]["origin"], LOG);
    }
    assert_eq!(watch.ended(), (Some(0), String::new()));
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.starts_with("ward.example/1\n9\n"), "{kept}");

    let server = Shown::new(LOG, 1, &[12]).serve().await;
    let watch = Watching::start(&server, &file);
    let record = watch.found();
    assert_eq!(record["finding"], "rewritten");
    assert_eq!(
        (&record["before"]["size"], &record["now"]["size"]),
        (&9.into(), &12.into())
    );
    let (code, notes) = watch.ended();
    assert_eq!(code, Some(65));
    for said in [
        "THE AUDIT LOG WAS REWRITTEN",
        "ward.example/1, 9 events, root ",
        "ward.example/1, 12 events, root ",
    ] {
        assert!(notes.contains(said), "{notes}");
    }
    assert!(notes.contains(file.to_str().unwrap()), "{notes}");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        kept,
        "the evidence is kept as it was"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_log_is_told_and_is_no_accusation() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("kept");
    let server = Shown::new(LOG, 0, &[9]).serve().await;
    let watch = Watching::start(&server, &file);
    watch.found();
    watch.ended();
    let server = Shown::new("ward.example/2", 1, &[4]).serve().await;
    let watch = Watching::start(&server, &file);
    assert_eq!(watch.found()["finding"], "another");
    let (code, notes) = watch.ended();
    assert_eq!(code, Some(0));
    assert!(notes.contains("another audit log than before"), "{notes}");
    assert!(
        notes.contains("before it was ward.example/1, 9 events"),
        "{notes}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_and_cannot_be_read_is_said_before_anything_is_watched() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("kept");
    std::fs::write(&file, "ward.example/1\n").unwrap();
    let done = super::house::ward(&[
        "watch",
        "--server",
        "127.0.0.1:1",
        "--witness",
        file.to_str().unwrap(),
    ]);
    assert_eq!(done.code, 70, "{}", done.stderr);
    assert!(
        done.stderr.contains("move it away to begin anew"),
        "{}",
        done.stderr
    );
}

/// Where it cannot be written, watching goes on, and that is said once.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_to_keep_it_watching_goes_on() {
    let server = Shown::new(LOG, 0, &[5, 9]).serve().await;
    let watch = Watching::start(&server, Path::new("/proc/ward/kept"));
    watch.found();
    watch.found();
    let (code, notes) = watch.ended();
    assert_eq!(code, Some(0));
    assert_eq!(notes.matches("cannot be kept in").count(), 1, "{notes}");
}

/// Its last line is stuck in a pipe that nobody reads when it is told to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_log_is_told_by_the_exit_code_also_while_nobody_reads() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("kept");
    let server = Shown::new(LOG, 0, &[9]).serve().await;
    let watch = Watching::start(&server, &file);
    watch.found();
    watch.ended();

    let (_unread, mut pipe) = std::io::pipe().unwrap();
    let room = fcntl(&pipe, FcntlArg::F_GETPIPE_SZ).unwrap();
    pipe.write_all(&vec![b'\n'; room as usize]).unwrap();
    let server = Shown::new(LOG, 1, &[12]).serve().await;
    let file = file.to_str().unwrap();
    let args = ["watch", "-o", "json", "--least-severity", "unhealthy"];
    let mut child = command(
        &[&args[..], &["--server", &server, "--witness", file]].concat(),
        &[],
    )
    .stdout(pipe)
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let notes = BufReader::new(child.stderr.take().unwrap());
    let said = notes
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("trust nothing that this aggregator tells"));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    assert!(said);
    assert_eq!(child.wait().unwrap().code(), Some(65));
}
