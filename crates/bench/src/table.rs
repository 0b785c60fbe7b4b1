//! The rows as people read them, on a terminal and in `BENCHMARKS.md`, and as programs do.

use std::{fs, path::Path};

use anyhow::Context;
use comfy_table::{Cell, CellAlignment, Table, TableStyle};

use crate::item::Row;

const HEADER: [&str; 11] = [
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
];
/// Columns that are read from their end.
const FIGURES: [usize; 7] = [2, 3, 4, 5, 8, 9, 10];

/// For a terminal.
pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(HEADER);
    for row in rows {
        let cells = cells(row).into_iter().enumerate();
        table.add_row(cells.map(|(column, text)| match FIGURES.contains(&column) {
            true => Cell::new(text).set_alignment(CellAlignment::Right),
            false => Cell::new(text),
        }));
    }
    table
}

/// For `BENCHMARKS.md`.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule: Vec<_> = (0..HEADER.len())
        .map(|column| if FIGURES.contains(&column) { "--:" } else { "---" }.to_owned())
        .collect();
    let mut text = line(&HEADER.map(str::to_owned)) + &line(&rule);
    rows.iter().for_each(|row| text += &line(&cells(row)));
    text
}

fn cells(row: &Row) -> [String; 11] {
    let none = || "-".to_owned();
    let value =
        |value: Option<f64>| value.map_or_else(none, |value| format!("{} {}", short(value), row.unit));
    let peer = row
        .peer_name
        .as_ref()
        .map_or_else(none, |name| format!("{name} {}", value(row.peer)));
    let judged = row.judged.map_or_else(none, |judged| {
        format!(
            "{} ({} .. {})",
            short(judged.median),
            short(judged.min),
            short(judged.max)
        )
    });
    let mut verdict = format!("{:?}", row.met).to_lowercase();
    if row.disturbed > 0 {
        verdict += &format!(" ({} disturbed)", row.disturbed);
    }
    [
        row.item.to_string(),
        row.what.clone(),
        value(row.limit),
        value(row.ward),
        peer,
        judged,
        row.goal.clone(),
        verdict,
        row.weather
            .pressure
            .map_or_else(none, |pressure| format!("{pressure:.0} %")),
        format!("{:.0} %", row.weather.steal),
        format!("{:.1}", row.weather.load),
    ]
}

/// Three significant digits, or all those before the point.
fn short(value: f64) -> String {
    let digits = value.abs().max(f64::MIN_POSITIVE).log10().floor();
    let decimals = (2.0 - digits).clamp(0.0, 4.0) as usize;
    if value == 0.0 {
        "0".to_owned()
    } else {
        format!("{value:.decimals$}")
    }
}

/// Writes all rows as a list of objects.
pub(crate) fn write(rows: &[Row], path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(rows)?;
    fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))
}

/// Reads what [`write()`] wrote.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("read the rows in {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let shown = [0.0, 0.012_34, 1.234_5, 12.345, 123.45, 1_234_567.8].map(short);
        assert_eq!(shown, ["0", "0.0123", "1.23", "12.3", "123", "1234568"]);
    }

    #[test]
    fn the_table_in_the_document_is_the_run_that_is_kept() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let rows = read(&root.join("crates/bench/results.json")).unwrap();
        let document = fs::read_to_string(root.join("BENCHMARKS.md")).unwrap();
        assert!(!rows.is_empty() && document.contains(&markdown(&rows)));
    }
}
