//! What is shown of each service beside its verdict: instances, checks, signals, dependencies, causes, maintenance.
//!
//! Names of services are bounded by the services there may be; what a service names itself (checks, signals, dependencies) is
//! not, and has a bound here. It goes to the first services by name: a picture that lacks some checks of some services beats a
//! monitoring system that dies of too many series.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use ward_engine::{Detail, Engine, Figures};
use ward_model::{DependencyKind, Status};

use super::collect::Family;
use crate::decider::Decider;

/// Sets of labels of each family whose number no service bounds: so many that the page stays within 8 MB. What is beyond is
/// counted in `ward_series_dropped_total`.
pub(super) const SHOWN: usize = 2_000;
/// Services that are looked at in one go, with all their instances. Reports wait behind each look, and a service may have
/// thousands of instances: what more ways into the engine cost a scrape, which nobody waits for, is little beside.
const AT_ONCE: usize = 16;

/// What whoever decides says of itself.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    /// `None` if it does not answer.
    pub(crate) figures: Option<Figures>,
    /// By name.
    pub(crate) details: Vec<Detail>,
    /// Questions and reports that wait for it.
    pub(crate) queued: usize,
}

/// Asks for all of it, a piece at a time.
pub(crate) async fn ask(decider: &Decider) -> Decided {
    let queued = decider.queued();
    let figures = decider.read(Engine::figures).await.ok();
    let mut details: Vec<Detail> = Vec::new();
    loop {
        let after = details.last().map(|detail| detail.service.clone());
        let look = move |engine: &Engine| engine.details(after.as_ref(), AT_ONCE);
        // Ends with the services, or with the engine.
        match decider.read(look).await {
            Ok(found) if !found.is_empty() => details.extend(found),
            _ => break,
        }
    }
    Decided {
        figures,
        details,
        queued,
    }
}

/// How many sets of labels are not shown.
pub(super) fn beyond(details: &[Detail]) -> usize {
    let of = |count: fn(&Detail) -> usize| details.iter().map(count).sum::<usize>();
    let counts = [
        of(|detail| detail.checks.len()),
        of(|detail| detail.signals.len()),
        of(|detail| detail.dependencies.len()),
        of(|detail| detail.causes.len()),
    ];
    counts.map(|count| count.saturating_sub(SHOWN)).iter().sum()
}

/// See the module.
#[derive(Debug)]
pub(super) struct Services(pub(super) Vec<Detail>);

impl Services {
    fn instances(&self, family: &mut Family<'_, '_>) -> fmt::Result {
        let counts = self.0.iter().flat_map(|detail| {
            let by_status = Status::ALL.into_iter().zip(detail.instances);
            by_status.map(|(status, count)| {
                let labels = [("service", detail.service.as_str()), ("status", status.as_str())];
                (labels, u64::from(count))
            })
        });
        let help = "Instances of a service now, by status";
        family.gauges("ward_service_instances", help, counts)?;
        let working = self.0.iter().map(|detail| {
            let labels = [("service", detail.service.as_str())];
            (labels, u64::from(detail.in_maintenance))
        });
        let help = "1 while somebody works on the service";
        family.gauges("ward_service_maintenance", help, working)
    }

    fn checks(&self, family: &mut Family<'_, '_>) -> fmt::Result {
        let checks = self.0.iter().flat_map(|detail| {
            let checks = detail.checks.iter();
            checks.map(|(check, status)| (detail.service.as_str(), check.as_str(), *status))
        });
        let each = checks.take(SHOWN).flat_map(|(service, check, is)| {
            Status::ALL.map(|status| {
                let labels = [
                    ("service", service),
                    ("check", check),
                    ("status", status.as_str()),
                ];
                (labels, u64::from(status == is))
            })
        });
        let help = "1 for the status a check is in, the worst among the instances of its service";
        family.gauges("ward_service_check_status", help, each)
    }

    fn signals(&self, family: &mut Family<'_, '_>) -> fmt::Result {
        let signals = self.0.iter().flat_map(|detail| {
            let signals = detail.signals.iter();
            signals.map(|(signal, value)| {
                let labels = [("service", detail.service.as_str()), ("signal", signal.as_str())];
                (labels, *value)
            })
        });
        let help = "What a service reports of itself, the greatest value among its instances";
        family.gauges("ward_service_signal", help, signals.take(SHOWN))
    }

    fn edges(&self, family: &mut Family<'_, '_>) -> fmt::Result {
        let needs = self.0.iter().flat_map(|detail| {
            let needs = detail.dependencies.iter();
            needs.map(|need| {
                let kind = match need.kind {
                    DependencyKind::Hard => "hard",
                    DependencyKind::Soft => "soft",
                };
                let labels = [
                    ("service", detail.service.as_str()),
                    ("dependency", need.service.as_str()),
                    ("kind", kind),
                ];
                (labels, 1)
            })
        });
        let help = "1 for each service that a service needs";
        family.gauges("ward_service_dependency", help, needs.take(SHOWN))?;
        let causes = self.0.iter().flat_map(|detail| {
            let causes = detail.causes.iter();
            causes.map(|cause| {
                let labels = [("service", detail.service.as_str()), ("cause", cause.as_str())];
                (labels, 1)
            })
        });
        let help = "1 for each root cause of a service that is not healthy";
        family.gauges("ward_service_cause", help, causes.take(SHOWN))
    }
}

impl Collector for Services {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = Family {
            encoder: &mut encoder,
        };
        self.instances(&mut family)?;
        self.checks(&mut family)?;
        self.signals(&mut family)?;
        self.edges(&mut family)
    }
}
