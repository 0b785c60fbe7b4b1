//! B13: what a service pays, in its own loops, for the calls of the sdk while the aggregator is dead or does not answer.
//!
//! The limit is one atomic store; an empty function stands beside it, as what the loop costs. That none of the calls
//! allocates is no figure: a test of the sdk (`hot_path`) holds it. Single calls are timed while another thread asks
//! for the service's health all the time, so that a call that waited for a reader would be seen.

use std::{
    hint::black_box,
    net::{SocketAddr, TcpListener},
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Relaxed, Release},
    },
    thread,
    time::Duration,
};

use anyhow::ensure;
use hdrhistogram::Histogram;
use tokio::runtime::{self, Runtime};
use ward_chassis::Clock;
use ward_sdk::{Heartbeat, Reporter, Signal, SignalHandle, Status};

use crate::{
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    machine,
    progress::Progress,
};

/// Two words a service might say in turns.
const WORDS: [(Status, &str); 2] = [
    (Status::Healthy, ""),
    (Status::Degraded, "running on the standby card processor"),
];
const GOAL_NS: f64 = 50.0;

/// A call of the sdk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    SameWord,
    OtherWord,
    Beat,
    Set,
}

impl Call {
    const ALL: [Self; 4] = [Self::SameWord, Self::OtherWord, Self::Beat, Self::Set];

    fn what(self) -> &'static str {
        match self {
            Self::SameWord => "set_status, the word said before",
            Self::OtherWord => "set_status, another word each time",
            Self::Beat => "Heartbeat::beat",
            Self::Set => "SignalHandle::set",
        }
    }
}

/// A service whose aggregator is no help.
#[derive(Debug)]
struct Service {
    reporter: Reporter,
    heartbeat: Heartbeat,
    signal: SignalHandle,
    _runtime: Runtime,
}

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let silent = Service::new(listener.local_addr()?)?;
    rows.extend(about(&silent, "nobody answers", effort, progress)?);
    let gone = TcpListener::bind("127.0.0.1:0")?;
    let addr = gone.local_addr()?;
    drop(gone);
    rows.extend(about(&Service::new(addr)?, "nobody listens", effort, progress)?);
    Ok(rows)
}

fn about(service: &Service, peer: &str, effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for call in Call::ALL {
        rows.extend(of_call(service, call, peer, effort, progress)?);
    }
    Ok(rows)
}

fn of_call(
    service: &Service,
    call: Call,
    aggregator: &str,
    effort: Effort,
    progress: &Progress,
) -> anyhow::Result<Vec<Row>> {
    let calls: u64 = if effort.quick { 20_000 } else { 1_000_000 };
    let place = AtomicU64::new(0);
    let mut subjects = Subjects {
        limit: Some(Box::new(|| {
            service.figures(calls, |number| place.store(number, Relaxed))
        })),
        ward: Some(Box::new(|| service.measured(call, calls))),
        peers: vec![("empty", Box::new(|| service.figures(calls, |_| ())))],
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let row = |measure: usize, what: &str, peer: Option<usize>, goal: Goal| {
        taken.row(Question {
            item: "B13",
            what: &format!("{}, {aggregator}{what}", call.what()),
            unit: "ns",
            measure,
            peer,
            goal,
        })
    };
    let mut rows = vec![row(0, "", Some(0), Goal::Under(GOAL_NS))];
    // The one call that could wait for anybody.
    if call == Call::OtherWord {
        rows.push(row(1, ": p99.9, clock included", None, Goal::None));
        rows.push(row(
            2,
            &format!(": worst of {calls}, clock included"),
            None,
            Goal::None,
        ));
    }
    Ok(rows)
}

impl Service {
    fn new(aggregator: SocketAddr) -> anyhow::Result<Self> {
        // What runs in the background is not on the service's core.
        let runtime = machine::on_core(machine::SERVER_CORE, || {
            Ok(runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?)
        })?;
        let guard = runtime.enter();
        let reporter = Reporter::builder("payments")
            .server(aggregator.to_string())
            .signal(Signal::new("queue_depth"))
            .heartbeat("consumer", Duration::from_secs(3_600))
            .start()?;
        drop(guard);
        Ok(Self {
            heartbeat: reporter.heartbeat("consumer").clone(),
            signal: reporter.signal("queue_depth").clone(),
            reporter,
            _runtime: runtime,
        })
    }

    /// Figures of one of the sdk's calls, and whether it did what it is for.
    fn measured(&self, call: Call, calls: u64) -> anyhow::Result<Vec<f64>> {
        let say = |number: u64| {
            let (status, message) = WORDS[(number % 2) as usize];
            self.reporter.set_status(status, message);
        };
        let figures = match call {
            Call::SameWord => self.figures(calls, |_| say(1))?,
            Call::OtherWord => self.figures(calls, say)?,
            Call::Beat => self.figures(calls, |_| self.heartbeat.beat())?,
            Call::Set => self.figures(calls, |number| self.signal.set(number as f64))?,
        };
        ensure!(!self.reporter.is_connected(), "the aggregator is not dead");
        match call {
            // There is an even number of calls, counted from 0.
            Call::SameWord | Call::OtherWord => {
                let own = &self.reporter.health().components["self"];
                let told = (own.status, own.message.as_str());
                ensure!(told == WORDS[1], "the last word was not kept: {told:?}");
            }
            Call::Set => {
                let value = self.signal.get();
                ensure!(
                    value == Some((calls - 1) as f64),
                    "the last value was not kept: {value:?}"
                );
            }
            Call::Beat => {}
        }
        Ok(figures)
    }

    /// The mean of one call, from CPU time; then the 99.9th percentile and the worst of single calls, as the clock on
    /// the wall has them. In nanoseconds.
    fn figures(&self, calls: u64, mut call: impl FnMut(u64)) -> anyhow::Result<Vec<f64>> {
        let begun = machine::cpu_of_thread();
        for number in 0..calls {
            call(black_box(number));
        }
        let mean = (machine::cpu_of_thread() - begun).as_nanos() as f64 / calls as f64;
        let single = self.while_read(|| single(calls, call))?;
        Ok(vec![
            mean,
            single.value_at_quantile(0.999) as f64,
            single.max() as f64,
        ])
    }

    /// Does something while another thread, on another core, asks for the health again and again.
    fn while_read<T>(&self, what: impl FnOnce() -> T) -> T {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                drop(machine::pin(machine::SERVER_CORE));
                while !done.load(Relaxed) {
                    black_box(self.reporter.health());
                }
            });
            let result = what();
            done.store(true, Release);
            result
        })
    }
}

/// How long each of `calls` took.
fn single(calls: u64, mut call: impl FnMut(u64)) -> anyhow::Result<Histogram<u64>> {
    let clock = Clock::start();
    let mut taken = Histogram::new(3)?;
    for number in 0..calls {
        let begun = clock.mono();
        call(black_box(number));
        let nanos = clock.mono().since(begun).as_nanos();
        taken.record(u64::try_from(nanos)?)?;
    }
    Ok(taken)
}
