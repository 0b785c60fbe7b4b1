//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer, one after the other, for so long each.
//!
//! What is kept in `fuzz/corpus/` is where it begins; what it finds beside that goes to `target/fuzz/found/`, for a person
//! to choose from. An input that fails stays in `fuzz/artifacts/`: mend it, and keep the input in the corpus, which every
//! `cargo test` tries. No sanitizer: there is no unsafe code to look after, and without it twice as much is tried.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};

use crate::{ledger::Ledger, requirement::CARGO_FUZZ, root, succeed};

/// The name of the step.
pub(crate) const FUZZ: &str = "fuzz";
/// For each target, unless told: beyond that a run finds little that the last one did not.
pub(crate) const SECONDS: u32 = 120;
/// Longest input, in bytes. What is wrong with longer ones is wrong with these, and the bounds have tests.
const INPUT_BYTES: u32 = 8_192;
/// Longest that one input may take: a thousand times what the slowest takes.
const INPUT_SECONDS: u32 = 5;

/// What to fuzz.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// For so long each
    #[arg(long, default_value_t = SECONDS)]
    seconds: u32,
    /// Only this one
    target: Option<String>,
}

/// Runs the targets.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut ledger = Ledger::open(FUZZ);
    fuzz(&mut ledger, options.seconds, options.target.as_deref());
    Ok(ledger.close(""))
}

/// All targets, or `only` one, as a step.
pub(crate) fn fuzz(ledger: &mut Ledger, seconds: u32, only: Option<&str>) {
    ledger.run_with(FUZZ, &CARGO_FUZZ, |program| {
        // What is fuzzed is what is shipped: the same versions.
        fs::copy(root().join("Cargo.lock"), root().join("fuzz/Cargo.lock"))
            .context("cannot copy Cargo.lock")?;
        let targets = targets(only)?;
        let mut failed = Vec::new();
        for target in targets {
            if let Err(error) = one(program, &target, seconds) {
                failed.push(format!("{target} ({error:#}): see fuzz/artifacts/{target}"));
            }
        }
        if failed.is_empty() {
            Ok(())
        } else {
            bail!("{}", failed.join(", "))
        }
    });
}

/// The targets there are, by their files; of those, `only` one.
fn targets(only: Option<&str>) -> anyhow::Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let listed = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let stem = |entry: fs::DirEntry| Some(entry.path().file_stem()?.to_str()?.to_owned());
    let mut known: Vec<_> = listed.filter_map(Result::ok).filter_map(stem).collect();
    known.sort();
    match only {
        None => Ok(known),
        Some(only) if known.iter().any(|target| target == only) => Ok(vec![only.to_owned()]),
        Some(only) => bail!("there is no target {only}, expected one of {}", known.join(", ")),
    }
}

fn one(program: &Path, target: &str, seconds: u32) -> anyhow::Result<()> {
    let made = root().join("target/fuzz");
    let found = made.join("found").join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    succeed(&mut command(program, &made, target, seconds))
}

/// libFuzzer writes what it finds into the first of the corpora it is given.
fn command(program: &Path, made: &Path, target: &str, seconds: u32) -> Command {
    let folder = |path: PathBuf| path.into_os_string();
    let mut command = Command::new(program);
    command
        .args(["run", "--sanitizer", "none", "--fuzz-dir"])
        .arg(folder(root().join("fuzz")))
        .arg("--target-dir")
        .arg(made)
        .arg(target)
        .arg(folder(made.join("found").join(target)))
        .arg(folder(root().join("fuzz/corpus").join(target)))
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_BYTES}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        // How many were tried, instead of a line for each that is new.
        .args(["-verbosity=0", "-print_final_stats=1"])
        .current_dir(root())
        // Coverage is a flag of rustc that only nightly takes, unless told so.
        .env("RUSTC_BOOTSTRAP", "1");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_known_by_their_files() {
        let all = targets(None).unwrap();
        assert!(all.contains(&"report".to_owned()), "{all:?}");
        assert_eq!(targets(Some("report")).unwrap(), ["report"]);
        assert!(targets(Some("reprot")).is_err());
    }

    #[test]
    fn what_is_kept_is_never_written_to() {
        let command = command(Path::new("cargo-fuzz"), Path::new("made"), "report", 3);
        let arguments: Vec<_> = command
            .get_args()
            .map(|argument| argument.to_str().unwrap())
            .collect();
        let at = |end: &str| {
            arguments
                .iter()
                .position(|argument| argument.ends_with(end))
                .unwrap()
        };
        assert!(at("found/report") < at("corpus/report"));
        assert!(arguments.contains(&"-max_total_time=3"));
    }
}
