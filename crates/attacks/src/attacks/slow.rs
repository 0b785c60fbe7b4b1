//! Watchers that ask for everything and read nothing.

use std::{io, net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time,
};
use ward_proto::v1::{CheckResult, Hello, ReportOnceRequest, Status};

use crate::{
    Size,
    attack::Outcome,
    client::connect_from,
    honest::connect,
    target::Target,
    wire::{
        ACK, END_HEADERS, END_STREAM, Frames, INITIAL_WINDOW_SIZE, PING, WINDOW_MOST, WINDOW_UPDATE, head,
    },
};

/// As long as the server waits for one who does not read, in these attacks.
pub(crate) const STALL_AFTER: Duration = Duration::from_secs(2);
/// Of streams on one connection, within what one client may watch.
const STREAMS: usize = 16;
/// What each of them takes in and gives back nothing of: less than there is to tell at once.
const STREAM_WINDOW: u32 = 16 << 10;
/// The longest message of a check.
const MESSAGE_BYTES: usize = 512;

fn watchers(size: Size) -> usize {
    size.of(100, 1_000)
}

/// A snapshot of these is larger than what is kept for a stream.
async fn populate(target: &Target, services: usize) -> anyhow::Result<()> {
    let mut client = connect(target.grpc).await?;
    for service in 0..services {
        client.report_once(report(service, 0)).await?;
    }
    Ok(())
}

fn report(service: usize, turn: usize) -> ReportOnceRequest {
    let status = if turn.is_multiple_of(2) {
        Status::Degraded
    } else {
        Status::Unhealthy
    };
    let result = CheckResult {
        name: "self".into(),
        status: status.into(),
        message: format!("{turn:>MESSAGE_BYTES$}"),
    };
    let hello = Hello {
        service: format!("told-{service}"),
        instance: "one".into(),
        incarnation: "one".into(),
        interval_ms: 3_600_000,
        results: vec![result],
        ..Hello::default()
    };
    ReportOnceRequest {
        hello: Some(hello),
        goodbye: false,
    }
}

/// How long the server has to be rid of all of them: it looks every 5 s, ends who is found behind for the third time, and
/// cuts who is found then.
const FOUND: Duration = Duration::from_secs(30);

/// Changes something all the time, so that there is always more to tell, until no watchers but `others` are left or none
/// of them can be found any more. Stopped if none are left.
async fn stalled(
    target: &Target,
    services: usize,
    transport: &str,
    watchers: usize,
    others: usize,
) -> anyhow::Result<Outcome> {
    const BETWEEN_LOOKS: usize = 50;
    let mut client = connect(target.grpc).await?;
    let end = target.clock().mono() + FOUND;
    let (mut changes, mut most) = (0, 0);
    let left = loop {
        for _ in 0..BETWEEN_LOOKS {
            changes += 1;
            client
                .report_once(report(changes % services, 1 + changes / services))
                .await?;
            // Within what one client may report.
            time::sleep(Duration::from_millis(12)).await;
        }
        let left = watching(target.http, transport).await?.saturating_sub(others);
        most = most.max(left);
        // Some of the first may be ended before the last have come.
        if left == 0 && most > watchers / 2 || target.clock().mono() >= end {
            break left;
        }
    };
    ensure!(most > watchers / 2, "only {most} of {watchers} watched");
    Ok(Outcome {
        stopped: left == 0,
        happened: format!("of {watchers} watchers {left} are still held after {changes} changes"),
    })
}

/// A connection with watches whose windows are used up, and never renewed. Its own is as large as it can be, so that it
/// carries everything else.
async fn over_grpc(addr: SocketAddr, host: u8, streams: usize) -> anyhow::Result<TcpStream> {
    let mut tcp = connect_from([127, 0, 5, host], addr).await?;
    let mut frames = Frames::opening(&[(INITIAL_WINDOW_SIZE, STREAM_WINDOW)]);
    frames.put(WINDOW_UPDATE, 0, 0, &(WINDOW_MOST - 65_535).to_be_bytes());
    let head = head("Watch");
    for _ in 0..streams {
        let stream = frames.open(END_HEADERS, &head);
        // A request of an empty message: everything.
        frames.put(0, END_STREAM, stream, &[0; 5]);
    }
    tcp.write_all(&frames.bytes).await?;
    Ok(tcp)
}

/// Reads the connection and answers its pings: there is nothing to be seen of it that says that it is dead.
async fn look_alive(tcp: TcpStream) -> io::Result<()> {
    let (read, mut write) = tcp.into_split();
    let mut read = BufReader::new(read);
    loop {
        // 24 bits of length, 8 of kind, 8 of flags, 32 of stream.
        let length_and_kind = read.read_u32().await?;
        let (length, [.., kind]) = ((length_and_kind >> 8) as usize, length_and_kind.to_be_bytes());
        let flags = read.read_u8().await?;
        read.read_u32().await?;
        let mut payload = vec![0; length];
        read.read_exact(&mut payload).await?;
        if kind == PING && flags & ACK == 0 {
            let mut answer = Frames::default();
            answer.put(PING, ACK, 0, &payload);
            write.write_all(&answer.bytes).await?;
        }
    }
}

async fn over_http(addr: SocketAddr, host: u8) -> anyhow::Result<TcpStream> {
    let mut tcp = narrow([127, 0, 6, host], addr).await?;
    let request = format!("GET /api/v1/watch?level=instance HTTP/1.1\r\nhost: {addr}\r\n\r\n");
    tcp.write_all(request.as_bytes()).await?;
    Ok(tcp)
}

/// The kernel takes as little for it as it can.
async fn narrow(source: [u8; 4], addr: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4_096)?;
    socket.bind((source, 0).into())?;
    Ok(socket.connect(addr).await?)
}

pub(crate) async fn watches(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let mut held = JoinSet::new();
    // Many times what is kept for a stream; what services cost themselves is for the attack by names to show.
    let services = 200;
    populate(target, services).await?;
    for begun in (0..watchers(size)).step_by(STREAMS) {
        let host = u8::try_from(begun / STREAMS + 1)?;
        let streams = STREAMS.min(watchers(size) - begun);
        held.spawn(look_alive(over_grpc(target.grpc, host, streams).await?));
    }
    // One is the honest client's.
    stalled(target, services, "grpc", watchers(size), 1).await
}

pub(crate) async fn events(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    /// Behind one address, so that none of them asks more often than it may.
    const TOGETHER: usize = 50;
    let mut held = Vec::new();
    let services = size.of(500, 1_000);
    populate(target, services).await?;
    for watcher in 0..watchers(size) {
        held.push(over_http(target.http, u8::try_from(watcher / TOGETHER + 1)?).await?);
    }
    stalled(target, services, "sse", watchers(size), 0).await
}

/// How many watch, as the server counts them.
async fn watching(addr: SocketAddr, transport: &str) -> anyhow::Result<usize> {
    metric(addr, &format!("ward_watchers{{transport=\"{transport}\"}} ")).await
}

/// The value of a series, whose name is given up to the space behind it.
pub(super) async fn metric(addr: SocketAddr, series: &str) -> anyhow::Result<usize> {
    let page = super::injection::get(addr, "/metrics").await?;
    let page = String::from_utf8_lossy(&page);
    let value = page.lines().find_map(|line| line.strip_prefix(series));
    value
        .and_then(|value| value.parse().ok())
        .with_context(|| format!("no {series}in the metrics"))
}
