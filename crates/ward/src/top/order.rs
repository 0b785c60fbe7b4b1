//! Which services are shown, and in which order: a pure function of the services and a choice.
//!
//! Sorted anew when something changed, at most once a frame. An order kept up to date by each change was not taken: ten
//! thousand services are sorted in a few milliseconds, and three orders would have to be kept.

use std::{cmp::Reverse, sync::Arc};

use ward_model::{Criticality, ServiceState};

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// The worst; of equally bad ones the one that matters most.
    #[default]
    Badness,
    /// As in a dictionary.
    Name,
    /// What changed last.
    Since,
}

impl Sort {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Badness => Self::Name,
            Self::Name => Self::Since,
            Self::Since => Self::Badness,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Badness => "badness",
            Self::Name => "name",
            Self::Since => "since",
        }
    }
}

/// What to show, and how.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub(super) sort: Sort,
    pub(super) only_bad: bool,
    /// Lower case; what contains it in its name, status, reason, message or causes is shown.
    pub(super) text: String,
}

/// The services chosen, in order.
pub(super) fn ordered<'a>(
    services: impl Iterator<Item = &'a Arc<ServiceState>>,
    choice: &Choice,
) -> Vec<Arc<ServiceState>> {
    let chosen = services.filter(|service| !choice.only_bad || is_bad(service));
    let chosen = chosen.filter(|service| choice.text.is_empty() || says(service, &choice.text));
    let mut chosen: Vec<_> = chosen.cloned().collect();
    match choice.sort {
        Sort::Badness => chosen.sort_unstable_by(|a, b| (badness(a), &a.name).cmp(&(badness(b), &b.name))),
        Sort::Name => chosen.sort_unstable_by(|a, b| a.name.cmp(&b.name)),
        Sort::Since => {
            chosen.sort_unstable_by(|a, b| {
                (Reverse(a.condition.since), &a.name).cmp(&(Reverse(b.condition.since), &b.name))
            });
        }
    }
    chosen
}

/// Its status, or that not all of it is heard: what will most likely be its status soon.
fn is_bad(service: &ServiceState) -> bool {
    service.condition.status.is_bad() || is_unheard(service)
}

fn is_unheard(service: &ServiceState) -> bool {
    service.instances.suspect + service.instances.lost > 0
}

/// The least is the worst.
fn badness(service: &ServiceState) -> impl Ord {
    let status = service.condition.status;
    let criticality = match service.criticality {
        Criticality::Critical => 0,
        Criticality::Important => 1,
        Criticality::Optional => 2,
    };
    (
        Reverse(status),
        Reverse(!status.is_bad() && is_unheard(service)),
        criticality,
    )
}

fn says(service: &ServiceState, text: &str) -> bool {
    let condition = &service.condition;
    let words = [
        service.name.as_str(),
        condition.status.as_str(),
        condition.reason.as_str(),
        &condition.message,
        &service.own.message,
    ];
    let causes = service.causes.iter().map(|cause| cause.as_str());
    words
        .into_iter()
        .chain(causes)
        .any(|word| word.to_lowercase().contains(text))
}

#[cfg(test)]
mod tests;
