//! *Aggregator*: what Ward does, how fast, what waits, how far it trusts itself, and what that takes.

use super::{
    board::Board,
    colours::{ILL, WELL},
    panel::Panel,
};

const OF: &str = r#"instance=~"$instance""#;

pub(super) fn board() -> Board {
    let board = Board::new(
        "aggregator",
        "Aggregator",
        "The aggregator itself: beats, changes, latency, watchers, queues, how far it trusts itself, memory.",
    )
    .some_of(
        "instance",
        "Aggregator",
        "label_values(ward_build_info, instance)",
    );
    machine(observer(latency(intake(now(board)))))
}

fn now(board: Board) -> Board {
    board
        .panel(
            Panel::stat("Up", "Whether Prometheus reaches it.", "none")
                .size(4, 4)
                .now(format!(r#"min(up{{job="ward", {OF}}})"#), "up")
                .meaning(&WELL),
        )
        .panel(
            Panel::stat("Version", "The version that runs.", "none")
                .size(4, 4)
                .now(format!("max by (version) (ward_build_info{{{OF}}})"), "{{version}}")
                .text("name"),
        )
        .panel(
            Panel::stat("Running for", "Since its process started.", "s")
                .size(4, 4)
                .now(
                    format!(r#"time() - max(process_start_time_seconds{{job="ward", {OF}}})"#),
                    "running",
                ),
        )
        .panel(
            Panel::stat(
                "Doubt",
                "How far it doubts itself, from 0 (not at all) to 7. In doubt it is slower to call others lost.",
                "short",
            )
            .size(4, 4)
            .now(format!("max(ward_observer_score{{{OF}}})"), "score")
            // From 5 on it is in degraded view.
            .levels(5.0, 7.0),
        )
        .panel(
            Panel::stat(
                "Configuration taken",
                "Whether the configuration, the tokens and, with TLS, the certificates were taken when they were last read.",
                "none",
            )
            .size(4, 4)
            .now(
                format!(
                    "min(ward_config_last_reload_successful{{{OF}}}) * min(ward_tokens_last_reload_successful{{{OF}}}) * \
                     clamp_max(min(ward_tls_last_reload_successful{{{OF}}}) + \
                     (min(ward_tls_certificate_expiry_timestamp_seconds{{{OF}}}) == bool 0), 1)"
                ),
                "taken",
            )
            .meaning(&WELL),
        )
        .panel(
            Panel::stat(
                "Certificate expires in",
                "How long the certificate that it shows is still good; 0 without TLS.",
                "s",
            )
            .size(4, 4)
            .now(
                format!(
                    "max((ward_tls_certificate_expiry_timestamp_seconds{{{OF}}} - time()) * \
                     (ward_tls_certificate_expiry_timestamp_seconds{{{OF}}} > bool 0))"
                ),
                "left",
            ),
        )
}

fn rate(metric: &str, by: &str) -> String {
    format!("sum by ({by}) (rate({metric}{{{OF}}}[$__rate_interval]))")
}

/// Of what is counted only once it happens.
fn rate_or_none(metric: &str) -> String {
    format!("sum(rate({metric}{{{OF}}}[$__rate_interval])) or vector(0)")
}

fn gauge(metric: &str, by: &str) -> String {
    format!("sum by ({by}) ({metric}{{{OF}}})")
}

fn intake(board: Board) -> Board {
    board
        .row("What comes in, and who listens")
        .panel(
            Panel::lines("Beats", "Signs of life taken in, a second.", "ops")
                .over_time(rate("ward_beats_total", "instance"), "{{instance}}"),
        )
        .panel(
            Panel::lines(
                "Changes",
                "Parts of reports that say something new, by kind, and changes of status that came of them, a second.",
                "ops",
            )
            .over_time(rate("ward_reports_total", "kind"), "{{kind}}")
            .over_time(rate("ward_transitions_total", "level"), "status of {{level}}"),
        )
        .panel(
            Panel::lines(
                "Refused",
                "What was not done, a second: parts of reports that are wrong, what is beyond a bound, HTTP requests that came too \
                 fast or from elsewhere, calls without a right or a token, connections beyond a bound.",
                "ops",
            )
            .over_time(rate_or_none("ward_rejections_total"), "reports")
            .over_time(rate_or_none("ward_refused_total"), "bounds")
            .over_time(rate_or_none("ward_http_refused_total"), "HTTP")
            .over_time(rate_or_none("ward_denied_total"), "rights")
            .over_time(rate_or_none("ward_unauthenticated_total"), "tokens")
            .over_time(rate_or_none("ward_connections_refused_total"), "connections"),
        )
        .panel(
            Panel::lines("Instances", "Instances, by whether one hears from them.", "short")
                .over_time(gauge("ward_instances", "freshness"), "{{freshness}}"),
        )
        .panel(
            Panel::lines("Watchers", "Who is told of changes, by transport.", "short")
                .over_time(gauge("ward_watchers", "transport"), "{{transport}}"),
        )
        .panel(
            Panel::lines(
                "Slow watchers",
                "Revisions that watchers were not told apart because they were behind, and watchers that were ended, a second.",
                "ops",
            )
            .over_time(rate("ward_coalesced_changes_total", "instance"), "not told apart, {{instance}}")
            .over_time(rate("ward_stalled_watchers_total", "instance"), "ended, {{instance}}"),
        )
}

fn quantile(q: f64, metric: &str) -> String {
    format!("histogram_quantile({q}, sum by (le) (rate({metric}_bucket{{{OF}}}[$__rate_interval])))")
}

fn latency(board: Board) -> Board {
    board
        .row("How fast, and what waits")
        .panel(
            Panel::lines(
                "From a report to its watchers",
                "From taking a report in to publishing what it changed. Dots lead to traces.",
                "s",
            )
            .with_traces(quantile(0.99, "ward_report_to_watch_seconds"), "99 of 100 within")
            .over_time(quantile(0.5, "ward_report_to_watch_seconds"), "half within"),
        )
        .panel(
            Panel::lines(
                "Decisions",
                "How long one event takes the engine, and the rules of alerts, which are judged once a second.",
                "s",
            )
            .over_time(quantile(0.99, "ward_rollup_seconds"), "an event, 99 of 100 within")
            .over_time(quantile(0.5, "ward_rollup_seconds"), "an event, half within")
            .over_time(quantile(0.99, "ward_alert_judging_seconds"), "all rules, 99 of 100 within"),
        )
        .panel(
            Panel::lines(
                "Queues",
                "What waits: for the engine, to be written into the audit log and the store, to be told to receivers of alerts.",
                "short",
            )
            .over_time(gauge("ward_engine_queued", "instance"), "engine, {{instance}}")
            .over_time(gauge("ward_memory_queued", "part"), "{{part}}")
            .over_time(
                format!("sum(ward_outbox_entries{{{OF}}}) or vector(0)"),
                "alerts to be told",
            ),
        )
}

fn observer(board: Board) -> Board {
    let is = |metric: &str| format!("max({metric}{{{OF}}})");
    board
        .row("How far it trusts itself")
        .panel(
            Panel::lines("Doubt", "How far it doubts itself, from 0 to 7.", "short")
                .over_time(gauge("ward_observer_score", "instance"), "{{instance}}"),
        )
        .panel(
            Panel::timeline(
                "Can it see",
                "Whether most instances, or all, are missing at once, which says more about the observer than about them; and \
                 whether it has only just started.",
                &ILL,
            )
            .over_time(is("ward_observer_degraded_view"), "most are missing")
            .over_time(is("ward_observer_blind"), "all are missing")
            .over_time(is("ward_observer_settling"), "just started"),
        )
        .panel(
            Panel::lines(
                "Late ticks and convictions",
                "How often its clock came late, and how many instances were called lost because of silence, between two points.",
                "short",
            )
            .over_time(
                format!("sum(increase(ward_late_ticks_total{{{OF}}}[$__rate_interval]))"),
                "late ticks",
            )
            .over_time(
                format!("sum(increase(ward_convictions_total{{{OF}}}[$__rate_interval]))"),
                "called lost",
            ),
        )
}

fn machine(board: Board) -> Board {
    let own = |metric: &str| format!(r#"max by (instance) ({metric}{{job="ward", {OF}}})"#);
    board
        .row("What it takes")
        .panel(
            Panel::lines("Memory", "Resident memory of its process.", "bytes")
                .over_time(own("process_resident_memory_bytes"), "{{instance}}"),
        )
        .panel(
            Panel::lines("Processor", "Processors that it keeps busy; 1 is one of them.", "short").over_time(
                format!(
                    r#"sum by (instance) (rate(process_cpu_seconds_total{{job="ward", {OF}}}[$__rate_interval]))"#
                ),
                "{{instance}}",
            ),
        )
        .panel(
            Panel::lines(
                "Connections and files",
                "Connections that are open, by listener; report streams on them; open files of the process.",
                "short",
            )
            .over_time(gauge("ward_connections", "listener"), "{{listener}}")
            .over_time(gauge("ward_report_streams", "instance"), "report streams, {{instance}}")
            .over_time(own("process_open_fds"), "open files, {{instance}}"),
        )
        .panel(
            Panel::lines(
                "Left out",
                "Log lines that were not written because there were too many, and series that are not shown, a second.",
                "ops",
            )
            .over_time(rate("ward_log_lines_dropped_total", "instance"), "log lines, {{instance}}")
            .over_time(rate("ward_series_dropped_total", "instance"), "series, {{instance}}"),
        )
}
