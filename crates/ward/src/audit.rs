//! `ward audit`: what was decided and done, from the files of the log. Holds nothing up: the log is read beside its writer, or
//! where a copy of it lies. Events are also asked of a running aggregator, wherever that is.

mod ask;
mod place;
mod prove;
mod ship;
mod show;
mod verify;

use clap::{Args, Subcommand};

use crate::{Exit, Failure, output::Out};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward audit list --type restart --since 2h
  ward audit tail --follow --server ward.example.org:7700
  ward audit verify                      is every event there, as it was written?
  ward audit verify --checkpoint kept    and is it still the log that this checkpoint is of?
  ward audit prove 1234 -o 1234.tlog-proof
  ward audit export --since 30d > events.jsonl
  ward audit ship s3://compliance/ward

The log is in the data directory of the aggregator, in `audit`: plain files as C2SP tlog-tiles has them, which other
programs can verify with the key in `key.pub`. Keep a copy of its `checkpoint` elsewhere: it shows later that nothing was
cut or rewritten since.")]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show events, the newest first
    List(show::ListArgs),
    /// Show the last events, and those to come
    Tail(show::TailArgs),
    /// See that nothing in the log was changed, taken out or cut off
    Verify(verify::VerifyArgs),
    /// Make a proof that an event is in the log, for whoever has its key
    Prove(prove::ProveArgs),
    /// Write events as they stand in the log, a line each
    Export(show::ExportArgs),
    /// Copy the log to an object store, or to a directory, where it is written once
    Ship(ship::ShipArgs),
}

pub(crate) async fn run(args: AuditArgs, out: &mut Out) -> Result<Exit, Failure> {
    match args.action {
        Action::List(args) => show::list(&args, out).await,
        Action::Tail(args) => show::tail(&args, out).await,
        Action::Verify(args) => verify::run(&args, out),
        Action::Prove(args) => prove::run(&args, out),
        Action::Export(args) => show::export(&args, out),
        Action::Ship(args) => ship::run(&args, out).await,
    }
}
