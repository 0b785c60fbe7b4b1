//! `ward rules test`: runs written histories by the rules of a configuration, as `promtool test rules` does. Asks no
//! aggregator.
//!
//! How a history is written stands in `ward_alerts::written`. It ends with 1 if something is other than expected, as promtool.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;
use ward_alerts::{
    RuleSet,
    written::{self, FILE_BYTES, Missed, Outcome},
};
use ward_config::changed_rules;

use super::in_force;
use crate::{
    Exit, Failure, config,
    output::{Escaped, FAILED, Format, GOOD, Out, paint},
};

/// What it ends with if something is other than expected: as promtool does.
const MISSED: Exit = Exit::As(1);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward rules test histories.toml                          by the shipped rules
  ward rules test histories/*.toml --config ward.toml
  ward rules test histories.toml --rules changed.toml     before they are in force

A history says what happens when, and which alerts are expected of it:
  [[test]]
  name = \"a bank that breaks is one page\"
  [test.at.10s]
  bank = \"unhealthy\"
  checkout = { status = \"unhealthy\", causes = [\"bank\"] }
  [test.at.40s]
  expect.firing = [\"bank/ServiceUnhealthy\"]
  expect.suppressed = { \"checkout/ServiceUnhealthy\" = \"bank/ServiceUnhealthy\" }

Ends with 0 if all is as expected, 1 if something is not, 64 if a file is not as it must be.")]
pub(super) struct TestArgs {
    /// Files with written histories
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The configuration with the rules [env: WARD_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file of rules over those of the configuration, or a whole ward.toml
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// How one test went. What `-o json` writes of each.
#[derive(Debug, Serialize)]
struct Tested {
    file: String,
    line: usize,
    name: String,
    passed: bool,
    missed: Vec<Other>,
}

/// Something that is other than expected.
#[derive(Debug, Serialize)]
struct Other {
    line: usize,
    at_ms: u128,
    message: String,
}

pub(super) fn run(args: &TestArgs, out: &mut Out) -> Result<Exit, Failure> {
    let rules = rules(args)?;
    // All of them are read before one is run: a slip in the last is found at once.
    let read = |file: &PathBuf| Ok((file.to_string_lossy().into_owned(), histories(file, out)?));
    let histories: Vec<(String, Option<written::Tests>)> =
        args.files.iter().map(read).collect::<Result<_, Failure>>()?;
    let mut tested = Vec::new();
    for (file, tests) in histories {
        let Some(tests) = tests else {
            return Err(Failure::Usage(
                "nothing was run: a file is not as it must be".to_owned(),
            ));
        };
        let outcomes = written::run(&tests, &rules).into_iter();
        tested.extend(outcomes.map(|outcome| Tested::new(&file, outcome)));
    }
    match args.output {
        Format::Json => out.json(&tested)?,
        Format::Text => out.data(&text(&tested))?,
    };
    let passed = tested.iter().all(|test| test.passed);
    Ok(if passed { Exit::Good } else { MISSED })
}

fn rules(args: &TestArgs) -> Result<RuleSet, Failure> {
    let base = in_force::loaded(args.config.clone())?.settings.alerting.rules;
    match &args.rules {
        Some(file) => Ok(changed_rules(file, &base, config::variables())?),
        None => Ok(base),
    }
}

/// `None` after saying all that is wrong in it.
fn histories(file: &Path, out: &mut Out) -> Result<Option<written::Tests>, Failure> {
    let shown = Escaped(&file.to_string_lossy()).to_string();
    let text = read(file).map_err(|error| Failure::Usage(format!("cannot read {shown}: {error:#}")))?;
    match written::parse(&text) {
        Ok(tests) => Ok(Some(tests)),
        Err(wrong) => {
            for wrong in wrong {
                let help = wrong
                    .help
                    .iter()
                    .map(|help| format!(" ({help})"))
                    .collect::<String>();
                let said = format!("{}{help}", wrong.message);
                out.error(&format!("{shown}:{}: {}", wrong.line, Escaped(&said)));
            }
            Ok(None)
        }
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let most = FILE_BYTES as u64;
    let mut text = String::new();
    File::open(file)?.take(most + 1).read_to_string(&mut text)?;
    match text.len() as u64 > most {
        true => Err(anyhow!("it has more than {} MiB", most >> 20)),
        false => Ok(text),
    }
}

impl Tested {
    fn new(file: &str, outcome: Outcome) -> Self {
        Self {
            file: file.to_owned(),
            line: outcome.line,
            passed: outcome.passed(),
            name: outcome.name,
            missed: outcome.missed.into_iter().map(Other::from).collect(),
        }
    }
}

impl From<Missed> for Other {
    fn from(Missed { line, at, message }: Missed) -> Self {
        let at_ms = at.as_millis();
        Self { line, at_ms, message }
    }
}

/// A line for each test, with what it missed below; how many there were at the end.
fn text(tested: &[Tested]) -> String {
    let mut text: String = tested.iter().map(lines).collect();
    let failed = tested.iter().filter(|test| !test.passed).count();
    let tests = if tested.len() == 1 { "test" } else { "tests" };
    text.push_str(&match failed {
        0 => format!("{} {tests}, all as expected\n", tested.len()),
        failed => format!("{} {tests}, {failed} other than expected\n", tested.len()),
    });
    text
}

fn lines(test: &Tested) -> String {
    let (file, name) = (Escaped(&test.file), Escaped(&test.name));
    let word = match test.passed {
        true => paint(GOOD, "ok    "),
        false => paint(FAILED, "FAILED"),
    };
    let missed = test.missed.iter().map(|missed| {
        let at = Duration::from_millis(u64::try_from(missed.at_ms).unwrap_or(u64::MAX));
        let (line, at, said) = (missed.line, ward_config::written(at), Escaped(&missed.message));
        format!("        {file}:{line}, at {at}: {said}\n")
    });
    format!("{word}  {file}:{}  {name}\n", test.line) + &missed.collect::<String>()
}
