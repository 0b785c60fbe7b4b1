//! Repository chores: `cargo xtask test`, `check`, `tidy`, `fuzz`, `bench`, `attacks`, `dashboards`, `compose-test`.
//!
//! What the README, a person and the continuous integration call is the same code, so that they cannot drift apart. It
//! installs nothing: what a check needs and does not find is named as not run. Three chores change files: a full run of `attacks`
//! its table in SECURITY.md and the figures in `crates/attacks/results.json`, `fuzz` the lock file of `fuzz/`, and `dashboards`
//! those of Grafana. The obvious
//! alternative, a Makefile or shell scripts, would be one more language to have on the machine, and its rules could not
//! be tested as those of `tidy` are.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command: it speaks to the person who called it"
)]

mod alerting;
mod attacks;
mod bench;
mod check;
mod compose;
mod dashboards;
mod fuzz;
mod ledger;
mod requirement;
mod test;
mod tidy;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};
use clap::{CommandFactory, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  cargo xtask test             all tests, and the checks that need outside programs
  cargo xtask test watch       those with `watch` in their name
  cargo xtask test --long      and those that take minutes, and the fuzz targets
  cargo xtask check            format, lints, docs, tidiness, dependencies, wire contract
  cargo xtask tidy             only the rules that no linter knows; takes a moment
  cargo xtask fuzz --seconds 600 report   one fuzz target, for longer
  cargo xtask bench --quick    see that every benchmark runs; without --quick, measure
  cargo xtask compose-test     the stack of docker-compose.yml, an outage in it, and back
  cargo xtask dashboards       write grafana/dashboards/
  cargo xtask attacks          each guard attacked in full, and the table of SECURITY.md

Environment:
  WARD_REQUIRE_ALL=1, CI=true  what cannot run for want of a program is a failure
  BUF, CARGO_DENY, CARGO_FUZZ, DOCKER, PROMTOOL, AMTOOL
                                where those programs are, if not on PATH

Exit code: 0 all passed, 1 something failed, 2 the command was not understood.";

/// Repository chores.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    chore: Option<Chore>,
}

#[derive(Subcommand)]
enum Chore {
    /// Runs the tests and the checks that need outside programs.
    Test(test::Options),
    /// Checks format, lints, docs, tidiness, dependencies and the wire contract.
    Check,
    /// Checks the rules of the house that no linter knows.
    Tidy,
    /// Runs the fuzz targets of `fuzz/`.
    Fuzz(fuzz::Options),
    /// Measures the limits, Ward and its peers side by side; `cargo xtask bench -- --help` says more.
    Bench(bench::Options),
    /// Attacks a server, with each of its guards and without; `cargo xtask attacks -- --help` says more.
    Attacks(attacks::Options),
    /// Brings the stack of docker-compose.yml up, breaks it, and takes it down again.
    ComposeTest(compose::Options),
    /// Writes Grafana's dashboards, from `crates/xtask/src/dashboards/`.
    Dashboards,
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Some(Chore::Test(options)) => test::run(&options),
        Some(Chore::Check) => check::run(),
        Some(Chore::Tidy) => tidy::run().map(|()| ExitCode::SUCCESS),
        Some(Chore::Fuzz(options)) => fuzz::run(&options),
        Some(Chore::Bench(options)) => bench::run(&options),
        Some(Chore::Attacks(options)) => attacks::run(&options),
        Some(Chore::ComposeTest(options)) => compose::run(&options),
        Some(Chore::Dashboards) => dashboards::run().map(|()| ExitCode::SUCCESS),
        None => Cli::command()
            .print_help()
            .map(|()| ExitCode::SUCCESS)
            .context("cannot print the help"),
    };
    done.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}

/// The top of the repository.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The cargo that runs this, at the top of the repository.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Says what is run, runs it with its output going where ours goes, and fails if it does.
fn succeed(command: &mut Command) -> anyhow::Result<()> {
    announce(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("ended with {status}");
    }
    Ok(())
}

fn announce(command: &Command) {
    let program = PathBuf::from(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(command.get_program())
        .display()
        .to_string();
    let arguments: Vec<_> = command
        .get_args()
        .map(|argument| argument.display().to_string())
        .collect();
    eprintln!("\nxtask: {name} {}", arguments.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_program_that_fails_is_a_failure() {
        assert!(succeed(&mut Command::new("true")).is_ok());
        assert!(succeed(&mut Command::new("false")).is_err());
        assert!(succeed(&mut Command::new("no-such-program")).is_err());
    }
}
