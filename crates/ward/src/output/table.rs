//! Tables for people: columns two spaces apart, no lines. Where a program reads, a row is a line however long it is.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, TableStyle};

use super::Escaped;

/// Rows under a header.
#[derive(Debug)]
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// No rows yet. `width` is that of the terminal; without it nothing is wrapped.
    pub(crate) fn new<const N: usize>(width: Option<u16>, header: [&str; N]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new()).enforce_styling();
        // Else the padding is coloured as well, and lines end in it.
        table.style_text_only();
        match width {
            Some(width) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        table.set_header(header.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        // A name broken over two lines cannot be copied, nor found.
        if let Some(names) = table.column_mut(0) {
            names.set_constraint(ColumnConstraint::ContentWidth);
        }
        Self(table)
    }

    /// Adds a row; text is escaped here.
    pub(crate) fn row<const N: usize>(&mut self, cells: [(String, Option<Color>); N]) {
        self.0.add_row(cells.map(|(text, colour)| {
            let cell = Cell::new(Escaped(&text));
            match colour {
                Some(colour) => cell.fg(colour),
                None => cell,
            }
        }));
    }

    /// The text, with colour for those who can see it.
    pub(crate) fn text(&self) -> String {
        self.0
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }
}

/// How wide the terminal is.
pub(super) fn terminal_width() -> Option<u16> {
    comfy_table::Table::new().width()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(width: Option<u16>) -> String {
        let mut table = Table::new(width, ["SERVICE", "CAUSE"]);
        table.row([
            ("bank".into(), None),
            ("one two three four five six seven\u{1b}[2J".into(), None),
        ]);
        table.row([("b".into(), Some(Color::DarkRed)), (String::new(), None)]);
        anstream::adapter::strip_str(&table.text()).to_string()
    }

    #[test]
    fn a_program_gets_one_line_a_row_and_people_what_fits() {
        let piped = "SERVICE  CAUSE\nbank     one two three four five six seven\\u{1b}[2J\nb\n";
        assert_eq!(table(None), piped);
        assert!(
            table(Some(30)).lines().all(|line| line.chars().count() <= 30),
            "{}",
            table(Some(30))
        );
        assert!(table(Some(30)).lines().count() > 3);
    }

    #[test]
    fn a_name_stands_on_one_line_however_narrow_the_terminal() {
        let mut table = Table::new(Some(40), ["SERVICE", "STATUS", "SINCE", "CAUSE"]);
        let cells = [
            "recommendations",
            "unhealthy",
            "17:42:58 (41s)",
            "Lost: not heard",
        ];
        table.row(cells.map(|text| (text.to_owned(), None)));
        let text = anstream::adapter::strip_str(&table.text()).to_string();
        assert!(text.contains("recommendations"), "{text}");
    }
}
