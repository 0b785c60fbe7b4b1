//! `POST /api/v1/report`: one report, for what speaks no gRPC and holds no stream.
//!
//! `{"service": "backup", "status": "healthy"}` is enough. The body is put into the words of the wire and goes the way
//! of `ReportOnce` from there, so that there is one judgement of what a report may say.

use std::collections::BTreeMap;

use axum::{Extension, Json, extract::State, http::HeaderMap};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Unexpected},
};
use utoipa::{
    ToSchema,
    openapi::{self, ObjectBuilder, Type},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use ward_proto::v1;

use super::{
    App,
    body::Body,
    object::Object,
    problem::{FieldError, Problem, pointer},
    span::Span,
    view::{CheckKind, Criticality, DependencyKind, Status},
};
use crate::{access::Caller, edge::report::report_once, story};

/// The instance of one who names none.
const INSTANCE: &str = "default";
/// The check that holds an instance's word about itself, as in the sdk.
const OWN: &str = "self";
/// What the wire calls the body.
const PREFIX: &str = "hello.";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(report))
}

/// How a service is. Only `service` must be there; say the next before the interval is over.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "service": "backup", "status": "healthy", "interval": "1d" }))]
pub(super) struct Report {
    /// Which service.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9.-]{1,63}$")]
    service: String,
    /// Which of its instances; `default` when left out.
    #[serde(default, deserialize_with = "given")]
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9.-]{1,63}$")]
    instance: Option<String>,
    /// A random id of this life of the instance. Left out it is the life under way, or a new one.
    #[serde(default, deserialize_with = "given")]
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]{1,64}$")]
    incarnation: Option<String>,
    /// Of which version it is.
    #[schema(max_length = 64)]
    version: Option<String>,
    /// How often it will be heard: 100 ms to 31 days; 5 s when left out.
    interval: Option<Span>,
    /// For people and for selecting: at most 16 of 128 bytes.
    #[serde(default)]
    #[schema(schema_with = labels)]
    labels: BTreeMap<String, String>,
    /// How much the service matters to the system.
    criticality: Option<Criticality>,
    /// What the service needs.
    #[serde(default)]
    #[schema(value_type = Vec<DependencyDeclaration>, max_items = 64)]
    dependencies: Vec<Object<DependencyDeclaration>>,
    /// Checks to come. One that is not declared is taken as required.
    #[serde(default)]
    #[schema(value_type = Vec<CheckDeclaration>, max_items = 32)]
    checks: Vec<Object<CheckDeclaration>>,
    /// What the values of signals mean.
    #[serde(default)]
    #[schema(value_type = Vec<SignalDeclaration>, max_items = 32)]
    signals: Vec<Object<SignalDeclaration>>,
    /// How it is, in a word: short for a result of the check `self`.
    status: Option<Status>,
    /// Why, for people; goes with `status`.
    message: Option<String>,
    /// What its checks say.
    #[serde(default)]
    #[schema(value_type = Vec<CheckResult>, max_items = 32)]
    results: Vec<Object<CheckResult>>,
    /// What its signals measure.
    #[serde(default)]
    #[schema(value_type = Vec<SignalValue>, max_items = 32)]
    values: Vec<Object<SignalValue>>,
    /// The last word: the instance leaves cleanly.
    #[serde(default)]
    goodbye: bool,
}

/// Text that is something where it is there: empty text means "left out" on the wire, and nobody means that here.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    match text.as_deref() {
        Some("") => Err(D::Error::invalid_value(
            Unexpected::Str(""),
            &"at least one character, or nothing at all",
        )),
        _ => Ok(text),
    }
}

/// What a schema derived from the type would not say.
fn labels() -> openapi::Object {
    let text = |least| {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.min_length(Some(least))
            .max_length(Some(128))
            .pattern(Some("^[ -~]*$"))
    };
    ObjectBuilder::new()
        .description(Some("For people and for selecting: at most 16 of 128 bytes."))
        .max_properties(Some(16))
        .property_names(Some(text(1)))
        .additional_properties(Some(text(0)))
        .build()
}

/// A service that this one needs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DependencyDeclaration {
    /// The service needed.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9.-]{1,63}$")]
    service: String,
    /// How much; `hard` when left out.
    kind: Option<DependencyKind>,
    /// Dependencies in the same group count as the best of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9._-]{1,63}$")]
    any_of: Option<String>,
}

/// A check that will be reported on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckDeclaration {
    /// Its name, once in the list.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9._-]{1,63}$")]
    name: String,
    /// What it does to the instance; `required` when left out.
    kind: Option<CheckKind>,
    /// The service it is about, when that is not its own.
    #[serde(default, deserialize_with = "given")]
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9.-]{1,63}$")]
    subject: Option<String>,
}

/// A number that will be reported, and what it means.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignalDeclaration {
    /// Its name, once in the list.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9._-]{1,63}$")]
    name: String,
    /// From here on degraded.
    #[schema(value_type = Option<Level>)]
    degraded: Option<Object<Level>>,
    /// From here on unhealthy.
    #[schema(value_type = Option<Level>)]
    unhealthy: Option<Object<Level>>,
}

/// Raised at or above `raise`, cleared below `clear`, which is at most `raise`.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Level {
    raise: f64,
    clear: f64,
}

/// The word of one check.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckResult {
    /// Which check, once in the list.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9._-]{1,63}$")]
    name: String,
    /// Its status.
    status: Status,
    /// Why, for people. What is longer than 512 bytes is cut.
    message: Option<String>,
}

/// The value of one signal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignalValue {
    /// Which signal, once in the list.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9._-]{1,63}$")]
    name: String,
    value: f64,
}

/// What was taken, and until when it holds.
#[derive(Debug, Serialize, ToSchema)]
struct ReportAnswer {
    /// Left out when it was a last word.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    registration: Option<Registration>,
    /// Parts that were not taken. The rest counts.
    left_out: Vec<LeftOut>,
}

/// The instance, as it is known now.
#[derive(Debug, Serialize, ToSchema)]
struct Registration {
    service: String,
    instance: String,
    /// How often it is to be heard: what the configuration says, or the report.
    interval_ms: u32,
    /// Without another report for so long it is suspect.
    suspect_after_ms: u32,
    /// And for so long in total, lost.
    lost_after_ms: u32,
}

/// A part of a report that was not taken.
#[derive(Debug, Serialize, ToSchema)]
struct LeftOut {
    /// Where in the body, as a JSON pointer; null where it is about the whole.
    pointer: Option<String>,
    /// Why.
    detail: String,
}

/// Says how a service is.
///
/// Counts as a beat: without another report within the interval the instance becomes suspect, and then lost.
#[utoipa::path(
    post,
    path = "/api/v1/report",
    tag = "reports",
    request_body = Report,
    responses(
        (status = 200, description = "Taken.", body = ReportAnswer),
        (status = 404, description = "A last word of an instance that is not there.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The instance is alive under another incarnation, or this one is over.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn report(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Body(report): Body<Report>,
) -> Result<Json<ReportAnswer>, Problem> {
    let called_in = story::called_in(&headers);
    let taken = report_once(&app.edge, &caller, request(report)?, called_in).await;
    let taken = taken.map_err(|failure| Problem::in_body(&failure, PREFIX))?;
    Ok(Json(ReportAnswer {
        registration: taken.registration.map(Registration::from),
        left_out: taken.rejections.into_iter().map(LeftOut::from).collect(),
    }))
}

/// The same in the words of the wire.
pub(super) fn request(report: Report) -> Result<v1::ReportOnceRequest, Problem> {
    if report.message.is_some() && report.status.is_none() {
        let error = FieldError::body("/message", "goes with a status, expected `status` beside it");
        return Err(Problem::fields(vec![error]));
    }
    Ok(v1::ReportOnceRequest {
        goodbye: report.goodbye,
        hello: Some(hello(report)),
    })
}

fn hello(report: Report) -> v1::Hello {
    let own = report.status.map(|status| CheckResult {
        name: OWN.to_owned(),
        status,
        message: report.message,
    });
    let results = report.results.into_iter().map(|Object(result)| result).chain(own);
    v1::Hello {
        service: report.service,
        instance: report.instance.unwrap_or_else(|| INSTANCE.to_owned()),
        incarnation: report.incarnation.unwrap_or_default(),
        version: report.version.unwrap_or_default(),
        interval_ms: report.interval.map_or(0, Span::millis),
        labels: report.labels.into_iter().collect(),
        criticality: report.criticality.map_or(0, |criticality| {
            v1::Criticality::from(ward_model::Criticality::from(criticality)).into()
        }),
        dependencies: report
            .dependencies
            .into_iter()
            .map(|Object(part)| part.into())
            .collect(),
        checks: report
            .checks
            .into_iter()
            .map(|Object(part)| part.into())
            .collect(),
        signals: report
            .signals
            .into_iter()
            .map(|Object(part)| part.into())
            .collect(),
        results: results.map(Into::into).collect(),
        values: report
            .values
            .into_iter()
            .map(|Object(part)| part.into())
            .collect(),
        ..v1::Hello::default()
    }
}

impl From<DependencyDeclaration> for v1::Dependency {
    fn from(dependency: DependencyDeclaration) -> Self {
        let kind = dependency.kind.map(ward_model::DependencyKind::from);
        Self {
            service: dependency.service,
            kind: kind.map_or(0, |kind| v1::DependencyKind::from(kind).into()),
            any_of: dependency.any_of.unwrap_or_default(),
        }
    }
}

impl From<CheckDeclaration> for v1::CheckDeclaration {
    fn from(check: CheckDeclaration) -> Self {
        let kind = check.kind.map(ward_model::CheckKind::from);
        Self {
            name: check.name,
            kind: kind.map_or(0, |kind| v1::CheckKind::from(kind).into()),
            subject: check.subject.unwrap_or_default(),
            period_ms: 0,
        }
    }
}

impl From<SignalDeclaration> for v1::SignalDeclaration {
    fn from(signal: SignalDeclaration) -> Self {
        let level = |Object(Level { raise, clear })| v1::SignalLevel { raise, clear };
        Self {
            name: signal.name,
            degraded: signal.degraded.map(level),
            unhealthy: signal.unhealthy.map(level),
        }
    }
}

impl From<CheckResult> for v1::CheckResult {
    fn from(result: CheckResult) -> Self {
        Self {
            name: result.name,
            status: v1::Status::from(ward_model::Status::from(result.status)).into(),
            message: result.message.unwrap_or_default(),
        }
    }
}

impl From<SignalValue> for v1::SignalValue {
    fn from(SignalValue { name, value }: SignalValue) -> Self {
        Self { name, value }
    }
}

impl From<v1::Registration> for Registration {
    fn from(registration: v1::Registration) -> Self {
        Self {
            service: registration.service,
            instance: registration.instance,
            interval_ms: registration.interval_ms,
            suspect_after_ms: registration.suspect_after_ms,
            lost_after_ms: registration.lost_after_ms,
        }
    }
}

impl From<v1::Rejection> for LeftOut {
    /// The wire's sentence begins with the path to the field, where it is about one.
    fn from(rejection: v1::Rejection) -> Self {
        match rejection.message.split_once(' ') {
            Some((field, rest)) if field.starts_with(PREFIX) => Self {
                pointer: Some(pointer(field, PREFIX)),
                detail: rest.to_owned(),
            },
            _ => Self {
                pointer: None,
                detail: rejection.message,
            },
        }
    }
}
