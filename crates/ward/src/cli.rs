//! Which commands there are. What a command takes stands in the module of its name, what several take in `typed`.
//!
//! Arguments are checked as they are parsed, as far as that can be without asking anybody, so that a mistake ends with
//! 64 before anything has happened.

use std::{env, ffi::OsStr};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    Exit, Failure, ack, aggregator, alerts, audit, backup, bench, cert, check, config, demo, explain, forget,
    history, maintenance, output::Out, report, rules, status, token, top, watch,
};

/// Keeps systems of services up and tells the truth about them.
#[derive(Debug, Parser)]
#[command(
    name = "ward",
    version,
    about,
    max_term_width = 110,
    arg_required_else_help = true
)]
#[command(after_help = "Examples:
  ward demo                      run a small shop of real services to break and mend
  ward demo break bank --how slow
  ward watch                     see what follows, as it happens
  ward top                       the same on a whole screen
  ward explain storefront        and why
  ward history storefront        how it was in the last day
  ward alerts                    what fires
  ward ack bank --why \"on it\"   and silence that while somebody works on it
  ward rules replay --since 7d --rules changed.toml
                                 what other rules would have made of the last week
  ward check 127.0.0.1:50051     is this server well? for container health checks
  ward report backup --run -- pg_dump shop
                                 run a job, and tell how it ended
  ward status; echo $?           0 healthy, 1 degraded, 2 unhealthy, 3 unknown, 4 nobody answers,
                               64 usage, 77 not allowed, 70 any other failure")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads the arguments of this process.
    pub(crate) fn read() -> Result<Self, Failure> {
        // There are no options before the command.
        let mistake = match env::args_os().nth(1) {
            Some(command) if command == "check" => check::INVALID,
            _ => Exit::Usage,
        };
        Self::parsed(environment(Self::command())).map_err(|error| Failure::Parse { error, mistake })
    }

    fn parsed(mut command: clap::Command) -> Result<Self, clap::Error> {
        let mut matches = command.try_get_matches_from_mut(env::args_os())?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }
}

/// A variable set to nothing counts as not set, as scripts expect; clap would read an empty address.
fn environment(command: clap::Command) -> clap::Command {
    let says_nothing = |name: &OsStr| env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| match arg.get_env().is_some_and(says_nothing) {
            true => arg.env(None::<&'static str>),
            false => arg,
        })
        .mut_subcommands(environment)
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an aggregator and a small shop of real services
    Demo(demo::DemoArgs),
    /// One process of the demo's shop
    #[command(hide = true)]
    DemoService(demo::DemoServiceArgs),
    /// Run the aggregator
    Aggregator(aggregator::AggregatorArgs),
    /// Show the verdict about the system, or one service
    Status(status::StatusArgs),
    /// Tell changes as they happen
    Watch(watch::WatchArgs),
    /// Follow the system on a whole screen
    Top(top::TopArgs),
    /// Show why the system, or one service, is as it is
    Explain(explain::ExplainArgs),
    /// Show how the system, or one service, was
    History(history::HistoryArgs),
    /// Show which alerts fire, which do not, and why
    Alerts(alerts::AlertsArgs),
    /// Say that somebody works on what fires
    Ack(ack::AckArgs),
    /// Show, test and try alerting rules
    Rules(rules::RulesArgs),
    /// Ask whether a server is well, by grpc.health.v1 or HTTP
    Check(Box<check::CheckArgs>),
    /// Report for a service, from a shell script or a cron job
    Report(Box<report::ReportArgs>),
    /// Say that somebody works on a service
    Maintenance(maintenance::MaintenanceArgs),
    /// Drop a service, or an instance, that is gone for good
    Forget(forget::ForgetArgs),
    /// Check, show or begin a configuration
    Config(config::ConfigArgs),
    /// Show and verify what was decided and done
    Audit(audit::AuditArgs),
    /// Make, show and revoke tokens
    Token(token::TokenArgs),
    /// Keep all that an aggregator remembers, while it runs
    Backup(backup::BackupArgs),
    /// Put back what was kept, while it is stopped
    Restore(backup::RestoreArgs),
    /// Make certificates to try TLS with
    Cert(cert::CertArgs),
    /// Load a running aggregator, to size its machine
    Bench(bench::BenchArgs),
    /// Print completions for a shell
    #[command(after_help = "Examples:
  ward completions bash > ~/.local/share/bash-completion/completions/ward
  ward completions fish > ~/.config/fish/completions/ward.fish")]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Prints what `shell` needs to complete arguments.
pub(crate) fn completions(shell: Shell, out: &mut Out) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ward", &mut script);
    out.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn demo_has_its_own_arguments_or_an_action() {
        assert!(Cli::try_parse_from(["ward", "demo", "--grpc", "127.0.0.1:0"]).is_ok());
        assert!(Cli::try_parse_from(["ward", "demo", "break", "bank", "--how", "hang"]).is_ok());
        assert!(Cli::try_parse_from(["ward", "demo", "break", "bank"]).is_err());
        assert!(Cli::try_parse_from(["ward", "demo", "break", "bank", "--how", "gently"]).is_err());
    }
}
