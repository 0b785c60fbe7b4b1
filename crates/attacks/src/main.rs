//! `cargo xtask attacks`: all attacks in full, and the table of SECURITY.md.
//!
//! It prints each row as it is done, and fails if a guard does not hold, with the table written all the same: what is
//! missed is to be read there.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command: it speaks to the person who called it"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail, ensure};
use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;
use ward_attacks::{ALL, Attack, Row, Setup, Size, table};

const EXAMPLES: &str = "\
Examples:
  cargo xtask attacks                        all of them in full; about a quarter of an hour
  cargo xtask attacks pings rapid-reset      some, to look at; nothing is written
  cargo xtask attacks --short                as in the tests; nothing is written
  cargo xtask attacks --results r.json --document SECURITY.md
                                             where to write, as is done without arguments";

/// Attack a server, with each of its guards and without.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask attacks", after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Cli {
    /// Attacks, such as rapid-reset; all when left out
    #[arg(value_name = "ATTACK")]
    attacks: Vec<String>,
    /// Run them as the tests do
    #[arg(long)]
    short: bool,
    /// Keep the figures here, as JSON, in the place of those before
    #[arg(long, value_name = "FILE", conflicts_with = "short")]
    results: Option<PathBuf>,
    /// Write the table of all that is kept here
    #[arg(long, value_name = "FILE", requires = "results")]
    document: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Print a kept run as the table of SECURITY.md
    Markdown {
        /// What `--results` wrote
        #[arg(value_name = "FILE")]
        kept: PathBuf,
    },
    /// The server that is attacked, for the harness itself
    #[command(hide = true)]
    Serve {
        /// How it is set up, as JSON
        setup: String,
        /// Its data
        data_dir: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.role {
        Some(Role::Serve { setup, data_dir }) => serve(setup, data_dir),
        Some(Role::Markdown { kept }) => table::read(kept).map(|run| print!("{}", run.markdown())),
        None => attack(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("attacks: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(setup: &str, data_dir: &Path) -> anyhow::Result<()> {
    let setup: Setup = serde_json::from_str(setup).context("understand the setup")?;
    fs::create_dir_all(data_dir)?;
    Runtime::new()?.block_on(ward_attacks::serve(setup, data_dir))
}

fn attack(cli: &Cli) -> anyhow::Result<()> {
    let chosen = chosen(&cli.attacks)?;
    let size = if cli.short { Size::Short } else { Size::Full };
    let program = env::current_exe().context("find this program")?;
    let runtime = ward_attacks::attackers()?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (at, attack) in chosen.iter().enumerate() {
        eprintln!(
            "{} of {}: {} ({})",
            at + 1,
            chosen.len(),
            attack.name,
            attack.what
        );
        // A task, so that it runs on the threads of the attackers, and not on this one.
        let (attack, program) = (**attack, program.clone());
        let run = runtime.block_on(runtime.spawn(async move { attack.run(&program, size).await }))?;
        match run {
            Ok(row) => {
                show(&row, size);
                // A stop half way keeps what was measured.
                if size == Size::Full {
                    keep(cli, &row)?;
                }
                rows.push(row);
            }
            // The others are worth a quarter of an hour all the same.
            Err(error) => {
                println!("  FAILED: {error:#}");
                failed.push(attack.name);
            }
        }
    }
    ensure!(failed.is_empty(), "could not be run: {}", failed.join(", "));
    let missed = rows.iter().filter(|row| !row.misses(size).is_empty()).count();
    ensure!(missed == 0, "{missed} guards do not hold, see above");
    Ok(())
}

/// Puts the row among those that are kept, in the place of the one before it.
fn keep(cli: &Cli, row: &Row) -> anyhow::Result<()> {
    let Some(path) = &cli.results else {
        return Ok(());
    };
    let now = ward_chassis::Clock::start().wall();
    let mut rows = if path.exists() {
        table::read(path)?.rows
    } else {
        Vec::new()
    };
    rows.retain(|kept| kept.name != row.name);
    rows.push(row.clone());
    let place = |row: &Row| ALL.iter().position(|attack| attack.name == row.name);
    rows.retain(|row| place(row).is_some());
    rows.sort_by_key(place);
    let date = jiff::Timestamp::from_millisecond(now.0)?.strftime("%Y-%m-%d");
    let run = table::Run {
        date: date.to_string(),
        machine: ward_attacks::describe(),
        rows,
    };
    table::write(&run, path)?;
    match &cli.document {
        Some(document) => table::write_document(&run, document),
        None => Ok(()),
    }
}

fn show(row: &Row, size: Size) {
    for line in row.lines() {
        println!("  {line}");
    }
    for missed in row.misses(size) {
        println!("  MISSED: {missed}");
    }
}

fn chosen(wanted: &[String]) -> anyhow::Result<Vec<&'static Attack>> {
    let known = |name: &String| ALL.iter().any(|attack| attack.name == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let names: Vec<_> = ALL.iter().map(|attack| attack.name).collect();
        bail!("no attack {unknown}: there are {}", names.join(", "));
    }
    let is_wanted = |attack: &&Attack| wanted.is_empty() || wanted.iter().any(|name| attack.name == name);
    Ok(ALL.iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_an_unknown_attack_is_named() {
        Cli::command().debug_assert();
        assert_eq!(chosen(&["pings".to_owned()]).unwrap().len(), 1);
        let error = chosen(&["poetry".to_owned()]).err().unwrap().to_string();
        assert!(error.starts_with("no attack poetry: there are "), "{error}");
    }
}
