//! A collector of traces that keeps them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// A span, and the process that it is of.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) by: String,
    pub(super) name: String,
    pub(super) trace: String,
    pub(super) id: String,
    /// Empty where a trace begins.
    pub(super) parent: String,
    pub(super) attributes: BTreeMap<String, String>,
}

/// It is gone with its test.
pub(super) struct Collector {
    pub(super) address: SocketAddr,
    kept: Kept,
    serving: AbortHandle,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Told>>>);

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Kept::default();
        let serving = Server::builder()
            .add_service(TraceServiceServer::new(kept.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let serving = tokio::spawn(async move { serving.await.unwrap() }).abort_handle();
        Self {
            address,
            kept,
            serving,
        }
    }

    pub(super) fn spans(&self) -> Vec<Told> {
        self.kept.0.lock().unwrap().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of in request.into_inner().resource_spans {
            let resource = texts(of.resource.unwrap().attributes);
            let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let told = spans.map(|span| told(&resource["service.name"], span));
            self.0.lock().unwrap().extend(told);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn told(by: &str, span: Span) -> Told {
    Told {
        by: by.to_owned(),
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        attributes: texts(span.attributes),
    }
}

fn texts(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    };
    pairs
        .into_iter()
        .map(|pair| (pair.key, text(pair.value.and_then(|value| value.value))))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
