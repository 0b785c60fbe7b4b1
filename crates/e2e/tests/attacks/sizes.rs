//! Messages and headers larger than anything Ward has to say.

use bytes::BufMut;
use http::StatusCode;
use prost::Message;
use ward_proto::v1;

use crate::{
    attacker::{Attacker, framed, head},
    honest::Honest,
    target::{Setup, Target},
};

const MESSAGE_BYTES: usize = 64 * 1024;
const HEADER_BYTES: usize = 12 * 1024;

/// A report that is good, but for `size`: filled up with a field that no version of the contract knows.
fn report(size: usize) -> Vec<u8> {
    let hello = v1::Hello {
        service: "padding".into(),
        instance: format!("padding-{size}"),
        incarnation: "one".into(),
        ..v1::Hello::default()
    };
    let mut message = v1::ReportOnceRequest {
        hello: Some(hello),
        ..Default::default()
    }
    .encode_to_vec();
    // Field 1000, length-delimited, with a length of three bytes.
    let padding = size - message.len() - 5;
    prost::encoding::encode_varint(1000 << 3 | 2, &mut message);
    prost::encoding::encode_varint(padding as u64, &mut message);
    message.put_bytes(0, padding);
    assert_eq!(message.len(), size);
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn messages() {
    for setup in Setup::both() {
        let target = Target::start(&setup);
        let honest = Honest::start(target.addr).await;
        let mut attacker = Attacker::connect(target.addr).await;
        let mut said = Vec::new();
        for size in [MESSAGE_BYTES, MESSAGE_BYTES + 1] {
            let (_, status) = attacker
                .call(head(target.addr, "ReportOnce"), framed(&report(size)))
                .await
                .unwrap();
            said.push(status.unwrap());
        }
        let happened = format!(
            "64 KiB and one byte more: gRPC status {} and {}",
            said[0], said[1]
        );
        target.report("message size", &happened, honest.finish().await);
        // 11 is OUT_OF_RANGE.
        assert_eq!(said, if setup.guarded { ["0", "11"] } else { ["0", "0"] });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers() {
    for setup in Setup::both() {
        let target = Target::start(&setup);
        let honest = Honest::start(target.addr).await;
        let mut attacker = Attacker::connect(target.addr).await;
        let large = head(target.addr, "GetSystem").header("x-large", "a".repeat(HEADER_BYTES));
        let (status, _) = attacker.call(large, framed(&[])).await.unwrap();
        let happened = format!("a header of 12 KiB: HTTP status {}", status.as_u16());
        target.report("header size", &happened, honest.finish().await);
        let expected = if setup.guarded {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        } else {
            StatusCode::OK
        };
        assert_eq!(status, expected);
    }
}
