//! Explanations.
//!
//! The cursor of an answer is the server's to set: an explanation does not know when it was asked for.

use ward_model::{CausalChain, CausalLink, Evidence, Explanation};

use crate::{
    Invalid,
    declaration::{optional_name, text_of},
    invalid::each,
    state::name,
    status::{condition, lenient},
    v1,
};

impl From<&Evidence> for v1::Evidence {
    fn from(evidence: &Evidence) -> Self {
        Self {
            service: evidence.service.as_str().to_owned(),
            instance: text_of(evidence.instance.as_ref()),
            name: text_of(evidence.name.as_ref()),
            value: evidence.value,
            threshold: evidence.threshold,
            condition: Some((&evidence.condition).into()),
        }
    }
}

impl TryFrom<v1::Evidence> for Evidence {
    type Error = Invalid;

    fn try_from(wire: v1::Evidence) -> Result<Self, Invalid> {
        Ok(Self {
            service: name("service", &wire.service)?,
            instance: optional_name("instance", &wire.instance)?,
            name: optional_name("name", &wire.name)?,
            value: wire.value,
            threshold: wire.threshold,
            condition: condition("condition", wire.condition)?,
        })
    }
}

impl From<&CausalLink> for v1::CausalLink {
    fn from(link: &CausalLink) -> Self {
        Self {
            service: link.service.as_str().to_owned(),
            via: link.via.map_or(0, |kind| v1::DependencyKind::from(kind).into()),
            condition: Some((&link.condition).into()),
            evidence: link.evidence.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::CausalLink> for CausalLink {
    type Error = Invalid;

    fn try_from(wire: v1::CausalLink) -> Result<Self, Invalid> {
        Ok(Self {
            service: name("service", &wire.service)?,
            via: lenient::<v1::DependencyKind, _>(wire.via),
            condition: condition("condition", wire.condition)?,
            evidence: each("evidence", wire.evidence, Evidence::try_from)?,
        })
    }
}

impl From<&CausalChain> for v1::CausalChain {
    fn from(chain: &CausalChain) -> Self {
        Self {
            links: chain.links.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::CausalChain> for CausalChain {
    type Error = Invalid;

    fn try_from(wire: v1::CausalChain) -> Result<Self, Invalid> {
        if wire.links.is_empty() {
            return Err(Invalid::new("links", "is empty, expected at least one"));
        }
        Ok(Self {
            links: each("links", wire.links, CausalLink::try_from)?,
        })
    }
}

impl From<&Explanation> for v1::ExplainResponse {
    fn from(explanation: &Explanation) -> Self {
        Self {
            cursor: None,
            name: text_of(explanation.name.as_ref()),
            condition: Some((&explanation.condition).into()),
            chains: explanation.chains.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::ExplainResponse> for Explanation {
    type Error = Invalid;

    fn try_from(wire: v1::ExplainResponse) -> Result<Self, Invalid> {
        Ok(Self {
            name: optional_name("name", &wire.name)?,
            condition: condition("condition", wire.condition)?,
            chains: each("chains", wire.chains, CausalChain::try_from)?,
        })
    }
}
