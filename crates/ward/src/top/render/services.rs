//! The list of services: a row each, of those that are in sight, with as many columns as there is room for.

use ward_model::{Name, ServiceState, Status};

use crate::{
    output::Times,
    top::{
        paint::{Canvas, Piece, Tone},
        view::View,
    },
};

/// Between two columns.
const GAP: usize = 2;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One letter for the status.
    Mark,
    Name,
    Status,
    Own,
    For,
    Since,
    Instances {
        /// With the number of all.
        total: bool,
    },
    Criticality,
    Causes,
    /// The rest, with what has no column of its own.
    Why {
        own: bool,
        causes: bool,
    },
}

/// The columns for a screen of this width, with the width of each; the last takes what is left.
fn columns(width: usize, widest: usize) -> Vec<(Kind, usize)> {
    if width < 40 {
        return vec![(Kind::Mark, 2), (Kind::Name, width)];
    }
    let name = widest.clamp(7, width / if width < 70 { 3 } else { 4 });
    let (own, causes) = (width >= 110, width >= 150);
    let mut columns = vec![(Kind::Name, name), (Kind::Status, 9)];
    let mut add = |wanted: bool, kind, columns_wide| {
        if wanted {
            columns.push((kind, columns_wide));
        }
    };
    add(own, Kind::Own, 9);
    add(true, Kind::For, 7);
    add(causes, Kind::Since, 10);
    let instances = if causes {
        30
    } else if own {
        22
    } else {
        14
    };
    add(width >= 70, Kind::Instances { total: causes }, instances);
    add(width >= 130, Kind::Criticality, 11);
    add(causes, Kind::Causes, width / 8);
    add(
        true,
        Kind::Why {
            own: !own,
            causes: !causes,
        },
        width,
    );
    columns
}

pub(super) fn draw(canvas: &mut Canvas<'_>, view: &View, times: &Times, titles: bool) {
    let columns = columns(canvas.width(), view.widest);
    if titles {
        let title = |kind| (title(kind).to_owned(), Tone::Bold);
        row(canvas, 0, &columns, title);
    }
    let first = u16::from(titles);
    if view.order.is_empty() {
        return canvas.line(first, &[(nothing(view), Tone::Plain)]);
    }
    let rows = usize::from(canvas.height().saturating_sub(first));
    let seen = view.order.iter().enumerate().skip(view.top).take(rows);
    for (at, service) in seen {
        let y = first + u16::try_from(at - view.top).expect("less than the height of the screen");
        row(canvas, y, &columns, |kind| cell(kind, service, times));
        if at == view.at() {
            canvas.select(y);
        }
    }
}

fn row(canvas: &mut Canvas<'_>, y: u16, columns: &[(Kind, usize)], text: impl Fn(Kind) -> Piece) {
    let mut at = 0;
    for &(kind, width) in columns {
        let (text, tone) = text(kind);
        canvas.cell(y, at, width, &text, tone);
        at += width + if kind == Kind::Mark { 0 } else { GAP };
    }
}

fn nothing(view: &View) -> String {
    if view.model().system.is_none() {
        String::new()
    } else if view.model().services.is_empty() {
        "nothing reports yet: `ward status` says how to, `ward demo` shows a living system".into()
    } else if view.choice.text.is_empty() {
        "no service is bad; m shows all".into()
    } else {
        format!("no service has \"{}\"; Esc shows all", view.choice.text)
    }
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Mark => "",
        Kind::Name => "SERVICE",
        Kind::Status => "STATUS",
        Kind::Own => "OWN",
        Kind::For => "FOR",
        Kind::Since => "SINCE",
        Kind::Instances { .. } => "INSTANCES",
        Kind::Criticality => "CRITICALITY",
        Kind::Causes => "CAUSES",
        Kind::Why { .. } => "WHY",
    }
}

fn cell(kind: Kind, service: &ServiceState, times: &Times) -> Piece {
    let condition = &service.condition;
    let plain = |text: String| (text, Tone::Plain);
    let word = |status: Status| (status.to_string(), Tone::Status(status));
    match kind {
        Kind::Mark => mark(service),
        Kind::Name => plain(service.name.to_string()),
        Kind::Status => word(condition.status),
        Kind::Own if service.own.status == condition.status => (String::new(), Tone::Plain),
        Kind::Own => word(service.own.status),
        Kind::For => plain(times.ago(condition.since)),
        Kind::Since => plain(times.short(condition.since)),
        Kind::Instances { total } => plain(instances(service, total)),
        Kind::Criticality => plain(service.criticality.as_str().into()),
        Kind::Causes => plain(causes(service)),
        Kind::Why { own, causes } => plain(why(service, own, causes)),
    }
}

fn mark(service: &ServiceState) -> Piece {
    let status = service.condition.status;
    let letter = match status {
        Status::Healthy => 'H',
        Status::Unknown => 'U',
        Status::Degraded => 'D',
        Status::Unhealthy => 'X',
    };
    let second = if service.maintenance.is_some() { 'm' } else { ' ' };
    (format!("{letter}{second}"), Tone::Status(status))
}

/// How many are in which state, and how many of all are not heard: `2h 1x of 3, 1 lost`.
pub(super) fn instances(service: &ServiceState, total: bool) -> String {
    let counts = service.instances;
    if counts.total == 0 {
        return if service.reported { "none" } else { "not its own" }.into();
    }
    let some = |count: u32, word: &str| (count > 0).then(|| format!("{count}{word}"));
    let states = [
        some(counts.healthy, "h"),
        some(counts.degraded, "d"),
        some(counts.unknown, "u"),
        some(counts.unhealthy, "x"),
    ];
    let states = states.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let of = total.then(|| format!(" of {}", counts.total));
    let unheard = [some(counts.lost, " lost"), some(counts.suspect, " suspect")];
    let unheard = unheard.into_iter().flatten().map(|count| format!(", {count}"));
    format!(
        "{states}{}{}",
        of.unwrap_or_default(),
        unheard.collect::<String>()
    )
}

/// Root causes other than itself.
fn causes(service: &ServiceState) -> String {
    let others = service.causes.iter().filter(|cause| **cause != service.name);
    others.map(Name::as_str).collect::<Vec<_>>().join(", ")
}

/// What one needs to know next, the most telling first: a column is cut at its end.
fn why(service: &ServiceState, own: bool, with_causes: bool) -> String {
    let condition = &service.condition;
    let mut parts = Vec::new();
    if let Some(maintenance) = &service.maintenance {
        parts.push(match maintenance.why.as_str() {
            "" => "maintenance".into(),
            why => format!("maintenance: {why}"),
        });
    }
    if condition.status.is_bad() {
        let causes = causes(service);
        if with_causes && !causes.is_empty() {
            parts.push(format!("cause: {causes}"));
        }
        parts.push(match condition.message.as_str() {
            "" => condition.reason.to_string(),
            message => format!("{}: {message}", condition.reason),
        });
        if own && service.own.status != condition.status {
            parts.push(format!("own: {}", service.own.status));
        }
    }
    parts.join("; ")
}
