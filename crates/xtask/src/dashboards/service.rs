//! *Service*: one service, from its verdict to the traces of its requests.

use super::{
    board::Board,
    colours::{STATUSES, coded, services},
    panel::Panel,
};

const OF: &str = r#"service="$service""#;

pub(super) fn board() -> Board {
    let board = Board::new(
        "service",
        "Service",
        "One service: how it is and was, its instances, checks and signals, what it needs and who needs it, and traces.",
    )
    .one_of("service", "Service", "label_values(ward_service_status, service)");
    traces(dependencies(inside(verdict(board))))
}

fn verdict(board: Board) -> Board {
    board
        .panel(
            Panel::stat("$service", "The verdict about the service, now.", "none")
                .size(6, 5)
                .now(services(OF), "{{service}}")
                .meaning(&STATUSES)
                .text("value"),
        )
        .panel(
            Panel::stat(
                "Root cause",
                "The services whose own trouble is at the root of its status.",
                "none",
            )
            .size(6, 5)
            .now(
                format!("max by (cause) (ward_service_cause{{{OF}}})"),
                "{{cause}}",
            )
            .text("name")
            .nothing("it is healthy"),
        )
        .panel(
            Panel::stat(
                "Alerts",
                "Alerts about it that fire, that are withheld, and that may come to fire.",
                "short",
            )
            .size(6, 5)
            .now(alerts("firing"), "firing")
            .now(alerts("suppressed"), "suppressed")
            .now(alerts("pending"), "pending")
            .text("value_and_name"),
        )
        .panel(
            Panel::stat("Instances", "Its instances now, by status.", "short")
                .size(6, 5)
                .now(instances(), "{{status}}")
                .text("value_and_name"),
        )
        .panel(
            Panel::timeline(
                "Status",
                "How the service was, and since when it is as it is.",
                &STATUSES,
            )
            .size(24, 4)
            .over_time(services(OF), "{{service}}"),
        )
}

fn alerts(state: &str) -> String {
    format!(r#"count(ward_alert{{{OF}, state="{state}"}}) or vector(0)"#)
}

fn instances() -> String {
    format!("sum by (status) (ward_service_instances{{{OF}}})")
}

fn inside(board: Board) -> Board {
    let check = coded("ward_service_check_status", OF, "check", &STATUSES[..4], "status");
    let signal = |like: &str| format!("max by (signal) (ward_service_signal{{{OF}, signal{like}}})");
    board
        .row("Instances, checks, signals")
        .panel(
            Panel::lines("Instances", "How many of its instances are in which status.", "short")
                .over_time(instances(), "{{status}}")
                .stacked(&STATUSES),
        )
        .panel(
            Panel::timeline(
                "Checks",
                "Its checks, each as bad as it is in any of its instances. A service that others observe and that does not \
                 report has none.",
                &STATUSES[..4],
            )
            .size(16, 8)
            .over_time(check, "{{check}}")
            .nothing("it reports no checks"),
        )
        .panel(
            Panel::lines(
                "Signals: ratios",
                "Shares that it reports of itself, such as errors of all requests: the greatest of its instances.",
                "percentunit",
            )
            .size(12, 8)
            .over_time(signal(r#"=~".*_ratio""#), "{{signal}}")
            .nothing("it reports no ratios"),
        )
        .panel(
            Panel::lines(
                "Signals: all others",
                "Other numbers that it reports of itself, such as its response time: the greatest of its instances.",
                "short",
            )
            .size(12, 8)
            .over_time(signal(r#"!~".*_ratio""#), "{{signal}}")
            .nothing("it reports no other signals")
            .unit_of(".*_seconds", "s")
            .unit_of(".*_bytes", "bytes"),
        )
}

fn dependencies(board: Board) -> Board {
    let columns = |of| [(of, "Service"), ("kind", "Kind"), ("Value", "Status")];
    let status = services("");
    let needed = format!(r#"label_replace({status}, "dependency", "$1", "service", "(.*)")"#);
    board
        .row("Dependencies")
        .panel(
            Panel::table(
                "What it needs",
                "Services that it needs, and how they are. What a hard dependency is, it is as well; a soft one can make it \
                 degraded at most.",
                &columns("dependency"),
            )
            .size(12, 7)
            .now(
                format!("max by (dependency, kind) (ward_service_dependency{{{OF}}}) * on (dependency) group_left () {needed}"),
                "",
            )
            .column("Status", &STATUSES)
            .column_to_service("Service")
            .nothing("it needs nobody"),
        )
        .panel(
            Panel::table(
                "Who needs it",
                "Services that are ill when it is, and how they are.",
                &columns("service"),
            )
            .size(12, 7)
            .now(
                format!(
                    "max by (service, kind) (ward_service_dependency{{dependency=\"$service\"}}) * on (service) group_left () {status}"
                ),
                "",
            )
            .column("Status", &STATUSES)
            .column_to_service("Service")
            .nothing("nobody needs it"),
        )
}

fn traces(board: Board) -> Board {
    let quantile = |q: f64| {
        format!(
            "histogram_quantile({q}, sum by (le) (rate(shop_request_duration_seconds_bucket{{{OF}}}[$__rate_interval])))"
        )
    };
    board
        .row("Traces")
        .panel(
            Panel::lines(
                "Response times, with traces",
                "How long its requests took. Each dot is one request, and leads to its trace.",
                "s",
            )
            .size(12, 9)
            .with_traces(quantile(0.99), "99 of 100 within")
            .over_time(quantile(0.5), "half within")
            .nothing("it measures no requests"),
        )
        .panel(
            Panel::traces(
                "Traces",
                "The last traces that Jaeger has of it, changes of its checks included.",
                "$service",
            )
            .size(12, 9)
            .nothing("Jaeger has no traces of it"),
        )
}
