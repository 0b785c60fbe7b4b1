//! *Alerts and audit*: what people were told of, whether it reached them, and whether it stands in the log.

use super::{
    board::Board,
    colours::{ALERT_STATES, WELL, coded},
    panel::Panel,
};

/// Where Grafana shows what Alertmanager has.
const GROUPS: &str = "/alerting/groups?alertmanager=Alertmanager";
const SILENCES: &str = "/alerting/silences?alertmanager=Alertmanager";

pub(super) fn board() -> Board {
    let board = Board::new(
        "alerts",
        "Alerts and audit",
        "What fires and what is withheld, whether those who are to know were told, and whether it stands in the audit log.",
    )
    .link("Alerts in Alertmanager", "What Alertmanager has, grouped as it tells it", GROUPS)
    .link("Silences", "Silences in Alertmanager, acknowledgements of Ward among them", SILENCES);
    audit(delivery(history(now(board))))
}

fn now(board: Board) -> Board {
    let count = |state: &str| format!(r#"sum(ward_alerts{{state="{state}", severity!="none"}})"#);
    board
        .panel(
            Panel::stat("Firing", "Alerts that people are told of, now.", "short")
                .size(4, 4)
                .now(count("firing"), "firing")
                .levels(1.0, 1.0),
        )
        .panel(
            Panel::stat("Suppressed", "Alerts that hold and are told to nobody, now.", "short")
                .size(4, 4)
                .now(count("suppressed"), "suppressed"),
        )
        .panel(
            Panel::stat("Pending", "Conditions that hold and have not for long enough to fire, now.", "short")
                .size(4, 4)
                .now(count("pending"), "pending"),
        )
        .panel(
            Panel::stat("Acknowledged", "Alerts that fire and that somebody works on, now.", "short")
                .size(4, 4)
                .now("sum(ward_alerts_acknowledged)", "acknowledged"),
        )
        .panel(
            Panel::stat(
                "Watchdog",
                "Whether the alert that always fires does. If it does not arrive at the dead man's receiver, nothing else would.",
                "none",
            )
            .size(4, 4)
            .now(r#"sum(ward_alerts{state="firing", severity="none"}) > bool 0"#, "fires")
            .meaning(&WELL),
        )
        .panel(
            Panel::stat("Without room", "Conditions that hold and have no alert for want of room, now.", "short")
                .size(4, 4)
                .now("sum(ward_alerts_beyond)", "beyond")
                .levels(1.0, 1.0),
        )
}

fn history(board: Board) -> Board {
    let states = coded("ward_alert", "", "rule, service", &ALERT_STATES, "state");
    board
        .row("Alerts")
        .panel(
            Panel::table(
                "Alerts",
                "All alerts that there are, resolved ones for fifteen minutes. An alert without a service is about the system.",
                &[
                    ("rule", "Rule"),
                    ("service", "Service"),
                    ("severity", "Severity"),
                    ("cause", "Withheld because of"),
                    ("Value", "State"),
                ],
            )
            .size(24, 8)
            .now(
                coded("ward_alert", "", "rule, service, severity, cause", &ALERT_STATES, "state"),
                "",
            )
            .column("State", &ALERT_STATES)
            .column_to_service("Service"),
        )
        .panel(
            Panel::timeline("Alerts over time", "Where each alert stood.", &ALERT_STATES)
                .size(16, 9)
                .over_time(states, "{{rule}} {{service}}"),
        )
        .panel(
            Panel::lines("Alerts by state", "How many there were, the Watchdog aside.", "short")
                .size(8, 9)
                .over_time(r#"sum by (state) (ward_alerts{severity!="none"})"#, "{{state}}")
                .stacked(&ALERT_STATES),
        )
        .panel(
            Panel::lines("Suppressed, by why", "Alerts that are told to nobody, by why that is.", "short")
                .over_time("sum by (reason) (ward_alerts_suppressed)", "{{reason}}"),
        )
        .panel(
            Panel::lines("Acknowledged", "Alerts that fire and that somebody works on.", "short")
                .over_time("sum(ward_alerts_acknowledged)", "acknowledged"),
        )
        .panel(
            Panel::lines(
                "In Alertmanager",
                "What Alertmanager has, by state: suppressed there is what is silenced or inhibited.",
                "short",
            )
            .over_time(r#"sum by (state) (alertmanager_alerts{job="alertmanager"})"#, "{{state}}"),
        )
}

fn delivery(board: Board) -> Board {
    board
        .row("Were they told")
        .panel(
            Panel::lines(
                "Requests to receivers",
                "Requests that delivered alerts, or did not, a second, by receiver.",
                "reqps",
            )
            .over_time(
                "sum by (receiver, outcome) (rate(ward_alert_deliveries_total[$__rate_interval]))",
                "{{receiver}} {{outcome}}",
            )
            .nothing("nobody is to be told: no receiver is configured"),
        )
        .panel(
            Panel::lines("Owed", "What each receiver has yet to be told.", "short")
                .over_time("sum by (receiver) (ward_outbox_entries)", "{{receiver}}")
                .nothing("nobody is to be told: no receiver is configured"),
        )
        .panel(
            Panel::lines("Oldest owed", "How old the oldest is that a receiver has yet to be told.", "s")
                .over_time("max by (receiver) (ward_outbox_oldest_age_seconds)", "{{receiver}}")
                .nothing("nobody is to be told: no receiver is configured"),
        )
        .panel(
            Panel::lines(
                "Given up, or not on disk first",
                "What was given up beyond a bound or after long refusal, and what left before it was on disk, between two points.",
                "short",
            )
            .over_time(
                "sum by (receiver) (increase(ward_outbox_dropped_total[$__rate_interval]))",
                "{{receiver}} given up",
            )
            .over_time(
                "sum by (receiver) (increase(ward_outbox_unrecorded_total[$__rate_interval]))",
                "{{receiver}} not on disk",
            )
            .nothing("nobody is to be told: no receiver is configured"),
        )
        .panel(
            Panel::lines("Sent by Alertmanager", "Notifications that Alertmanager sent, a second, by way.", "ops")
                .over_time(
                    r#"sum by (integration) (rate(alertmanager_notifications_total{job="alertmanager"}[$__rate_interval]))"#,
                    "{{integration}}",
                ),
        )
        .panel(
            Panel::lines("Failed in Alertmanager", "Notifications that it could not send, a second, by way.", "ops")
                .over_time(
                    r#"sum by (integration) (rate(alertmanager_notifications_failed_total{job="alertmanager"}[$__rate_interval]))"#,
                    "{{integration}}",
                ),
        )
}

fn audit(board: Board) -> Board {
    board
        .row("Audit log")
        .panel(
            Panel::stat("Events", "Durable events of the audit log.", "short")
                .size(4, 4)
                .now("sum(ward_audit_events)", "events"),
        )
        .panel(
            Panel::stat("Is it written", "Whether the audit log and the store take what is to be remembered.", "none")
                .size(8, 4)
                .now("min by (part) (ward_memory_up)", "{{part}}")
                .meaning(&WELL)
                .text("value_and_name"),
        )
        .panel(
            Panel::table(
                "Head",
                "The root of the log over its durable events. `ward audit verify` says whether a copy of the log is that one.",
                &[("origin", "Log"), ("root", "Root")],
            )
            .size(12, 4)
            .now("max by (origin, root) (ward_audit_head_info)", ""),
        )
        .panel(
            Panel::lines("Events written", "Events that became durable, a second.", "ops")
                .over_time("sum(rate(ward_audit_events[$__rate_interval]))", "events"),
        )
        .panel(
            Panel::lines("Waiting to be written", "What waits, for the audit log and for the store.", "short")
                .over_time("sum by (part) (ward_memory_queued)", "{{part}}"),
        )
        .panel(
            Panel::lines(
                "Left out",
                "What was not remembered, being too much or not to be written, between two points.",
                "short",
            )
            .over_time(
                "sum by (part) (increase(ward_memory_left_out_total[$__rate_interval]))",
                "{{part}}",
            ),
        )
}
