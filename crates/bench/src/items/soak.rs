//! B12: a whole fleet for ten minutes, on a core of which a third is stolen.
//!
//! The aggregator is the program as it is released, with its bounds and guards as people get them; the fleet is `ward
//! bench`, as people have it too. Nobody of the fleet ever pauses, so whoever is convicted is convicted falsely. The
//! limit is a no-op server that reads the same messages at the same times, for a shorter while.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::{runtime, sync::mpsc, task::JoinSet, time::sleep};
use tokio_stream::wrappers::ReceiverStream;
use ward_chassis::Clock;
use ward_proto::v1::{self, health_service_client::HealthServiceClient};

use crate::{
    goal::Goal,
    item::{Effort, Question, Rounds, Row},
    machine::{self, Weather},
    product::{self, Aggregator},
    progress::Progress,
    server::Server,
};

/// How large, and how long.
#[derive(Clone, Copy, Debug)]
struct Size {
    instances: u32,
    streams: u32,
    interval: Duration,
    window: Duration,
    /// Of the limit.
    shorter: Duration,
}

const FULL: Size = Size {
    instances: 172_000,
    streams: 1_000,
    interval: Duration::from_secs(5),
    window: Duration::from_secs(600),
    shorter: Duration::from_secs(15),
};
const QUICK: Size = Size {
    instances: 2_000,
    streams: 20,
    interval: Duration::from_secs(1),
    window: Duration::from_secs(4),
    shorter: Duration::from_secs(1),
};

const PERCENT_OF_A_CORE: &str = "% of a core";

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let size = if effort.quick { QUICK } else { FULL };
    let Size {
        instances,
        streams,
        interval,
        window,
        ..
    } = size;
    let before = Weather::begin();
    let limit = schedule(size).context("run the no-op server")?;
    progress.tick();
    let soaked = soak(size).context("soak the aggregator")?;
    let taken = Rounds::once(vec![limit], soaked, before.end());
    let fleet = format!(
        "{instances} instances, {streams} streams and connections, a beat each {interval:?} for {window:?}, a third of \
         the core stolen"
    );
    let row = |measure, what: &str, unit, goal| {
        taken.row(Question {
            item: "B12",
            what: what_of(&fleet, what).as_str(),
            unit,
            measure,
            peer: None,
            goal,
        })
    };
    Ok(vec![
        row(0, "CPU", PERCENT_OF_A_CORE, Goal::Under(10.0)),
        row(1, "largest RSS", "MB", Goal::Under(600.0)),
        row(2, "false convictions", "", Goal::Under(0.0)),
        row(3, "false suspicions", "", Goal::None),
        row(4, "a change, until a watcher heard, p99", "ms", Goal::None),
        row(5, "stolen", PERCENT_OF_A_CORE, Goal::None),
    ])
}

fn what_of(fleet: &str, what: &str) -> String {
    format!("{fleet}: {what}")
}

/// What [`run`] shows of Ward, in its order.
fn soak(size: Size) -> anyhow::Result<Vec<f64>> {
    let aggregator = Aggregator::start()?;
    let convicted = aggregator.metric("ward_convictions_total")?;
    let mut fleet = Fleet::start(&aggregator, size)?;
    let thief = Thief::start()?;
    let clock = Clock::start();
    let (begun, cpu, stolen) = (clock.mono(), aggregator.cpu()?, thief.cpu()?);
    let mut largest = aggregator.memory()?;
    loop {
        let left = size.window.saturating_sub(clock.mono().since(begun));
        if left.is_zero() {
            break;
        }
        thread::sleep(left.min(Duration::from_secs(1)));
        largest = largest.max(aggregator.memory()?);
    }
    let passed = clock.mono().since(begun).as_secs_f64();
    let share = |used: Duration| used.as_secs_f64() / passed * 100.0;
    let (cpu, stolen) = (share(aggregator.cpu()? - cpu), share(thief.cpu()? - stolen));
    drop(thief);
    let convicted = aggregator.metric("ward_convictions_total")? - convicted;
    let figures = fleet.figures()?;
    verify(&figures, size)?;
    let number = |value: &Value| value.as_f64().context("a figure that is none");
    Ok(vec![
        cpu,
        largest as f64 / 1e6,
        convicted,
        number(&figures["suspected"])?,
        number(&figures["seen_ms"]["p99"])?,
        stolen,
    ])
}

/// All of the fleet was there, and all that was sent was taken in, at the pace that was asked for.
fn verify(figures: &Value, size: Size) -> anyhow::Result<()> {
    let count = |name: &str| {
        figures[name]
            .as_u64()
            .with_context(|| format!("no {name} in {figures}"))
    };
    ensure!(
        count("registered")? == u64::from(size.instances),
        "not all registered: {figures}"
    );
    ensure!(count("reconnects")? == 0, "streams broke: {figures}");
    ensure!(
        figures["refused"] == serde_json::json!({}),
        "something was refused: {figures}"
    );
    let sent = count("beats_sent")?;
    ensure!(
        count("beats_acknowledged")? == sent,
        "not all beats were taken in: {figures}"
    );
    let planned = f64::from(size.instances) * size.window.as_secs_f64() / size.interval.as_secs_f64();
    let off = (sent as f64 - planned).abs() / planned;
    ensure!(off < 0.05, "{sent} beats instead of {planned}: {figures}");
    Ok(())
}

/// `ward bench`, on the clients' core as this process is.
#[derive(Debug)]
struct Fleet(Child);

impl Fleet {
    /// Starts it; returns when all of it is registered and it begins to measure.
    fn start(aggregator: &Aggregator, size: Size) -> anyhow::Result<Self> {
        let mut command = Command::new(product::program()?);
        command
            .args(["bench", "-o", "json"])
            .args(["--target", &aggregator.grpc.to_string()])
            .args(["--instances", &size.instances.to_string()])
            .args(["--streams", &size.streams.to_string()])
            .args(["--connections", &size.streams.to_string()])
            .args(["--interval", &format!("{}ms", size.interval.as_millis())])
            .args(["--for", &format!("{}ms", size.window.as_millis())])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut fleet = Self(command.spawn().context("start ward bench")?);
        let mut notes = BufReader::new(fleet.0.stderr.take().context("ward bench without stderr")?);
        let (mut line, mut said) = (String::new(), String::new());
        while !line.starts_with("measuring ") {
            said += &line;
            line.clear();
            ensure!(notes.read_line(&mut line)? > 0, "ward bench ended: {said}");
        }
        // Read on, so that it never waits for somebody who reads.
        thread::spawn(move || drop(notes.read_to_end(&mut Vec::new())));
        Ok(fleet)
    }

    /// What it found, once it has left.
    fn figures(&mut self) -> anyhow::Result<Value> {
        let mut text = String::new();
        let mut stdout = self.0.stdout.take().context("ward bench without stdout")?;
        stdout.read_to_string(&mut text)?;
        let status = self.0.wait()?;
        ensure!(status.success(), "ward bench ended with {status}");
        serde_json::from_str(&text).context("read the figures of ward bench")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// See `serve/thief.rs`.
#[derive(Debug)]
struct Thief {
    child: Child,
    _held: ChildStdin,
}

impl Thief {
    /// With a real-time priority if that is to be had, else as a neighbour like others.
    fn start() -> anyhow::Result<Self> {
        let program = env::current_exe().context("find this program")?;
        let mut first = Command::new("chrt");
        first.args(["--fifo", "1"]).arg(&program);
        Self::spawn(first).or_else(|_| Self::spawn(Command::new(&program)))
    }

    fn spawn(mut command: Command) -> anyhow::Result<Self> {
        command
            .args(["serve", "thief"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().context("start what steals")?;
        let held = child.stdin.take().context("a thief without stdin")?;
        let stdout = child.stdout.take().context("a thief without stdout")?;
        let thief = Self { child, _held: held };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line.trim() == "stealing", "it does not steal");
        Ok(thief)
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        machine::cpu_of(self.child.id())
    }
}

impl Drop for Thief {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the same messages at the same times cost a server that only reads them, in percent of a core.
fn schedule(size: Size) -> anyhow::Result<f64> {
    let server = Server::start(&["noop"])?;
    let _thief = Thief::start()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (clock, mut streams) = (Clock::start(), JoinSet::new());
        for stream in 0..size.streams {
            let mut client = HealthServiceClient::connect(format!("http://{}", server.addr())).await?;
            let (out, requests) = mpsc::channel(2);
            let answers = client.report(ReceiverStream::new(requests)).await?.into_inner();
            let request = v1::ReportRequest {
                beats: (0..size.instances / size.streams).collect(),
                ..v1::ReportRequest::default()
            };
            streams.spawn(async move {
                let mut answers = answers;
                sleep(size.interval * stream / size.streams).await;
                loop {
                    if out.send(request.clone()).await.is_err() {
                        return;
                    }
                    tokio::select! {
                        () = sleep(size.interval) => {}
                        () = async { while let Ok(Some(_)) = answers.message().await {} } => return,
                    }
                }
            });
        }
        let (begun, cpu) = (clock.mono(), server.cpu()?);
        sleep(size.shorter.max(size.interval)).await;
        let (used, passed) = (server.cpu()? - cpu, clock.mono().since(begun));
        ensure!(streams.try_join_next().is_none(), "a stream ended");
        Ok(used.as_secs_f64() / passed.as_secs_f64() * 100.0)
    })
}
