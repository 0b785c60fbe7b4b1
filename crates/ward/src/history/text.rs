//! A history as people read it.

use ward_model::{Day, History, HistorySpan, Name, Wall};

use super::bar;
use crate::output::{BOLD, DIM, Table, Times, colour, paint, span as lasted, word};

/// Of a bar, where nobody said how wide the terminal is, and at most: it is seen at one glance.
const WIDTH: (u16, u16) = (72, 120);

/// All of it; whether `more` can be asked for is told where something is left out.
pub(super) fn text(
    name: Option<&Name>,
    history: &History,
    more: bool,
    times: &Times,
    width: Option<u16>,
) -> String {
    let title = paint(BOLD, name.map_or("system", Name::as_str));
    let Some(last) = history.spans.last() else {
        return format!("{title}  no history in this time\n");
    };
    let since = times.now().0.saturating_sub(last.from.0);
    let for_ = paint(DIM, format!("for {}", lasted(since)));
    let mut text = match last.to {
        None => format!("{title}  {} {for_}\n", word(last.status)),
        Some(_) => format!("{title}\n"),
    };
    let cells = bar::cells(history, width.unwrap_or(WIDTH.0).min(WIDTH.1).max(10).into());
    let (from, to) = (times.moment(history.since), times.moment(history.until));
    text += &format!(
        "{}\n{from} to {to}   {}\n",
        bar::line(&cells),
        bar::legend(&cells)
    );
    text += &uptime(history);
    text.push('\n');
    text += &spans(history, times, width);
    if history.shortened {
        text += match more {
            true => "what is older is left out: more with --limit\n",
            false => "what is older is left out: an aggregator tells no more at once\n",
        };
    } else if let Some(only) = only_days(history) {
        text += &format!("of {only} and before only days are kept: see them with -o json\n");
    }
    text
}

/// The last day of which there are no spans.
fn only_days(history: &History) -> Option<Day> {
    let begin = history.spans.first()?.from;
    let days = history.days.iter().rev();
    days.map(|day| day.day).find(|day| day.next().start() <= begin)
}

fn uptime(history: &History) -> String {
    let uptime = history.uptime;
    let lasted = |ms: u64| lasted(i64::try_from(ms).unwrap_or(i64::MAX));
    let mut text = match uptime.availability() {
        Some(share) => format!("up {} of {} known", percent(share), lasted(uptime.known_ms())),
        None => "nothing is known of this time".to_owned(),
    };
    for (what, ms) in [
        ("degraded", uptime.degraded_ms),
        ("unhealthy", uptime.unhealthy_ms),
        ("in maintenance", uptime.maintenance_ms),
        ("unknown", uptime.unknown_ms),
    ] {
        if ms > 0 {
            text += &format!("; {what} {}", lasted(ms));
        }
    }
    text + "\n"
}

/// Never rounded up to 100 %.
fn percent(share: f64) -> String {
    let percent = (share * 100_000.0).floor() / 1_000.0;
    format!("{percent:.3} %")
}

fn spans(history: &History, times: &Times, width: Option<u16>) -> String {
    let mut table = Table::new(width, ["FROM", "LASTED", "STATUS", "REASON", "MESSAGE"]);
    for span in &history.spans {
        table.row(row(span, history.until, times));
    }
    table.text()
}

fn row(span: &HistorySpan, until: Wall, times: &Times) -> [(String, Option<comfy_table::Color>); 5] {
    let lasted = lasted(span.to.unwrap_or(until).0.saturating_sub(span.from.0));
    let status = match span.maintenance {
        true => format!("{} (maintenance)", span.status),
        false => span.status.to_string(),
    };
    [
        (times.moment(span.from), None),
        (
            if span.to.is_none() {
                format!("{lasted} so far")
            } else {
                lasted
            },
            None,
        ),
        (status, Some(colour(span.status))),
        (span.reason.to_string(), None),
        (span.message.clone(), None),
    ]
}

#[cfg(test)]
mod tests {
    use ward_model::{HistoryDay, Reason, SpanReason, Status, Uptime};

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn history() -> History {
        let span = |from: i64, to: Option<i64>, status, reason, message: &str| HistorySpan {
            from: Wall(from * HOUR),
            to: to.map(|to| Wall(to * HOUR)),
            status,
            reason,
            message: message.into(),
            maintenance: status == Status::Degraded,
        };
        let lost = SpanReason::Verdict(Reason::Lost);
        let reported = SpanReason::Verdict(Reason::Reported);
        let first = Uptime {
            unhealthy_ms: 1,
            healthy_ms: 86_399_999,
            ..Uptime::default()
        };
        let second = Uptime {
            healthy_ms: 14 * 3_600_000,
            unhealthy_ms: 3_600_000,
            unknown_ms: 3 * 3_600_000,
            maintenance_ms: 6 * 3_600_000,
            ..Uptime::default()
        };
        let mut uptime = first;
        uptime += second;
        History {
            since: Wall(0),
            until: Wall(48 * HOUR),
            spans: vec![
                span(24, Some(30), Status::Healthy, reported, ""),
                span(30, Some(33), Status::Unknown, SpanReason::NotWatched, ""),
                span(33, Some(39), Status::Degraded, reported, "disks \u{1b}[2J"),
                span(39, Some(40), Status::Unhealthy, lost, "web-1 is silent"),
                span(40, None, Status::Healthy, reported, ""),
            ],
            days: vec![
                HistoryDay {
                    day: Day(0),
                    uptime: first,
                },
                HistoryDay {
                    day: Day(1),
                    uptime: second,
                },
            ],
            uptime,
            shortened: false,
        }
    }

    fn plain(history: &History, width: Option<u16>) -> String {
        let name = Name::service("checkout").unwrap();
        let text = text(Some(&name), history, true, &Times::utc(Wall(48 * HOUR)), width);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn it_is_read_at_a_glance_without_colour() {
        insta::assert_snapshot!(plain(&history(), Some(100)), @r"
        checkout  healthy for 8h 0m
        XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX============???????mmmmmmmmmmmmXXX================
        1970-01-01 00:00:00 to 1970-01-03 00:00:00   = healthy  m in maintenance  ? unknown  X unhealthy
        up 97.435 % of 1d 15h known; unhealthy 1h 0m; in maintenance 6h 0m; unknown 3h 0m

        FROM                 LASTED        STATUS                  REASON      MESSAGE
        1970-01-02 00:00:00  6h 0m         healthy                 Reported
        1970-01-02 06:00:00  3h 0m         unknown                 NotWatched
        1970-01-02 09:00:00  6h 0m         degraded (maintenance)  Reported    disks \u{1b}[2J
        1970-01-02 15:00:00  1h 0m         unhealthy               Lost        web-1 is silent
        1970-01-02 16:00:00  8h 0m so far  healthy                 Reported
        of 1970-01-01 and before only days are kept: see them with -o json
        ");
    }

    #[test]
    fn an_outage_of_a_millisecond_is_seen_and_no_outage_is_100_percent() {
        let mut history = history();
        history.days.clear();
        history.spans = vec![history.spans[4].clone()];
        history.spans[0].from = Wall(0);
        history.uptime = Uptime::of(Status::Healthy, false, 86_400_000_000);
        assert!(plain(&history, None).contains("up 100.000 % of"));
        let mut short = history.spans[0].clone();
        (short.from, short.to, short.status) = (Wall(HOUR), Some(Wall(HOUR + 1)), Status::Unhealthy);
        history.spans[0].to = Some(Wall(HOUR));
        history.spans.push(short);
        let mut rest = history.spans[0].clone();
        (rest.from, rest.to) = (Wall(HOUR + 1), None);
        history.spans.push(rest);
        history.uptime += Uptime::of(Status::Unhealthy, false, 1);
        let told = plain(&history, None);
        assert_eq!(told.lines().nth(1).unwrap().matches('X').count(), 1, "{told}");
        assert!(told.contains("up 99.999 % of"), "{told}");
    }

    #[test]
    fn more_is_offered_only_where_there_is_more() {
        let mut history = history();
        history.shortened = true;
        for more in [true, false] {
            let told = text(None, &history, more, &Times::utc(Wall(48 * HOUR)), None);
            assert!(told.contains("what is older is left out"), "{told}");
            assert_eq!(told.contains("--limit"), more, "{told}");
        }
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(
            plain(&History::default(), None),
            "checkout  no history in this time\n"
        );
    }
}
