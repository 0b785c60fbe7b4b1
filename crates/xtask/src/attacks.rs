//! `cargo xtask attacks`: the attacks of `crates/attacks`, on a server built as a release is.
//!
//! What may be asked is for that program to say; everything is handed on. Run in full it keeps the figures and writes the
//! table of SECURITY.md.

use std::process::ExitCode;

use crate::{cargo, root, succeed};

/// Handed on as they are.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Attacks, `--short`; `-- --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ATTACK")]
    arguments: Vec<String>,
}

/// Builds and runs them.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    // What it prints is searched for what was injected.
    succeed(&mut cargo(&["build", "--release", "--package", "ward"]))?;
    let mut command = cargo(&["run", "--release", "--package", "ward-attacks", "--"]);
    command.args(&options.arguments);
    if options.arguments.is_empty() {
        let results = root().join("crates/attacks/results.json");
        command.arg("--results").arg(results);
        command.arg("--document").arg(root().join("SECURITY.md"));
    }
    succeed(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
