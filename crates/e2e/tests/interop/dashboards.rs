//! Grafana's dashboards, read by the types that Grafana makes of its own schemas: no field that they do not know.
//!
//! Grafana itself is not run: it would read what it knows and say nothing of the rest.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::outside::{find, not_run};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/dashboards.py");
const DASHBOARDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../grafana/dashboards");

/// An interpreter with the types. `None` after saying that the test is not run.
fn python() -> Option<PathBuf> {
    let found = find("PYTHON", &["python3"]).filter(|python| {
        let has = Command::new(python)
            .args(["-c", "import grafana_foundation_sdk"])
            .output();
        has.is_ok_and(|asked| asked.status.success())
    });
    if found.is_none() {
        let wanted = "interpreter with grafana-foundation-sdk as $PYTHON or python3";
        not_run("dashboards as Grafana's own types have them", wanted);
    }
    found
}

/// What it says about these files, line by line.
fn read(python: &Path, files: &[PathBuf]) -> Vec<String> {
    let asked = Command::new(python).arg(SCRIPT).args(files).output().unwrap();
    let said = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{said}");
    let lines = String::from_utf8(asked.stdout).unwrap();
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn dashboards_survive_grafanas_own_types_without_loss() {
    let Some(python) = python() else { return };
    let listed = fs::read_dir(DASHBOARDS).unwrap();
    let files: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 5, "{files:?}");
    let expected: Vec<_> = files
        .iter()
        .map(|file| format!("read: {}", file.display()))
        .collect();
    assert_eq!(read(&python, &files), expected);
}

/// The check itself finds something.
#[test]
fn a_field_that_grafana_does_not_know_is_lost() {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("system.json");
    let text = fs::read_to_string(Path::new(DASHBOARDS).join("system.json")).unwrap();
    fs::write(&file, text.replacen("\"gridPos\"", "\"gridPosition\"", 1)).unwrap();
    let said = read(&python, &[file]);
    assert!(
        said[0].starts_with("lost: ") && said[0].ends_with("panels[0].gridPosition"),
        "{said:?}"
    );
}
