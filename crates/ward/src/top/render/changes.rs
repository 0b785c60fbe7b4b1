//! Recent changes, the newest first: when, what, from what to what, and why.

use ward_model::Status;

use crate::{
    output::Times,
    top::{
        changes::Change,
        model::Model,
        paint::{Canvas, Piece, Tone},
    },
};

/// As wide as the widest status.
const STATUS: usize = "unhealthy".len();

pub(super) fn draw(canvas: &mut Canvas<'_>, model: &Model, times: &Times) {
    canvas.line(0, &[("RECENT CHANGES".into(), Tone::Bold)]);
    let rows = canvas.height().saturating_sub(1);
    let seen: Vec<_> = model.changes.newest().take(rows.into()).collect();
    if seen.is_empty() {
        return canvas.line(1, &[("none since this began to look".into(), Tone::Dim)]);
    }
    // As wide as what is in sight needs, so that the rest has room.
    let name = seen
        .iter()
        .map(|change| change.what.len())
        .max()
        .unwrap_or_default();
    let name = name.min(canvas.width() / 4);
    for (change, row) in seen.into_iter().zip(1..) {
        let mut at = canvas.cell(row, 0, 10, &times.short(change.at), Tone::Dim) + 2;
        canvas.cell(row, at, name, &change.what, Tone::Plain);
        at += name + 2;
        for (text, tone) in transition(change) {
            at += canvas.cell(row, at, STATUS + 4, &text, tone);
        }
        let room = canvas.width().saturating_sub(at);
        canvas.cell(row, at, room, &change.why, Tone::Plain);
    }
}

fn transition(change: &Change) -> Vec<Piece> {
    let word = |status: Option<Status>, none: &str| match status {
        Some(status) => (status.to_string(), Tone::Status(status)),
        None => (none.to_owned(), Tone::Plain),
    };
    let plain = |text: &str| (text.to_owned(), Tone::Plain);
    match (change.from, change.to) {
        (None, None) => Vec::new(),
        (from, to) if from == to => vec![word(to, ""), plain("  ")],
        (from, to) => vec![word(from, "new"), plain(" -> "), word(to, "gone"), plain("  ")],
    }
}
