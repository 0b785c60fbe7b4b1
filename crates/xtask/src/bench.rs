//! `cargo xtask bench`: the benchmarks of `crates/bench`, built as a release is.
//!
//! What may be asked is for that program to say; everything is handed on. It never fails because of a number.

use std::process::ExitCode;

use crate::{cargo, succeed};

/// Handed on as they are.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Items, `--quick`, `--json FILE`; `-- --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ITEM")]
    arguments: Vec<String>,
}

/// Builds and runs them.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    // Some items are about the program itself.
    succeed(&mut cargo(&["build", "--release", "--package", "ward"]))?;
    let mut command = cargo(&["run", "--release", "--package", "ward-bench", "--"]);
    succeed(command.args(&options.arguments))?;
    Ok(ExitCode::SUCCESS)
}
