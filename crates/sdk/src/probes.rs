//! The probe routes of a service: `/livez`, `/readyz`, `/startupz`, `/health`, `/metrics`.
//!
//! Liveness asks no dependency and readiness asks only the checks' last words: a probe never runs one, so that probing
//! costs nothing and cannot be used to load a database. Routes on the service's own runtime cannot be answered when that
//! runtime is stuck; [`ProbeServer`] answers on a thread of its own.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::oneshot;

use crate::{
    board::Board,
    health::{Health, unready, unstarted},
    liveness::Liveness,
    metrics::{self, Figures},
};

/// What the routes read.
#[derive(Clone, Debug)]
pub(crate) struct Probes {
    pub(crate) board: Arc<Board>,
    pub(crate) liveness: Arc<Liveness>,
}

impl Probes {
    pub(crate) fn routes(&self) -> Router {
        let scraped = Router::new().route("/metrics", get(scrape));
        self.without_metrics().merge(scraped.with_state(self.clone()))
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures {
            board: Arc::clone(&self.board),
            liveness: Arc::clone(&self.liveness),
        }
    }

    pub(crate) fn without_metrics(&self) -> Router {
        Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/startupz", get(startupz))
            .route("/health", get(health))
            .with_state(self.clone())
    }
}

async fn livez(State(probes): State<Probes>) -> Response {
    answer(&probes.liveness.troubles())
}

async fn readyz(State(probes): State<Probes>) -> Response {
    answer(&unready(&probes.board))
}

async fn startupz(State(probes): State<Probes>) -> Response {
    answer(&unstarted(&probes.board))
}

async fn health(State(probes): State<Probes>) -> Response {
    let health = Health::of(&probes.board);
    let code = if health.is_out() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (code, Json(health)).into_response()
}

async fn scrape(State(probes): State<Probes>) -> Response {
    match probes.figures().text() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "failed to encode metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// 200, or 503 and what is wrong, a line each.
fn answer(troubles: &[String]) -> Response {
    if troubles.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, troubles.join("\n") + "\n").into_response()
}

/// The probe routes on a thread and a runtime of their own. Dropping it closes the listener.
#[derive(Debug)]
#[must_use = "dropping it closes the listener"]
pub struct ProbeServer {
    addr: SocketAddr,
    // Dropped with the server, which ends the thread.
    _open: oneshot::Sender<()>,
}

impl ProbeServer {
    pub(crate) fn start(probes: &Probes, addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let routes = probes.routes();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (open, closed) = oneshot::channel::<()>();
        let serving = move || {
            let served = runtime.block_on(async {
                let serving = axum::serve(tokio::net::TcpListener::from_std(listener)?, routes);
                tokio::select! {
                    served = async { serving.await } => served,
                    _ = closed => Ok(()),
                }
            });
            if let Err(error) = served {
                tracing::error!(%error, "failed to serve probes");
            }
        };
        thread::Builder::new().name("ward-probes".into()).spawn(serving)?;
        Ok(Self { addr, _open: open })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}
