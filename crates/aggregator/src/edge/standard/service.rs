//! The service as it is mounted: each call counted, and watches that end with their connection.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tonic::{Status, body::Body, server::NamedService};
use tower::Service;
use ward_grpc_health::v1::health_server::HealthServer;

use super::super::{Shared, refusal};
use crate::access::Caller;

/// `grpc.health.v1.Health`, to be added to the routes.
pub(crate) fn service(edge: &Shared) -> Counted {
    let closing = edge.clone();
    // A watch never ends by itself, and a connection that is to go waits for its streams.
    let server = edge.standard.health.server_ending(move |extensions| {
        let caller = Caller::of(extensions);
        let share = closing.clients.watch(&caller, closing.clock.mono());
        let share = share.map_err(|full| refusal::full(&closing, full))?;
        let end = closing.closings.of(caller.peer().cloned());
        // Dropped with the watch, however it ends.
        Ok(async move {
            let _share = share;
            end.await;
        })
    });
    Counted {
        edge: edge.clone(),
        server: server.max_encoding_message_size(edge.limits.message_bytes_out),
    }
}

type Server = HealthServer<ward_grpc_health::Service>;

/// The server, with its calls in `ward_requests_total`.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    edge: Shared,
    server: Server,
}

impl NamedService for Counted {
    const NAME: &'static str = <Server as NamedService>::NAME;
}

impl Service<http::Request<Body>> for Counted {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = method(request.uri().path());
        let edge = self.edge.clone();
        let answer = self.server.call(request);
        Box::pin(async move {
            let response = answer.await?;
            let failed = Status::from_header_map(response.headers());
            edge.metrics
                .count_request(method, failed.map_or(tonic::Code::Ok, |status| status.code()));
            Ok(response)
        })
    }
}

/// The label of a method. Their names alone are also those of others: there are two `Watch`.
fn method(path: &str) -> &'static str {
    match path.rsplit('/').next() {
        Some("Check") => "grpc.health.v1/Check",
        Some("List") => "grpc.health.v1/List",
        Some("Watch") => "grpc.health.v1/Watch",
        _ => "other",
    }
}
