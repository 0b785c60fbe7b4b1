//! `ward forget`: drops what is gone for good.
//!
//! What still reports is refused by the aggregator, since it would come back with its next report. A whole service goes
//! with what was declared about it, so a person is asked first; a script has to say `--yes`.

use clap::Args;
use ward_model::{Freshness, InstanceState, Name};
use ward_proto::v1;

use crate::{
    Exit, Failure,
    client::{Client, ServerArgs},
    operator,
    output::Out,
    typed,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward forget payments web-3         an instance that is not coming back
  ward forget payments               the whole service, once none of it reports any longer
  ward forget payments --yes         without being asked, for scripts")]
pub(crate) struct ForgetArgs {
    /// Which service
    #[arg(value_parser = typed::service)]
    service: Name,
    /// One of its instances; the whole service when left out
    #[arg(value_parser = typed::instance)]
    instance: Option<Name>,
    /// Do not ask before a whole service is forgotten
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    at: ServerArgs,
}

pub(crate) async fn run(args: ForgetArgs, out: &mut Out) -> Result<Exit, Failure> {
    let ForgetArgs {
        service,
        instance,
        yes,
        at,
    } = args;
    if instance.is_none() && !yes && !sure(&service, &at, out).await? {
        out.note("nothing was forgotten");
        return Ok(Exit::Good);
    }
    let request = v1::ForgetRequest {
        service: service.to_string(),
        instance: instance.as_ref().map(ToString::to_string).unwrap_or_default(),
        by: operator::name(),
    };
    let name = service.clone();
    let asked = |mut client: Client| async move {
        match client.grpc.forget(request).await {
            Ok(answer) => Ok(answer.into_inner().forgotten_instances),
            Err(status) => Err(client.refused(&status, &name).await),
        }
    };
    let count = at.server.ask(asked).await?;
    let what = match instance {
        Some(instance) => format!("{service}/{instance}"),
        None => format!("{service} and {}", instances(count as usize)),
    };
    out.data(&format!("forgot {what}\n"))?;
    Ok(Exit::Good)
}

/// Asks the person at the terminal, who is told what there is.
async fn sure(service: &Name, at: &ServerArgs, out: &mut Out) -> Result<bool, Failure> {
    if !out.has_person() {
        return Err(Failure::Usage(format!(
            "not asked whether to forget all of {service}, since nobody is there to answer: add --yes, or name one \
             instance"
        )));
    }
    let instances_of = |mut client: Client| async move {
        let request = v1::GetServiceRequest {
            name: service.to_string(),
        };
        match client.grpc.get_service(request).await {
            Ok(answer) => answer
                .into_inner()
                .instances
                .into_iter()
                .map(InstanceState::try_from)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| client.invalid(error)),
            Err(status) => Err(client.refused(&status, service).await),
        }
    };
    let there = at.server.ask(instances_of).await?;
    let reporting = there
        .iter()
        .filter(|instance| instance.freshness == Freshness::Fresh)
        .count();
    let still = match reporting {
        0 => String::new(),
        count => format!(" ({count} of them still reporting)"),
    };
    out.confirm(&format!(
        "forget {service} and {}{still}?",
        instances(there.len())
    ))
}

fn instances(count: usize) -> String {
    match count {
        0 => "no instances".into(),
        1 => "its one instance".into(),
        count => format!("its {count} instances"),
    }
}
