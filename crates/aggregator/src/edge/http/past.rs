//! `/api/v1/audit`, `/health/artifacts` and histories: what was.

use std::ops::RangeInclusive;

use axum::{
    Json,
    extract::{RawQuery, State},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use ward_audit::{Filter, Kind, Source};
use ward_model::Wall;

use super::{
    App,
    moment::Moment,
    parameters::Parameters,
    problem::Problem,
    segments::Segments,
    services::suggesting,
    view::{AuditEvent, AuditHead, History},
};
use crate::edge::{
    ask::service_name,
    audit,
    failure::Failure,
    past::{self, EVENTS},
};

/// Longest subject there is, in characters: a service and an instance.
const SUBJECT: usize = 256;
const LIMIT: &str = "1 to 1000";
/// As many as every reader of JSON can tell apart.
const INDICES: RangeInclusive<u64> = 1..=(1 << 53) - 1;
const INDEX: &str = "an index, such as 4711";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(events))
        .routes(routes!(artifacts))
        .routes(routes!(system_history))
        .routes(routes!(history))
}

/// The parameters of the list, for its description; [`asked`] reads them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read by hand")]
struct EventParameters {
    /// Only events of this type, such as `degrade`, `recover`, `transition`, `maintenance_start`, `config_change`.
    #[param(
        pattern = "^(transition|restart|degrade|recover|breaker_trip|breaker_reset|alert_firing|alert_suppressed|alert_resolved|acknowledge|unacknowledge|config_change|maintenance_start|maintenance_end|forget|token_created|token_revoked|right_change|aggregator_start|aggregator_stop|log_recovered|log_gap|log_full|origin)$"
    )]
    r#type: Option<String>,
    /// Only events decided by this, such as `engine`, `liveness`, `operator`.
    #[param(
        pattern = "^(liveness|readiness|watchdog|circuit_breaker|engine|alerting|operator|config|aggregator|audit)$"
    )]
    source: Option<String>,
    /// Only events about this: a service with its instances, `service/instance`, `system`, `aggregator`, `config`.
    #[param(max_length = 256)]
    subject: Option<String>,
    /// Only events from here on: RFC 3339, or so long ago, such as `24h`.
    #[param(
        pattern = "^([1-9][0-9]{0,2}[smh]|[1-9]d|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)$"
    )]
    since: Option<String>,
    /// Only events before this.
    #[param(
        pattern = "^([1-9][0-9]{0,2}[smh]|[1-9]d|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)$"
    )]
    until: Option<String>,
    /// Only events before this one: the `next_before` of the page before.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    before: Option<u64>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<u32>,
}

/// Who may do what is for those who administer.
const ADMINISTERED: [Kind; 3] = [Kind::TokenCreated, Kind::TokenRevoked, Kind::RightChange];

const KNOWN: [&str; 7] = ["type", "source", "subject", "since", "until", "before", "limit"];

/// The parameters of a history.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read by hand")]
struct HistoryParameters {
    /// From when: RFC 3339, or so long ago, such as `24h`. As far back as anything is kept if not given.
    #[param(
        pattern = "^([1-9][0-9]{0,2}[smh]|[1-9]d|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)$"
    )]
    since: Option<String>,
    /// Until when. Now if not given.
    #[param(
        pattern = "^([1-9][0-9]{0,2}[smh]|[1-9]d|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)$"
    )]
    until: Option<String>,
    /// At most so many transitions, the newest.
    #[param(minimum = 1, maximum = 2_000, default = 2_000)]
    limit: Option<u32>,
}

/// A page of events of the audit log, the newest first.
#[derive(Debug, Serialize, ToSchema)]
struct EventsAnswer {
    /// As much of the log as is durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    head: Option<AuditHead>,
    events: Vec<AuditEvent>,
    /// What to ask for as `before` next. Left out where there is nothing older.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_before: Option<u64>,
}

/// The newest events, as evidence of what was decided.
#[derive(Debug, Serialize, ToSchema)]
struct ArtifactsAnswer {
    artifacts: Vec<AuditEvent>,
}

/// Events of the audit log, the newest first. `ward audit verify` shows that none is missing.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "history",
    params(EventParameters),
    responses((status = 200, description = "A page of events.", body = EventsAnswer))
)]
async fn events(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Json<EventsAnswer>, Problem> {
    let (filter, limit) = asked(query.as_deref(), &KNOWN, &[], app.edge.clock.wall())?;
    let page = past::events(&app.edge, filter, limit).await?;
    Ok(Json(EventsAnswer {
        head: audit::head(&app.edge).as_deref().map(Into::into),
        events: page.events.iter().map(Into::into).collect(),
        next_before: page.next_before,
    }))
}

/// The newest events of the audit log: restarts, degradations, recoveries, and all else that was decided, but for tokens and
/// rights. `/api/v1/audit` has those as well, and older ones.
#[utoipa::path(
    get,
    path = "/health/artifacts",
    tag = "pages",
    params(
        ("limit" = Option<u32>, Query, description = "At most so many.", minimum = 1, maximum = 1_000),
        ("type" = Option<String>, Query, description = "Only events of this type, such as `degrade`.", pattern = "^(transition|restart|degrade|recover|breaker_trip|breaker_reset|alert_firing|alert_suppressed|alert_resolved|acknowledge|unacknowledge|config_change|maintenance_start|maintenance_end|forget|aggregator_start|aggregator_stop|log_recovered|log_gap|log_full|origin)$"),
    ),
    responses((status = 200, description = "The newest events, the newest first.", body = ArtifactsAnswer))
)]
async fn artifacts(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<ArtifactsAnswer>, Problem> {
    let known = ["limit", "type"];
    let (filter, limit) = asked(query.as_deref(), &known, &ADMINISTERED, app.edge.clock.wall())?;
    let page = past::events(&app.edge, filter, limit).await?;
    Ok(Json(ArtifactsAnswer {
        artifacts: page.events.iter().map(Into::into).collect(),
    }))
}

/// How the system was.
#[utoipa::path(
    get,
    path = "/api/v1/history",
    tag = "history",
    operation_id = "system_history",
    params(HistoryParameters),
    responses((status = 200, description = "Spans of one status, days in figures, and the share of each.", body = History))
)]
async fn system_history(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Json<History>, Problem> {
    let (since, until, limit) = window(query.as_deref(), app.edge.clock.wall())?;
    let history = past::history(&app.edge, None, since, until, limit).await?;
    Ok(Json((&history).into()))
}

/// How a service was.
#[utoipa::path(
    get,
    path = "/api/v1/services/{name}/history",
    tag = "history",
    operation_id = "service_history",
    params(
        ("name" = String, Path, description = "The service.", max_length = 63, pattern = "^[a-z0-9.-]{1,63}$", example = "payments"),
        HistoryParameters,
    ),
    responses(
        (status = 200, description = "Spans of one status, days in figures, and the share of each.", body = History),
        (status = 404, description = "There is no such service, and was none.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn history(
    State(app): State<App>,
    Segments(name): Segments<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<History>, Problem> {
    let (since, until, limit) = window(query.as_deref(), app.edge.clock.wall())?;
    let name = service_name("name", &name).map_err(Failure::from)?;
    match past::history(&app.edge, Some(name), since, until, limit).await {
        Ok(history) => Ok(Json((&history).into())),
        Err(failure) => Err(suggesting(&app.edge, failure).await),
    }
}

/// What is asked for, of events but those of `except`.
fn asked(
    query: Option<&str>,
    known: &[&str],
    except: &'static [Kind],
    now: Wall,
) -> Result<(Filter, Option<usize>), Problem> {
    let mut read = Parameters::strict(query, known);
    let kinds = Kind::ALL.iter().filter(|kind| !except.contains(kind));
    let kinds: Vec<_> = kinds.map(|kind| (kind.as_str(), *kind)).collect();
    let sources: Vec<_> = Source::ALL
        .iter()
        .map(|source| (source.as_str(), *source))
        .collect();
    let filter = Filter {
        kind: read.word("type", &kinds),
        except,
        source: read.word("source", &sources),
        subject: read.bounded("subject", SUBJECT),
        since: moment(&mut read, "since", now),
        until: moment(&mut read, "until", now),
        before: read.parsed("before", INDEX),
    };
    if filter.before.is_some_and(|before| !INDICES.contains(&before)) {
        read.refuse("before", &format!("is not right, expected {INDEX}"));
    }
    let limit = limit(&mut read, EVENTS);
    read.finish()?;
    Ok((filter, limit))
}

type Window = (Option<Wall>, Option<Wall>, Option<usize>);

fn window(query: Option<&str>, now: Wall) -> Result<Window, Problem> {
    let mut read = Parameters::strict(query, &["since", "until", "limit"]);
    let (since, until) = (moment(&mut read, "since", now), moment(&mut read, "until", now));
    let limit = limit(&mut read, past::SPANS);
    read.finish()?;
    Ok((since, until, limit))
}

fn moment(read: &mut Parameters, key: &str, now: Wall) -> Option<Wall> {
    let moment: Option<Moment> = read.parsed(key, "RFC 3339, or so long ago, such as 24h");
    moment.map(|moment| moment.at(now))
}

fn limit(read: &mut Parameters, most: usize) -> Option<usize> {
    let limit: Option<usize> = read.parsed("limit", LIMIT);
    if limit.is_some_and(|limit| !(1..=most).contains(&limit)) {
        read.refuse("limit", &format!("is not right, expected 1 to {most}"));
    }
    limit
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attribute takes a literal only.
    #[test]
    fn the_description_names_all_the_words_there_are() {
        let described = serde_json::to_string(&routes().to_openapi()).unwrap();
        let pattern = |words: Vec<&str>| format!("^({})$", words.join("|"));
        let kinds = |except: &[Kind]| {
            let kinds = Kind::ALL.iter().filter(|kind| !except.contains(kind));
            pattern(kinds.map(|kind| kind.as_str()).collect())
        };
        let sources = pattern(Source::ALL.iter().map(|source| source.as_str()).collect());
        assert_eq!(
            (
                described.matches(&kinds(&[])).count(),
                described.matches(&kinds(&ADMINISTERED)).count(),
                described.matches(&sources).count()
            ),
            (1, 1, 1)
        );
    }
}
