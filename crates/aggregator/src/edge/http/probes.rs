//! `/livez`, `/readyz`, `/startupz` and their aliases: this process, for orchestrators.
//!
//! Machines go by the status code alone. `?verbose` lists what was looked at, a line each, as the apiserver of
//! Kubernetes does, and `?exclude=NAME` leaves something out. `/healthz` is liveness, which is what a probe of that name
//! is mostly used for: the process is alive, and nothing is said of what it watches. Unknown parameters are passed over:
//! a probe must not fail for one.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{App, parameters::decoded};

/// Most names that are excluded; there are not as many to look at.
const EXCLUDED: usize = 16;

/// Where they are.
pub(super) const PATHS: [&str; 7] = [
    "/livez",
    "/healthz",
    "/health/live",
    "/readyz",
    "/health/ready",
    "/startupz",
    "/health/startup",
];

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(livez))
        .routes(routes!(healthz))
        .routes(routes!(health_live))
        .routes(routes!(readyz))
        .routes(routes!(health_ready))
        .routes(routes!(startupz))
        .routes(routes!(health_startup))
}

/// The parameters of a probe, for its description.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read by hand")]
struct ProbeParameters {
    /// Lists what was looked at, as text.
    verbose: Option<String>,
    /// Leaves this out; may be given several times.
    exclude: Option<Vec<String>>,
}

/// What a probe says to people; machines go by the code.
#[derive(Debug, Serialize, ToSchema)]
struct ProbeAnswer {
    /// `ok` or `failing`.
    status: &'static str,
    /// What was looked at.
    checks: Vec<ProbeCheck>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, ToSchema)]
struct ProbeCheck {
    name: &'static str,
    ok: bool,
    /// What is wrong, if something is. Where `ok` is true it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<String>,
}

impl ProbeCheck {
    fn new(name: &'static str, wrong: Option<String>) -> Self {
        Self {
            name,
            ok: wrong.is_none(),
            message: wrong,
        }
    }

    /// One that is told and does not count.
    fn told(name: &'static str, wrong: Option<String>) -> Self {
        Self {
            name,
            ok: true,
            message: wrong,
        }
    }
}

macro_rules! probe {
    ($(#[$doc:meta])* $name:ident, $path:literal, $ask:ident, $told:literal) => {
        $(#[$doc])*
        #[utoipa::path(
            get,
            path = $path,
            tag = "probes",
            params(ProbeParameters),
            responses(
                (status = 200, description = "Yes.", content(
                    (ProbeAnswer = "application/json"), (String = "text/plain")
                )),
                (status = 503, description = "No, or too busy to say.", content(
                    (ProbeAnswer = "application/json"), (String = "text/plain"),
                    (super::problem::Problem = "application/problem+json")
                )),
            )
        )]
        async fn $name(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
            answer($told, $ask(&app), query.as_deref())
        }
    };
}

probe! {
    /// Whether this process is alive. Asks nothing that it watches.
    livez, "/livez", live, "livez"
}
probe! {
    /// Whether this process is alive, under the name that old probes know.
    healthz, "/healthz", live, "healthz"
}
probe! {
    /// Whether this process is alive.
    health_live, "/health/live", live, "live"
}
probe! {
    /// Whether work may be sent to this process.
    readyz, "/readyz", ready, "readyz"
}
probe! {
    /// Whether work may be sent to this process.
    health_ready, "/health/ready", ready, "ready"
}
probe! {
    /// Whether this process has started.
    startupz, "/startupz", started, "startupz"
}
probe! {
    /// Whether this process has started.
    health_startup, "/health/startup", started, "startup"
}

fn live(app: &App) -> Vec<ProbeCheck> {
    let silence = app.edge.decider.silence();
    let wrong = format!(
        "the engine's loop was last seen {:.1} s ago",
        silence.as_secs_f64()
    );
    vec![ProbeCheck::new("engine", (!app.edge.is_alive()).then_some(wrong))]
}

fn ready(app: &App) -> Vec<ProbeCheck> {
    let draining = app
        .edge
        .readiness
        .is_draining()
        .then(|| "the aggregator is stopping".to_owned());
    let mut checks = vec![
        start(app, app.edge.readiness.waiting_for().is_empty()),
        ProbeCheck::new("drain", draining),
    ];
    // Verdicts go on without: it is told, and turns no traffic away.
    let standing = app.edge.memory.standing();
    checks.extend(standing.map(|part| ProbeCheck::told(part.name, part.wrong)));
    checks
}

fn started(app: &App) -> Vec<ProbeCheck> {
    vec![start(app, app.edge.readiness.is_started())]
}

fn start(app: &App, done: bool) -> ProbeCheck {
    let waiting = || format!("waiting for {}", app.edge.readiness.waiting_for().join(", "));
    ProbeCheck::new("start", (!done).then(waiting))
}

fn answer(probe: &str, mut checks: Vec<ProbeCheck>, query: Option<&str>) -> Response {
    let asked = Asked::read(query);
    let unmatched = asked
        .excluded
        .iter()
        .any(|name| !checks.iter().any(|check| check.name == name));
    checks.retain(|check| !asked.excluded.iter().any(|name| name == check.name));
    let ok = checks.iter().all(|check| check.ok);
    let code = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    if asked.verbose {
        let text = verbose(probe, ok, &checks, unmatched);
        return (code, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response();
    }
    let status = if ok { "ok" } else { "failing" };
    (code, Json(ProbeAnswer { status, checks })).into_response()
}

fn verbose(probe: &str, ok: bool, checks: &[ProbeCheck], unmatched: bool) -> String {
    let line = |check: &ProbeCheck| match &check.message {
        None => format!("[+]{} ok\n", check.name),
        Some(wrong) if check.ok => format!("[!]{} does not count: {wrong}\n", check.name),
        Some(wrong) => format!("[-]{} failed: {wrong}\n", check.name),
    };
    let mut text: String = checks.iter().map(line).collect();
    if unmatched {
        // What was to be left out is not repeated: it may be anything.
        text.push_str("warn: something was excluded that is not looked at here\n");
    }
    let verdict = if ok { "passed" } else { "failed" };
    text.push_str(&format!("{probe} check {verdict}\n"));
    text
}

/// What a probe's query asks.
#[derive(Debug, Default)]
struct Asked {
    verbose: bool,
    excluded: Vec<String>,
}

impl Asked {
    fn read(query: Option<&str>) -> Self {
        let mut asked = Self::default();
        for pair in query.unwrap_or_default().split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "verbose" => asked.verbose = true,
                "exclude" if asked.excluded.len() < EXCLUDED => {
                    asked.excluded.push(decoded(value).unwrap_or_default());
                }
                _ => {}
            }
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_a_line_for_each_check() {
        let checks = [
            ProbeCheck::told("store", Some("down".into())),
            ProbeCheck::new("start", None),
            ProbeCheck::new("drain", Some("stopping".into())),
        ];
        assert_eq!(
            verbose("readyz", false, &checks, false),
            "[!]store does not count: down\n[+]start ok\n[-]drain failed: stopping\nreadyz check failed\n"
        );
        assert!(verbose("livez", true, &[], true).ends_with("looked at here\nlivez check passed\n"));
    }

    #[test]
    fn where_they_are_is_known() {
        let described = routes().to_openapi().paths.paths;
        let mut paths: Vec<_> = PATHS.into();
        paths.sort_unstable();
        assert_eq!(paths, described.keys().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_excluded_does_not_count() {
        let failing = || vec![ProbeCheck::new("drain", Some("stopping".into()))];
        let code = |query| answer("readyz", failing(), query).status();
        assert_eq!(code(None), 503);
        assert_eq!(code(Some("exclude=drain")), 200);
        assert_eq!(code(Some("verbose=&exclude=other&exclude=%ff&%")), 503);
        assert_eq!(
            Asked::read(Some(&"exclude=a&".repeat(1_000))).excluded.len(),
            EXCLUDED
        );
    }
}
