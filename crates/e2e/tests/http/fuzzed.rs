//! schemathesis against the API's own description: what the description allows is taken, what it forbids is refused, and
//! every answer is one that it describes.
//!
//! The program is pinned by `.ci/run`; its path is in `SCHEMATHESIS`, else it is looked for on `PATH`.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::{Command, Output},
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

/// Python's own, fixed in 3.11.9 and 3.12.3 (<https://github.com/python/cpython/issues/106905>): now and then it trips over
/// itself, and says nothing about the API.
const PYTHONS_MISTAKE: &str = "AST constructor recursion depth mismatch";
/// How often that is let pass before it is a failure all the same.
const ATTEMPTS: usize = 3;

async fn fuzz(what: &str, arguments: &'static [&'static str]) {
    let Some(program) = program() else {
        return not_run(what);
    };
    let target = start(unhurried()).await;
    let folder = tempfile::tempdir().unwrap();
    let description = target.url("/api/openapi.json");
    let here = folder.path().to_owned();
    let ran = tokio::task::spawn_blocking(move || {
        let run = || {
            let mut command = Command::new(&program);
            command.args(["--config-file", CONFIGURATION, "run"]);
            command.args(arguments).arg(&description).current_dir(&here);
            command.output().unwrap()
        };
        let tripped = |ran: &Output| String::from_utf8_lossy(&ran.stdout).contains(PYTHONS_MISTAKE);
        let mut ran = run();
        for _ in 1..ATTEMPTS {
            if !tripped(&ran) {
                break;
            }
            ran = run();
        }
        ran
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
