//! `cargo xtask test`: every test there is, with `cargo test`, and what only an outside program can tell.
//!
//! Cargo's output is passed on line by line, as it comes, and counted on the way. A test that lacks a program says so in
//! a line of its own, past libtest's capture, and is named at the end. It does not use cargo-nextest, which
//! would be one more thing to install and runs no doctests.

use std::{
    io::{BufRead, BufReader},
    process::{ExitCode, Stdio},
};

use anyhow::{Context, bail};

use crate::{announce, cargo, check, fuzz, ledger::Ledger, succeed, tidy};

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Also the tests that take minutes (`#[ignore = "long: ..."]`), and the fuzz targets.
    #[arg(long)]
    long: bool,
    /// Only what has this in its name.
    filter: Option<String>,
}

impl Options {
    fn wants(&self, step: &str) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| step.contains(filter.as_str()))
    }

    fn arguments<'a>(&'a self, roles: &'a [String]) -> Vec<&'a str> {
        let mut arguments = vec!["test", "--workspace", "--all-features", "--no-fail-fast"];
        arguments.extend(self.filter.as_deref());
        if self.long {
            arguments.extend(["--", "--include-ignored"]);
            arguments.extend(roles.iter().flat_map(|role| ["--skip", role.as_str()]));
        }
        arguments
    }
}

/// Runs the tests. Cargo's come last, so that its closing lines stand right above the summary.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut ledger = Ledger::open("test");
    if options.wants(check::WIRE_CONTRACT) {
        check::wire_contract(&mut ledger);
    }
    let mut counts = Counts::default();
    ledger.run("cargo test", || run_cargo(options, &mut counts));
    let Counts {
        programs,
        passed,
        failed,
        long,
        not_run,
    } = counts;
    for why in &not_run {
        ledger.not_run("test", why, true);
    }
    if options.long && options.wants(fuzz::FUZZ) {
        fuzz::fuzz(&mut ledger, fuzz::SECONDS, None);
    }
    let left_out = if long > 0 {
        format!("; {long} long ones left out, --long runs them")
    } else {
        String::new()
    };
    Ok(ledger.close(&format!(
        ", {passed} tests passed, {failed} failed, in {programs} programs{left_out}"
    )))
}

/// Builds all programs and tests first: the tests of the whole system start the `ward` program, and cargo builds that
/// only for the tests of its own package.
fn run_cargo(options: &Options, counts: &mut Counts) -> anyhow::Result<()> {
    succeed(&mut cargo(&[
        "build",
        "--workspace",
        "--all-features",
        "--lib",
        "--bins",
        "--tests",
    ]))
    .context("cannot build the tests")?;
    let roles = tidy::roles()?;
    let mut command = cargo(&options.arguments(&roles));
    announce(&command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let output = child
        .stdout
        .take()
        .context("cargo was started without an output")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read what cargo says")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        counts.add(&line);
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!("ended with {status}");
    }
    if counts.passed == 0 && !options.wants(check::WIRE_CONTRACT) {
        bail!(
            "no test has {} in its name",
            options.filter.as_deref().unwrap_or_default()
        );
    }
    Ok(())
}

/// What the lines about results add up to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    programs: u32,
    passed: u32,
    failed: u32,
    /// Left out for being long.
    long: u32,
    /// What tests say that they did not do, and why: a line or two for each program that can be missing.
    not_run: Vec<String>,
}

/// How a test says so.
const NOT_RUN: &str = "NOT RUN: ";

impl Counts {
    fn add(&mut self, line: &str) {
        self.long += u32::from(line.starts_with("test ") && line.contains(" ... ignored, long: "));
        self.not_run.extend(line.strip_prefix(NOT_RUN).map(str::to_owned));
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let words: Vec<&str> = result.split_whitespace().collect();
        let count = |of: &str| {
            let at = words.iter().position(|word| *word == of)?;
            words.get(at.checked_sub(1)?)?.parse::<u32>().ok()
        };
        self.programs += 1;
        self.passed += count("passed;").unwrap_or(0);
        self.failed += count("failed;").unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_add_up() {
        let mut counts = Counts::default();
        for line in [
            "running 4 tests",
            "test of_a_fleet ... ignored, long: 3 min",
            "test be_a_server ... ignored, role: of the attacks",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test that says test result: ok. 9 passed; ... ok",
            "NOT RUN: blackbox_exporter: no program of that name",
            "test that says NOT RUN: nothing ... ok",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 5 filtered out; finished in 1.00s",
        ] {
            counts.add(line);
        }
        assert_eq!(
            counts,
            Counts {
                programs: 2,
                passed: 5,
                failed: 1,
                long: 1,
                not_run: vec!["blackbox_exporter: no program of that name".to_owned()],
            }
        );
    }

    #[test]
    fn a_filter_holds_for_tests_and_for_outside_checks() {
        let options = Options {
            long: true,
            filter: Some("wire".into()),
        };
        assert_eq!(
            options.arguments(&["be_a_server".into()]),
            [
                "test",
                "--workspace",
                "--all-features",
                "--no-fail-fast",
                "wire",
                "--",
                "--include-ignored",
                "--skip",
                "be_a_server"
            ]
        );
        assert!(options.wants(check::WIRE_CONTRACT));
        assert!(
            !Options {
                long: false,
                filter: Some("watch".into())
            }
            .wants(check::WIRE_CONTRACT)
        );
    }
}
