//! Text on cells. All that is drawn comes through here: it is escaped, cut to the columns it has, and coloured.
//!
//! ratatui's widgets were not taken for rows and tables: they cut without saying so, and lay out all rows of a list to
//! show some.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::Span,
};
use ward_model::Status;

use crate::output::{Escaped, screen_colour};

/// How text looks. Colour never carries what the word does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Bold,
    Dim,
    /// The colour of a status, for a word that says it.
    Status(Status),
    /// What must not be missed.
    Alarm,
}

/// What colours there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    /// False where no colour is wanted.
    pub(super) colours: bool,
    /// What is shown is not how it is: no status has its colour then.
    pub(super) stale: bool,
}

impl Palette {
    fn style(self, tone: Tone) -> Style {
        let style = Style::new();
        match tone {
            Tone::Plain => style,
            Tone::Bold => style.add_modifier(Modifier::BOLD),
            Tone::Dim => style.add_modifier(Modifier::DIM),
            Tone::Status(_) if self.stale => style.add_modifier(Modifier::DIM),
            Tone::Status(status) => {
                let style = if self.colours {
                    style.fg(screen_colour(status))
                } else {
                    style
                };
                match status {
                    Status::Unhealthy => style.add_modifier(Modifier::BOLD),
                    _ => style,
                }
            }
            Tone::Alarm => style.add_modifier(Modifier::BOLD | Modifier::REVERSED),
        }
    }
}

/// A part of a screen to draw on, by rows from its top. What does not fit is not drawn.
#[derive(Debug)]
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    palette: Palette,
}

/// Some text in one tone.
pub(super) type Piece = (String, Tone);

impl<'a> Canvas<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, palette: Palette) -> Self {
        let area = buffer.area;
        Self {
            buffer,
            area,
            palette,
        }
    }

    /// The rows from `top` on, `height` of them at most.
    pub(super) fn rows(&mut self, top: u16, height: u16) -> Canvas<'_> {
        let rows = Rect {
            y: self.area.y.saturating_add(top),
            height,
            ..self.area
        };
        Canvas {
            area: self.area.intersection(rows),
            buffer: &mut *self.buffer,
            palette: self.palette,
        }
    }

    pub(super) fn width(&self) -> usize {
        self.area.width.into()
    }

    pub(super) fn height(&self) -> u16 {
        self.area.height
    }

    /// Writes pieces from the left edge of a row; the last that has room is cut.
    pub(super) fn line(&mut self, row: u16, pieces: &[Piece]) {
        let mut at = 0;
        for (text, tone) in pieces {
            at += self.cell(row, at, self.width().saturating_sub(at), text, *tone);
        }
    }

    /// Writes at the right edge of a row, over what is there; gives the column it begins at.
    pub(super) fn right(&mut self, row: u16, text: &str, tone: Tone) -> usize {
        let text = cut(text, self.width());
        let at = self.width().saturating_sub(Span::raw(&text).width());
        self.cell(row, at, self.width() - at, &text, tone);
        at
    }

    /// Writes in `width` columns from column `at`; gives how many it took.
    pub(super) fn cell(&mut self, row: u16, at: usize, width: usize, text: &str, tone: Tone) -> usize {
        let width = width.min(self.width().saturating_sub(at));
        if row >= self.area.height || width == 0 {
            return 0;
        }
        let text = cut(text, width);
        let offset = u16::try_from(at).expect("less than the width of the screen");
        let (x, y) = (self.area.x + offset, self.area.y + row);
        let style = self.palette.style(tone);
        let (end, _) = self.buffer.set_stringn(x, y, text, width, style);
        usize::from(end - x)
    }

    /// Marks a row as the selected one.
    pub(super) fn select(&mut self, row: u16) {
        self.modify(row, Modifier::REVERSED);
    }

    /// A whole row in the manner of [`Tone::Alarm`].
    pub(super) fn bar(&mut self, row: u16, text: &str) {
        self.cell(row, 0, self.width(), text, Tone::Alarm);
        self.modify(row, Modifier::REVERSED);
    }

    fn modify(&mut self, row: u16, modifier: Modifier) {
        let row = Rect {
            y: self.area.y.saturating_add(row),
            height: 1,
            ..self.area
        };
        let row = row.intersection(self.area);
        self.buffer.set_style(row, Style::new().add_modifier(modifier));
    }
}

/// `text`, escaped, in at most `width` columns; an ellipsis says that there is more.
pub(super) fn cut(text: &str, width: usize) -> String {
    let text = Escaped(text).to_string();
    let whole = Span::raw(&text);
    if whole.width() <= width {
        return text;
    }
    let mut room = width.saturating_sub(1);
    let mut cut = String::new();
    for grapheme in whole.styled_graphemes(Style::new()) {
        let wide = Span::raw(grapheme.symbol).width();
        if wide > room {
            break;
        }
        room -= wide;
        cut.push_str(grapheme.symbol);
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_the_columns_it_takes_and_says_so() {
        assert_eq!(cut("payments", 8), "payments");
        assert_eq!(cut("payments", 7), "paymen…");
        assert_eq!(cut("支払い", 6), "支払い");
        assert_eq!(cut("支払い", 5), "支払…");
        assert_eq!(cut("支払い", 4), "支…", "half of a character is none");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!((cut("ab", 1), cut("ab", 0)), ("…".into(), String::new()));
        assert_eq!(cut("a\u{1b}[2J", 40), "a\\u{1b}[2J");
        assert_eq!(cut("a\u{202e}b", 5), "a\\u{…");
    }
}
