//! *Shop*: the demo as its own owners would look at it, beside what Ward says of it.

use super::{
    board::Board,
    colours::{STATUSES, services},
    panel::Panel,
};

const OF: &str = r#"service=~"$service""#;

pub(super) fn board() -> Board {
    let board = Board::new(
        "shop",
        "Shop",
        "The services of the demo: response times, errors, what they need, caches, pools, memory.",
    )
    .some_of("service", "Service", "label_values(shop_requests_total, service)");
    memory(stores(needs(requests(customers(board)))))
}

/// Of all the share that is wrong; 0 while nothing is, nothing while there is nothing.
fn share(metric: &str, wrong: &str, by: &str) -> String {
    let rate = |matchers: &str| format!("sum by ({by}) (rate({metric}{{{OF}{matchers}}}[$__rate_interval]))");
    let all = rate("");
    format!("({} or 0 * {all}) / ({all} > 0)", rate(&format!(", {wrong}")))
}

fn quantile(q: f64, metric: &str, by: &str, of: &str) -> String {
    format!("histogram_quantile({q}, sum by ({by}le) (rate({metric}_bucket{of}[$__rate_interval])))")
}

fn customers(board: Board) -> Board {
    board
        .panel(
            Panel::stat(
                "Ward says",
                "The verdict about each service, now. A click leads to it.",
                "none",
            )
            .size(24, 4)
            .now(services(OF), "{{service}}")
            .meaning(&STATUSES)
            .text("value_and_name")
            .leads_to_service(),
        )
        .panel(
            Panel::lines(
                "Purchases",
                "What customers bought, or could not, a second.",
                "ops",
            )
            .over_time(
                "sum by (outcome) (rate(shop_purchases_total[$__rate_interval]))",
                "{{outcome}}",
            ),
        )
        .panel(
            Panel::lines(
                "Time of a purchase",
                "How long customers took to buy something. Dots lead to traces.",
                "s",
            )
            .with_traces(
                quantile(0.99, "shop_purchase_duration_seconds", "", ""),
                "99 of 100 within",
            )
            .over_time(
                quantile(0.5, "shop_purchase_duration_seconds", "", ""),
                "half within",
            ),
        )
        .panel(
            Panel::lines("Requests", "Requests answered, a second, by service.", "reqps").over_time(
                format!("sum by (service) (rate(shop_requests_total{{{OF}}}[$__rate_interval]))"),
                "{{service}}",
            ),
        )
}

fn requests(board: Board) -> Board {
    let of = format!("{{{OF}}}");
    board
        .row("Response times and errors")
        .panel(
            Panel::lines(
                "Response times",
                "99 of 100 requests took at most so long. Dots lead to traces.",
                "s",
            )
            .size(12, 9)
            .with_traces(
                quantile(0.99, "shop_request_duration_seconds", "service, ", &of),
                "{{service}}",
            )
            .leads_to_service(),
        )
        .panel(
            Panel::lines(
                "Error ratio",
                "Of all requests those answered with an error of the server.",
                "percentunit",
            )
            .size(12, 9)
            .over_time(
                share("shop_requests_total", r#"code=~"5..""#, "service"),
                "{{service}}",
            )
            .leads_to_service(),
        )
}

fn needs(board: Board) -> Board {
    let of = format!("{{{OF}}}");
    board
        .row("What services need")
        .panel(
            Panel::lines("Calls", "Calls to what is needed, a second, by outcome.", "reqps").over_time(
                format!(
                    "sum by (upstream, outcome) (rate(shop_upstream_requests_total{{{OF}}}[$__rate_interval]))"
                ),
                "{{upstream}} {{outcome}}",
            ),
        )
        .panel(
            Panel::lines("Response times of what is needed", "99 of 100 calls took at most so long.", "s").over_time(
                quantile(0.99, "shop_upstream_duration_seconds", "upstream, ", &of),
                "{{upstream}}",
            ),
        )
        .panel(
            Panel::lines(
                "Failed calls",
                "Of all calls to what is needed those that failed or were not waited for.",
                "percentunit",
            )
            .over_time(
                share("shop_upstream_requests_total", r#"outcome!="ok""#, "upstream"),
                "{{upstream}}",
            ),
        )
}

fn stores(board: Board) -> Board {
    board
        .row("Cache and pools")
        .panel(
            Panel::lines(
                "Cache",
                "Of all that was looked up in the catalogue's cache, what was there, what was not, and what was there but old.",
                "percentunit",
            )
            .over_time(
                "sum by (result) (rate(shop_cache_lookups_total[$__rate_interval])) / ignoring (result) group_left () \
                 (sum(rate(shop_cache_lookups_total[$__rate_interval])) > 0)",
                "{{result}}",
            )
            .nothing("the catalogue has no database here, and no cache before it"),
        )
        .panel(
            Panel::lines("Pools", "Connections to databases, by state, and how many there may be.", "short")
                .over_time(
                    format!("sum by (pool, state) (shop_pool_connections{{{OF}}})"),
                    "{{pool}} {{state}}",
                )
                .over_time(format!("sum by (pool) (shop_pool_max{{{OF}}})"), "{{pool}} at most")
                .nothing("no service here has a pool: they use neither PostgreSQL nor Redis"),
        )
        .panel(
            Panel::lines("Waiting for a connection", "Requests that wait for a connection of a pool.", "short")
                .over_time(format!("sum by (pool) (shop_pool_waiting{{{OF}}})"), "{{pool}}")
                .nothing("no service here has a pool: they use neither PostgreSQL nor Redis"),
        )
}

fn memory(board: Board) -> Board {
    board
        .row("Memory")
        .panel(
            Panel::lines("Memory", "Resident memory of each service.", "bytes")
                .size(12, 8)
                .over_time(
                    format!(r#"max by (service) (process_resident_memory_bytes{{job="shop", {OF}}})"#),
                    "{{service}}",
                )
                .leads_to_service(),
        )
        .panel(
            Panel::lines(
                "Memory trend",
                "How fast memory grows, over the last 15 minutes. What stays above zero is a leak.",
                "binBps",
            )
            .size(12, 8)
            .over_time(
                format!(
                    r#"max by (service) (deriv(process_resident_memory_bytes{{job="shop", {OF}}}[15m]))"#
                ),
                "{{service}}",
            )
            .signed()
            .leads_to_service(),
        )
}
