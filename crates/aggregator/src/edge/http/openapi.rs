//! The description of the API (OpenAPI 3.1), made of the handlers themselves.
//!
//! What every path has in common (bad parameters, limits, a process that stops) is added here once instead of beside
//! each handler, where one would be forgotten.

use axum::{Router, body::Bytes, http::header, routing::get};
use utoipa::{
    OpenApi,
    openapi::{
        Content, ContentBuilder, HttpMethod, OpenApi as Description, Ref, RefOr, Response, ResponseBuilder,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{App, problem, watch};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ward",
        description = "What a Ward aggregator knows, and how to tell it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(
        problem::Problem, problem::FieldError, watch::Bookmark, watch::Closing, watch::Delta,
    )),
    tags(
        (name = "system", description = "The system as a whole."),
        (name = "services", description = "Its services."),
        (name = "history", description = "What was: the audit log, and how services were."),
        (name = "reports", description = "Telling how a service is."),
        (name = "maintenance", description = "Work on a service."),
        (name = "alerts", description = "Who is told of what."),
        (name = "probes", description = "This process; machines go by the status code alone."),
        (name = "pages", description = "For people, status pages and badges."),
    )
)]
struct Ward;

/// What is known before any path is added.
pub(super) fn begin() -> Description {
    Ward::openapi()
}

/// Adds what all paths have in common.
pub(super) fn finish(mut description: Description) -> Description {
    let components = description.components.get_or_insert_default();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token of `ward token new`, where the aggregator speaks TLS; a client certificate is as good.",
        ))
        .build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    for item in description.paths.paths.values_mut() {
        let operations = [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Delete, &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                common(&method, operation);
            }
        }
    }
    description
}

fn common(method: &HttpMethod, operation: &mut Operation) {
    let mut add = |status: &str, description: &str| {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(response(description)));
    };
    add(
        "400",
        "A parameter or a field is not as it must be; `errors` names each.",
    );
    add(
        "401",
        "Nobody has proved who they are, or the token is good for nothing.",
    );
    add(
        "403",
        "Whoever asks has not the right, which is named; or is a page of an origin that may not (`cors_origins`).",
    );
    add(
        "421",
        "The server was asked for by a name that is not its own: see `hosts` in ward.toml.",
    );
    add(
        "429",
        "Too many requests of this client, or at once; `Retry-After` says when to come back.",
    );
    add(
        "503",
        "The aggregator is starting, stopping or too busy; `Retry-After` says when to come back.",
    );
    if *method != HttpMethod::Get {
        add("408", "The body did not come in time.");
        add("413", "The body has more than 64 KiB.");
        add("415", "The body is not application/json.");
    }
}

fn response(description: &str) -> Response {
    ResponseBuilder::new()
        .description(description)
        .content(problem::CONTENT_TYPE, content())
        .build()
}

fn content() -> Content {
    ContentBuilder::new()
        .schema(Some(RefOr::Ref(Ref::from_schema_name("Problem"))))
        .build()
}

/// Serves the description, which never changes while the process runs: the same bytes to everybody.
pub(super) fn route(description: &Description) -> Router<App> {
    let written = serde_json::to_vec(description).expect("a description of paths and schemas is JSON");
    let written = Bytes::from(written);
    let told = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Router::new().route("/api/openapi.json", get(async move || (told, written.clone())))
}
