//! The view on cells: a pure function of the view, the moment and the size.
//!
//! Rows are shared out from the top: what must never be missing first (the verdict, and whether it is how it is), what
//! explains it next. A screen too small for all of it loses the explanations, never the verdict.

mod changes;
mod detail;
mod header;
mod help;
mod services;

use ratatui::{buffer::Buffer, layout::Rect};
use ward_model::Now;

use super::{
    paint::{Canvas, Palette, Piece, Tone},
    view::View,
};
use crate::output::Times;

/// Below so many rows there is a verdict and a list, and nothing else.
const TINY: u16 = 8;
/// From so many rows on, lines may be left free.
const AIRY: u16 = 20;
/// Rows of recent changes, their title included, at most where services want the rest.
const CHANGES: u16 = 16;

/// One line of a header.
#[derive(Debug)]
enum Head {
    Line(Vec<Piece>),
    /// What must not be missed.
    Bar(String),
}

/// How many rows each part has, from top to bottom.
#[derive(Debug)]
struct Parts {
    head: Vec<Head>,
    gap: u16,
    /// Titles of columns.
    columns: u16,
    rows: u16,
    changes: u16,
    footer: u16,
}

impl Parts {
    fn of(view: &View, area: Rect, now: Now, times: &Times) -> Self {
        let height = area.height;
        if height < TINY {
            return Self {
                head: vec![Head::Line(header::tiny(view, now, times))],
                gap: 0,
                columns: 0,
                rows: height.saturating_sub(1),
                changes: 0,
                footer: 0,
            };
        }
        let mut head = header::lines(view, now, times);
        if let Some(detail) = &view.detail {
            head.extend(detail::header(
                detail,
                view.hearing(now.mono).is_stale(),
                now,
                times,
            ));
        }
        // A long header leaves half of the screen to what it is about.
        head.truncate(usize::from(height / 2));
        let taken = 2 + u16::try_from(head.len()).expect("at most half of a height");
        let gap = u16::from(height >= AIRY);
        let columns = u16::from(view.detail.is_none());
        let free = height.saturating_sub(taken + gap + columns);
        let changes = if view.detail.is_some() {
            0
        } else {
            changes(view, free)
        };
        Self {
            head,
            gap,
            columns,
            rows: free - changes,
            changes,
            footer: 1,
        }
    }

    fn title(&self) -> u16 {
        // The footer and the title come and go together.
        self.footer
    }
}

/// A third of what is free, or what the services leave; with the line before them, where there is one.
fn changes(view: &View, free: u16) -> u16 {
    let services = u16::try_from(view.model().services.len()).unwrap_or(u16::MAX);
    let spare = free.saturating_sub(services.max(1));
    // A title with less than two lines under it is not worth its line.
    let wanted = (free / 3).min(CHANGES).max(spare);
    if wanted < 3 { 0 } else { wanted }
}

/// Spans are told from the moment that is shown.
fn times(view: &View, now: Now) -> Times {
    view.zone.seen_from(view.moment(now).wall)
}

/// How many rows of services, or of what is open, there are on a screen of this size.
pub(super) fn rows(view: &View, area: Rect, now: Now) -> usize {
    Parts::of(view, area, now, &times(view, now)).rows.into()
}

/// Draws all of it.
pub(super) fn draw(view: &View, buffer: &mut Buffer, now: Now, colours: bool) {
    let times = times(view, now);
    let palette = Palette {
        colours,
        stale: view.hearing(now.mono).is_stale() || view.paused_at().is_some(),
    };
    let parts = Parts::of(view, buffer.area, now, &times);
    let mut canvas = Canvas::new(buffer, palette);
    if view.help && canvas.height() >= TINY {
        return help::draw(&mut canvas);
    }
    if parts.title() > 0 {
        header::title(&mut canvas, view, now);
    }
    let mut top = parts.title();
    for head in &parts.head {
        match head {
            Head::Line(pieces) => canvas.line(top, pieces),
            Head::Bar(text) => canvas.bar(top, text),
        }
        top += 1;
    }
    top += parts.gap;
    let list = parts.columns + parts.rows;
    match &view.detail {
        Some(detail) => detail::draw(&mut canvas.rows(top, list), detail, view, &times),
        None => services::draw(&mut canvas.rows(top, list), view, &times, parts.columns > 0),
    }
    let (before, changes) = (top + list + parts.gap, parts.changes.saturating_sub(parts.gap));
    changes::draw(&mut canvas.rows(before, changes), view.model(), &times);
    if parts.footer > 0 {
        footer(&mut canvas, view);
    }
}

fn footer(canvas: &mut Canvas<'_>, view: &View) {
    let row = canvas.height() - 1;
    if view.typing {
        let typed = vec![
            ("filter: ".to_owned(), Tone::Bold),
            (format!("{}_", view.choice.text), Tone::Plain),
            ("   Enter keep  Esc clear".to_owned(), Tone::Dim),
        ];
        return canvas.line(row, &typed);
    }
    let keys: &[(&str, &str)] = match view.detail {
        Some(_) => &[
            ("q", "quit"),
            ("Esc", "back"),
            ("↑↓", "scroll"),
            ("r", "ask again"),
            ("p", "pause"),
            ("?", "help"),
        ],
        None => &[
            ("q", "quit"),
            ("↑↓", "move"),
            ("Enter", "open"),
            ("/", "filter"),
            ("s", "sort"),
            ("m", "bad only"),
            ("p", "pause"),
            ("?", "help"),
        ],
    };
    let pieces = keys
        .iter()
        .flat_map(|(key, does)| [((*key).to_owned(), Tone::Bold), (format!(" {does}  "), Tone::Dim)]);
    canvas.line(row, &pieces.collect::<Vec<_>>());
}

#[cfg(test)]
mod tests;
