//! Thousands of streams on one connection, by a client that does not care how many it may open.

use std::time::Duration;

use crate::{
    Size,
    attack::Outcome,
    tally::{Script, flood},
    target::Target,
    wire::{END_HEADERS, ENHANCE_YOUR_CALM, Frames, HEADERS, RST_STREAM, head},
};

/// More than may be open at once, and more than may be refused.
fn streams(size: Size) -> u64 {
    size.of(2_000, 20_000)
}

fn script(size: Size) -> Script {
    let head = head("Report");
    let mut left = streams(size);
    Script {
        opening: Frames::opening(&[]),
        next: Box::new(move |frames| {
            left = left.checked_sub(1)?;
            // Not ended: a report goes on for as long as its service lives.
            frames.open(END_HEADERS, &head);
            Some(1)
        }),
    }
}

/// Stopped if no more than 128 were ever open, and the rest cost the connection, each time.
pub(crate) async fn attack(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    const SOURCE: [u8; 4] = [127, 0, 9, 1];
    /// How many the server may have open at once.
    const OPEN: u64 = 128;
    let patience = size.of(Duration::from_secs(4), Duration::from_secs(15));
    let end = target.clock().mono() + size.lasts();
    let (mut connections, mut most, mut refused, mut closed) = (0, 0, 0, true);
    while closed && (connections == 0 || target.clock().mono() < end) {
        let tally = flood(SOURCE, target.grpc, script(size), patience).await?;
        let frames = |kind| tally.frames.get(&kind).copied().unwrap_or(0);
        most = most.max(frames(HEADERS));
        refused = refused.max(frames(RST_STREAM));
        closed = tally.reason == Some(ENHANCE_YOUR_CALM);
        connections += 1;
    }
    let ending = if closed {
        "each closed (GOAWAY ENHANCE_YOUR_CALM)"
    } else {
        "stays open"
    };
    Ok(Outcome {
        stopped: closed && most <= OPEN,
        happened: format!(
            "{connections} connections with {} streams, at most {most} answered and {refused} refused, {ending}",
            streams(size)
        ),
    })
}
