//! A replay as text: what there was to replay, what comes of it, and with other rules what is otherwise.

use std::fmt::Write;

use ward_model::{Name, RuleName, Wall};

use super::report::{How, Moved, Outcome, Report, Told};
use crate::output::{BOLD, Escaped, Table, Times, WARNING, paint, span, urgency};

/// Starts that are named; how many there were is told in any case.
const STARTS: usize = 5;

/// The width of the terminal, and most rows of a table.
type Room = (Option<u16>, usize);

/// `file` is where the rules are that were tried.
pub(super) fn text(report: &Report, file: Option<&str>, times: &Times, room: Room) -> String {
    let mut text = header(report, times);
    match (&report.changed, &report.difference) {
        (Some(changed), Some(_)) => {
            let file = Escaped(file.unwrap_or_default()).to_string();
            line(&mut text, &format!("in force: {}", counts(&report.in_force)));
            line(&mut text, &format!("{file}: {}", counts(changed)));
            difference(&mut text, report, &file, times, room);
            section(
                &mut text,
                &format!("suppressed with {file}"),
                &changed.suppressed,
                |lives| suppressed(lives, times, room),
            );
        }
        _ => {
            let told = &report.in_force;
            line(&mut text, &counts(told));
            section(&mut text, "fired", &told.fired, |lives| fired(lives, times, room));
            section(&mut text, "suppressed", &told.suppressed, |lives| {
                suppressed(lives, times, room)
            });
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes all");
}

fn section<T>(text: &mut String, title: &str, rows: &[T], table: impl Fn(&[T]) -> String) {
    if !rows.is_empty() {
        line(
            text,
            &format!("\n{}", paint(BOLD, format!("{title}: {}", rows.len()))),
        );
        text.push_str(&table(rows));
    }
}

/// What there was to replay.
fn header(report: &Report, times: &Times) -> String {
    let (since, until) = (report.since, report.until);
    let length = span(until.0.saturating_sub(since.0));
    let changes = if report.recorded == 1 { "change" } else { "changes" };
    let mut text = format!(
        "{length} from {} to {}: {} {changes}\n",
        times.moment(since),
        times.moment(until),
        report.recorded
    );
    if !report.starts.is_empty() {
        let named: Vec<_> = report
            .starts
            .iter()
            .take(STARTS)
            .map(|at| times.moment(*at))
            .collect();
        let more = if report.starts.len() > STARTS { ", ..." } else { "" };
        let starts = format!("{} ({}{more})", report.starts.len(), named.join(", "));
        line(
            &mut text,
            &format!("starts of the aggregator, around which less was seen than was: {starts}"),
        );
    }
    if !report.coarse.is_empty() {
        let names: Vec<_> = report.coarse.iter().map(RuleName::as_str).collect();
        // A recorded value stands for a minute, and the machine that ran saw each.
        let rough = format!(
            "told roughly only, as signals are recorded once a minute: {}",
            names.join(", ")
        );
        line(&mut text, &rough);
    }
    if report.not_understood > 0 {
        let unread = format!(
            "lines that this version does not understand: {}",
            report.not_understood
        );
        line(&mut text, &paint(WARNING, unread).to_string());
    }
    text
}

fn counts(told: &Outcome) -> String {
    let mut counts = format!(
        "{} fired, {} suppressed, {} pending and over before they fired",
        told.fired.len(),
        told.suppressed.len(),
        told.only_pending
    );
    if told.untold > 0 {
        write!(counts, "; {} more than can be told", told.untold).expect("a string takes all");
    }
    counts
}

fn difference(text: &mut String, report: &Report, file: &str, times: &Times, room: Room) {
    let Some(is) = &report.difference else { return };
    let others: Vec<_> = is
        .rules
        .iter()
        .map(|other| format!("{} ({})", other.name, how(other.is)))
        .collect();
    match others.is_empty() {
        true => line(text, "no rule is other than it is in force"),
        false => line(text, &format!("other rules: {}", others.join(", "))),
    }
    if is.only_in_force.is_empty() && is.only_changed.is_empty() && is.moved.is_empty() {
        return line(text, &format!("nothing fires otherwise: {} alike", is.same));
    }
    section(text, &format!("only with {file}"), &is.only_changed, |lives| {
        fired(lives, times, room)
    });
    section(text, "only with the rules in force", &is.only_in_force, |lives| {
        fired(lives, times, room)
    });
    section(text, "otherwise", &is.moved, |rows| moved(rows, times, room));
    line(text, &format!("\nalike: {}", is.same));
}

fn how(how: How) -> &'static str {
    match how {
        How::New => "new",
        How::Changed => "changed",
        How::Off => "switched off",
    }
}

fn fired(lives: &[Told], times: &Times, (width, limit): Room) -> String {
    let mut table = Table::new(width, ["ALERT", "SEVERITY", "FIRED", "LASTED", "CAUSE", "WHAT"]);
    for life in lives.iter().take(limit) {
        let causes: Vec<_> = life.causes.iter().map(Name::as_str).collect();
        let summary = life.annotations.get("summary").cloned().unwrap_or_default();
        table.row([
            (life.key.to_string(), None),
            (life.severity.to_string(), urgency(life.severity)),
            (moment(life.fired, times), None),
            (lasted(life), None),
            (causes.join(", "), None),
            (summary, None),
        ]);
    }
    table.text() + &more(lives.len(), limit)
}

fn suppressed(lives: &[Told], times: &Times, (width, limit): Room) -> String {
    let mut table = Table::new(width, ["ALERT", "SEVERITY", "FROM", "LASTED", "WHY"]);
    let whiles = || {
        lives
            .iter()
            .flat_map(|life| life.withheld.iter().map(move |withheld| (life, withheld)))
    };
    for (life, withheld) in whiles().take(limit) {
        let lasted = withheld.to.map(|to| span(to.0.saturating_sub(withheld.from.0)));
        table.row([
            (life.key.to_string(), None),
            (life.severity.to_string(), None),
            (times.moment(withheld.from), None),
            (lasted.unwrap_or_else(|| "to the end".to_owned()), None),
            (withheld.why.to_string(), None),
        ]);
    }
    table.text() + &more(whiles().count(), limit)
}

fn moved(rows: &[Moved], times: &Times, (width, limit): Room) -> String {
    let header = ["ALERT", "SEVERITY", "FIRED", "LASTED", "FIRES NOW", "LASTS NOW"];
    let mut table = Table::new(width, header);
    for Moved { in_force, changed } in rows.iter().take(limit) {
        let severity = match (in_force.severity, changed.severity) {
            (before, after) if before == after => after.to_string(),
            (before, after) => format!("{before} -> {after}"),
        };
        table.row([
            (changed.key.to_string(), None),
            (severity, urgency(changed.severity)),
            (moment(in_force.fired, times), None),
            (lasted(in_force), None),
            (moment(changed.fired, times), None),
            (lasted(changed), None),
        ]);
    }
    table.text() + &more(rows.len(), limit)
}

fn moment(at: Option<Wall>, times: &Times) -> String {
    at.map_or_else(|| "-".to_owned(), |at| times.moment(at))
}

/// For how long it fired, or that it still did at the end.
fn lasted(life: &Told) -> String {
    let ms = life
        .fired_ms
        .and_then(|ms| i64::try_from(ms).ok())
        .unwrap_or_default();
    let still = if life.ended.is_none() { ", to the end" } else { "" };
    format!("{}{still}", span(ms))
}

fn more(count: usize, limit: usize) -> String {
    match count.saturating_sub(limit) {
        0 => String::new(),
        more => format!("and {more} more: raise --limit, or read -o json\n"),
    }
}
