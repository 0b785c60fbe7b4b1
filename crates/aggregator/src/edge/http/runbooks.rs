//! `/runbooks/{name}`: what an alert means and what to do, for who was woken by it.
//!
//! The pages of `deploy/runbooks/` are in the binary: at night they are to be had wherever the aggregator is, and those of the
//! version that runs. They say nothing of the system that is watched, so everybody may read them: a link in a page is followed
//! by a browser, which has no token. A tree of pages on disk was not taken: it would be one more thing to install.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use ward_model::RuleName;

use super::{App, near::near, problem::Problem, segments::Segments};

macro_rules! pages {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../../deploy/runbooks/", $name, ".md")))),*]
    };
}

/// By the name of the rule, in order.
const PAGES: [(&str, &str); 33] = pages![
    "BreakerOpen",
    "CpuHigh",
    "DiskHigh",
    "ErrorRatioCritical",
    "ErrorRatioHigh",
    "MemoryHigh",
    "NotificationsFailing",
    "ObserverInDoubt",
    "RuleEvaluationFailing",
    "ServiceUnhealthy",
    "ServiceUnknown",
    "SystemUnhealthy",
    "TargetDown",
    "WardAlertsLost",
    "WardAuditFailing",
    "WardAuditNotShipping",
    "WardAuditStalled",
    "WardBlind",
    "WardCertificateExpired",
    "WardCertificateExpires",
    "WardDeliveryFailing",
    "WardDown",
    "WardExpiryLate",
    "WardMemoryBehind",
    "WardMemoryLeftOut",
    "WardObserverInDoubt",
    "WardOutboxGrowing",
    "WardReloadFailed",
    "WardRestarting",
    "WardSpansDropped",
    "WardStoreFailing",
    "WardWatchdogMissing",
    "Watchdog",
];

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(runbook))
}

/// What an alert means, and what to do.
#[utoipa::path(
    get,
    path = "/runbooks/{name}",
    tag = "pages",
    params((
        "name" = String, Path, description = "The name of a rule.", max_length = 63, example = "ServiceUnhealthy",
    )),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/plain"),
        (status = 404, description = "There is none of that name.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn runbook(Segments(name): Segments<String>) -> Response {
    match page(&name) {
        Some(page) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], page).into_response(),
        None => unknown(&name).into_response(),
    }
}

/// Where the page about a rule is, below the address of the aggregator, if there is one.
pub(crate) fn path(rule: &RuleName) -> Option<String> {
    page(rule.as_str()).map(|_| format!("/runbooks/{rule}"))
}

fn page(name: &str) -> Option<&'static str> {
    let at = PAGES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    Some(PAGES[at].1)
}

fn unknown(name: &str) -> Problem {
    let names: Vec<String> = PAGES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let meant = match near(name, names.iter(), 1).as_slice() {
        [name] => format!("did you mean {name}? "),
        _ => String::new(),
    };
    let detail = format!("there is no runbook of that name: {meant}shipped rules have one");
    Problem::new(StatusCode::NOT_FOUND, "NO_SUCH_RUNBOOK", detail)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn each_page_of_the_folder_is_here() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/runbooks");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let names = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
        let there: BTreeSet<String> = names.filter(|name| name != "README").collect();
        let here: BTreeSet<String> = PAGES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(here, there);
    }

    #[test]
    fn each_shipped_rule_has_a_page_that_is_found() {
        for rule in ward_alerts::shipped() {
            let page = page(rule.name.as_str()).unwrap();
            assert!(page.starts_with(&format!("# {}", rule.name)), "{page}");
        }
        assert_eq!(page("../ServiceUnhealthy"), None);
    }
}
