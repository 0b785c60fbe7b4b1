//! A collector of traces that keeps them: the service that OTLP says, gzip or not.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::{ResourceSpans, Span},
};
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    codec::CompressionEncoding,
    transport::{Identity, Server, ServerTlsConfig},
};

/// It listens until it is dropped.
pub(super) struct Collector {
    runtime: Option<Runtime>,
    address: String,
    scheme: &'static str,
    kept: Kept,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(ResourceSpans, Call)>>>);

/// How it was called: who said to be calling, and how it was encoded.
type Call = (String, String);

impl Collector {
    pub(super) fn start(address: &str) -> Self {
        Self::serve(address, Server::builder(), "http")
    }

    /// By TLS.
    pub(super) fn secure(identity: Identity) -> Self {
        let tls = ServerTlsConfig::new().identity(identity);
        Self::serve("127.0.0.1:0", Server::builder().tls_config(tls).unwrap(), "https")
    }

    fn serve(address: &str, mut server: Server, scheme: &'static str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        listener.set_nonblocking(true).unwrap();
        let kept = Kept::default();
        let service = TraceServiceServer::new(kept.clone()).accept_compressed(CompressionEncoding::Gzip);
        let runtime = Runtime::new().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = TcpListenerStream::new(listener);
            server
                .add_service(service)
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
        Self {
            runtime: Some(runtime),
            address,
            scheme,
            kept,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let kept = self.kept.0.lock().unwrap();
        let scopes = kept.iter().flat_map(|(spans, _)| spans.scope_spans.clone());
        scopes.flat_map(|scope| scope.spans).collect()
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        let kept = self.kept.0.lock().unwrap();
        kept.iter().map(|(_, call)| call.clone()).collect()
    }

    /// Of the resource that the first spans are of.
    pub(super) fn attributes(&self) -> BTreeMap<String, String> {
        let kept = self.kept.0.lock().unwrap();
        let resource = kept[0].0.resource.clone().unwrap();
        let text = |value: Option<Value>| match value {
            Some(Value::StringValue(text)) => text,
            other => format!("{other:?}"),
        };
        let pairs = resource.attributes.into_iter();
        pairs
            .map(|pair| (pair.key, text(pair.value.and_then(|value| value.value))))
            .collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let header = |name| {
            request
                .metadata()
                .get(name)
                .map_or("", |value| value.to_str().unwrap())
                .to_owned()
        };
        let call = (header("authorization"), header("grpc-encoding"));
        let spans = request.into_inner().resource_spans.into_iter();
        self.0
            .lock()
            .unwrap()
            .extend(spans.map(|spans| (spans, call.clone())));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
