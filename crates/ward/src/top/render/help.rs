//! What the keys do and the columns mean.

use crate::top::paint::{Canvas, Tone};

/// Short enough for 80 columns.
const HELP: [(&str, &str); 20] = [
    (
        "q, Esc, Ctrl-C",
        "quit; Esc goes back or clears the filter before that",
    ),
    ("↑ ↓, j k", "move; the selection stays with its service"),
    ("PgUp PgDn Home End", "by a page, to the first, to the last"),
    ("Enter", "open a service: why, its instances, checks and signals"),
    ("Esc, Backspace", "back to the list"),
    ("r", "ask again about what is open (signals move untold)"),
    ("/", "filter by a text in name, status, reason, message, cause"),
    ("s", "sort by badness, by name, by what changed last"),
    ("m", "only what is bad, or not heard from"),
    ("p", "hold what is shown; what it hides is counted"),
    ("Ctrl-L, Ctrl-Z", "draw all of it again; stop, as in any shell"),
    ("", ""),
    ("INSTANCES", "2h 1d 1u 1x: healthy, degraded, unknown, unhealthy"),
    (
        "1 suspect, 1 lost",
        "not heard in time and not judged yet; judged gone",
    ),
    ("own", "its own status, where what it needs makes it worse"),
    ("cause", "where it comes from: bad by itself"),
    (
        "maintenance",
        "somebody works on it: it degrades the system at most",
    ),
    ("STALE", "the aggregator is not heard: all is shown as it was"),
    ("observer", "the aggregator has reason to doubt its own eyes"),
    ("H U D X, m", "where it is narrow: the statuses, and maintenance"),
];

pub(super) fn draw(canvas: &mut Canvas<'_>) {
    canvas.line(0, &[("ward top: keys and words".into(), Tone::Bold)]);
    for ((what, means), row) in HELP.iter().zip(2..) {
        canvas.cell(row, 1, 20, what, Tone::Bold);
        canvas.cell(row, 22, canvas.width().saturating_sub(22), means, Tone::Plain);
    }
    let last = canvas.height() - 1;
    canvas.line(last, &[("any key goes back  ".into(), Tone::Dim)]);
}
