//! What can be typed. Only that: no command knows how it was spelled.
//!
//! Arguments are checked here as far as they can be without asking anybody, so that a mistake ends with 64 before
//! anything has happened.

use std::{env, ffi::OsStr, net::SocketAddr, path::PathBuf};

use clap::{
    Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use clap_complete::Shell;
use ward_demo::How;
use ward_model::{Name, Status};
use ward_sdk::watch::Level;

use crate::{Exit, Failure, client::Server, output::Out};

/// The aggregator that is asked where none is named.
pub(crate) const DEFAULT_SERVER: &str = "127.0.0.1:7700";

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
  ward explain storefront        and why
  ward status; echo $?           0 healthy, 1 degraded, 2 unhealthy, 3 unknown, 4 nobody answers,
                               64 usage, 70 any other failure")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads the arguments of this process.
    pub(crate) fn read() -> Result<Self, Failure> {
        Self::parsed(environment(Self::command())).map_err(Failure::Parse)
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
    #[command(after_help = "Examples:
  ward demo                              until Ctrl-C
  ward demo --grpc 127.0.0.1:0 --http 127.0.0.1:0
  ward demo break payments --how crash   in a second terminal
  ward demo mend payments")]
    #[command(args_conflicts_with_subcommands = true)]
    Demo(DemoArgs),
    /// One process of the demo's shop
    #[command(hide = true)]
    DemoService(DemoServiceArgs),
    /// Run the aggregator
    #[command(after_help = "Examples:
  ward aggregator
  ward aggregator --data-dir /var/lib/ward --log-format json
  ward aggregator --grpc 0.0.0.0:7700 --insecure   no authentication: anybody may report

It says `listening grpc=ADDR http=ADDR` on standard error once it listens.")]
    Aggregator(AggregatorArgs),
    /// Show the verdict about the system, or one service
    #[command(after_help = "Examples:
  ward status
  ward status payments
  ward status -o json | jq -r '.services[] | select(.condition.status != \"healthy\") | .name'

Ends with 0 healthy, 1 degraded, 2 unhealthy, 3 unknown, 4 aggregator unreachable, 64 usage,
70 any other failure.")]
    Status(StatusArgs),
    /// Tell changes as they happen
    #[command(after_help = "Examples:
  ward watch
  ward watch storefront payments --level instance
  ward watch --least-severity degraded -o json
  ward watch --once                      the present state, line by line

Survives a restart of the aggregator: what comes back unchanged is not told. Ends with 0 at Ctrl-C.")]
    Watch(WatchArgs),
    /// Show why the system, or one service, is as it is
    #[command(after_help = "Examples:
  ward explain
  ward explain storefront
  ward explain storefront -o json")]
    Explain(ExplainArgs),
    /// Print completions for a shell
    #[command(after_help = "Examples:
  ward completions bash > ~/.local/share/bash-completion/completions/ward
  ward completions fish > ~/.config/fish/completions/ward.fish")]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where the aggregator listens for gRPC; port 0 for any
    #[arg(long, value_name = "ADDR", value_parser = loopback, default_value = "127.0.0.1:7700")]
    pub(crate) grpc: SocketAddr,
    /// Where the aggregator listens for HTTP; port 0 for any
    #[arg(long, value_name = "ADDR", value_parser = loopback, default_value = "127.0.0.1:7780")]
    pub(crate) http: SocketAddr,
    #[command(subcommand)]
    pub(crate) action: Option<DemoAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoAction {
    /// Make a service of a running demo ill
    Break {
        /// Which
        name: String,
        /// In which way
        #[arg(long, value_parser = how())]
        how: How,
        #[command(flatten)]
        which: WhichDemo,
    },
    /// Make it well again
    Mend {
        /// Which
        name: String,
        #[command(flatten)]
        which: WhichDemo,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WhichDemo {
    /// The address of the demo's aggregator; the demo started last when left out
    #[arg(long, value_name = "ADDR", env = "WARD_SERVER")]
    pub(crate) server: Option<Server>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoServiceArgs {
    pub(crate) name: String,
    #[arg(long)]
    pub(crate) server: String,
    #[arg(long)]
    pub(crate) registry: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct AggregatorArgs {
    /// Read this file; what is also given here wins
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen here for gRPC [default: 127.0.0.1:7700]
    #[arg(long, value_name = "ADDR")]
    pub(crate) grpc: Option<SocketAddr>,
    /// Listen here for HTTP [default: 127.0.0.1:7780]
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    /// Keep data here
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Listen beyond loopback although nobody is authenticated
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Tell clients the details of internal errors
    #[arg(long)]
    pub(crate) debug: bool,
    /// How log lines look
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One object a line
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// One service, with its instances, checks and signals
    #[arg(value_parser = service)]
    pub(crate) name: Option<Name>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Services to tell of, with the system; all when left out
    #[arg(value_name = "NAME", value_parser = service)]
    pub(crate) names: Vec<Name>,
    /// How deep to look
    #[arg(long, value_enum, default_value_t)]
    pub(crate) level: Depth,
    /// Only what is, or was until now, at least this bad
    #[arg(long, value_name = "STATUS", value_parser = severity(), default_value = "healthy")]
    pub(crate) least_severity: Status,
    /// Tell the present state and end
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Depth {
    /// The system
    System,
    /// And its services
    #[default]
    Service,
    /// And their instances
    Instance,
}

impl From<Depth> for Level {
    fn from(depth: Depth) -> Self {
        match depth {
            Depth::System => Self::System,
            Depth::Service => Self::Service,
            Depth::Instance => Self::Instance,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A service; the system when left out
    #[arg(value_parser = service)]
    pub(crate) name: Option<Name>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// What every command that asks an aggregator takes.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// The aggregator: host:port or http://host:port
    #[arg(
        long,
        value_name = "ADDR",
        env = "WARD_SERVER",
        default_value = DEFAULT_SERVER
    )]
    pub(crate) server: Server,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

/// How data is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and lines for people
    #[default]
    Text,
    /// JSON for programs
    Json,
}

/// Prints what `shell` needs to complete arguments.
pub(crate) fn completions(shell: Shell, out: &mut Out) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ward", &mut script);
    out.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Good)
}

/// The demo has no `--insecure`: it is for looking, on one machine.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let addr: SocketAddr = text.parse().map_err(|error| format!("{error}"))?;
    if addr.ip().to_canonical().is_loopback() {
        return Ok(addr);
    }
    Err("the demo listens on this machine alone, at 127.0.0.1 or [::1]".into())
}

fn service(text: &str) -> Result<Name, String> {
    Name::service(text).map_err(|invalid| format!("a service's name {invalid}"))
}

fn severity() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(Status::ALL.map(Status::as_str)).map(|text| {
        let found = Status::ALL.into_iter().find(|status| status.as_str() == text);
        found.expect("one of the possible values")
    })
}

fn how() -> impl TypedValueParser<Value = How> {
    PossibleValuesParser::new(How::ALL.map(How::as_str))
        .map(|text| text.parse().expect("one of the possible values"))
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
