//! Why something is as it is.

use serde::Serialize;
use utoipa::ToSchema;
use ward_model::Name;

use super::{state::Condition, words::DependencyKind};

/// The shortest chains from a service, or the system, to its root causes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct Explanation {
    /// What was asked about; null for the system.
    #[schema(value_type = Option<String>, example = "storefront")]
    name: Option<Name>,
    /// Its condition.
    condition: Condition,
    /// One chain a root cause, the shortest first; empty when healthy.
    chains: Vec<CausalChain>,
}

/// From what was asked about (first; for the system, the service that makes it bad) to one root cause (last).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct CausalChain {
    /// At least one.
    links: Vec<CausalLink>,
}

/// One service of a chain.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct CausalLink {
    /// The service.
    #[schema(value_type = String)]
    service: Name,
    /// How the link before depends on it; null on the first.
    via: Option<DependencyKind>,
    /// Its condition: what its own status says on the last link, the verdict on the others.
    condition: Condition,
    /// On the last link: what makes it bad.
    evidence: Vec<Evidence>,
}

/// A check, signal, observation or lost instance at the end of a chain.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct Evidence {
    /// Whose word it is.
    #[schema(value_type = String)]
    service: Name,
    /// Which of its instances; null where it is about the service as a whole.
    #[schema(value_type = Option<String>)]
    instance: Option<Name>,
    /// The check or signal; null where it is the instance itself.
    #[schema(value_type = Option<String>)]
    name: Option<Name>,
    /// The signal's value.
    value: Option<f64>,
    /// The level that value crossed.
    threshold: Option<f64>,
    /// What it says.
    condition: Condition,
}

impl From<&ward_model::Explanation> for Explanation {
    fn from(explanation: &ward_model::Explanation) -> Self {
        let chain = |chain: &ward_model::CausalChain| CausalChain {
            links: chain.links.iter().map(Into::into).collect(),
        };
        Self {
            name: explanation.name.clone(),
            condition: (&explanation.condition).into(),
            chains: explanation.chains.iter().map(chain).collect(),
        }
    }
}

impl From<&ward_model::CausalLink> for CausalLink {
    fn from(link: &ward_model::CausalLink) -> Self {
        Self {
            service: link.service.clone(),
            via: link.via.map(Into::into),
            condition: (&link.condition).into(),
            evidence: link.evidence.iter().map(Into::into).collect(),
        }
    }
}

impl From<&ward_model::Evidence> for Evidence {
    fn from(evidence: &ward_model::Evidence) -> Self {
        Self {
            service: evidence.service.clone(),
            instance: evidence.instance.clone(),
            name: evidence.name.clone(),
            value: evidence.value,
            threshold: evidence.threshold,
            condition: (&evidence.condition).into(),
        }
    }
}
