//! `ward rules`: the rules that alerts come from: which there are, what written histories make of them, and what the last days
//! would have been with others.
//!
//! Nothing here changes what is in force: that is done in `ward.toml`.

mod in_force;
mod list;
mod replay;
mod test;

use clap::{Args, Subcommand};

use crate::{Exit, Failure, output::Out};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward rules list --config ward.toml
  ward rules test histories.toml --config ward.toml
  ward rules replay --since 7d                          what fired, and what was withheld and why
  ward rules replay --since 7d --rules changed.toml     and what would have been otherwise")]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the rules of a configuration
    List(list::ListArgs),
    /// Run written histories, and see that the rules make the alerts of them that are expected
    Test(test::TestArgs),
    /// Replay what an aggregator saw, by the rules in force and by others
    Replay(Box<replay::ReplayArgs>),
}

pub(crate) async fn run(args: RulesArgs, out: &mut Out) -> Result<Exit, Failure> {
    match args.action {
        Action::List(args) => list::run(args, out),
        Action::Test(args) => test::run(&args, out),
        Action::Replay(args) => replay::run(*args, out).await,
    }
}
