//! The rows as people read them, and as programs do.

use std::{fs, path::Path};

use anyhow::Context;
use comfy_table::{Cell, CellAlignment, Table, TableStyle};

use crate::item::Row;

/// What is printed.
pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header([
        "item",
        "what",
        "limit",
        "Ward",
        "peer",
        "ratio (min .. max)",
        "goal",
        "verdict",
        "PSI",
        "steal",
        "load",
    ]);
    for row in rows {
        table.add_row(cells(row));
    }
    table
}

fn cells(row: &Row) -> Vec<Cell> {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let value = |value: Option<f64>| {
        value.map_or_else(
            || "-".to_owned(),
            |value| format!("{} {}", short(value), row.unit),
        )
    };
    let peer = match row.peer_name {
        Some(name) => format!("{name} {}", value(row.peer)),
        None => "-".to_owned(),
    };
    let judged = row.judged.map_or_else(
        || "-".to_owned(),
        |judged| {
            format!(
                "{} ({} .. {})",
                short(judged.median),
                short(judged.min),
                short(judged.max)
            )
        },
    );
    let weather = row.weather;
    let mut verdict = format!("{:?}", row.met).to_lowercase();
    if row.disturbed > 0 {
        verdict += &format!(" ({} disturbed)", row.disturbed);
    }
    vec![
        Cell::new(row.item),
        Cell::new(&row.what),
        right(value(row.limit)),
        right(value(row.ward)),
        right(peer),
        right(judged),
        Cell::new(&row.goal),
        Cell::new(verdict),
        right(
            weather
                .pressure
                .map_or_else(|| "-".to_owned(), |pressure| format!("{pressure:.0} %")),
        ),
        right(format!("{:.0} %", weather.steal)),
        right(format!("{:.1}", weather.load)),
    ]
}

/// Three significant digits, or all those before the point.
fn short(value: f64) -> String {
    let digits = value.abs().max(f64::MIN_POSITIVE).log10().floor();
    let decimals = (2.0 - digits).clamp(0.0, 4.0) as usize;
    let text = format!("{value:.decimals$}");
    if value == 0.0 { "0".to_owned() } else { text }
}

/// Writes all rows as a list of objects.
pub(crate) fn write(rows: &[Row], path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(rows)?;
    fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let shown = [0.0, 0.012_34, 1.234_5, 12.345, 123.45, 1_234_567.8].map(short);
        assert_eq!(shown, ["0", "0.0123", "1.23", "12.3", "123", "1234568"]);
    }
}
