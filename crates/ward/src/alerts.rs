//! `ward alerts`: what fires, and with `--all` what does not and why; who is behind with being told.
//!
//! The exit code goes by what fires of what is listed, as that of `ward status` by the verdict. An acknowledged alert counts as well: that
//! somebody works on it does not mend it. There is no `--follow`: who is to be told is told by a receiver.

mod receiver;
mod text;

use clap::Args;
use serde::Serialize;
use tonic::Code;
use ward_chassis::Clock;
use ward_model::{Alert, AlertState, Severity};
use ward_proto::v1;

use crate::{
    Exit, Failure,
    client::{Client, ClientArgs},
    output::{Format, Out, Times},
    typed::{self, About},
};
use receiver::Receiver;

/// Most alerts that are asked for: one of each of ten rules for each of as many services as there may be.
const MOST: usize = 10 * ward_model::bounds::SERVICES;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward alerts
  ward alerts payments                   all that is known of those about one service
  ward alerts --all                      also what is pending, suppressed (and why), or was resolved lately
  ward alerts --state firing --severity critical -o json | jq -r '.alerts[].service'

Ends with 0 if nothing worse than info fires of what is listed, 1 if a warning does, 2 if a critical alert does: what NAME,
--state or --severity leaves out does not count. 4 aggregator unreachable, 64 usage, 77 not allowed, 70 any other failure.")]
pub(crate) struct AlertsArgs {
    /// Only those about one service, or `system`, with all that is known of them
    #[arg(value_parser = typed::about)]
    name: Option<About>,
    /// In any state, and signs of life as well
    #[arg(long, conflicts_with_all = ["state", "severity"])]
    all: bool,
    /// Only those in this state; several may be named
    #[arg(long, value_name = "STATE", default_value = "firing", value_parser = typed::alert_state())]
    state: Vec<AlertState>,
    /// Only those at least this urgent
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = typed::severity())]
    severity: Severity,
    #[command(flatten)]
    client: ClientArgs,
}

/// What `-o json` writes.
#[derive(Debug, Serialize)]
struct Listed {
    server: String,
    /// Those that fire first, the most urgent first.
    alerts: Vec<Alert>,
    receivers: Vec<Receiver>,
}

pub(crate) async fn run(mut args: AlertsArgs, out: &mut Out) -> Result<Exit, Failure> {
    if args.all {
        (args.state, args.severity) = (AlertState::ALL.to_vec(), Severity::None);
    }
    let server = args.client.server.clone();
    let listed = server.ask(|client| listed(client, &args)).await?;
    match args.client.output {
        Format::Json => drop(out.json(&listed)?),
        Format::Text => show(&listed, &args, out)?,
    }
    Ok(exit(&listed.alerts))
}

/// The most urgent that fires.
fn exit(alerts: &[Alert]) -> Exit {
    let firing = alerts.iter().filter(|alert| alert.state == AlertState::Firing);
    match firing.map(|alert| alert.severity).max() {
        None | Some(Severity::None | Severity::Info) => Exit::Good,
        Some(Severity::Warning) => Exit::Degraded,
        Some(Severity::Critical) => Exit::Unhealthy,
    }
}

async fn listed(mut client: Client, args: &AlertsArgs) -> Result<Listed, Failure> {
    let mut alerts = all(&mut client, args).await?;
    if let (true, Some(About(Some(name)))) = (alerts.is_empty(), &args.name) {
        client.is_there(name).await?;
    }
    alerts.sort_by(|a, b| {
        let place = |alert: &Alert| (place(alert.state), std::cmp::Reverse(alert.severity));
        place(a).cmp(&place(b)).then_with(|| a.key.cmp(&b.key))
    });
    let receivers = client.alerts.list_receivers(v1::ListReceiversRequest {}).await;
    let receivers = receivers.map_err(|status| client.failed(&status))?.into_inner();
    Ok(Listed {
        server: args.client.server.to_string(),
        alerts,
        receivers: receivers.receivers.into_iter().map(Into::into).collect(),
    })
}

/// What matters more stands first.
fn place(state: AlertState) -> u8 {
    match state {
        AlertState::Firing => 0,
        AlertState::Suppressed => 1,
        AlertState::Pending => 2,
        AlertState::Resolved => 3,
    }
}

/// Page after page, in the order of their names.
async fn all(client: &mut Client, args: &AlertsArgs) -> Result<Vec<Alert>, Failure> {
    let mut alerts = Vec::new();
    let mut request = request(args);
    loop {
        let page = match (client.alerts.list_alerts(request.clone()).await, &args.name) {
            (Ok(page), _) => page.into_inner(),
            (Err(status), Some(About(Some(name)))) if status.code() == Code::NotFound => {
                return Err(client.refused(&status, name).await);
            }
            (Err(status), _) => return Err(client.failed(&status)),
        };
        let told = page.alerts.into_iter().map(Alert::try_from);
        let told = told.collect::<Result<Vec<_>, _>>();
        alerts.extend(told.map_err(|error| client.invalid(error))?);
        // An aggregator that repeats itself is not followed for ever.
        let repeats = page.next_page_token == request.page_token || alerts.len() > MOST;
        if page.next_page_token.is_empty() || repeats {
            return Ok(alerts);
        }
        request.page_token = page.next_page_token;
    }
}

fn request(args: &AlertsArgs) -> v1::ListAlertsRequest {
    let states = args.state.iter().map(|state| v1::AlertState::from(*state).into());
    v1::ListAlertsRequest {
        name: args.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        states: states.collect(),
        least_severity: v1::Severity::from(args.severity).into(),
        ..v1::ListAlertsRequest::default()
    }
}

fn show(listed: &Listed, args: &AlertsArgs, out: &mut Out) -> Result<(), Failure> {
    let times = Times::here(Clock::start().wall());
    let alerts = match (listed.alerts.is_empty(), &args.name) {
        (true, name) => text::none(args, name.as_ref()),
        (false, Some(_)) => text::each(&listed.alerts, &times),
        (false, None) => text::table(&listed.alerts, &times, out.width()),
    };
    out.data(&(alerts + &receiver::behind(&listed.receivers, &times)))?;
    if listed.alerts.is_empty() && !args.all {
        out.note("`ward alerts --all` shows what is pending, suppressed, or was resolved lately");
    }
    Ok(())
}
