//! Messages larger than anything Ward has to be told, and messages that are none.

use anyhow::Context;
use bytes::{BufMut, Bytes};
use prost::Message;
use ward_proto::v1;

use crate::{
    Size,
    attack::Outcome,
    client::{Client, framed, head},
    target::Target,
};

const BOUND: usize = 64 * 1024;
/// What tonic takes by itself.
pub(crate) const LIBRARY_BOUND: usize = 4 << 20;

// Of gRPC.
const OK: &str = "0";
const OUT_OF_RANGE: &str = "11";
const UNIMPLEMENTED: &str = "12";
const INTERNAL: &str = "13";

/// A report that is good, but for `size`: filled up with a field that no version of the contract knows.
fn report(size: usize) -> Vec<u8> {
    /// Length-delimited, with a length of as many bytes as `size` needs.
    const FIELD: u64 = 1000 << 3 | 2;
    let hello = v1::Hello {
        service: "padding".into(),
        instance: format!("padding-{size}"),
        incarnation: "one".into(),
        ..v1::Hello::default()
    };
    let request = v1::ReportOnceRequest {
        hello: Some(hello),
        goodbye: false,
    };
    let mut message = request.encode_to_vec();
    prost::encoding::encode_varint(FIELD, &mut message);
    let left = size - message.len();
    let padding = (0..5)
        .map(|length| left - length)
        .find(|&padding| prost::encoding::encoded_len_varint(padding as u64) + padding == left);
    let padding = padding.unwrap_or(0);
    prost::encoding::encode_varint(padding as u64, &mut message);
    message.put_bytes(0, padding);
    message
}

pub(crate) async fn of_64_kib(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    oversized(target, size, BOUND).await
}

pub(crate) async fn of_4_mib(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    oversized(target, size, LIBRARY_BOUND).await
}

/// One byte more than the bound, again and again. One that is just within it is taken.
async fn oversized(target: &Target, size: Size, bound: usize) -> anyhow::Result<Outcome> {
    let mut client = Client::connect(target.grpc).await?;
    let (_, small) = client
        .call(head(target.grpc, "ReportOnce"), framed(&report(BOUND)))
        .await?;
    let message = framed(&report(bound + 1));
    let end = target.clock().mono() + size.lasts();
    let (mut sent, mut closed, mut answer) = (0_u64, 0, None);
    while target.clock().mono() < end {
        let call = client.call(head(target.grpc, "ReportOnce"), message.clone());
        // What is sent of a message that was refused counts as a mistake, and after so many of those there is an end.
        let Ok((_, status)) = call.await else {
            closed += 1;
            client = Client::connect(target.grpc).await?;
            continue;
        };
        let status = status.context("no gRPC status")?;
        anyhow::ensure!(
            *answer.get_or_insert(status.clone()) == status,
            "answered now so and now so"
        );
        sent += 1;
    }
    let answer = answer.context("nothing was sent")?;
    Ok(Outcome {
        stopped: answer == OUT_OF_RANGE && small.as_deref() == Some(OK),
        happened: format!(
            "{sent} messages, gRPC status {answer}; {closed} times the connection was closed; one of 64 KiB is taken"
        ),
    })
}

/// What is sent, and what it must be answered with.
struct NoMessage {
    what: &'static str,
    /// The one that is named.
    encoding: Option<&'static str>,
    body: Vec<u8>,
    status: &'static str,
}

fn no_messages() -> [NoMessage; 5] {
    let no_message = |what, encoding, body, status| NoMessage {
        what,
        encoding,
        body,
        status,
    };
    let report = report(200);
    [
        no_message("truncated", None, frame(0, &report)[..100].to_vec(), INTERNAL),
        no_message("not protobuf", None, frame(0, &[0xff; 100]), INTERNAL),
        no_message("compressed, no encoding named", None, frame(1, &report), INTERNAL),
        no_message(
            "compressed with gzip",
            Some("gzip"),
            frame(1, &report),
            UNIMPLEMENTED,
        ),
        no_message("a flag that is none", None, frame(7, &report), INTERNAL),
    ]
}

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = framed(message).to_vec();
    frame[0] = flag;
    frame
}

pub(crate) async fn none(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let mut client = Client::connect(target.grpc).await?;
    let end = target.clock().mono() + size.lasts();
    let (mut sent, mut wrong) = (0_u64, Vec::new());
    while sent == 0 || target.clock().mono() < end && wrong.is_empty() {
        for method in ["ReportOnce", "Report"] {
            for no_message in no_messages() {
                let NoMessage {
                    what,
                    encoding,
                    body,
                    status: expected,
                } = no_message;
                // A stream tells what is wrong with one message and goes on.
                if (method, what) == ("Report", "not protobuf") {
                    continue;
                }
                let mut call = head(target.grpc, method);
                if let Some(encoding) = encoding {
                    call = call.header("grpc-encoding", encoding);
                }
                let (_, status) = client.call(call, Bytes::from(body)).await?;
                let status = status.context("no gRPC status")?;
                if status != expected {
                    wrong.push(format!("{method}, {what}: {status} where {expected} was due"));
                }
                sent += 1;
            }
        }
    }
    let happened = if wrong.is_empty() {
        format!("{sent} messages, each refused with a status, the connection goes on")
    } else {
        wrong.join("; ")
    };
    Ok(Outcome {
        stopped: wrong.is_empty(),
        happened,
    })
}
