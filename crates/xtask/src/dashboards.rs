//! `cargo xtask dashboards`: Grafana's dashboards, made out of what stands below `dashboards/`.
//!
//! They are kept in `grafana/dashboards/` as Grafana reads them, so that nobody needs Rust to use them, and `cargo xtask tidy`
//! fails when they are not what would be made. Whether an expression finds anything is tried on a real Prometheus by
//! `crates/e2e/tests/alerts/dashboards.rs`. Jsonnet was not taken: one more language to have on the machine; nor were dashboards
//! that were clicked together and exported: five of them do not keep one colour for one word.

mod aggregator;
mod alerts;
mod board;
mod colours;
mod panel;
mod service;
mod shop;
mod system;
#[cfg(test)]
mod tests;

use std::fs;

use anyhow::Context;
use board::Board;
use serde_json::Value;

/// Where they are kept.
const FOLDER: &str = "grafana/dashboards";

/// Each file, and what is to stand in it.
pub(crate) fn files() -> Vec<(String, String)> {
    let boards = [
        system::board(),
        service::board(),
        aggregator::board(),
        alerts::board(),
        shop::board(),
    ];
    boards.into_iter().map(file).collect()
}

fn file(board: Board) -> (String, String) {
    let path = format!("{FOLDER}/{}.json", board.name);
    let text = serde_json::to_string_pretty(&sorted(board.json())).expect("keys are strings");
    (path, text + "\n")
}

/// With the keys of objects in order, whatever features of `serde_json` other members of the workspace ask for.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            fields
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect()
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Writes them.
pub(crate) fn run() -> anyhow::Result<()> {
    for (path, text) in files() {
        let to = crate::root().join(&path);
        let folder = to.parent().context("a file is in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
        println!("dashboards: {path}");
    }
    Ok(())
}
