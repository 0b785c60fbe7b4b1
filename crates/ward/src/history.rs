//! `ward history`: how the system, or a service, was: a bar to see it at a glance, uptime, and what happened when.

mod bar;
mod text;

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tonic::Code;
use ward_chassis::Clock;
use ward_model::{History, Name, Wall};
use ward_proto::v1;

use crate::{
    Exit, Failure,
    client::{Client, ClientArgs},
    near,
    output::{Format, Out, Times},
    typed,
};

/// How far it goes back unless told.
const SINCE: &str = "24h";
/// Most spans that a table has unless told: what people read.
const LIMIT: u32 = 50;
/// Most spans that an aggregator tells at once.
const MOST: u32 = 2_000;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward history checkout
  ward history checkout --since 30d
  ward history --since 7d -o json | jq .uptime

Time in which no aggregator watched is unknown: it counts neither as up nor as down.")]
pub(crate) struct HistoryArgs {
    /// A service; the system when left out
    #[arg(value_parser = typed::service)]
    name: Option<Name>,
    /// How far back, such as 90m, 24h or 30d
    #[arg(long, value_name = "TIME", default_value = SINCE, value_parser = typed::duration)]
    since: Duration,
    /// Most spans that are told, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = LIMIT, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST)))]
    limit: u32,
    #[command(flatten)]
    client: ClientArgs,
}

/// What `-o json` writes.
#[derive(Debug, Serialize)]
struct Told {
    server: String,
    /// Absent for the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Name>,
    /// Of the time with a verdict, 0 to 1; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    availability: Option<f64>,
    #[serde(flatten)]
    history: History,
}

pub(crate) async fn run(args: HistoryArgs, out: &mut Out) -> Result<Exit, Failure> {
    let HistoryArgs {
        name,
        since,
        limit,
        client,
    } = args;
    let now = Clock::start().wall();
    let back = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let request = v1::GetHistoryRequest {
        name: name.as_ref().map(ToString::to_string).unwrap_or_default(),
        // Not zero, which is as far back as anything is kept.
        since_unix_ms: now.0.saturating_sub(back).max(1),
        until_unix_ms: 0,
        limit,
    };
    let server = client.server.to_string();
    let asked = name.clone();
    let history = client.server.ask(|client| ask(client, request, asked)).await?;
    match client.output {
        Format::Json => out.json(&Told {
            server,
            name,
            availability: history.uptime.availability(),
            history,
        })?,
        Format::Text => {
            let width = out.width();
            let seen = Times::here(Wall(now.0.max(history.until.0)));
            out.data(&text::text(name.as_ref(), &history, limit < MOST, &seen, width))?
        }
    };
    Ok(Exit::Good)
}

async fn ask(
    mut client: Client,
    request: v1::GetHistoryRequest,
    name: Option<Name>,
) -> Result<History, Failure> {
    let answer = match (client.grpc.get_history(request).await, &name) {
        (Ok(answer), _) => answer.into_inner(),
        (Err(status), Some(name)) if status.code() == Code::NotFound => {
            return Err(near::no_such_service(name, &client.services().await?));
        }
        (Err(status), _) => return Err(client.failed(&status)),
    };
    History::try_from(answer).map_err(|error| client.invalid(error))
}
