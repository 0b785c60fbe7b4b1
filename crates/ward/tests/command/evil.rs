//! An aggregator that means ill: every text it sends would do something to a terminal.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::SocketAddr, pin::Pin};

use tokio::net::TcpListener;
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, service::Routes};
use ward_proto::v1::{self, health_service_server::HealthServiceServer};

/// Clears the screen, sets a colour by a C1 control, overwrites a line, begins another, reorders what follows.
pub(crate) const TEXT: &str = "bad\u{1b}[2J\u{9b}31m\r\nnews\u{202e}";

struct Evil;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves for as long as the test's runtime lives.
pub(crate) async fn aggregator() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(HealthServiceServer::new(Evil));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

/// The same for a server of another kind, and only for whom `check` lets pass.
pub(crate) fn routes(
    check: impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone + Send + Sync + 'static,
) -> Routes {
    Routes::new(HealthServiceServer::with_interceptor(Evil, check))
}

fn condition() -> Option<v1::Condition> {
    let status = v1::Status::Unhealthy.into();
    Some(v1::Condition {
        status,
        reason: TEXT.into(),
        message: TEXT.into(),
        since_unix_ms: i64::MAX,
    })
}

fn system() -> v1::SystemState {
    v1::SystemState {
        condition: condition(),
        ..v1::SystemState::default()
    }
}

fn service() -> v1::ServiceState {
    v1::ServiceState {
        name: "bank".into(),
        own: condition(),
        condition: condition(),
        disagreements: vec![TEXT.into()],
        maintenance: maintenance(),
        ..v1::ServiceState::default()
    }
}

fn maintenance() -> Option<v1::Maintenance> {
    Some(v1::Maintenance {
        service: "bank".into(),
        by: TEXT.into(),
        why: TEXT.into(),
        start_unix_ms: i64::MIN,
        end_unix_ms: i64::MAX,
    })
}

fn reported() -> v1::ReportOnceResponse {
    v1::ReportOnceResponse {
        registration: Some(v1::Registration {
            service: TEXT.into(),
            instance: TEXT.into(),
            suspect_after_ms: u32::MAX,
            lost_after_ms: u32::MAX,
            ..v1::Registration::default()
        }),
        rejections: vec![v1::Rejection {
            message: TEXT.into(),
            ..v1::Rejection::default()
        }],
    }
}

fn instance() -> v1::InstanceState {
    v1::InstanceState {
        service: "bank".into(),
        instance: "0".into(),
        incarnation: "life".into(),
        version: TEXT.into(),
        labels: [(TEXT.into(), TEXT.into())].into(),
        condition: condition(),
        checks: vec![v1::CheckState {
            name: "ledger".into(),
            condition: condition(),
            ..v1::CheckState::default()
        }],
        ..v1::InstanceState::default()
    }
}

fn chain() -> v1::CausalChain {
    let evidence = v1::Evidence {
        service: "bank".into(),
        condition: condition(),
        ..v1::Evidence::default()
    };
    let link = v1::CausalLink {
        service: "bank".into(),
        condition: condition(),
        evidence: vec![evidence],
        via: 0,
    };
    v1::CausalChain { links: vec![link] }
}

macro_rules! answers {
    ($($method:ident($request:ty) -> $response:ty = $answer:expr;)*) => {
        #[tonic::async_trait]
        impl v1::health_service_server::HealthService for Evil {
            type ReportStream = Answers<v1::ReportResponse>;
            type WatchStream = Answers<v1::WatchResponse>;

            async fn watch(&self, _: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
                let states = [
                    v1::entity::State::System(system()),
                    v1::entity::State::Service(service()),
                    v1::entity::State::Instance(instance()),
                ];
                let delta = v1::Delta {
                    epoch: 1,
                    to: 1,
                    kind: v1::DeltaKind::Snapshot.into(),
                    last: true,
                    entities: states.map(|state| v1::Entity { state: Some(state) }).into(),
                    ..v1::Delta::default()
                };
                let event = Some(v1::watch_response::Event::Delta(delta));
                Ok(Response::new(Box::pin(tokio_stream::once(Ok(v1::WatchResponse { event })))))
            }

            async fn report(
                &self, _: Request<Streaming<v1::ReportRequest>>,
            ) -> Result<Response<Self::ReportStream>, Status> {
                Err(Status::internal(TEXT))
            }

            $(async fn $method(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                $answer.map(Response::new)
            })*
        }
    };
}

fn history() -> v1::GetHistoryResponse {
    let span = v1::HistorySpan {
        from_unix_ms: 1,
        status: v1::Status::Healthy.into(),
        reason: TEXT.into(),
        message: TEXT.into(),
        ..v1::HistorySpan::default()
    };
    v1::GetHistoryResponse {
        spans: vec![span],
        ..v1::GetHistoryResponse::default()
    }
}

answers! {
    report_once(v1::ReportOnceRequest) -> v1::ReportOnceResponse = Ok(reported());
    get_system(v1::GetSystemRequest) -> v1::GetSystemResponse =
        Ok(v1::GetSystemResponse { system: Some(system()), version: TEXT.into(), ..v1::GetSystemResponse::default() });
    list_services(v1::ListServicesRequest) -> v1::ListServicesResponse =
        Ok(v1::ListServicesResponse { services: vec![service()], ..v1::ListServicesResponse::default() });
    get_service(v1::GetServiceRequest) -> v1::GetServiceResponse =
        Ok(v1::GetServiceResponse { cursor: None, service: Some(service()), instances: vec![instance()] });
    explain(v1::ExplainRequest) -> v1::ExplainResponse =
        Ok(v1::ExplainResponse { condition: condition(), chains: vec![chain()], ..v1::ExplainResponse::default() });
    start_maintenance(v1::StartMaintenanceRequest) -> v1::StartMaintenanceResponse =
        Ok(v1::StartMaintenanceResponse { maintenance: maintenance() });
    end_maintenance(v1::EndMaintenanceRequest) -> v1::EndMaintenanceResponse = Err(Status::internal(TEXT));
    list_maintenance(v1::ListMaintenanceRequest) -> v1::ListMaintenanceResponse =
        Ok(v1::ListMaintenanceResponse {
            cursor: None,
            active: maintenance().into_iter().collect(),
            upcoming: maintenance().into_iter().collect(),
        });
    get_history(v1::GetHistoryRequest) -> v1::GetHistoryResponse = Ok(history());
    forget(v1::ForgetRequest) -> v1::ForgetResponse = Err(Status::failed_precondition(TEXT));
}
