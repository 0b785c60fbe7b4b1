//! Who is let in, and to what: asked once for each call, before anything else looks at it.
//!
//! One table for each edge says what a call needs; what is not in it needs to watch. What depends on what is said (for which
//! service somebody reports) is asked where that is read. The header with the token ends here, so that nothing behind can
//! log it.

mod until;

use std::{
    convert::Infallible,
    future::{poll_fn, ready},
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, Uri, header};
use tonic::{Status, body::Body};
use tower::Service;
use ward_access::Right;
use ward_chassis::Peer;

use super::{Edge, Shared, failure::Failure, question};
use crate::access::{Caller, Missing, Unproven};

pub(super) use until::{Until, taken_away};

/// Who calls, with at least this right.
pub(super) fn admit(
    edge: &Edge,
    peer: Option<&Peer>,
    headers: &mut HeaderMap,
    right: Option<Right>,
) -> Result<Caller, Failure> {
    let caller = edge.access.caller(peer, headers, || edge.clock.wall());
    headers.remove(header::AUTHORIZATION);
    let Some(right) = right else {
        // Whoever it is.
        return Ok(caller.unwrap_or_else(|_| Caller::nobody()));
    };
    let caller = caller.map_err(|why| unproven(edge, peer, why))?;
    caller
        .needs(right)
        .map_err(|missing| denied(edge, &caller, missing))?;
    if let Some(peer) = peer {
        peer.admit();
    }
    Ok(caller)
}

fn unproven(edge: &Edge, peer: Option<&Peer>, why: Unproven) -> Failure {
    edge.metrics.access.count_unauthenticated(why);
    tracing::info!(addr = ?peer.map(|peer| peer.addr), ?why, "a token was refused");
    let message = match why {
        Unproven::Cleartext => "a token goes over TLS only; take this one for known to others, and revoke it",
        Unproven::Unknown => "there is no such token, or none any more: ask for a new one",
        Unproven::Expired => "the token has expired: ask for a new one",
    };
    Failure::Unauthenticated(message.to_owned())
}

/// Somebody asks for more than they may.
pub(super) fn denied(edge: &Edge, caller: &Caller, missing: Missing) -> Failure {
    edge.metrics.access.count_denied(missing.right);
    tracing::info!(%caller, %missing, "denied");
    if caller.is_anonymous() {
        return Failure::Unauthenticated(format!("{missing}: show a certificate or a token that has it"));
    }
    Failure::Denied(missing)
}

/// What a call over gRPC needs.
fn of_method(path: &str) -> Right {
    // The log has in it who did what, and who may do what.
    if let "/ward.health.v1.AuditService/ListEvents" | "/ward.health.v1.AuditService/TailEvents" = path {
        return Right::Administer;
    }
    if let "/ward.health.v1.AlertService/Acknowledge" | "/ward.health.v1.AlertService/EndAcknowledgement" =
        path
    {
        return Right::Command;
    }
    match path.strip_prefix("/ward.health.v1.HealthService/") {
        Some("Report" | "ReportOnce") => Right::Report,
        Some("StartMaintenance" | "EndMaintenance") => Right::Command,
        Some("Forget") => Right::Administer,
        _ => Right::Watch,
    }
}

/// What a request over HTTP needs. `None`: the bare probes, which orchestrators ask without being able to prove anything,
/// and which say nothing but that this process lives; and runbooks, which say nothing of what is watched.
pub(super) fn of_request(method: &Method, uri: &Uri) -> Option<Right> {
    match (method, uri.path()) {
        (_, "/livez" | "/readyz" | "/startupz") if uri.query().is_none() => None,
        (&Method::GET | &Method::HEAD, path) if path.starts_with("/runbooks/") => None,
        (_, "/api/v1/audit") => Some(Right::Administer),
        (_, "/api/v1/report") => Some(Right::Report),
        (&Method::GET | &Method::HEAD | &Method::OPTIONS, _) => Some(Right::Watch),
        (_, path)
            if path.starts_with("/api/v1/maintenance") || path.starts_with("/api/v1/acknowledgements") =>
        {
            Some(Right::Command)
        }
        _ => Some(Right::Administer),
    }
}

/// Lets calls of gRPC in.
#[derive(Clone, Debug)]
pub(crate) struct Admit<S> {
    edge: Shared,
    inner: S,
}

impl<S> Admit<S> {
    pub(super) fn new(edge: Shared, inner: S) -> Self {
        Self { edge, inner }
    }
}

impl<S, B> Service<Request<B>> for Admit<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let peer = request.extensions().get::<Peer>().cloned();
        let right = of_method(request.uri().path());
        let admitted = admit(&self.edge, peer.as_ref(), request.headers_mut(), Some(right));
        let admitted = admitted.and_then(|caller| {
            let place = question::place(&self.edge, request.uri().path(), &caller)?;
            Ok((caller, place))
        });
        let (caller, place) = match admitted {
            Ok(admitted) => admitted,
            Err(failure) => {
                self.edge
                    .metrics
                    .count_request(right_label(right), failure.code());
                return Box::pin(ready(Ok(Status::from(failure).into_http())));
            }
        };
        let loss = self.edge.access.loss(&caller);
        request.extensions_mut().insert(caller);
        let answering = self.inner.call(request);
        let answering = async move {
            let answer = answering.await?;
            Ok(match place {
                Some(place) => answer.map(|body| Body::new(place.until_read(body))),
                None => answer,
            })
        };
        let Some(mut loss) = loss else {
            return Box::pin(answering);
        };
        Box::pin(async move {
            // A request may come slowly, and what it asks for is done when it is there.
            tokio::select! {
                biased;
                () = poll_fn(|cx| loss.poll(cx)) => Ok(taken_away().into_http()),
                answer = answering => answer.map(|answer| answer.map(|body| Body::new(Until::grpc(body, loss)))),
            }
        })
    }
}

/// What is counted of a call that was refused before anybody looked at it: no method, since anybody can make one up.
fn right_label(right: Right) -> &'static str {
    match right {
        Right::Report => "refused/report",
        Right::Command => "refused/command",
        Right::Administer => "refused/administer",
        Right::Observe | Right::Agent | Right::Watch => "refused/watch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_tables_needs_to_watch_or_more() {
        for path in [
            "/",
            "/ward.health.v1.HealthService/Watch",
            "/grpc.health.v1.Health/Check",
            "/x/Report",
        ] {
            assert_eq!(of_method(path), Right::Watch, "{path}");
        }
        let of = |method: Method, uri: &'static str| of_request(&method, &Uri::from_static(uri));
        assert_eq!(of(Method::GET, "/readyz"), None);
        assert_eq!(of(Method::GET, "/runbooks/ServiceUnhealthy"), None);
        assert_eq!(
            of(Method::GET, "/readyz?verbose"),
            Some(Right::Watch),
            "it says why"
        );
        for path in ["/", "/health", "/metrics", "/api/v1/watch", "/livez/", "/nothing"] {
            assert_eq!(of(Method::GET, path), Some(Right::Watch), "{path}");
        }
        assert_eq!(of(Method::GET, "/api/v1/audit"), Some(Right::Administer));
        for (call, right) in [
            ("ListEvents", Right::Administer),
            ("TailEvents", Right::Administer),
            ("Consistency", Right::Watch),
            ("Checkpoint", Right::Watch),
            ("Prove", Right::Watch),
        ] {
            assert_eq!(
                of_method(&format!("/ward.health.v1.AuditService/{call}")),
                right,
                "{call}"
            );
        }
        assert_eq!(of(Method::POST, "/api/v1/report"), Some(Right::Report));
        assert_eq!(
            of(Method::DELETE, "/api/v1/maintenance/bank"),
            Some(Right::Command)
        );
        assert_eq!(
            of(Method::DELETE, "/api/v1/services/bank"),
            Some(Right::Administer)
        );
        assert_eq!(of(Method::PUT, "/new"), Some(Right::Administer));
    }
}
