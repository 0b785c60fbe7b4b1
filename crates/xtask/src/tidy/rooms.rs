//! Which rooms there are, and which may use which.
//!
//! Cargo refuses circles only. That a room uses nothing but what stands below it, and not even all of that, is said here.

use toml::{Table, Value};

use super::{
    Finding,
    files::{File, Files},
    source::has_word,
};

/// A crate of the workspace.
struct Room {
    folder: &'static str,
    /// The rooms it may use.
    uses: &'static [&'static str],
}

const fn room(folder: &'static str, uses: &'static [&'static str]) -> Room {
    Room { folder, uses }
}

/// Lowest first; a room uses only rooms before it.
const ROOMS: &[Room] = &[
    room("model", &[]),
    room("tlog", &[]),
    room("proto", &["model"]),
    room("engine", &["model"]),
    room("access", &["model"]),
    room("alerts", &["model"]),
    room("config", &["model", "engine", "access", "alerts"]),
    room("chassis", &["model"]),
    room("store", &["model", "chassis"]),
    room("audit", &["model", "tlog", "chassis"]),
    room("notify", &["model", "chassis"]),
    room("grpc-health", &[]),
    room(
        "sdk",
        &["model", "tlog", "proto", "engine", "chassis", "grpc-health"],
    ),
    room(
        "aggregator",
        &[
            "model",
            "tlog",
            "proto",
            "engine",
            "access",
            "alerts",
            "config",
            "chassis",
            "store",
            "audit",
            "notify",
            "grpc-health",
        ],
    ),
    room("demo", &["model", "chassis", "sdk", "aggregator"]),
    room(
        "ward",
        &[
            "model",
            "tlog",
            "proto",
            "engine",
            "access",
            "alerts",
            "config",
            "chassis",
            "store",
            "audit",
            "grpc-health",
            "sdk",
            "aggregator",
            "demo",
        ],
    ),
    // The workshop: tests of the whole may use all of it.
    room("sim", &["model", "engine"]),
    room(
        "e2e",
        &[
            "model",
            "tlog",
            "proto",
            "engine",
            "access",
            "alerts",
            "config",
            "chassis",
            "store",
            "audit",
            "grpc-health",
            "sdk",
            "aggregator",
            "demo",
            "ward",
        ],
    ),
    room(
        "bench",
        &[
            "model",
            "tlog",
            "proto",
            "engine",
            "chassis",
            "audit",
            "store",
            "sdk",
            "aggregator",
        ],
    ),
    room("attacks", &["model", "proto", "access", "chassis", "aggregator"]),
    room(
        "fuzzed",
        &[
            "model",
            "tlog",
            "proto",
            "access",
            "alerts",
            "config",
            "chassis",
            "audit",
            "aggregator",
        ],
    ),
    room("xtask", &[]),
];

/// What the pure rooms must not depend on, by how the names begin.
const TOUCHING: &[&str] = &[
    "tokio", "tonic", "prost", "hyper", "axum", "reqwest", "rand", "jiff", "nix", "socket2",
];
const MAP: &str = "ARCHITECTURE.md";

fn package(folder: &str) -> String {
    if folder == "ward" {
        folder.to_owned()
    } else {
        format!("ward-{folder}")
    }
}

/// The manifests of the members, with the folder of each.
fn members(files: &Files) -> impl Iterator<Item = (&File, &str)> {
    files.all().filter_map(|file| {
        let folder = file.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
        Some((file, folder)).filter(|_| !folder.contains('/'))
    })
}

fn table(file: &File) -> Table {
    // Cargo says better than we could what is wrong with a manifest, before anything here runs.
    file.text.parse().unwrap_or_default()
}

/// The dependencies of a manifest, with the name of their section.
fn dependencies(manifest: &Table) -> Vec<(String, String, Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let places = std::iter::once(manifest).chain(
        targets
            .into_iter()
            .flat_map(Table::values)
            .filter_map(Value::as_table),
    );
    let mut found = Vec::new();
    for place in places {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in place.get(section).and_then(Value::as_table).into_iter().flatten() {
                found.push((section.to_owned(), name.clone(), value.clone()));
            }
        }
    }
    found
}

/// The rooms above and the members of the workspace are the same.
pub(super) fn each_has_a_place(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, folder) in members(files).filter(|(_, folder)| ROOMS.iter().all(|room| room.folder != *folder))
    {
        let what = format!(
            "{folder} has no place among the rooms: add it to ROOMS in crates/xtask/src/tidy/rooms.rs"
        );
        findings.push(Finding::new(&file.path, 0, what));
    }
    for room in ROOMS
        .iter()
        .filter(|room| members(files).all(|(_, folder)| folder != room.folder))
    {
        findings.push(Finding::new(
            &format!("crates/{}", room.folder),
            0,
            "is among the rooms and is not there",
        ));
    }
    findings
}

/// A room uses only what it may.
pub(super) fn uses(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, folder) in members(files) {
        let Some(room) = ROOMS.iter().find(|room| room.folder == folder) else {
            continue;
        };
        for (section, name, _) in dependencies(&table(file)) {
            let ours = name == "ward" || name.starts_with("ward-");
            if ours && !room.uses.iter().any(|used| package(used) == name) {
                findings.push(Finding::new(
                    &file.path,
                    0,
                    format!("{folder} may not use {name} ({section})"),
                ));
            }
            let pure = matches!(folder, "model" | "tlog" | "engine") && section != "dev-dependencies";
            if pure && TOUCHING.iter().any(|touching| name.starts_with(touching)) {
                findings.push(Finding::new(
                    &file.path,
                    0,
                    format!("{folder} is pure and may not use {name}"),
                ));
            }
        }
    }
    findings
}

/// Versions and features of dependencies stand in the root, so that each crate is built once; lints hold for all.
/// What only tests need may ask for a feature of its own, such as tokio's `test-util`, which is nothing for a release.
pub(super) fn manifests(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, _) in members(files) {
        let manifest = table(file);
        for (section, name, value) in dependencies(&manifest) {
            let may_have = |key: &str| {
                matches!(key, "workspace" | "optional")
                    || (key == "features" && section == "dev-dependencies")
            };
            let inherits = value.as_table().is_some_and(|keys| {
                keys.get("workspace").and_then(Value::as_bool) == Some(true)
                    && keys.keys().all(|key| may_have(key))
            });
            if !inherits {
                let what = format!("{name} should be `workspace = true` and nothing else");
                findings.push(Finding::new(&file.path, 0, what));
            }
        }
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(Value::as_bool) != Some(true) {
            findings.push(Finding::new(
                &file.path,
                0,
                "does not take the lints of the workspace",
            ));
        }
    }
    findings
}

/// ARCHITECTURE.md shows every room, and none that is not there.
pub(super) fn map(files: &Files) -> Vec<Finding> {
    let Some(map) = files.get(MAP) else {
        return vec![Finding::new(MAP, 0, "is not there")];
    };
    let mut findings = Vec::new();
    for (_, folder) in members(files).filter(|(_, folder)| !has_word(&map.text, &format!("crates/{folder}")))
    {
        findings.push(Finding::new(MAP, 0, format!("does not show crates/{folder}")));
    }
    for named in map.text.split("crates/").skip(1) {
        let folder = named
            .split(|c: char| !c.is_alphanumeric() && c != '-')
            .next()
            .unwrap_or_default();
        if !folder.is_empty() && members(files).all(|(_, member)| member != folder) {
            findings.push(Finding::new(
                MAP,
                0,
                format!("shows crates/{folder}, which is not there"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn sample(path: &str, text: &str) -> Files {
        Files::sample(&[(path, text)])
    }

    #[test]
    fn rooms_use_only_what_stands_below_them() {
        for (at, room) in ROOMS.iter().enumerate() {
            for used in room.uses {
                assert!(
                    ROOMS[..at].iter().any(|below| below.folder == *used),
                    "{} uses {used}",
                    room.folder
                );
            }
        }
    }

    #[test]
    fn a_member_without_a_place_and_a_place_without_a_member_are_found() {
        let found = each_has_a_place(&sample("crates/attic/Cargo.toml", LINTS));
        assert_eq!(found.len(), 1 + ROOMS.len());
        let all: Vec<_> = ROOMS
            .iter()
            .map(|room| (format!("crates/{}/Cargo.toml", room.folder), LINTS))
            .collect();
        let all: Vec<_> = all.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        assert!(each_has_a_place(&Files::sample(&all)).is_empty());
    }

    #[test]
    fn using_what_stands_above_is_found_in_every_section() {
        for section in [
            "dependencies",
            "dev-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            let text =
                format!("[{section}]\nward-aggregator.workspace = true\nward-model.workspace = true\n");
            assert_eq!(
                uses(&sample("crates/engine/Cargo.toml", &text)).len(),
                1,
                "{section}"
            );
            assert!(
                uses(&sample("crates/demo/Cargo.toml", &text)).is_empty(),
                "{section}"
            );
        }
    }

    #[test]
    fn a_pure_room_depends_on_nothing_that_touches() {
        let text = "[dependencies]\ntokio-stream.workspace = true\nserde.workspace = true\n";
        assert_eq!(uses(&sample("crates/engine/Cargo.toml", text)).len(), 1);
        assert!(uses(&sample("crates/sdk/Cargo.toml", text)).is_empty());
    }

    #[test]
    fn versions_features_and_lints_of_ones_own_are_found() {
        for (section, dependency, findings) in [
            ("dependencies", "serde.workspace = true", 0),
            ("dependencies", "serde = { workspace = true, optional = true }", 0),
            ("dependencies", "serde = \"1\"", 1),
            (
                "dependencies",
                "serde = { workspace = true, features = [\"rc\"] }",
                1,
            ),
            (
                "dev-dependencies",
                "serde = { workspace = true, features = [\"rc\"] }",
                0,
            ),
            (
                "dev-dependencies",
                "serde = { version = \"1\", features = [\"rc\"] }",
                1,
            ),
        ] {
            let text = format!("{LINTS}[{section}]\n{dependency}\n");
            let found = manifests(&sample("crates/sdk/Cargo.toml", &text));
            assert_eq!(found.len(), findings, "{section} {dependency}");
        }
        assert_eq!(manifests(&sample("crates/sdk/Cargo.toml", "")).len(), 1);
    }

    #[test]
    fn the_map_shows_the_rooms_that_are_there() {
        let with = |text| Files::sample(&[("crates/sdk/Cargo.toml", LINTS), (MAP, text)]);
        assert!(map(&with("`crates/sdk` and the folder `crates/`")).is_empty());
        assert_eq!(map(&with("nothing")).len(), 1);
        assert_eq!(map(&with("crates/sdk crates/attic")).len(), 1);
        assert_eq!(map(&Files::default()).len(), 1);
    }
}
