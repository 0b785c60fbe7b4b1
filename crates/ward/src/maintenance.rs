//! `ward maintenance`: says that somebody works on a service, and that they are done.
//!
//! What that changes is the aggregator's to decide: the status stays as measured, the system is at most degraded by the
//! service meanwhile.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use ward_chassis::Clock;
use ward_model::{Maintenance, Name};
use ward_proto::v1;

use crate::{
    Exit, Failure,
    client::{Client, ClientArgs, ServerArgs, cursor},
    operator,
    output::{Cursor, Escaped, Format, Out, Table, Times, span},
    typed,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward maintenance start payments --why \"new disks\" --for 2h
  ward maintenance list
  ward maintenance end payments")]
pub(crate) struct MaintenanceArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say that somebody works on a service
    ///
    /// Its status is still measured and shown; meanwhile it makes the system degraded at worst. Starting again
    /// replaces what was said before.
    #[command(after_help = "Examples:
  ward maintenance start payments --why \"new disks\" --for 2h
  ward maintenance start bank --why \"moving house\" --by ann     until it is ended")]
    Start(StartArgs),
    /// Say that the work is over
    #[command(after_help = "Examples:
  ward maintenance end payments")]
    End(EndArgs),
    /// Show what is in maintenance, and what will be
    #[command(after_help = "Examples:
  ward maintenance list
  ward maintenance list -o json | jq -r '.active[].service'")]
    List(ClientArgs),
}

#[derive(Debug, Args)]
struct StartArgs {
    /// Which service
    #[arg(value_parser = typed::service)]
    service: Name,
    /// What is being done
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// For how long, such as 90m, 2h or 1d; until it is ended when left out
    #[arg(long = "for", value_name = "TIME", value_parser = typed::duration)]
    duration: Option<Duration>,
    /// Who does it [default: your user's name]
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    #[command(flatten)]
    at: ServerArgs,
}

#[derive(Debug, Args)]
struct EndArgs {
    /// Which service
    #[arg(value_parser = typed::service)]
    service: Name,
    /// Who says so [default: your user's name]
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    #[command(flatten)]
    at: ServerArgs,
}

/// What `list -o json` writes.
#[derive(Debug, Serialize)]
struct Listed {
    server: String,
    cursor: Cursor,
    active: Vec<Maintenance>,
    upcoming: Vec<Maintenance>,
}

pub(crate) async fn run(args: MaintenanceArgs, out: &mut Out) -> Result<Exit, Failure> {
    match args.action {
        Action::Start(args) => start(args, out).await,
        Action::End(args) => end(args, out).await,
        Action::List(args) => list(args, out).await,
    }
}

async fn start(args: StartArgs, out: &mut Out) -> Result<Exit, Failure> {
    let StartArgs {
        service,
        why,
        duration,
        by,
        at,
    } = args;
    let request = v1::StartMaintenanceRequest {
        service: service.to_string(),
        by: by.unwrap_or_else(operator::name),
        why,
        duration_ms: duration.map_or(0, |duration| {
            u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
        }),
    };
    let asked = |mut client: Client| async move {
        match client.grpc.start_maintenance(request).await {
            Ok(answer) => Maintenance::try_from(answer.into_inner().maintenance.unwrap_or_default())
                .map_err(|error| client.invalid(error)),
            Err(status) => Err(client.refused(&status, &service).await),
        }
    };
    let maintenance = at.server.ask(asked).await?;
    let times = Times::here(Clock::start().wall());
    let name = &maintenance.service;
    let until = match maintenance.end {
        Some(end) => format!(
            "until {} ({})",
            times.moment(end),
            span(end.0.saturating_sub(maintenance.start.0))
        ),
        None => format!("until it is ended, with `ward maintenance end {name}`"),
    };
    let (by, why) = (Escaped(&maintenance.by), Escaped(&maintenance.why));
    out.data(&format!("{name} is in maintenance {until}, by {by}: {why}\n"))?;
    Ok(Exit::Good)
}

async fn end(args: EndArgs, out: &mut Out) -> Result<Exit, Failure> {
    let EndArgs { service, by, at } = args;
    let request = v1::EndMaintenanceRequest {
        service: service.to_string(),
        by: by.unwrap_or_else(operator::name),
    };
    let name = service.clone();
    let asked = |mut client: Client| async move {
        match client.grpc.end_maintenance(request).await {
            Ok(_) => Ok(()),
            Err(status) => Err(client.refused(&status, &service).await),
        }
    };
    at.server.ask(asked).await?;
    out.data(&format!("{name} is no longer in maintenance\n"))?;
    Ok(Exit::Good)
}

async fn list(args: ClientArgs, out: &mut Out) -> Result<Exit, Failure> {
    let server = args.server.to_string();
    let listed = args.server.ask(|client| listed(client, server)).await?;
    match args.output {
        Format::Json => out.json(&listed)?,
        Format::Text if listed.active.is_empty() && listed.upcoming.is_empty() => {
            let reader = out.data("nothing is in maintenance\n")?;
            out.note("start one with `ward maintenance start SERVICE --why TEXT --for 2h`");
            reader
        }
        Format::Text => out.data(&text(&listed, &Times::here(Clock::start().wall()), out.width()))?,
    };
    Ok(Exit::Good)
}

async fn listed(mut client: Client, server: String) -> Result<Listed, Failure> {
    let answer = client.grpc.list_maintenance(v1::ListMaintenanceRequest {}).await;
    let answer = answer.map_err(|status| client.failed(&status))?.into_inner();
    let windows = |wire: Vec<v1::Maintenance>| {
        let windows = wire.into_iter().map(Maintenance::try_from);
        windows
            .collect::<Result<_, _>>()
            .map_err(|error| client.invalid(error))
    };
    Ok(Listed {
        server,
        cursor: cursor(answer.cursor),
        active: windows(answer.active)?,
        upcoming: windows(answer.upcoming)?,
    })
}

fn text(listed: &Listed, times: &Times, width: Option<u16>) -> String {
    let mut table = Table::new(width, ["SERVICE", "STATE", "FROM", "UNTIL", "BY", "WHY"]);
    let active = listed.active.iter().map(|window| ("active", window));
    let upcoming = listed.upcoming.iter().map(|window| ("upcoming", window));
    for (state, window) in active.chain(upcoming) {
        let until = window
            .end
            .map_or_else(|| "it is ended".into(), |end| times.moment(end));
        table.row([
            (window.service.to_string(), None),
            (state.into(), None),
            (times.moment(window.start), None),
            (until, None),
            (window.by.clone(), None),
            (window.why.clone(), None),
        ]);
    }
    table.text()
}
