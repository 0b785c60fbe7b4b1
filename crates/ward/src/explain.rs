//! `ward explain`: why the system, or a service, is as it is.

mod tree;

use clap::Args;
use serde::Serialize;
use tonic::Code;
use ward_chassis::Clock;
use ward_model::{Explanation, Name};
use ward_proto::v1;

use crate::{
    Exit, Failure,
    client::{Client, ClientArgs, cursor},
    near,
    output::{Cursor, Format, Out, Times},
    typed,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward explain
  ward explain storefront
  ward explain storefront -o json")]
pub(crate) struct ExplainArgs {
    /// A service; the system when left out
    #[arg(value_parser = typed::service)]
    pub(crate) name: Option<Name>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// What `-o json` writes.
#[derive(Debug, Serialize)]
struct Explained {
    server: String,
    cursor: Cursor,
    #[serde(flatten)]
    explanation: Explanation,
}

pub(crate) async fn run(args: ExplainArgs, out: &mut Out) -> Result<Exit, Failure> {
    let ExplainArgs { name, client } = args;
    let server = client.server.to_string();
    let explained = client.server.ask(|client| explain(client, server, name)).await?;
    match client.output {
        Format::Json => out.json(&explained)?,
        Format::Text => out.data(&tree::text(
            &explained.explanation,
            &Times::here(Clock::start().wall()),
        ))?,
    };
    Ok(Exit::Good)
}

async fn explain(mut client: Client, server: String, name: Option<Name>) -> Result<Explained, Failure> {
    let request = v1::ExplainRequest {
        name: name.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    let answer = match (client.grpc.explain(request).await, &name) {
        (Ok(answer), _) => answer.into_inner(),
        (Err(status), Some(name)) if status.code() == Code::NotFound => {
            return Err(near::no_such_service(name, &client.services().await?));
        }
        (Err(status), _) => return Err(client.failed(&status)),
    };
    let cursor = cursor(answer.cursor);
    let explanation = Explanation::try_from(answer).map_err(|error| client.invalid(error))?;
    Ok(Explained {
        server,
        cursor,
        explanation,
    })
}
