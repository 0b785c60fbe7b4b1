//! Who reports what, where and when: fixed before anything is sent.
//!
//! Nothing is drawn by chance but the name of the run, so that two runs with the same arguments are the same load.

use std::time::Duration;

use ward_model::{Mono, bounds};
use ward_proto::v1;

use super::BenchArgs;

/// How the names of all services begin.
pub(super) const PREFIX: &str = "bench-";
/// The service of the probes.
pub(super) const PROBES_SERVICE: &str = "bench-probe";
/// The one check of each instance.
pub(super) const CHECK: &str = "self";

const STREAMS: u32 = 100;
const SERVICES: u32 = 20;
/// So that the default stays within the 2,048 that an aggregator takes from one address.
const CONNECTIONS: u32 = 1_000;
/// As many streams a connection, and handles a stream, as an aggregator takes.
const STREAMS_A_CONNECTION: u32 = 128;
const HANDLES_A_STREAM: u32 = 16_384;
/// A probe changes its word all the time. Changes are counted in slots of its interval, here the longest there is, and
/// what changed in five slots of the last twenty is near to count as flapping.
const LONGEST: Duration = Duration::from_secs(4 * 3_600);

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) instances: u32,
    pub(super) streams: u32,
    pub(super) connections: u32,
    pub(super) services: u32,
    pub(super) interval: Duration,
    pub(super) duration: Duration,
    /// Of this run alone: in the names of its instances, and their incarnation.
    run: u32,
}

impl Plan {
    /// What was asked for; else what is wrong with it and what to do.
    pub(super) fn of(args: &BenchArgs) -> Result<Self, String> {
        let instances = args.instances;
        let streams = args.streams.unwrap_or(STREAMS.min(instances));
        let plan = Self {
            instances,
            streams,
            connections: args
                .connections
                .unwrap_or(streams.min(CONNECTIONS.max(streams.div_ceil(STREAMS_A_CONNECTION)))),
            services: args.services.unwrap_or(SERVICES.min(instances)),
            interval: args.interval,
            duration: args.duration,
            run: rand::random(),
        };
        plan.refuse_nonsense().map(|()| plan)
    }

    fn refuse_nonsense(&self) -> Result<(), String> {
        let Self {
            instances,
            streams,
            connections,
            services,
            interval,
            duration,
            ..
        } = *self;
        let wrong = if instances == 0 || streams == 0 || connections == 0 || services == 0 {
            "nothing to do: ask for at least one instance, stream, connection and service".to_owned()
        } else if instances as usize > bounds::INSTANCES {
            let most = bounds::INSTANCES;
            format!("--instances {instances}: an aggregator has {most} at most, ask for fewer")
        } else if streams > instances {
            format!(
                "--streams {streams} are more than the {instances} instances: ask for fewer streams, or more instances"
            )
        } else if instances.div_ceil(streams) > HANDLES_A_STREAM {
            let least = instances.div_ceil(HANDLES_A_STREAM);
            format!(
                "{instances} instances on {streams} streams: a stream carries {HANDLES_A_STREAM} at most, use --streams {least} or more"
            )
        } else if connections > streams {
            format!("--connections {connections} are more than the {streams} streams: ask for fewer")
        } else if streams.div_ceil(connections) > STREAMS_A_CONNECTION {
            let least = streams.div_ceil(STREAMS_A_CONNECTION);
            format!(
                "{streams} streams on {connections} connections: a connection carries {STREAMS_A_CONNECTION} at most, use --connections {least} or more"
            )
        } else if services > instances || services as usize >= bounds::SERVICES {
            let most = bounds::SERVICES - 1;
            format!("--services {services}: expected at most one an instance, and {most} at most")
        } else if instances.div_ceil(services) as usize > bounds::INSTANCES_OF_SERVICE {
            let most = bounds::INSTANCES_OF_SERVICE;
            let least = (instances as usize).div_ceil(most);
            format!(
                "{instances} instances in {services} services: a service has {most} at most, use --services {least} or more"
            )
        } else if !(bounds::INTERVAL_MIN..=bounds::INTERVAL_MAX).contains(&interval) {
            format!("--interval {interval:?}: expected 100ms to 1h")
        } else if duration < interval || duration > LONGEST {
            format!(
                "--for {duration:?}: expected at least the interval of {interval:?}, so that each instance beats, and at most 4h"
            )
        } else {
            return Ok(());
        };
        Err(wrong)
    }

    /// What instances of a stream introduce themselves with.
    pub(super) fn hellos(&self, stream: u32) -> Vec<v1::Hello> {
        let of_stream = (stream..self.instances).step_by(self.streams as usize);
        of_stream
            .map(|instance| self.hello(&self.service(instance % self.services), &format!("{instance:07}")))
            .collect()
    }

    /// What the probes do. They need not beat within a run: their interval is the longest there is.
    pub(super) fn probe_hellos(&self, count: usize) -> Vec<v1::Hello> {
        let interval_ms = millis(bounds::INTERVAL_MAX);
        (0..count)
            .map(|probe| v1::Hello {
                interval_ms,
                ..self.hello(PROBES_SERVICE, &format!("probe-{probe}"))
            })
            .collect()
    }

    /// Which probe an instance is, if it is one of this run.
    pub(super) fn probe(&self, instance: &str) -> Option<usize> {
        let rest = instance.strip_prefix(&self.tag())?;
        rest.strip_prefix("-probe-")?.parse().ok()
    }

    /// All services, that of the probes included.
    pub(super) fn all_services(&self) -> impl Iterator<Item = String> {
        let own = (0..self.services).map(|service| self.service(service));
        own.chain([PROBES_SERVICE.to_owned()])
    }

    /// When a stream beats first, at or behind `now`, if the run began at zero: phases are spread evenly.
    pub(super) fn first_beat(&self, stream: u32, now: Mono) -> Mono {
        let phase = self.interval * stream / self.streams;
        let mut passed = Duration::from_nanos(now.0).saturating_sub(phase).as_nanos();
        passed = passed.div_ceil(self.interval.as_nanos());
        let passed = u64::try_from(passed * self.interval.as_nanos()).unwrap_or(u64::MAX);
        Mono(passed) + phase
    }

    fn tag(&self) -> String {
        format!("{:08x}", self.run)
    }

    fn service(&self, number: u32) -> String {
        format!("{PREFIX}{number:03}")
    }

    fn hello(&self, service: &str, instance: &str) -> v1::Hello {
        let tag = self.tag();
        v1::Hello {
            service: service.to_owned(),
            instance: format!("{tag}-{instance}"),
            incarnation: tag,
            interval_ms: millis(self.interval),
            // The system is not to be minded by what is no part of it.
            criticality: v1::Criticality::Optional.into(),
            checks: vec![v1::CheckDeclaration {
                name: CHECK.to_owned(),
                ..v1::CheckDeclaration::default()
            }],
            sequence: 1,
            results: vec![v1::CheckResult {
                name: CHECK.to_owned(),
                status: v1::Status::Healthy.into(),
                message: String::new(),
            }],
            ..v1::Hello::default()
        }
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn plan(args: &[&str]) -> Result<Plan, String> {
        let args = ["bench"].iter().chain(args);
        Plan::of(&Cli::try_parse_from(args).unwrap().bench)
    }

    #[test]
    fn the_defaults_follow_what_is_asked_for() {
        let sizes = |args| {
            let plan = plan(args).unwrap();
            (plan.instances, plan.streams, plan.connections, plan.services)
        };
        assert_eq!(sizes(&[]), (10_000, 100, 100, 20));
        assert_eq!(sizes(&["--instances", "3"]), (3, 3, 3, 3));
        let fleet = &["--instances", "172000", "--streams", "5000"];
        assert_eq!(sizes(fleet), (172_000, 5_000, 1_000, 20));
        let many = &["--instances", "1000000", "--streams", "200000"];
        assert_eq!(sizes(many).2, 1_563, "as many as carry the streams");
    }

    #[test]
    fn nonsense_is_refused_with_what_to_do() {
        for (args, what) in [
            (&["--instances", "0"] as &[&str], "at least one"),
            (&["--instances", "1000001"], "ask for fewer"),
            (&["--instances", "5", "--streams", "6"], "fewer streams"),
            (&["--instances", "100000", "--streams", "6"], "use --streams 7"),
            (&["--streams", "10", "--connections", "11"], "ask for fewer"),
            (
                &["--streams", "1000", "--connections", "7"],
                "use --connections 8",
            ),
            (&["--instances", "5", "--services", "6"], "one an instance"),
            (&["--instances", "172000", "--services", "1"], "use --services 2"),
            (&["--interval", "99ms"], "100ms to 1h"),
            (&["--interval", "61m"], "100ms to 1h"),
            (&["--interval", "10s", "--for", "9s"], "at least the interval"),
            (&["--for", "5h"], "at most 4h"),
        ] {
            let error = plan(args).unwrap_err();
            assert!(error.contains(what), "{args:?}: {error}");
        }
    }

    #[test]
    fn every_instance_is_on_one_stream_and_phases_are_spread() {
        let plan = plan(&["--instances", "10", "--streams", "4", "--interval", "1s"]).unwrap();
        let mut all: Vec<_> = (0..4)
            .flat_map(|stream| plan.hellos(stream))
            .map(|hello| hello.instance)
            .collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 10);
        let at = |ms: u64| Mono(ms * 1_000_000);
        assert_eq!(plan.first_beat(0, at(0)), at(0));
        assert_eq!(plan.first_beat(1, at(0)), at(250));
        assert_eq!(plan.first_beat(1, at(251)), at(1_250));
        assert_eq!(plan.probe(&plan.probe_hellos(3)[2].instance), Some(2));
        assert_eq!(plan.probe("0123-probe-2"), None);
    }
}
