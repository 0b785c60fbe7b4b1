//! The rows as people read them in `SECURITY.md`, and as programs do.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    Row, Side, Size,
    attack::{MEMORY_MB, P99_MS},
};

const BEGIN: &str = "<!-- attacks:begin -->\n";
const END: &str = "<!-- attacks:end -->\n";

/// One run of all attacks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The day, in UTC.
    pub date: String,
    /// What it ran on.
    pub machine: String,
    /// What was measured.
    pub rows: Vec<Row>,
}

impl Run {
    /// What stands between the marks.
    pub fn markdown(&self) -> String {
        let Self { date, machine, rows } = self;
        let missed = rows
            .iter()
            .filter(|row| !row.misses(Size::Full).is_empty())
            .count();
        let verdict = match missed {
            0 => "all bounds are met".to_owned(),
            missed => format!("{missed} of {} rows miss a bound, marked **so**", rows.len()),
        };
        let mut text = format!(
            "{date}, {machine}; bounds: heartbeat p99 {P99_MS} ms, {MEMORY_MB} MB more, the attacker stopped: {verdict}.\n\n\
             | attack | guard | with it: the attacker | heartbeat p99 | memory | without it |\n\
             | --- | --- | --- | --: | --: | --- |\n"
        );
        rows.iter().for_each(|row| text += &line(row));
        text
    }
}

fn line(row: &Row) -> String {
    let Row {
        what,
        guard,
        guarded,
        without,
        ..
    } = row;
    let attacker = marked(&guarded.happened, !guarded.stopped || guarded.unserved.is_some());
    let attacker = match &guarded.unserved {
        Some(unserved) => format!("{attacker}; the honest client: {unserved}"),
        None => attacker,
    };
    let p99 = marked(&millis(guarded.beat_p99_ms), guarded.beat_p99_ms > P99_MS);
    let memory = marked(&megabytes(guarded), guarded.memory_mb > MEMORY_MB);
    let without = match without {
        Ok(side) => prevented(side),
        Err(why) => why.clone(),
    };
    format!("| {what} | {guard} | {attacker} | {p99} | {memory} | {without} |\n")
}

fn prevented(side: &Side) -> String {
    let mut text = format!(
        "{}; p99 {}, {}, {:.1} cores",
        side.happened,
        millis(side.beat_p99_ms),
        megabytes(side),
        side.cores
    );
    if side.stopped {
        text = marked(&text, true);
    }
    if let Some(unserved) = &side.unserved {
        text += &format!("; the honest client: {unserved}");
    }
    text
}

fn marked(text: &str, missed: bool) -> String {
    if missed {
        format!("**{text}**")
    } else {
        text.to_owned()
    }
}

fn millis(millis: f64) -> String {
    format!("{millis:.1} ms")
}

fn megabytes(side: &Side) -> String {
    format!("{:.0} MB", side.memory_mb)
}

/// Writes the table into the document, which must have the marks, or is begun.
///
/// # Errors
///
/// The document cannot be read or written, or has no marks.
pub fn write_document(run: &Run, path: &Path) -> anyhow::Result<()> {
    let what = || format!("write the table into {}", path.display());
    let document = if path.exists() {
        fs::read_to_string(path).with_context(what)?
    } else {
        format!("# Security\n\n## Attacks, with each guard and without\n\n{BEGIN}{END}")
    };
    let written = placed(&document, &run.markdown()).with_context(what)?;
    fs::write(path, written).with_context(what)
}

fn placed(document: &str, table: &str) -> anyhow::Result<String> {
    let marks = || format!("there is no {} and {} in it", BEGIN.trim(), END.trim());
    let (before, rest) = document.split_once(BEGIN).with_context(marks)?;
    let (_, after) = rest.split_once(END).with_context(marks)?;
    ensure!(!after.contains(BEGIN), "the marks stand in it twice");
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

/// Keeps a run, for [`read`].
///
/// # Errors
///
/// It cannot be written there.
pub fn write(run: &Run, path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(run)?;
    fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))
}

/// A run that was kept.
///
/// # Errors
///
/// There is none.
pub fn read(path: &Path) -> anyhow::Result<Run> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("read the run in {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_document_is_the_run_that_is_kept() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let run = read(&root.join("crates/attacks/results.json")).unwrap();
        let document = fs::read_to_string(root.join("SECURITY.md")).unwrap();
        assert!(!run.rows.is_empty() && document.contains(&format!("{BEGIN}{}{END}", run.markdown())));
        let names: Vec<_> = run.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(
            names,
            crate::ALL.iter().map(|attack| attack.name).collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_table_takes_the_place_of_the_last_one() {
        let document = format!("before\n{BEGIN}old\n{END}after\n");
        let once = placed(&document, "new\n").unwrap();
        assert_eq!(once, format!("before\n{BEGIN}new\n{END}after\n"));
        assert_eq!(placed(&once, "new\n").unwrap(), once);
        assert!(placed("no marks", "new\n").is_err());
    }
}
