//! What is left of a run at the target: nothing, as far as that is in its hands.
//!
//! A service that was there before is not touched, and one that others report for is refused by the target itself.

use std::collections::BTreeSet;

use tonic::Code;
use ward_model::ServiceState;
use ward_proto::v1;

use super::plan::Plan;
use crate::{
    Failure,
    client::{Client, Server},
    operator,
    output::{Escaped, Out},
};

/// Has the services of this run forgotten. What does not work is told and no failure: the figures are there.
pub(super) async fn forget(plan: &Plan, target: &Server, before: &[ServiceState], out: &mut Out) {
    let before: BTreeSet<_> = before.iter().map(|service| service.name.as_str()).collect();
    let (kept, ours): (Vec<_>, Vec<_>) = plan
        .all_services()
        .partition(|name| before.contains(name.as_str()));
    if let Some(first) = kept.first() {
        let count = kept.len();
        out.note(&format!(
            "kept {count} services that were there before, such as {first}: drop one with `ward forget {first}`"
        ));
    }
    let forgetting = |mut client: Client| async move {
        for service in ours {
            let request = v1::ForgetRequest {
                service,
                instance: String::new(),
                by: operator::name(),
            };
            match client.grpc.forget(request).await {
                Ok(_) => {}
                // Nobody of it was ever registered.
                Err(status) if status.code() == Code::NotFound => {}
                Err(status) => return Err(client.failed(&status)),
            }
        }
        Ok(())
    };
    if let Err(failure) = target.ask(forgetting).await {
        let why = match &failure {
            Failure::Unreachable { why, .. } => Escaped(why).to_string(),
            failure => failure.to_string(),
        };
        out.note(&format!(
            "warning: services of this run are left at {target}: {why}"
        ));
    }
}
