//! The gRPC service: which call is whose.
//!
//! [`routes`] is what a connection is served with. Two paths, `Report` and `Watch`, are taken out before the generated
//! server sees them, because it would decode and encode what need not be (see [`super::codec`] and [`TellBody`]); the trait's own
//! methods for them say the same in generated types, for callers within the process.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, future::BoxFuture, stream};
use prost::Message;
use tonic::{
    Request, Response, Status, Streaming, body::Body, server::Grpc, server::NamedService, service::Routes,
};
use tonic_prost::ProstCodec;
use ward_proto::{
    DESCRIPTOR_SET,
    v1::{
        self,
        health_service_server::{HealthService, HealthServiceServer},
    },
};

use super::{
    Shared,
    admit::Admit,
    alerts, audit,
    codec::RawCodec,
    command, query, report, standard,
    watch::{self, TellBody},
};
use crate::{access::Caller, hub::Outgoing, story};

const REPORT: &str = "/ward.health.v1.HealthService/Report";
const WATCH: &str = "/ward.health.v1.HealthService/Watch";

/// The service, `grpc.health.v1` and server reflection.
pub(crate) fn routes(edge: &Shared) -> Admit<Routes> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(ward_grpc_health::DESCRIPTOR_SET)
        .build_v1()
        .expect("the descriptor set was made by our own build");
    let routes = Routes::new(Streams::new(edge.clone()))
        .add_service(standard::service(edge))
        .add_service(audit::service(edge))
        .add_service(alerts::service(edge))
        .add_service(reflection);
    Admit::new(edge.clone(), routes)
}

/// The implementation of the generated trait.
#[derive(Clone, Debug)]
struct Service {
    edge: Shared,
}

impl Service {
    fn answered<T>(result: Result<T, Status>) -> Result<Response<T>, Status> {
        result.map(Response::new)
    }
}

/// Who was let in; this process, where nobody had to be.
fn caller<T>(request: &Request<T>) -> Caller {
    Caller::of(request.extensions())
}

#[tonic::async_trait]
impl HealthService for Service {
    type ReportStream = report::Answers;
    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchResponse, Status>> + Send>>;

    async fn report(
        &self,
        request: Request<Streaming<v1::ReportRequest>>,
    ) -> Result<Response<Self::ReportStream>, Status> {
        let caller = caller(&request);
        let raw = request
            .into_inner()
            .map(|request| request.map(|request| Bytes::from(request.encode_to_vec())));
        Self::answered(report::report(&self.edge, raw, caller))
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let caller = caller(&request);
        let watch = watch::watch(&self.edge, request.into_inner(), &caller);
        let generated =
            watch.map(|told| -> Self::WatchStream { Box::pin(told.map(|message| generated(&message))) });
        Self::answered(generated)
    }

    async fn report_once(
        &self,
        request: Request<v1::ReportOnceRequest>,
    ) -> Result<Response<v1::ReportOnceResponse>, Status> {
        let caller = caller(&request);
        let account = self.edge.clients.of(&caller, self.edge.clock.mono());
        report::admit_once(&self.edge, &account)?;
        let called_in = story::called_in(request.metadata().as_ref());
        Self::answered(
            report::report_once(&self.edge, &caller, request.into_inner(), called_in)
                .await
                .map_err(Into::into),
        )
    }

    async fn get_system(
        &self,
        _request: Request<v1::GetSystemRequest>,
    ) -> Result<Response<v1::GetSystemResponse>, Status> {
        Self::answered(query::system(&self.edge).await)
    }

    async fn list_services(
        &self,
        request: Request<v1::ListServicesRequest>,
    ) -> Result<Response<v1::ListServicesResponse>, Status> {
        Self::answered(query::services(&self.edge, request.into_inner()).await)
    }

    async fn get_service(
        &self,
        request: Request<v1::GetServiceRequest>,
    ) -> Result<Response<v1::GetServiceResponse>, Status> {
        Self::answered(query::service(&self.edge, request.into_inner()).await)
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        Self::answered(query::explain(&self.edge, request.into_inner()).await)
    }

    async fn get_history(
        &self,
        request: Request<v1::GetHistoryRequest>,
    ) -> Result<Response<v1::GetHistoryResponse>, Status> {
        Self::answered(query::history(&self.edge, request.into_inner()).await)
    }

    async fn start_maintenance(
        &self,
        request: Request<v1::StartMaintenanceRequest>,
    ) -> Result<Response<v1::StartMaintenanceResponse>, Status> {
        Self::answered(command::start_maintenance(&self.edge, &caller(&request), request.into_inner()).await)
    }

    async fn end_maintenance(
        &self,
        request: Request<v1::EndMaintenanceRequest>,
    ) -> Result<Response<v1::EndMaintenanceResponse>, Status> {
        Self::answered(command::end_maintenance(&self.edge, &caller(&request), request.into_inner()).await)
    }

    async fn list_maintenance(
        &self,
        _request: Request<v1::ListMaintenanceRequest>,
    ) -> Result<Response<v1::ListMaintenanceResponse>, Status> {
        Self::answered(command::list_maintenance(&self.edge).await)
    }

    async fn forget(
        &self,
        request: Request<v1::ForgetRequest>,
    ) -> Result<Response<v1::ForgetResponse>, Status> {
        Self::answered(command::forget(&self.edge, &caller(&request), request.into_inner()).await)
    }
}

/// What the hub says, in generated types.
fn generated(message: &Outgoing) -> Result<v1::WatchResponse, Status> {
    let mut bytes = BytesMut::with_capacity(message.size_hint());
    message.encode(&mut bytes);
    v1::WatchResponse::decode(bytes.freeze()).map_err(|error| Status::internal(error.to_string()))
}

/// The generated server, with the two streams taken out.
#[derive(Clone, Debug)]
struct Streams {
    service: Service,
    generated: HealthServiceServer<Service>,
}

impl Streams {
    fn new(edge: Shared) -> Self {
        let (bytes_in, bytes_out) = (edge.limits.message_bytes_in, edge.limits.message_bytes_out);
        let service = Service { edge };
        let generated = HealthServiceServer::new(service.clone())
            .max_decoding_message_size(bytes_in)
            .max_encoding_message_size(bytes_out);
        Self { service, generated }
    }

    async fn report(self, request: http::Request<Body>) -> http::Response<Body> {
        let limits = self.service.edge.limits.clone();
        let serve = tower::service_fn(|request: Request<Streaming<Bytes>>| {
            let caller = caller(&request);
            let answers = report::report(&self.service.edge, request.into_inner(), caller);
            std::future::ready(Service::answered(answers))
        });
        Grpc::new(RawCodec::<v1::ReportResponse>::default())
            .max_decoding_message_size(limits.message_bytes_in)
            .max_encoding_message_size(limits.message_bytes_out)
            .streaming(serve, request)
            .await
    }

    /// Tonic reads the request and answers what is wrong with it; the body of what is right is our own.
    async fn watch(self, request: http::Request<Body>) -> http::Response<Body> {
        let limits = self.service.edge.limits.clone();
        let mut begun = None;
        let serve = tower::service_fn(|request: Request<v1::WatchRequest>| {
            let caller = caller(&request);
            let told = watch::watch(&self.service.edge, request.into_inner(), &caller);
            let told = told.map(|told| {
                begun = Some(told);
                stream::empty()
            });
            std::future::ready(Service::answered(told))
        });
        let response = Grpc::new(ProstCodec::<v1::WatchResponse, v1::WatchRequest>::default())
            .max_decoding_message_size(limits.message_bytes_in)
            .server_streaming(serve, request)
            .await;
        match begun {
            Some(told) => response.map(|_| Body::new(TellBody::new(told))),
            None => response,
        }
    }
}

impl NamedService for Streams {
    const NAME: &'static str = <HealthServiceServer<Service> as NamedService>::NAME;
}

impl tower::Service<http::Request<Body>> for Streams {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Counts every call by what came of it, those that could not even be decoded included.
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut this = self.clone();
        Box::pin(async move {
            let edge = this.service.edge.clone();
            let method = method(request.uri().path());
            let response = match request.uri().path() {
                REPORT => this.report(request).await,
                WATCH => this.watch(request).await,
                _ => this.generated.call(request).await?,
            };
            let failed = Status::from_header_map(response.headers());
            edge.metrics
                .count_request(method, failed.map_or(tonic::Code::Ok, |status| status.code()));
            Ok(response)
        })
    }
}

/// The method's name as a label: one of those there are.
fn method(path: &str) -> &'static str {
    const METHODS: [&str; 12] = [
        "Report",
        "ReportOnce",
        "Watch",
        "GetSystem",
        "ListServices",
        "GetService",
        "Explain",
        "GetHistory",
        "StartMaintenance",
        "EndMaintenance",
        "ListMaintenance",
        "Forget",
    ];
    let called = path.rsplit('/').next().unwrap_or_default();
    METHODS
        .into_iter()
        .find(|&method| method == called)
        .unwrap_or("other")
}
