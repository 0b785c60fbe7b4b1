//! The verdict, and whether it is how it is.
//!
//! What is not heard of is told in the past tense and without colour: a green word on a screen that stands still is the
//! worst that a monitor can show.

use std::time::Duration;

use ward_model::{Name, Now, ServiceCounts, SystemState, Wall};

use super::Head;
use crate::{
    output::{Times, span},
    status::{counts, doubt, why},
    top::{
        model::{Hearing, Model},
        paint::{Canvas, Piece, Tone},
        view::View,
    },
};

pub(super) fn title(canvas: &mut Canvas<'_>, view: &View, now: Now) {
    let (word, tone) = match view.hearing(now.mono) {
        Hearing::Connecting => ("connecting".to_owned(), Tone::Bold),
        Hearing::Live(ago) => (format!("live, heard {} ago", seconds(ago)), Tone::Plain),
        Hearing::Silent(_) | Hearing::Lost { .. } => (" STALE ".to_owned(), Tone::Alarm),
    };
    let at = canvas.right(0, &word, tone);
    let room = at.saturating_sub(2);
    let taken = canvas.cell(0, 0, room, "ward top", Tone::Bold);
    canvas.cell(
        0,
        taken + 2,
        room.saturating_sub(taken + 2),
        &view.server,
        Tone::Dim,
    );
}

/// All of it, for a screen with room.
pub(super) fn lines(view: &View, now: Now, times: &Times) -> Vec<Head> {
    let stale = view.hearing(now.mono).is_stale();
    let model = view.model();
    let mut lines: Vec<_> = [staleness(view, now), paused(view, now, times)]
        .into_iter()
        .flatten()
        .map(Head::Bar)
        .collect();
    let Some(system) = &model.system else {
        lines.push(plain("nothing has been heard of the system yet".into()));
        return lines;
    };
    lines.push(Head::Line(verdict(system, stale, times)));
    if view.detail.is_some() {
        return lines;
    }
    if system.condition.status.is_bad() {
        lines.extend(why(&system.condition).map(|why| plain(format!("  {why}"))));
    }
    lines.extend(causes(system));
    lines.push(Head::Line(counted(&system.services, view)));
    lines.extend(observer(model));
    lines
}

/// One line: what is most needed of it.
pub(super) fn tiny(view: &View, now: Now, times: &Times) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let hearing = view.hearing(now.mono);
    match &view.model().system {
        Some(system) => {
            let status = system.condition.status;
            pieces.push((status.to_string(), Tone::Status(status)));
            if !hearing.is_stale() {
                pieces.push((format!(" for {}", times.ago(system.condition.since)), Tone::Plain));
            }
        }
        None => pieces.push(("connecting".into(), Tone::Bold)),
    }
    if let Hearing::Silent(ago) | Hearing::Lost { heard: ago, .. } = hearing {
        pieces.push((format!(" STALE {}", seconds(ago)), Tone::Alarm));
    }
    if view.paused_at().is_some() {
        pieces.push((" PAUSED".into(), Tone::Alarm));
    }
    pieces
}

fn plain(text: String) -> Head {
    Head::Line(vec![(text, Tone::Plain)])
}

fn seconds(ago: Duration) -> String {
    span(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX))
}

fn staleness(view: &View, now: Now) -> Option<String> {
    match view.hearing(now.mono) {
        Hearing::Connecting | Hearing::Live(_) => None,
        Hearing::Silent(ago) => Some(format!(
            " STALE: connected, but no word for {}. Below is how it was.",
            seconds(ago)
        )),
        Hearing::Lost { heard, why } => Some(format!(
            " STALE: last heard {} ago, reconnecting. Below is how it was. ({why})",
            seconds(heard)
        )),
    }
}

fn paused(view: &View, now: Now, times: &Times) -> Option<String> {
    let (live, since) = view.behind_pause()?;
    let at = view.paused_at()?;
    let (Wall(began), Wall(present)) = (at.wall, now.wall);
    let changes = match since {
        0 => "nothing changed since".into(),
        1 => "1 change since".into(),
        count => format!("{count} changes since"),
    };
    let status = |model: &Model| model.system.as_ref().map(|system| system.condition.status);
    let now_is = match status(live) {
        Some(status) if Some(status) != self::status(view) => format!("; the system is {status} now"),
        _ => String::new(),
    };
    let ago = span(present.saturating_sub(began));
    Some(format!(
        " PAUSED at {}, {ago} ago; {changes}{now_is}. p goes on.",
        times.short(at.wall)
    ))
}

fn status(view: &View) -> Option<ward_model::Status> {
    view.model().system.as_ref().map(|system| system.condition.status)
}

fn verdict(system: &SystemState, stale: bool, times: &Times) -> Vec<Piece> {
    let condition = &system.condition;
    let moment = times.moment(condition.since);
    let since = match (condition.since, stale) {
        (Wall(0), _) => String::new(),
        (_, true) => format!(", since {moment}, when last heard"),
        (since, false) => format!(" for {}, since {moment}", times.ago(since)),
    };
    let is = if stale { " was " } else { " is " };
    vec![
        ("system".into(), Tone::Bold),
        (is.into(), Tone::Plain),
        (condition.status.to_string(), Tone::Status(condition.status)),
        (since, Tone::Plain),
    ]
}

fn causes(system: &SystemState) -> Option<Head> {
    let names = |names: &[Name]| names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
    let causes = &system.causes;
    let word = match causes.len() {
        1 => "cause".to_owned(),
        count => format!("{count} causes"),
    };
    let mut pieces = Vec::new();
    if !causes.is_empty() {
        pieces.push((format!("  {word}: "), Tone::Plain));
        pieces.push((names(causes), Tone::Bold));
    }
    if !system.critical_unknown.is_empty() {
        let unknown = names(&system.critical_unknown);
        pieces.push((format!("  critical and unknown: {unknown}"), Tone::Plain));
    }
    (!pieces.is_empty()).then_some(Head::Line(pieces))
}

fn counted(services: &ServiceCounts, view: &View) -> Vec<Piece> {
    let chosen = view.chosen();
    let shown = match (chosen.is_empty(), view.order.len()) {
        (true, _) => String::new(),
        (false, count) => format!("   [{count} shown: {chosen}]"),
    };
    vec![
        (format!("  {}", counts(services)), Tone::Plain),
        (shown, Tone::Bold),
    ]
}

fn observer(model: &Model) -> Option<Head> {
    let before = "  observer: was restarted; what has not come back is shown as it was";
    let doubt = match doubt(&model.observer) {
        _ if model.restarted => before.to_owned(),
        doubt => format!("  {}", doubt?),
    };
    Some(Head::Line(vec![(doubt, Tone::Bold)]))
}
