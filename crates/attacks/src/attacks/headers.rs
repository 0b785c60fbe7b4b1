//! Heads of requests larger than anything Ward has to be told.

use anyhow::Context;
use http::StatusCode;

use crate::{
    Size,
    attack::Outcome,
    client::{Client, framed, head},
    tally::{Script, waves},
    target::Target,
    wire::{self, END_HEADERS, END_STREAM, FIRST_REMEMBERED, Frames, remembered},
};

const HEADER_BYTES: usize = 12 * 1024;

/// A field of 4 KB is told once and then repeated in a byte each, which is 40 MB in a frame of 16 KiB.
pub(crate) async fn bomb(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    const FIELD_BYTES: usize = 3_900;
    const REPEATED: usize = 10_000;
    let script = |size: Size| {
        let mut head = wire::head("GetSystem");
        remembered(&mut head, "x-large", &"a".repeat(FIELD_BYTES));
        let again = [wire::head("GetSystem"), vec![FIRST_REMEMBERED; REPEATED]].concat();
        let mut opening = Frames::opening(&[]);
        opening.open(END_HEADERS | END_STREAM, &head);
        // Without its guard the server keeps each until it is answered.
        let mut left: u64 = size.of(20, 500);
        Script {
            opening,
            next: Box::new(move |frames| {
                left = left.checked_sub(1)?;
                frames.open(END_HEADERS | END_STREAM, &again);
                Some(1)
            }),
        }
    };
    Ok(waves(target, size, script).await?.outcome("requests of 40 MB"))
}

/// Again and again, as a client would that does not know better.
pub(crate) async fn large(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let mut client = Client::connect(target.grpc).await?;
    let end = target.clock().mono() + size.lasts();
    let (mut sent, mut closed, mut answer) = (0, 0, None);
    while target.clock().mono() < end {
        let large = head(target.grpc, "GetSystem").header("x-large", "a".repeat(HEADER_BYTES));
        // What is sent behind a head that was refused counts as a mistake, and after so many of those there is an end.
        let Ok((status, _)) = client.call(large, framed(&[])).await else {
            closed += 1;
            client = Client::connect(target.grpc).await?;
            continue;
        };
        anyhow::ensure!(
            *answer.get_or_insert(status) == status,
            "answered now so and now so"
        );
        sent += 1;
    }
    let answer = answer.context("nothing was sent")?;
    Ok(Outcome {
        stopped: answer == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        happened: format!(
            "{sent} requests, HTTP status {}; {closed} times the connection was closed",
            answer.as_u16()
        ),
    })
}
