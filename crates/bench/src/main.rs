//! `cargo xtask bench`: the limits, Ward and its peers, measured side by side in one run.
//!
//! It prints a table and judges goals; it never fails because of a number. What it needs and does not find (a peer that
//! is not installed) is named. Criterion was not taken: it measures one thing against its own past, and what counts here
//! is two things at the same moment.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command: it speaks to the person who called it"
)]

mod estimate;
mod fleet;
mod flipper;
mod flow;
mod goal;
mod item;
mod items;
mod machine;
mod peer;
mod product;
mod progress;
mod reporters;
mod serve;
mod server;
mod table;
mod watchers;

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail, ensure};
use clap::{Parser, Subcommand};

use item::{Effort, Row};
use items::{ALL, Item};
use progress::Progress;

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench                        everything; about half an hour on two quiet cores
  cargo xtask bench B1 B2                  some items
  cargo xtask bench --glance B6            one round at full size and at once, while working on it
  cargo xtask bench --quick                see that everything runs; the figures prove nothing
  cargo xtask bench --json results.json    keep the figures

Peers are measured where they are installed:
  apt-get install etcd-server redis-server nats-server prometheus-pushgateway";

/// Measure the limits, Ward and its peers, side by side.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench", after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Cli {
    /// Items to measure, such as B3; all when left out
    #[arg(value_name = "ITEM")]
    items: Vec<String>,
    /// See that everything runs; the figures prove nothing
    #[arg(long)]
    quick: bool,
    /// Take one round at full size, whatever else the machine does; the figures are for a look
    #[arg(long, conflicts_with = "quick")]
    glance: bool,
    /// Write the rows here as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Print a kept run as the table of BENCHMARKS.md
    Markdown {
        /// What `--json` wrote
        #[arg(value_name = "FILE")]
        kept: PathBuf,
    },
    /// One of the servers that are measured, for the harness itself
    #[command(subcommand, hide = true)]
    Serve(serve::Serve),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.role {
        Some(Role::Serve(serve)) => serve.run(),
        Some(Role::Markdown { kept }) => table::read(&kept).map(|rows| print!("{}", table::markdown(&rows))),
        None => measure(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli) -> anyhow::Result<()> {
    let items = chosen(&cli.items)?;
    let effort = match (cli.quick, cli.glance) {
        (true, _) => Effort::QUICK,
        (_, true) => Effort::GLANCE,
        _ => Effort::FULL,
    };
    machine::pin(machine::client_core())?;
    machine::raise_descriptors()?;
    missing_peers()?;
    println!(
        "Ward's bounds are raised for one client that is a whole fleet: {}.",
        serve::RAISED
    );
    let progress = Progress::new(items.len());
    let mut rows = Vec::new();
    let mut failed = 0;
    for item in items {
        progress.begin(item.id, item.what);
        match run(item, effort, &progress) {
            Ok(more) => rows.extend(more),
            // The others are worth half an hour all the same.
            Err(error) => {
                failed += 1;
                progress.say(&format!("bench: {error:#}"));
            }
        }
        progress.done();
        // A stop half way keeps what was measured.
        if let Some(path) = &cli.json {
            table::write(&rows, path)?;
        }
    }
    progress.finish();
    println!("{}", table::table(&rows));
    if cli.quick {
        println!("Quick: each subject ran once, briefly. The figures prove nothing.");
    }
    if cli.glance {
        println!("A glance: one round, on a machine that may be busy. The figures are for a look.");
    }
    ensure!(failed == 0, "{failed} items could not be measured, see above");
    Ok(())
}

/// Names the peers that are not there; a failure where everything is asked for.
fn missing_peers() -> anyhow::Result<()> {
    let missing: Vec<_> = peer::ALL.iter().filter_map(|program| program.missing()).collect();
    missing.iter().for_each(|missing| println!("{missing}"));
    if !missing.is_empty() && env::var_os("WARD_REQUIRE_ALL").is_some_and(|value| value == "1") {
        bail!("with WARD_REQUIRE_ALL=1 no peer may be missing");
    }
    Ok(())
}

fn run(item: Item, effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    (item.run)(effort, progress).with_context(|| format!("measure {}", item.id))
}

fn chosen(wanted: &[String]) -> anyhow::Result<Vec<Item>> {
    let known = |id: &String| ALL.iter().any(|item| item.id.eq_ignore_ascii_case(id));
    if let Some(unknown) = wanted.iter().find(|id| !known(id)) {
        let ids: Vec<_> = ALL.iter().map(|item| item.id).collect();
        bail!("no item {unknown}: there are {}", ids.join(", "));
    }
    let all = wanted.is_empty();
    let is_wanted = |item: &&Item| all || wanted.iter().any(|id| item.id.eq_ignore_ascii_case(id));
    Ok(ALL.iter().filter(is_wanted).copied().collect())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_an_unknown_item_is_named() {
        Cli::command().debug_assert();
        assert_eq!(chosen(&["b3".to_owned()]).unwrap().len(), 1);
        let error = chosen(&["B99".to_owned()]).err().unwrap().to_string();
        assert!(error.starts_with("no item B99: there are "), "{error}");
    }
}
