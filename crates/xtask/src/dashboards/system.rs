//! *System*: is all well, and if not, what is it. The page that people land on.

use super::{
    board::Board,
    colours::{STATUSES, coded, services},
    panel::Panel,
};

pub(super) fn board() -> Board {
    let board = Board::new(
        "system",
        "System",
        "Is the system well, which services are not, what is behind it, and what was told to whom.",
    );
    changes(behind(verdict(board)))
}

fn verdict(board: Board) -> Board {
    let system = coded("ward_system_status", "", "", &STATUSES[..4], "status").replace("max by () ", "max");
    // Who cannot be asked says nothing: that is what unknown is for.
    let system = format!("{system} or 1 + 0 * max(up{{job=\"ward\"}} == 0)");
    board
        .panel(
            Panel::stat(
                "The system",
                "Ward's verdict about the whole system, now. Unknown also while Ward does not answer.",
                "none",
            )
            .size(5, 7)
            .now(system, "system")
            .meaning(&STATUSES[..4])
            .text("value"),
        )
        .panel(
            Panel::stat(
                "Services",
                "Each service and how it is now, what its dependencies do to it included. A service in maintenance is shown \
                 as that, whatever its status. A click leads to the service.",
                "none",
            )
            .size(19, 7)
            .now(services(""), "{{service}}")
            .meaning(&STATUSES)
            .text("value_and_name")
            .leads_to_service(),
        )
}

fn behind(board: Board) -> Board {
    board
        .row("What is behind it")
        .panel(
            Panel::table(
                "Root causes",
                "Each service that is not healthy, and the services whose own trouble is at the root of that.",
                &[("service", "Service"), ("cause", "Because of")],
            )
            .now("max by (service, cause) (ward_service_cause)", "")
            .nothing("all services are healthy")
            .column_to_service("Service")
            .column_to_service("Because of"),
        )
        .panel(
            Panel::table(
                "What fires",
                "Alerts that people are told of. An alert without a service is about the system.",
                &[("rule", "Rule"), ("service", "Service"), ("severity", "Severity")],
            )
            .now(
                r#"max by (rule, service, severity) (ward_alert{state="firing", severity!="none"})"#,
                "",
            )
            .nothing("nothing fires")
            .column_to_service("Service"),
        )
        .panel(
            Panel::table(
                "What is suppressed",
                "Alerts that hold and are told to nobody: a cause of theirs has an alert of its own, or somebody works on it.",
                &[("rule", "Rule"), ("service", "Service"), ("cause", "Because of")],
            )
            .now(r#"max by (rule, service, cause) (ward_alert{state="suppressed"})"#, "")
            .nothing("nothing is suppressed")
            .column_to_service("Service"),
        )
}

fn changes(board: Board) -> Board {
    board
        .row("What changed")
        .panel(
            Panel::timeline(
                "Services over time",
                "How each service was, and since when it is as it is.",
                &STATUSES,
            )
            .size(24, 9)
            .over_time(services(""), "{{service}}")
            .leads_to_service(),
        )
        .panel(
            Panel::lines("Services by status", "How many services are in which status.", "short")
                .over_time("sum by (status) (ward_service_status)", "{{status}}")
                .stacked(&STATUSES),
        )
        .panel(
            Panel::lines(
                "Changes of status",
                "How often the status of the system, of services and of instances changed, between two points.",
                "short",
            )
            .over_time(
                "sum by (level) (increase(ward_transitions_total[$__rate_interval]))",
                "{{level}}",
            ),
        )
        .panel(
            Panel::bars(
                "Services that changed most",
                "How often each service became healthy or ceased to be, in the time range.",
                "short",
            )
            .now(
                r#"topk(10, sum by (service) (changes(ward_service_status{status="healthy"}[$__range])))"#,
                "{{service}}",
            )
            .leads_to_service(),
        )
}
