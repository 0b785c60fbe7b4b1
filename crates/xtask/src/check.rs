//! `cargo xtask check`: everything that can be said about the repository without running it.
//!
//! The format first, being the quickest; then the rules of the house, the wire contract and the dependencies; then what
//! has to compile.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use crate::{
    alerting, cargo,
    ledger::Ledger,
    requirement::{BUF, CARGO_DENY},
    root, succeed, tidy,
};

/// The name of the step that lints `proto/`.
pub(crate) const WIRE_CONTRACT: &str = "wire contract";

/// Runs all checks.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let mut ledger = Ledger::open("check");
    ledger.run("format", || succeed(&mut cargo(&["fmt", "--all", "--check"])));
    ledger.run("tidy", tidy::run);
    wire_contract(&mut ledger);
    alerting::check(&mut ledger);
    dependencies(&mut ledger);
    ledger.run("lints", || {
        succeed(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-features",
            "--all-targets",
            "--keep-going",
            "--",
            "-D",
            "warnings",
        ]))
    });
    ledger.run("docs", || {
        succeed(
            cargo(&["doc", "--workspace", "--all-features", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
        )
    });
    Ok(ledger.close(""))
}

/// The dependencies are what `deny.toml` allows.
///
/// Whether one of them has a known vulnerability is asked only where the database of those can be had: that depends on
/// the network and on the day, not on the change at hand.
fn dependencies(ledger: &mut Ledger) {
    let deny = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root());
        command
    };
    ledger.run_with("dependencies", &CARGO_DENY, |program| {
        succeed(&mut deny(
            program,
            &["check", "--hide-inclusion-graph", "bans", "licenses", "sources"],
        ))
    });
    let Some(program) = CARGO_DENY.find() else { return };
    match deny(&program, &["fetch", "db"]).output() {
        Ok(fetched) if fetched.status.success() => ledger.run("advisories", || {
            succeed(&mut deny(&program, &["check", "advisories"]))
        }),
        _ => ledger.not_run(
            "advisories",
            "the advisory database of RustSec could not be fetched",
            false,
        ),
    }
}

/// The wire contract keeps the rules of `proto/buf.yaml`.
pub(crate) fn wire_contract(ledger: &mut Ledger) {
    ledger.run_with(WIRE_CONTRACT, &BUF, |program| {
        succeed(Command::new(program).args(["lint", "proto"]).current_dir(root()))
    });
}
