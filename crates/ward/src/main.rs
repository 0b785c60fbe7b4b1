//! The one binary. It parses, builds, waits and exits.
//!
//! What a command does stands in the module of its name; what Ward does stands in the rooms below. `main` returns an
//! exit code instead of ending the process, so that everything on the way is dropped in order.

mod access;
mod ack;
mod aggregator;
mod alerts;
mod audit;
mod backup;
mod bench;
mod cert;
mod check;
mod cli;
mod client;
mod config;
mod data;
mod demo;
mod explain;
mod failure;
mod forget;
mod history;
mod log;
mod maintenance;
mod near;
mod operator;
mod output;
mod progress;
mod report;
mod rules;
mod status;
mod token;
mod top;
mod typed;
mod watch;

use std::{process::ExitCode, time::Duration};

use cli::{Cli, Command};
use failure::{Exit, Failure};
use output::Out;
use tokio::runtime;

/// How long what still runs when a command is done may take to end. A thread that writes to a pipe nobody reads never
/// does, and must not hold the process up.
const LEAVING: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let mut out = Out::new();
    let done = Cli::read().and_then(|cli| run(cli.command, &mut out));
    done.unwrap_or_else(|failure| failure.tell(&mut out)).into()
}

fn run(command: Command, out: &mut Out) -> Result<Exit, Failure> {
    let mut runtime = match command {
        // Started every few seconds, or beside every job, on machines that have other things to do.
        Command::Check(_) | Command::Report(_) => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build().map_err(Failure::runtime)?;
    let done = runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(args, out).await,
            Command::DemoService(args) => demo::service(args).await,
            Command::Aggregator(args) => aggregator::run(args, out).await,
            Command::Status(args) => status::run(args, out).await,
            Command::Watch(args) => watch::run(args).await,
            Command::Top(args) => top::run(args).await,
            Command::Explain(args) => explain::run(args, out).await,
            Command::Alerts(args) => alerts::run(args, out).await,
            Command::Ack(args) => ack::run(args, out).await,
            Command::Rules(args) => rules::run(args, out).await,
            Command::Check(args) => Ok(check::run(args, out).await),
            Command::Report(args) => report::run(*args, out).await,
            Command::Bench(args) => bench::run(args, out).await,
            Command::Maintenance(args) => maintenance::run(args, out).await,
            Command::History(args) => history::run(args, out).await,
            Command::Forget(args) => forget::run(args, out).await,
            Command::Backup(args) => backup::run(args, out).await,
            Command::Restore(args) => backup::restore(args, out).await,
            Command::Config(args) => config::run(args, out),
            Command::Audit(args) => audit::run(args, out).await,
            Command::Token(args) => token::run(args, out),
            Command::Cert(args) => cert::run(args, out),
            Command::Completions { shell } => cli::completions(shell, out),
        }
    });
    runtime.shutdown_timeout(LEAVING);
    done
}
