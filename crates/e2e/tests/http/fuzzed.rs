//! schemathesis against the API's own description: what the description allows is taken, what it forbids is refused, and
//! every answer is one that it describes.
//!
//! The program is pinned by `.ci/run`; its path is in `SCHEMATHESIS`, else it is looked for on `PATH`.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::Command,
};

use crate::target::{start, unhurried};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/schemathesis.toml");

fn program() -> Option<PathBuf> {
    if let Some(named) = env::var_os("SCHEMATHESIS") {
        return Some(PathBuf::from(named)).filter(|path| path.is_file());
    }
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join("schemathesis"))
        .find(|path| path.is_file())
}

/// As in tests/interop: told at the end by `cargo xtask test`, and a failure where everything is required.
fn not_run(what: &str) {
    let is_set = |name| env::var(name).is_ok_and(|value| ["1", "true"].contains(&value.as_str()));
    assert!(
        !is_set("WARD_REQUIRE_ALL") && !is_set("CI"),
        "{what} needs schemathesis"
    );
    let line = format!("\nNOT RUN: {what}: no schemathesis\n");
    io::stdout().write_all(line.as_bytes()).unwrap();
}

async fn fuzz(what: &str, arguments: &'static [&'static str]) {
    let Some(program) = program() else {
        return not_run(what);
    };
    let target = start(unhurried()).await;
    let folder = tempfile::tempdir().unwrap();
    let description = target.url("/api/openapi.json");
    let here = folder.path().to_owned();
    let ran = tokio::task::spawn_blocking(move || {
        Command::new(program)
            .args(["--config-file", CONFIGURATION, "run"])
            .args(arguments)
            .arg(description)
            .current_dir(here)
            .output()
            .unwrap()
    });
    let ran = ran.await.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let health = target.client.get(target.url("/livez")).send().await.unwrap();
    assert_eq!(health.status(), 200, "it lives on");
    let told = target.json("/api/v1/system").await;
    assert!(
        told["system"]["services"]["total"].is_u64(),
        "and decides: {told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_true() {
    fuzz("the HTTP API against its description", &["--max-examples", "20"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: 5 min"]
async fn the_description_is_true_under_many_examples() {
    fuzz(
        "the HTTP API against its description, at length",
        &["--max-examples", "1000"],
    )
    .await;
}
