//! `ward demo`: the shop runs in `ward-demo`; here is only what was typed.

use anyhow::Context;
use tokio::task::spawn_blocking;
use ward_chassis::shutdown;
use ward_demo::{ControlError, Options, Refusal, ServiceOptions};

use crate::{
    Exit, Failure,
    cli::{DEFAULT_SERVER, DemoAction, DemoArgs, DemoServiceArgs},
    output::{Escaped, Out},
};

pub(crate) async fn run(args: DemoArgs, out: &mut Out) -> Result<Exit, Failure> {
    let (name, done) = match args.action {
        None => {
            let shutdown = shutdown::signal().map_err(Failure::runtime)?;
            let options = Options {
                grpc: args.grpc,
                http: args.http,
            };
            ward_demo::run(options, shutdown).await.context("run the demo")?;
            return Ok(Exit::Good);
        }
        Some(DemoAction::Break { name, how, which }) => {
            let server = which.server.map(|server| server.to_string());
            let breaking = name.clone();
            let asked = spawn_blocking(move || ward_demo::break_service(&breaking, how, server.as_deref()));
            (name, asked.await)
        }
        Some(DemoAction::Mend { name, which }) => {
            let server = which.server.map(|server| server.to_string());
            let mending = name.clone();
            let asked = spawn_blocking(move || ward_demo::mend_service(&mending, server.as_deref()));
            (name, asked.await)
        }
    };
    let grpc = done.context("ask the demo")?.map_err(failure)?;
    // Where the client commands look by themselves goes without saying.
    let server = match grpc.to_string() == DEFAULT_SERVER {
        true => String::new(),
        false => format!(" --server {grpc}"),
    };
    out.note(&format!(
        "done: watch what follows with `ward watch{server}`, and why with `ward explain {name}{server}`"
    ));
    Ok(Exit::Good)
}

/// One process of the shop.
pub(crate) async fn service(args: DemoServiceArgs) -> Result<Exit, Failure> {
    let DemoServiceArgs {
        name,
        server,
        registry,
    } = args;
    ward_demo::service(ServiceOptions {
        name,
        server,
        registry,
    })
    .await
    .context("serve in the demo's shop")?;
    Ok(Exit::Good)
}

fn failure(error: ControlError) -> Failure {
    match error {
        ControlError::NoDemo | ControlError::NotThere(..) | ControlError::Unreachable(..) => {
            Failure::NoDemo(format!("{:#}", anyhow::Error::new(error)))
        }
        ControlError::Refused(Refusal::Unknown(_) | Refusal::Broken(..) | Refusal::Whole(_)) => {
            Failure::Usage(Escaped(&error.to_string()).to_string())
        }
        error @ ControlError::Refused(_) => Failure::Other(anyhow::anyhow!("{error}")),
    }
}
