//! HTTP for people, probes and Prometheus, and for programs that speak no gRPC.
//!
//! `/livez`, `/readyz` and `/startupz` are about this process alone: an orchestrator that probes them must not restart
//! the aggregator because something it watches is ill. `/health` is the system; `/api/v1` is what gRPC offers, as JSON.
//! Everything that is decided or asked is decided and asked as gRPC does it, in the modules beside this one; here are
//! the words of HTTP only.

mod alerts;
mod badge;
mod body;
pub(super) mod fuzzed;
mod guard;
mod health;
mod held;
mod hosts;
mod inadarei;
mod limits;
mod maintenance;
mod moment;
mod near;
mod negotiate;
mod object;
mod openapi;
mod pages;
mod parameters;
mod past;
mod probes;
mod problem;
mod report;
pub(crate) mod runbooks;
mod segments;
mod services;
mod span;
mod statuspage;
mod system;
mod view;
pub(crate) mod watch;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{Method, StatusCode, Uri},
    middleware::{from_fn, from_fn_with_state},
};
use utoipa_axum::router::OpenApiRouter;
use ward_chassis::panic::CatchPanicLayer;

use self::{guard::Guard, near::near, problem::Problem};
use super::Shared;
use crate::{Config, metrics::Listeners};

pub use limits::{HttpLimits, Rate};

/// What every handler has in hand.
#[derive(Clone)]
struct App {
    edge: Shared,
    listeners: Listeners,
    guard: Arc<Guard>,
    /// Every path there is, for those who miss one.
    paths: Arc<[String]>,
}

/// What an HTTP connection is served with: pages of the configured origins may use it from a browser, and it is asked for
/// by the configured names.
pub(crate) fn router(edge: Shared, listeners: Listeners, config: &Config) -> Router {
    let limits = config.http_limits.clone();
    let guard = Arc::new(Guard::new(limits, &config.cors_origins, &config.hosts));
    let description = openapi::finish(described().to_openapi());
    let app = App {
        edge,
        listeners,
        paths: description.paths.paths.keys().cloned().collect(),
        guard,
    };
    let router = guarded(&app, openapi::route(&description))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method);
    sealed(router, app, config.debug)
}

/// With all that stands around every handler.
fn sealed(router: Router<App>, app: App, debug: bool) -> Router {
    let router = router
        .layer(from_fn_with_state(app.clone(), guard::admitted))
        .layer(from_fn_with_state(app.clone(), guard::bounded))
        .layer(CatchPanicLayer::new(debug));
    let router = match app.guard.cors() {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(from_fn_with_state(app.clone(), hosts::seal))
        .with_state(app)
}

/// All paths that are described, without their guards.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::begin())
        .merge(pages::index_route())
        .merge(runbooks::routes())
        .merge(probes::routes())
        .merge(health::routes())
        .merge(pages::metrics_routes())
        .merge(json_routes())
        .merge(badge::routes())
        .merge(watch::routes())
}

fn json_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(system::routes())
        .merge(services::routes())
        .merge(maintenance::routes())
        .merge(report::routes())
        .merge(statuspage::routes())
        .merge(past::routes())
        .merge(alerts::routes())
}

/// The same paths, each class behind its guards, and what describes them.
fn guarded(app: &App, description: Router<App>) -> Router<App> {
    let probe = from_fn_with_state(app.clone(), guard::probe);
    let page = from_fn_with_state(app.clone(), guard::page);
    let answer = from_fn_with_state(app.clone(), guard::answer);
    let api = from_fn_with_state(app.clone(), guard::api);
    let large = health::routes().merge(pages::metrics_routes());
    let probes = probes::routes()
        .merge(pages::index_route())
        .merge(runbooks::routes())
        .merge(large.layer(page));
    let answers = json_routes()
        .layer(from_fn(guard::json_only))
        .merge(badge::routes())
        .merge(description.into())
        .layer(answer);
    let api = answers.merge(watch::routes()).layer(api);
    probes.layer(probe).merge(api).into()
}

async fn unknown_path(State(app): State<App>, uri: Uri) -> Problem {
    tracing::debug!(path = ?uri.path(), "an unknown path was asked for");
    let near = near(uri.path().trim_end_matches('/'), app.paths.iter(), 1);
    let meant = match near.as_slice() {
        [path] => format!("did you mean {path}? "),
        _ => String::new(),
    };
    let detail = format!("there is no such path: {meant}/api/openapi.json describes those there are");
    Problem::new(StatusCode::NOT_FOUND, "NO_SUCH_PATH", detail)
}

async fn unknown_method(method: Method) -> Problem {
    let asked = if method == Method::OPTIONS {
        "no page of another origin may ask here"
    } else {
        "this path does not take this method"
    };
    let detail = format!("{asked}: the header Allow lists those it takes");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "NO_SUCH_METHOD", detail)
}

#[cfg(test)]
mod tests;
