//! B2: one heartbeat alone on its connection, what services that share no host send: what it costs the server.
//!
//! Beats go out one at a time, evenly, each connection in its turn, at one rate for all subjects that keeps neither core
//! busy: each beat finds the server asleep or nearly so. A closed loop was not taken: it would let a busy server find
//! many beats at once, which is cheaper and not what a fleet does.

use std::{thread, time::Duration};

use tokio::runtime::Runtime;
use ward_chassis::Clock;

use super::beats::client;
use crate::{
    flow::Flows,
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subject, Subjects},
    peer::{ETCD, etcd::Keepalives},
    progress::Progress,
    reporters::{Reporters, Spread},
};

const SIZES: [usize; 3] = [100, 1_000, 5_000];
/// With so many connections etcd is measured as well.
const WITH_ETCD: usize = 100;
/// Beats a second, over all connections.
const RATE: u32 = 5_000;
/// As long as an acknowledgement takes at most, so that each connection is sent one in a window, or one a beat.
const WINDOW: Duration = Duration::from_secs(1);

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let sizes = if effort.quick { &SIZES[..1] } else { &SIZES[..] };
    let mut rows = Vec::new();
    for &size in sizes {
        rows.extend(size_rows(size, effort, progress)?);
    }
    Ok(rows)
}

fn size_rows(connections: usize, effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let runtime = client()?;
    let spread = Spread {
        connections,
        instances: 1,
        window: 1_024,
    };
    let pace = Pace::of(connections, effort);
    let limit = Reporters::of_noop(&runtime, spread)?;
    let ward = Reporters::of_ward(&runtime, spread)?;
    let etcd = match connections {
        WITH_ETCD => Keepalives::start(&runtime, connections, 1, spread.window)?,
        _ => None,
    };
    let beats = |reporters: &Reporters| pace.sample(&runtime, &reporters.flows, || reporters.server.cpu());
    let mut peers: Vec<(&str, Subject<'_>)> = Vec::new();
    if let Some(Keepalives { peer, flows }) = &etcd {
        let sample = || pace.sample(&runtime, flows, || peer.cpu());
        peers.push((ETCD.file, Box::new(sample)));
    }
    let mut subjects = Subjects {
        limit: Some(Box::new(|| beats(&limit))),
        ward: Some(Box::new(|| beats(&ward))),
        peers,
    };
    let taken = Rounds::take(&mut subjects, effort.close_rounds, effort, progress)?;
    drop(subjects);
    for reporters in [&limit, &ward] {
        runtime.block_on(reporters.flows.settle(1))?;
        reporters.verify()?;
    }
    let row = |against: &str, peer, goal| {
        taken.row(Question {
            item: "B2",
            what: &format!("lone beats on {connections} connections, {RATE}/s in all{against}"),
            unit: "us/beat",
            measure: 0,
            peer,
            goal,
        })
    };
    let mut rows = vec![row("", None, Goal::AtMost(1.10))];
    if etcd.is_some() {
        rows.push(row(", against lease keepalives", Some(0), Goal::AtLeast(5.0)));
    }
    Ok(rows)
}

/// When beats go and when the clock is read.
#[derive(Clone, Copy, Debug)]
struct Pace {
    connections: usize,
    /// Beats before the clock is read first.
    lead: Duration,
    window: Duration,
}

impl Pace {
    /// Acknowledgements come a second after the first beat they are for. Where there is more than one beat between
    /// them, they lie together and the window lies around them; where there is not, they are as even as beats are, once
    /// there are any.
    fn of(connections: usize, effort: Effort) -> Self {
        let beats_each = RATE as usize / connections;
        let lead = if beats_each > 1 { 750 } else { 1_050 };
        let lead = Duration::from_millis(if effort.quick { 50 } else { lead });
        Self {
            connections,
            lead,
            window: if effort.quick { effort.sample } else { WINDOW },
        }
    }

    /// Microseconds of a server's CPU for each beat that was sent in the window. That all of them were taken is seen
    /// before the next sample, when the acknowledgements are there.
    fn sample(
        self,
        runtime: &Runtime,
        flows: &Flows,
        cpu: impl Fn() -> anyhow::Result<Duration>,
    ) -> anyhow::Result<Vec<f64>> {
        runtime.block_on(flows.settle(1))?;
        self.beat(flows, self.lead);
        let (before, sent) = (cpu()?, flows.sent());
        self.beat(flows, self.window);
        let (after, sent) = (cpu()?, flows.sent() - sent);
        Ok(vec![(after - before).as_secs_f64() * 1e6 / sent as f64])
    }

    /// One beat after another, each at its time or as soon as this thread wakes up.
    fn beat(self, flows: &Flows, during: Duration) {
        let clock = Clock::start();
        let beats = (during.as_secs_f64() * f64::from(RATE)) as u32;
        for beat in 0..beats {
            let intended = during * beat / beats;
            let passed = Duration::from_nanos(clock.mono().0);
            thread::sleep(intended.saturating_sub(passed));
            flows.0[beat as usize % self.connections].allow(1);
        }
        let passed = Duration::from_nanos(clock.mono().0);
        thread::sleep(during.saturating_sub(passed));
    }
}
