//! `/badge/{name}.svg` and `/badge/{name}.json`: one word about a service, or the system, for a README or a wiki.
//!
//! The image is drawn here: a badge service would have to reach the aggregator, and would keep what it saw. Who has one
//! all the same points it at the `.json`, which is what shields.io calls an endpoint. The word always stands beside the
//! colour, and the colours differ in lightness too, for those who see no red or no green.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use ward_model::{Name, Status};

use super::{App, hosts::RESOURCE_POLICY, problem::Problem, segments::Segments};
use crate::edge::{Edge, ask, failure::Failure};

/// The name of the system; reserved, so that no service has it.
const SYSTEM: &str = "system";
const HEADERS: [(HeaderName, &str); 2] = [
    // Image proxies keep what they may keep, and an old verdict is a wrong one.
    (header::CACHE_CONTROL, "no-store, max-age=0"),
    // Made to be shown in pages of others; what it says they may still not read.
    (RESOURCE_POLICY, "cross-origin"),
];

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(badge))
}

/// What a badge says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Badge {
    label: String,
    message: String,
    color: &'static str,
}

/// What a badge says, for shields.io and those who read the same.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    /// Of the format: always 1.
    #[schema(minimum = 1, maximum = 1)]
    schema_version: u8,
    /// The service.
    #[schema(example = "payments")]
    label: String,
    /// Its status.
    #[schema(example = "healthy")]
    message: String,
    /// The colour of the message, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{6}$", example = "00735c")]
    color: &'static str,
}

/// A badge: an SVG image, or JSON for shields.io.
#[utoipa::path(
    get,
    path = "/badge/{file}",
    tag = "pages",
    params((
        "file" = String, Path,
        description = "The name of a service, or `system`, with `.svg` or `.json` behind it.",
        max_length = 68, example = "payments.svg",
    )),
    responses(
        (status = 200, description = "What is known of it now.", content(
            (String = "image/svg+xml"),
            (Endpoint = "application/json"),
        )),
        (status = 404, description = "There is no such service; the badge says so.", content(
            (String = "image/svg+xml"),
            (Endpoint = "application/json"),
            (Problem = "application/problem+json"),
        )),
    )
)]
async fn badge(State(app): State<App>, Segments(file): Segments<String>) -> Result<Response, Problem> {
    let (name, shown) = match file.rsplit_once('.') {
        Some((name, "svg")) => (name, Shown::Svg),
        Some((name, "json")) => (name, Shown::Json),
        _ => {
            let detail = "there is .svg and .json, such as /badge/system.svg";
            return Err(Problem::new(StatusCode::NOT_FOUND, "NO_SUCH_PATH", detail));
        }
    };
    let (status, badge) = match find(&app.edge, name).await? {
        Some(badge) => (StatusCode::OK, badge),
        None => (StatusCode::NOT_FOUND, Badge::not_found()),
    };
    Ok((status, HEADERS, shown.of(badge)).into_response())
}

#[derive(Clone, Copy)]
enum Shown {
    Svg,
    Json,
}

impl Shown {
    fn of(self, badge: Badge) -> Response {
        match self {
            Self::Svg => ([(header::CONTENT_TYPE, "image/svg+xml")], badge.svg()).into_response(),
            Self::Json => Json(Endpoint::from(badge)).into_response(),
        }
    }
}

async fn find(edge: &Edge, name: &str) -> Result<Option<Badge>, Failure> {
    if name == SYSTEM {
        let (_, system) = ask::system(edge).await?;
        return Ok(Some(Badge::of(SYSTEM, system.condition.status, false)));
    }
    let Ok(name) = Name::service(name) else {
        return Ok(None);
    };
    let asked = name.clone();
    // The service alone: its instances may be a thousand.
    let found = edge.decider.read(move |engine| engine.service(&asked)).await?;
    Ok(found.map(|service| {
        Badge::of(
            name.as_str(),
            service.condition.status,
            service.maintenance.is_some(),
        )
    }))
}

impl Badge {
    fn of(label: &str, status: Status, in_maintenance: bool) -> Self {
        let message = if in_maintenance {
            format!("{status}, in maintenance")
        } else {
            status.to_string()
        };
        Self {
            label: label.to_owned(),
            message,
            color: color(status),
        }
    }

    /// What was asked for is not repeated: it may be anything.
    fn not_found() -> Self {
        Self {
            label: "ward".to_owned(),
            message: "not found".to_owned(),
            color: color(Status::Unknown),
        }
    }

    /// Flat, 20 pixels high. The texts are names and words of ours, of which none needs escaping in XML.
    fn svg(&self) -> String {
        let Self {
            label,
            message,
            color,
        } = self;
        let (left, right) = (width(label), width(message));
        let whole = left + right;
        let (middle_left, middle_right) = (left / 2, left + right / 2);
        let (text_left, text_right) = (left - PADDING, right - PADDING);
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" aria-label="{label}: {message}">
<title>{label}: {message}</title>
<clipPath id="r"><rect width="{whole}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#3b4148"/><rect x="{left}" width="{right}" height="20" fill="#{color}"/></g>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">
<text x="{middle_left}" y="14" textLength="{text_left}">{label}</text>
<text x="{middle_right}" y="14" textLength="{text_right}">{message}</text>
</g></svg>
"##
        )
    }
}

impl From<Badge> for Endpoint {
    fn from(badge: Badge) -> Self {
        Self {
            schema_version: 1,
            label: badge.label,
            message: badge.message,
            color: badge.color,
        }
    }
}

/// Each at least 4.5 : 1 against white text (WCAG 2.2, AA), from the palette of Okabe and Ito, darkened.
fn color(status: Status) -> &'static str {
    match status {
        Status::Healthy => "00735c",
        Status::Unknown => "5c6670",
        Status::Degraded => "9a5b00",
        Status::Unhealthy => "a8123a",
    }
}

/// Room on both sides of a text together, in pixels.
const PADDING: usize = 10;

/// Pixels that a text takes with its padding. `textLength` makes it true where a font is wider or narrower.
fn width(text: &str) -> usize {
    let tenths: usize = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ' ' => 36,
            'f' | 'r' | 't' | '-' => 46,
            'm' | 'w' => 98,
            _ => 68,
        })
        .sum();
    tenths.div_ceil(10) + PADDING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_stands_beside_the_colour() {
        let svg = Badge::of("payments", Status::Degraded, false).svg();
        assert!(svg.contains("<title>payments: degraded</title>"), "{svg}");
        assert!(
            svg.contains(r#"role="img" aria-label="payments: degraded""#),
            "{svg}"
        );
        assert!(svg.contains("#9a5b00"), "{svg}");
        let resting = Badge::of("bank", Status::Unhealthy, true);
        assert_eq!(resting.message, "unhealthy, in maintenance");
    }

    #[test]
    fn no_two_statuses_look_alike_and_all_can_be_read() {
        let luminance = |status| {
            let color = u32::from_str_radix(color(status), 16).unwrap();
            let linear = |shift: u32| {
                let c = f64::from((color >> shift) & 0xff) / 255.0;
                if c <= 0.04045 {
                    c / 12.92
                } else {
                    ((c + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * linear(16) + 0.7152 * linear(8) + 0.0722 * linear(0)
        };
        for status in Status::ALL {
            assert!(1.05 / (luminance(status) + 0.05) >= 4.5, "{status}");
        }
        let mut colors = Status::ALL.map(color).to_vec();
        colors.sort_unstable();
        colors.dedup();
        assert_eq!(colors.len(), 4);
    }
}
