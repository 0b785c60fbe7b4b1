//! `ward ack`: says that somebody works on what fires, so that it is silent until it is resolved, or until a time is over.
//!
//! What is acknowledged is what fires at that moment, each alert until it is resolved: what begins to fire later is heard, and
//! so is one that fires again. Said twice of a service, the second adds to what the first still holds. One command with flags, and not
//! one of several actions as `ward maintenance` is: it is typed at night.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tonic::Status;
use ward_chassis::Clock;
use ward_model::{Acknowledgement, RuleName};
use ward_proto::v1;

use crate::{
    Exit, Failure,
    client::{Client, ClientArgs},
    operator,
    output::{Escaped, Format, Out, Table, Times, span},
    typed::{self, About},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward ack payments --why \"restarting the bank\"            for two hours
  ward ack payments --for 30m --why \"known\" --rule ErrorRatioHigh
  ward ack system --why \"we know\" --for 1d
  ward ack payments --end                                  and it is heard again
  ward ack --list

It goes on being delivered, and is silent in Alertmanager. What begins to fire later is heard, also what fires again. Said
anew, it holds what fires by then with what it held before: the answer shows all of it.")]
pub(crate) struct AckArgs {
    /// Whose alerts: a service, or `system`
    #[arg(value_parser = typed::about, required_unless_present = "list")]
    name: Option<About>,
    /// What is being done
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["end", "list"])]
    why: Option<String>,
    /// For how long, such as 30m or 2h, at most 7d; less if all of it is resolved before
    #[arg(long = "for", value_name = "TIME", default_value = "2h", value_parser = while_worked_on)]
    duration: Duration,
    /// Only what this rule says; several may be named [default: all that fires]
    #[arg(long = "rule", value_name = "RULE", value_parser = typed::rule)]
    rules: Vec<RuleName>,
    /// Who does it [default: your user's name]
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    /// Say that nobody does any more
    #[arg(long, conflicts_with_all = ["why", "duration", "rules"])]
    end: bool,
    /// Show what is acknowledged
    #[arg(long, conflicts_with_all = ["name", "why", "duration", "rules", "by", "end"])]
    list: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// At most as long as an aggregator takes.
fn while_worked_on(text: &str) -> Result<Duration, String> {
    match typed::duration(text)? {
        long if long > Acknowledgement::MAX => {
            let most = Acknowledgement::MAX.as_secs() / 86_400;
            Err(format!(
                "expected at most {most}d: what is not looked at for longer is not being worked on"
            ))
        }
        duration => Ok(duration),
    }
}

/// What `-o json` writes of several.
#[derive(Debug, Serialize)]
struct Listed {
    server: String,
    acknowledgements: Vec<Acknowledgement>,
}

pub(crate) async fn run(args: AckArgs, out: &mut Out) -> Result<Exit, Failure> {
    match args.name.clone() {
        Some(name) if args.end => end(args, &name, out).await,
        Some(name) => acknowledge(args, &name, out).await,
        None => list(args.client, out).await,
    }
}

async fn acknowledge(args: AckArgs, name: &About, out: &mut Out) -> Result<Exit, Failure> {
    let request = v1::AcknowledgeRequest {
        name: name.to_string(),
        by: args.by.unwrap_or_else(operator::name),
        why: args.why.unwrap_or_default(),
        duration_ms: u64::try_from(args.duration.as_millis()).unwrap_or(u64::MAX),
        rules: args.rules.iter().map(ToString::to_string).collect(),
    };
    let asked = |mut client: Client| async move {
        match client.alerts.acknowledge(request).await {
            Ok(answer) => Acknowledgement::try_from(answer.into_inner().acknowledgement.unwrap_or_default())
                .map_err(|error| client.invalid(error)),
            Err(status) => Err(refused(client, &status, name).await),
        }
    };
    let said = args.client.server.ask(asked).await?;
    match args.client.output {
        Format::Json => out.json(&said)?,
        Format::Text => out.data(&sentence(&said, &Times::here(Clock::start().wall())))?,
    };
    Ok(Exit::Good)
}

fn sentence(said: &Acknowledgement, times: &Times) -> String {
    let about = About(said.service.clone());
    let length = span(said.end.0.saturating_sub(said.start.0));
    let until = format!("until {} ({length})", times.moment(said.end));
    let (by, why, rules) = (Escaped(&said.by), Escaped(&said.why), rules(said));
    format!("{rules} of {about} is acknowledged {until}, by {by}: {why}\n")
}

fn rules(said: &Acknowledgement) -> String {
    let names: Vec<_> = said.rules.iter().map(RuleName::as_str).collect();
    names.join(", ")
}

async fn end(args: AckArgs, name: &About, out: &mut Out) -> Result<Exit, Failure> {
    let request = v1::EndAcknowledgementRequest {
        name: name.to_string(),
        by: args.by.unwrap_or_else(operator::name),
    };
    let asked = |mut client: Client| async move {
        match client.alerts.end_acknowledgement(request).await {
            Ok(_) => Ok(()),
            Err(status) => Err(refused(client, &status, name).await),
        }
    };
    args.client.server.ask(asked).await?;
    out.data(&format!(
        "{name} is no longer acknowledged: what fires is heard\n"
    ))?;
    Ok(Exit::Good)
}

async fn refused(mut client: Client, status: &Status, About(name): &About) -> Failure {
    match name {
        Some(service) => client.refused(status, service).await,
        None => client.refused_of_system(status),
    }
}

async fn list(args: ClientArgs, out: &mut Out) -> Result<Exit, Failure> {
    let server = args.server.to_string();
    let acknowledgements = args.server.ask(asked).await?;
    match args.output {
        Format::Json => out.json(&Listed {
            server,
            acknowledgements,
        })?,
        Format::Text if acknowledgements.is_empty() => {
            let reader = out.data("nothing is acknowledged\n")?;
            out.note("say that somebody works on what fires with `ward ack NAME --why TEXT`");
            reader
        }
        Format::Text => {
            let times = Times::here(Clock::start().wall());
            out.data(&table(&acknowledgements, &times, out.width()))?
        }
    };
    Ok(Exit::Good)
}

async fn asked(mut client: Client) -> Result<Vec<Acknowledgement>, Failure> {
    let answer = client
        .alerts
        .list_acknowledgements(v1::ListAcknowledgementsRequest {})
        .await;
    let answer = answer.map_err(|status| client.failed(&status))?.into_inner();
    let said = answer.acknowledgements.into_iter().map(Acknowledgement::try_from);
    said.collect::<Result<_, _>>()
        .map_err(|error| client.invalid(error))
}

fn table(acknowledgements: &[Acknowledgement], times: &Times, width: Option<u16>) -> String {
    let mut table = Table::new(width, ["ABOUT", "ALERTS", "FROM", "UNTIL", "BY", "WHY"]);
    for said in acknowledgements {
        table.row([
            (About(said.service.clone()).to_string(), None),
            (rules(said), None),
            (times.moment(said.start), None),
            (times.moment(said.end), None),
            (said.by.clone(), None),
            (said.why.clone(), None),
        ]);
    }
    table.text()
}
