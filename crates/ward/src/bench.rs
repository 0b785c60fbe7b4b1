//! `ward bench`: loads a running aggregator from outside, so that people can size their machine.
//!
//! The load is that of a fleet: instances say hello, then beat, all those of one stream in one message, at times that are
//! fixed beforehand whatever the aggregator does. How long a beat takes cannot be told, since acknowledgements are lazy on
//! purpose; so a few more instances, the probes, change their word at fixed times, and it is measured when a watcher hears
//! of it. Nothing is judged: what is enough is for the reader to know. A tool for gRPC in general was not taken: it knows
//! neither leases nor who was lost.

mod fleet;
mod leave;
mod losses;
mod outcome;
mod plan;
mod probe;
mod progress;
mod reporter;
mod session;
mod tally;

use std::{sync::Arc, time::Duration};

use clap::Args;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ward_chassis::shutdown;
use ward_sdk::Address;

use crate::{
    Exit, Failure,
    access::Access,
    client::{Client, DEFAULT_SERVER, Server},
    output::{Escaped, Format, Out},
    typed,
};
use fleet::Fleet;
use outcome::Outcome;
use plan::Plan;
use progress::Progress;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward bench                             10,000 instances for 30s, against the aggregator of this machine
  ward bench --target ward.internal:7700 --instances 172000 --streams 1000 --for 10m
  ward bench --instances 5000 --streams 5000 --interval 10s     5,000 hosts of one instance each
  ward bench -o json > figures.json

Its services are called bench-000 and so on, optional to the system; at the end they are said goodbye to
and forgotten, also at Ctrl-C. On the machine of the aggregator it takes some of what it measures.

Ends with 0 when it has figures, 4 aggregator unreachable, 64 usage,
77 not allowed, 70 any other failure.")]
pub(crate) struct BenchArgs {
    /// The aggregator to load: host:port, or https://host:port for TLS
    #[arg(long, value_name = "ADDR", env = "WARD_SERVER", default_value = DEFAULT_SERVER)]
    target: Address,
    #[command(flatten)]
    access: Access,
    /// Instances that beat
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    instances: u32,
    /// Report streams they are spread over, as hosts with an agent [default: 100, or one an instance]
    #[arg(long, value_name = "S")]
    streams: Option<u32>,
    /// Connections the streams are spread over [default: one a stream, 1,000 at most]
    #[arg(long, value_name = "C")]
    connections: Option<u32>,
    /// Services they belong to [default: 20, or one an instance]
    #[arg(long, value_name = "K")]
    services: Option<u32>,
    /// How often each instance beats: 100ms to 1h
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = typed::duration)]
    interval: Duration,
    /// How long to measure, once all have said hello
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = typed::duration)]
    duration: Duration,
    /// Keep the services at the end, without instances, instead of having them forgotten
    #[arg(long)]
    keep: bool,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(crate) async fn run(args: BenchArgs, out: &mut Out) -> Result<Exit, Failure> {
    let plan = Arc::new(Plan::of(&args).map_err(Failure::Usage)?);
    let target = Server::new(args.target, args.access);
    let shutdown = shutdown::signal().map_err(Failure::runtime)?;
    let asked = |mut client: Client| async move { client.services().await };
    let before = tokio::select! {
        there = target.ask(asked) => there?,
        () = shutdown.triggered() => return Ok(Exit::Good),
    };
    raise_descriptors(&plan, out);
    let fleet = Fleet::start(&plan, &target)?;
    let mut progress = Progress::new(&plan, out);
    fleet.fill(&mut progress, &shutdown).await;
    let nobody = fleet.tally().registered() == 0 && !shutdown.is_triggered();
    let measured = if nobody {
        Duration::ZERO
    } else {
        fleet.measure(&mut progress, &shutdown).await
    };
    progress.finish();
    let tally = fleet.leave(&shutdown).await;
    if !args.keep {
        leave::forget(&plan, &target, &before, out).await;
    }
    if nobody {
        let why = tally.why().unwrap_or_else(|| "no answer to hello".to_owned());
        let why = Escaped(&why).to_string();
        return Err(anyhow::anyhow!("no instance could be registered at {target}: {why}").into());
    }
    let outcome = Outcome::of(&plan, &target, measured, &tally);
    match args.output {
        Format::Json => out.json(&outcome)?,
        Format::Text => out.data(&outcome.text(out.width()))?,
    };
    Ok(Exit::Good)
}

/// Files this process may have open beside the connections.
const FILES: u64 = 64;

/// Each connection is an open file; what is missing in the end shows as streams that could not be opened.
fn raise_descriptors(plan: &Plan, out: &mut Out) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let wanted = (u64::from(plan.connections) + FILES).min(hard);
    if wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err() {
        out.note(&format!(
            "warning: at most {soft} files may be open here, see `ulimit -n`"
        ));
    }
}
