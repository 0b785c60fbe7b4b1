//! `ward report`: one report, for whoever has a shell and no library.
//!
//! What is typed becomes one full report of one instance. Whether it is the present life of that instance or a new one
//! is the aggregator's to know, so nothing has to be kept here between two reports.

mod deliver;
mod host;
mod run;
mod word;

use std::{ffi::OsString, time::Duration};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use tonic::Code;
use ward_chassis::Clock;
use ward_model::{Criticality, Name, Status, Wall, bounds};
use ward_proto::v1::{self, RejectionCode};

use crate::{
    Exit, Failure,
    client::{Client, Server, ServerArgs},
    output::{Escaped, Out, Times, span},
    typed,
};
use word::{CheckWord, Label, Signal};

/// The check that carries what `--status` says; the sdk calls a service's own word so too.
const OWN: &str = "self";

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward report mail-queue --status healthy --interval 5m
  ward report mail-queue --status degraded --message \"412 waiting\" --signal waiting=412
  ward report shop-host --check disk=healthy --check \"raid=unhealthy:sdb is gone\"
  ward report mail-queue --goodbye                 it is taken down, and not missed

  ward report backup --interval 1d --run -- /usr/local/bin/backup --all
  30 2 * * *  ward report backup --timeout 2h --run -- pg_dump shop     in a crontab

Without --run it ends with 0 if the report was taken, 4 aggregator unreachable, 64 usage, 77 not
allowed, 70 any other failure. With --run it ends as the command does, whose input and output are left alone:
128+n if signal n ended it, 127 if it was not found, 126 if it could not be started, 124 if
--timeout ended it. An aggregator that is away is warned of and changes nothing.")]
#[group(id = "said", required = true, multiple = true, args = ["status", "check", "goodbye", "run"])]
pub(crate) struct ReportArgs {
    /// Which service
    #[arg(value_parser = typed::service)]
    service: Name,
    /// How it is
    #[arg(long, value_name = "STATUS", value_parser = typed::status())]
    status: Option<Status>,
    /// Why, for people
    #[arg(long, value_name = "TEXT", requires = "status")]
    message: Option<String>,
    /// Which of its instances [default: the name of this host]
    #[arg(long, value_name = "NAME", value_parser = typed::instance)]
    instance: Option<Name>,
    /// How often it reports: where nothing comes for several of these, it is lost
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = interval)]
    interval: Duration,
    /// The result of one check; may be repeated
    #[arg(long, value_name = "NAME=STATUS[:MESSAGE]")]
    check: Vec<CheckWord>,
    /// A number; may be repeated
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    signal: Vec<Signal>,
    /// A label of the instance; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<Label>,
    /// How much the system minds when it is ill
    #[arg(long, value_name = "HOW", value_parser = criticality())]
    criticality: Option<Criticality>,
    /// A service that this one needs; may be repeated
    #[arg(long, value_name = "SERVICE", value_parser = typed::service)]
    depends: Vec<Name>,
    /// Say that it leaves, and is not to be missed
    #[arg(long, conflicts_with_all = ["status", "check", "run"])]
    goodbye: bool,
    /// Stop the command after this long, with all that it started; at a terminal that it may read from, it alone
    #[arg(long, value_name = "TIME", value_parser = typed::duration, requires = "run", conflicts_with_all = ["status", "check", "goodbye"])]
    timeout: Option<Duration>,
    /// Run this command and report how it ended: healthy with exit code 0, else unhealthy
    #[arg(
        long,
        value_name = "COMMAND",
        num_args = 1..,
        allow_hyphen_values = true,
        conflicts_with_all = ["status", "check"]
    )]
    run: Vec<OsString>,
    #[command(flatten)]
    at: ServerArgs,
}

pub(crate) async fn run(args: ReportArgs, out: &mut Out) -> Result<Exit, Failure> {
    let instance = args.instance.unwrap_or_else(host::instance);
    let mut results = args.check;
    let own = args
        .status
        .map(|status| CheckWord::new(OWN, status, args.message.unwrap_or_default()));
    results.extend(own);
    let hello = v1::Hello {
        service: args.service.to_string(),
        instance: instance.to_string(),
        interval_ms: millis(args.interval),
        labels: args
            .label
            .into_iter()
            .map(|Label(key, value)| (key, value))
            .collect(),
        criticality: args
            .criticality
            .map_or(0, |criticality| v1::Criticality::from(criticality).into()),
        dependencies: args.depends.iter().map(dependency).collect(),
        checks: results
            .iter()
            .map(|CheckWord(result)| declared(&result.name))
            .collect(),
        results: results.into_iter().map(|CheckWord(result)| result).collect(),
        values: args.signal.into_iter().map(|Signal(value)| value).collect(),
        ..v1::Hello::default()
    };
    if !args.run.is_empty() {
        return run::run(args.run, args.timeout, hello, args.at.server, out).await;
    }
    let answer = send(&args.at.server, hello, args.goodbye).await?;
    warn(&answer, out);
    let said = match (args.goodbye, answer.registration) {
        (false, Some(registration)) => taken(&registration, Clock::start().wall()),
        _ => format!("{}/{instance} has left\n", args.service),
    };
    out.data(&said)?;
    Ok(Exit::Good)
}

/// One report, over a connection of its own.
async fn send(server: &Server, hello: v1::Hello, goodbye: bool) -> Result<v1::ReportOnceResponse, Failure> {
    let asked = |mut client: Client| async move {
        let request = v1::ReportOnceRequest {
            hello: Some(hello),
            goodbye,
        };
        client
            .grpc
            .report_once(request)
            .await
            .map(tonic::Response::into_inner)
            .map_err(|status| match status.code() {
                Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition | Code::NotFound => {
                    Failure::Usage(Escaped(status.message()).to_string())
                }
                _ => client.failed(&status),
            })
    };
    let answer = server.ask(asked).await?;
    match denied(&answer) {
        Some(said) => Err(server.denied(&tonic::Status::permission_denied(said))),
        None => Ok(answer),
    }
}

/// Why nothing of a report was taken, if that is for want of a right.
fn denied(answer: &v1::ReportOnceResponse) -> Option<&str> {
    let denied = |rejection: &&v1::Rejection| rejection.code() == RejectionCode::Denied;
    let rejection = answer.rejections.iter().find(denied)?;
    answer.registration.is_none().then_some(&rejection.message)
}

/// What of a report was not taken.
fn warn(answer: &v1::ReportOnceResponse, out: &mut Out) {
    for rejection in &answer.rejections {
        out.note(&format!("warning: {}", Escaped(&rejection.message)));
    }
}

/// That it was taken, and when the next one is expected.
fn taken(registration: &v1::Registration, now: Wall) -> String {
    let v1::Registration {
        service,
        instance,
        suspect_after_ms,
        lost_after_ms,
        interval_ms,
        ..
    } = registration;
    let times = Times::here(now);
    let at = |ms: u32| {
        let ms = i64::from(ms);
        format!(
            "{} (in {})",
            times.moment(Wall(now.0.saturating_add(ms))),
            span(ms)
        )
    };
    // An older aggregator does not say.
    let next = if *interval_ms > 0 {
        *interval_ms
    } else {
        *suspect_after_ms
    };
    let (service, instance) = (Escaped(service), Escaped(instance));
    format!(
        "{service}/{instance} is reported\n  next report expected by {}\n  lost, and so unhealthy, without one until \
         {}\n",
        at(next),
        at(*lost_after_ms)
    )
}

fn declared(name: &str) -> v1::CheckDeclaration {
    v1::CheckDeclaration {
        name: name.into(),
        ..v1::CheckDeclaration::default()
    }
}

fn dependency(on: &Name) -> v1::Dependency {
    v1::Dependency {
        service: on.to_string(),
        ..v1::Dependency::default()
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = typed::duration(text)?;
    match (bounds::INTERVAL_MIN..=bounds::INTERVAL_ONCE_MAX).contains(&interval) {
        true => Ok(interval),
        false => Err("expected 100ms to 31d".into()),
    }
}

fn criticality() -> impl TypedValueParser<Value = Criticality> {
    PossibleValuesParser::new(["critical", "important", "optional"]).map(|text| match text.as_str() {
        "critical" => Criticality::Critical,
        "optional" => Criticality::Optional,
        _ => Criticality::Important,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_is_denied_has_not_left() {
        let answer = |code: RejectionCode, registration| v1::ReportOnceResponse {
            registration,
            rejections: vec![v1::Rejection {
                code: code.into(),
                message: "no right".into(),
                ..v1::Rejection::default()
            }],
        };
        let registered = Some(v1::Registration::default());
        assert_eq!(denied(&answer(RejectionCode::Denied, None)), Some("no right"));
        assert_eq!(
            denied(&answer(RejectionCode::Denied, registered)),
            None,
            "a part of it"
        );
        assert_eq!(denied(&answer(RejectionCode::Invalid, None)), None);
        assert_eq!(denied(&v1::ReportOnceResponse::default()), None, "a goodbye");
    }
}
