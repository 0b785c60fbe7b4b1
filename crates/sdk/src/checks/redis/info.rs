//! What Redis' INFO says about its role, its replication and its memory. Pure.
//!
//! Read as text: the lines that matter have had their names since Redis 2.8, and Valkey and KeyDB have them too.

use std::time::Duration;

use super::worst;
use crate::check::Verdict;

/// More replicas than any primary should have.
const REPLICAS_MOST: usize = 64;

/// The answer to INFO.
#[derive(Debug)]
pub(super) struct Info<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Info<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| line.trim().split_once(':'))
                .collect(),
        )
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// Of each replica, its address and how many seconds ago it was heard.
    fn replicas(&self) -> impl Iterator<Item = (String, u64)> {
        let number = |name: &str| {
            name.strip_prefix("slave")
                .is_some_and(|rest| rest.parse::<u32>().is_ok())
        };
        let lines = self
            .0
            .iter()
            .filter(move |(name, _)| number(name))
            .take(REPLICAS_MOST);
        lines.filter_map(|(_, value)| {
            let field = |wanted: &str| {
                let mut fields = value.split(',').filter_map(|field| field.split_once('='));
                fields.find(|(name, _)| *name == wanted).map(|(_, value)| value)
            };
            let address = format!("{}:{}", field("ip")?, field("port")?);
            Some((address, field("lag")?.parse().ok()?))
        })
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    pub(super) primary: bool,
    pub(super) lag: Option<Duration>,
    /// Of `maxmemory`.
    pub(super) memory: Option<f64>,
}

impl Expected {
    pub(super) fn is_empty(&self) -> bool {
        !self.primary && self.lag.is_none() && self.memory.is_none()
    }

    pub(super) fn verdict(&self, info: &Info<'_>) -> Verdict {
        let Some(role) = info.get("role") else {
            return Verdict::unknown("INFO says nothing of a role");
        };
        let primary = role == "master";
        let role = (self.primary && !primary).then(|| Verdict::unhealthy("is a replica, expected a primary"));
        let lag = self.lag.and_then(|lag| {
            if primary {
                behind(info, lag)
            } else {
                link(info, lag)
            }
        });
        let memory = self.memory.and_then(|ratio| memory(info, ratio));
        worst([role, lag, memory].into_iter().flatten())
    }
}

/// Of a primary: that it has nobody who would take over, or whom it has not heard for too long.
fn behind(info: &Info<'_>, lag: Duration) -> Option<Verdict> {
    if info.number("connected_slaves") == Some(0) {
        return Some(Verdict::degraded("no replica is connected"));
    }
    let mut late = info
        .replicas()
        .filter(|(_, seconds)| Duration::from_secs(*seconds) > lag);
    late.next().map(|(address, seconds)| {
        Verdict::degraded(format!("its replica {address} was heard {seconds} s ago"))
    })
}

/// Of a replica.
fn link(info: &Info<'_>, lag: Duration) -> Option<Verdict> {
    if info.get("master_link_status") != Some("up") {
        let down = info.number("master_link_down_since_seconds");
        let since = down
            .map(|seconds| format!(" for {seconds} s"))
            .unwrap_or_default();
        return Some(Verdict::degraded(format!(
            "a replica that has lost its primary{since}"
        )));
    }
    if info.get("master_sync_in_progress") == Some("1") {
        return Some(Verdict::degraded("a replica that is copying its primary's data"));
    }
    let seconds = info.number("master_last_io_seconds_ago")?;
    let late = Duration::from_secs(seconds) > lag;
    late.then(|| Verdict::degraded(format!("a replica that heard its primary {seconds} s ago")))
}

fn memory(info: &Info<'_>, ratio: f64) -> Option<Verdict> {
    // Zero is no limit.
    let limit = info.number("maxmemory").filter(|&limit| limit > 0)?;
    let used = info.number("used_memory")?;
    let policy = info.get("maxmemory_policy").unwrap_or("noeviction");
    let share = used as f64 / limit as f64;
    let short = !policy.starts_with("allkeys") && share >= ratio;
    short.then(|| Verdict::degraded(format!("{:.1} % of maxmemory used, with {policy}", share * 100.0)))
}

#[cfg(test)]
mod tests {
    use ward_model::Status;

    use super::*;

    fn verdict(expected: Expected, text: &str) -> (Status, String) {
        let Verdict { status, message } = expected.verdict(&Info::new(text));
        (status, message)
    }

    const ROLE: Expected = Expected {
        primary: true,
        lag: Some(Duration::from_secs(15)),
        memory: None,
    };

    #[test]
    fn roles_and_lag() {
        let primary = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=1\r\n";
        assert_eq!(verdict(ROLE, primary), (Status::Healthy, String::new()));
        let late = format!(
            "{primary}slave1:ip=10.0.0.3,port=6379,state=online,offset=1,lag=16\r\nslave_repl_offset:5\r\n"
        );
        assert_eq!(
            verdict(ROLE, &late),
            (
                Status::Degraded,
                "its replica 10.0.0.3:6379 was heard 16 s ago".into()
            )
        );
        let alone = "role:master\r\nconnected_slaves:0\r\n";
        let told = (Status::Degraded, "no replica is connected".to_owned());
        assert_eq!(verdict(ROLE, alone), told);
        let unasked = Expected { lag: None, ..ROLE };
        assert_eq!(verdict(unasked, alone), (Status::Healthy, String::new()));
        let replica =
            "role:slave\nmaster_link_status:up\nmaster_last_io_seconds_ago:16\nmaster_sync_in_progress:0\n";
        assert_eq!(
            verdict(ROLE, replica),
            (Status::Unhealthy, "is a replica, expected a primary".into())
        );
        let any = Expected {
            primary: false,
            ..ROLE
        };
        assert_eq!(
            verdict(any, replica),
            (
                Status::Degraded,
                "a replica that heard its primary 16 s ago".into()
            )
        );
        let lost = "role:slave\nmaster_link_status:down\nmaster_link_down_since_seconds:40\n";
        assert_eq!(
            verdict(any, lost),
            (
                Status::Degraded,
                "a replica that has lost its primary for 40 s".into()
            )
        );
        assert_eq!(verdict(any, "").0, Status::Unknown);
        assert_eq!(
            verdict(any, "role:sentinel\nslave0:ip=x,lag=nonsense\nslavex:\n:\n").0,
            Status::Degraded
        );
    }

    #[test]
    fn full_is_bad_only_where_nothing_makes_room() {
        let expected = Expected {
            memory: Some(0.9),
            ..Expected::default()
        };
        let told = |used: u64, policy: &str| {
            let text =
                format!("role:master\nused_memory:{used}\nmaxmemory:1000\nmaxmemory_policy:{policy}\n");
            verdict(expected, &text).0
        };
        assert_eq!(told(899, "noeviction"), Status::Healthy);
        assert_eq!(told(900, "noeviction"), Status::Degraded);
        assert_eq!(told(1_000, "volatile-lru"), Status::Degraded);
        assert_eq!(told(1_000, "allkeys-lru"), Status::Healthy);
        assert_eq!(
            verdict(expected, "role:master\nused_memory:5\nmaxmemory:0\n").0,
            Status::Healthy
        );
    }
}
