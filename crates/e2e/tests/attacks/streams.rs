//! Thousands of streams on one connection, by a client that does not care how many it may open.
//!
//! The frames are written by hand: the `h2` crate obeys the server's settings.

use std::net::SocketAddr;

use bytes::{BufMut, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpStream, tcp::OwnedReadHalf},
};

use crate::{
    attacker::PREFACE,
    honest::Honest,
    target::{Setup, Target},
};

/// More than may be open at once.
const FEW: u32 = 200;
/// More than may be refused, too.
const MANY: u32 = 2_000;

// Of RFC 9113, sections 6 and 7.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

#[derive(Debug, Default, PartialEq, Eq)]
struct Answers {
    /// Streams that were answered, and not ended.
    open: usize,
    refused: usize,
    /// How many the server had taken up when it closed the connection, and why it did.
    closed: Option<(u32, u32)>,
}

fn put_frame(frames: &mut BytesMut, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    frames.put_uint(payload.len() as u64, 3);
    frames.put_u8(kind);
    frames.put_u8(flags);
    frames.put_u32(stream);
    frames.put_slice(payload);
}

/// The head of a `Report` call, in HPACK without compression (RFC 7541, section 6.2.2 and appendix A).
fn report_head(addr: SocketAddr) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let (post, http) = (0x83, 0x86);
    let (path, authority, content_type, unknown): (&[u8], &[u8], &[u8], &[u8]) =
        (&[4], &[1], &[0x0f, 16], &[0]);
    [
        &[post, http],
        path,
        &text("/ward.health.v1.HealthService/Report"),
        authority,
        &text(&addr.to_string()),
        content_type,
        &text("application/grpc"),
        unknown,
        &text("te"),
        &text("trailers"),
    ]
    .concat()
}

async fn attack(addr: SocketAddr, streams: u32) -> (Answers, BufReader<OwnedReadHalf>) {
    let (answers, mut requests) = TcpStream::connect(addr).await.unwrap().into_split();
    let mut answers = BufReader::new(answers);
    let mut frames = BytesMut::from(PREFACE);
    put_frame(&mut frames, SETTINGS, 0, 0, &[]);
    let head = report_head(addr);
    for n in 0..streams {
        // Not ended: a report goes on for as long as its service lives.
        put_frame(&mut frames, HEADERS, END_HEADERS, 2 * n + 1, &head);
    }
    tokio::spawn(async move {
        requests.write_all(&frames).await.unwrap();
        // The writing half closes its direction when it is dropped.
        std::future::pending::<()>().await;
    });
    let mut counted = Answers::default();
    while counted.open + counted.refused < streams as usize {
        // 24 bits of length, 8 of kind, 8 of flags, 32 of stream.
        let length_and_kind = answers.read_u32().await.expect("still connected");
        let (length, [.., kind]) = ((length_and_kind >> 8) as usize, length_and_kind.to_be_bytes());
        let flags = answers.read_u8().await.unwrap();
        answers.read_u32().await.unwrap();
        let mut payload = vec![0; length];
        answers.read_exact(&mut payload).await.unwrap();
        match kind {
            HEADERS if flags & END_STREAM == 0 => counted.open += 1,
            RST_STREAM => {
                assert_eq!(payload, REFUSED_STREAM.to_be_bytes());
                counted.refused += 1;
            }
            GOAWAY => {
                let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
                // Streams of a client have odd numbers.
                counted.closed = Some((number(0).div_ceil(2), number(4)));
                break;
            }
            HEADERS => panic!("a stream was ended at once"),
            _ => {}
        }
    }
    (counted, answers)
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_on_one_connection() {
    for setup in Setup::both() {
        let target = Target::start(&setup);
        for streams in [FEW, MANY] {
            let honest = Honest::start(target.addr).await;
            let (answers, _held) = attack(target.addr, streams).await;
            let Answers {
                open,
                refused,
                closed,
            } = answers;
            let ending = closed.map_or("connection stays".to_owned(), |(taken, _)| {
                format!("GOAWAY after {taken}")
            });
            let happened = format!("of {streams} streams {open} open at once, {refused} refused, {ending}");
            target.report("streams", &happened, honest.finish().await);
            match (setup.guarded, streams) {
                (false, _) => assert_eq!((open, refused, closed), (streams as usize, 0, None)),
                (true, FEW) => assert_eq!((open, refused, closed), (128, FEW as usize - 128, None)),
                // Whoever goes on after the 128th is refused one by one, until the limit on resets ends that too.
                (true, _) => assert_eq!(closed, Some((128, ENHANCE_YOUR_CALM))),
            }
        }
    }
}
