//! Watches over HTTP/2, as little of it as a client needs that only listens.
//!
//! Requests are literals without compression, windows are opened as far as they go, answers are frames walked where they
//! lie. Headers that come back are not read: what is wrong with a watch shows as a stream that ends.

use anyhow::{bail, ensure};
use prost::Message;
use ward_proto::v1::{DeltaKind, Status, WatchRequest};

use super::{Board, Place, Wire};

/// RFC 9113, section 6.
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const GOAWAY: u8 = 7;
    pub(super) const WINDOW_UPDATE: u8 = 8;
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The largest window there can be.
const WINDOW: u32 = (1 << 31) - 1;
/// What windows are when nobody says otherwise.
pub(crate) const FIRST_WINDOW: u32 = 65_535;
/// A connection's window is given back after so many bytes.
const GIVE_BACK: u32 = 1 << 30;

/// A connection of watches.
#[derive(Debug)]
pub(crate) struct Watches {
    streams: Vec<Watch>,
    /// The server begins with everything there is.
    snapshot: bool,
    /// Bytes whose window was not given back yet.
    received: u32,
}

#[derive(Clone, Debug, Default)]
struct Watch {
    place: Place,
    /// The revision it was told up to.
    told: u64,
    /// The beginning of a message that spans frames.
    begun: Vec<u8>,
}

/// What of a `v1::WatchResponse` is looked at.
#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(message, optional, tag = "1")]
    delta: Option<Delta>,
}

#[derive(Clone, PartialEq, Message)]
struct Delta {
    #[prost(uint64, tag = "2")]
    from: u64,
    #[prost(uint64, tag = "3")]
    to: u64,
    #[prost(enumeration = "DeltaKind", tag = "4")]
    kind: i32,
    #[prost(bool, tag = "6")]
    last: bool,
    #[prost(message, repeated, tag = "7")]
    entities: Vec<Entity>,
}

#[derive(Clone, PartialEq, Message)]
struct Entity {
    #[prost(message, optional, tag = "2")]
    service: Option<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(message, optional, tag = "3")]
    condition: Option<Condition>,
}

#[derive(Clone, PartialEq, Message)]
struct Condition {
    #[prost(enumeration = "Status", tag = "1")]
    status: i32,
}

impl Watches {
    /// So many on one connection.
    pub(crate) fn new(count: usize, snapshot: bool) -> Self {
        Self {
            streams: vec![Watch::default(); count],
            snapshot,
            received: 0,
        }
    }

    fn data(&mut self, stream: u32, payload: &[u8], out: &mut Vec<u8>, board: &Board) -> anyhow::Result<()> {
        self.received += u32::try_from(payload.len())?;
        if self.received >= GIVE_BACK {
            frame(out, kind::WINDOW_UPDATE, 0, 0, &self.received.to_be_bytes());
            self.received = 0;
        }
        let snapshot = self.snapshot;
        self.watch(stream)?.take_in(payload, snapshot, board)
    }

    /// Streams of a client have odd numbers.
    fn watch(&mut self, stream: u32) -> anyhow::Result<&mut Watch> {
        match self.streams.get_mut((stream / 2) as usize) {
            Some(watch) => Ok(watch),
            None => bail!("the server speaks on stream {stream}, which nobody began"),
        }
    }

    fn frame(&mut self, head: Head, payload: &[u8], out: &mut Vec<u8>, board: &Board) -> anyhow::Result<()> {
        let Head { kind, flags, stream } = head;
        match kind {
            kind::DATA => self.data(stream, payload, out, board)?,
            kind::HEADERS => {
                ensure!(flags & END_STREAM == 0, "the server ended a watch");
                if !self.snapshot {
                    board.greet(&mut self.watch(stream)?.place);
                }
            }
            kind::SETTINGS if flags & ACK == 0 => frame(out, kind::SETTINGS, ACK, 0, &[]),
            kind::PING if flags & ACK == 0 => frame(out, kind::PING, ACK, 0, payload),
            kind::RST_STREAM | kind::GOAWAY => bail!("the server gave up a watch: {payload:?}"),
            _ => {}
        }
        Ok(())
    }
}

impl Wire for Watches {
    fn opening(&self) -> Vec<u8> {
        opening(self.streams.len(), WINDOW)
    }

    fn take_in(&mut self, bytes: &[u8], out: &mut Vec<u8>, board: &Board) -> anyhow::Result<usize> {
        let mut rest = bytes;
        while let Some((head, payload, behind)) = split(rest) {
            self.frame(head, payload, out, board)?;
            rest = behind;
        }
        Ok(bytes.len() - rest.len())
    }
}

impl Watch {
    fn take_in(&mut self, payload: &[u8], snapshot: bool, board: &Board) -> anyhow::Result<()> {
        if self.begun.is_empty() {
            let rest = self.messages(payload, snapshot, board)?;
            self.begun.extend_from_slice(rest);
        } else {
            let mut begun = std::mem::take(&mut self.begun);
            begun.extend_from_slice(payload);
            self.begun = self.messages(&begun, snapshot, board)?.to_vec();
        }
        Ok(())
    }

    /// Takes in those that are whole; what is behind them.
    fn messages<'a>(&mut self, bytes: &'a [u8], snapshot: bool, board: &Board) -> anyhow::Result<&'a [u8]> {
        let mut rest = bytes;
        while let Some((prefix, behind)) = rest.split_at_checked(5) {
            let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
            let Some((message, behind)) = behind.split_at_checked(length as usize) else {
                break;
            };
            if let Some(delta) = Told::decode(message)?.delta {
                self.hear(&delta, snapshot, board)?;
            }
            rest = behind;
        }
        Ok(rest)
    }

    /// Each revision once, in order, and the state it says.
    fn hear(&mut self, delta: &Delta, snapshot: bool, board: &Board) -> anyhow::Result<()> {
        if delta.kind() == DeltaKind::Snapshot {
            ensure!(
                snapshot && self.told == 0,
                "a second snapshot: something was lost"
            );
            if delta.last {
                self.told = delta.to;
                board.greet(&mut self.place);
            }
            return Ok(());
        }
        ensure!(
            delta.kind() == DeltaKind::Revision && delta.last && delta.to > delta.from,
            "not one revision: {delta:?}"
        );
        // Without a snapshot the first revision is where it begins; bookmarks move `from` and tell nothing.
        ensure!(
            delta.from >= self.told,
            "a step from {} after one to {}",
            delta.from,
            self.told
        );
        self.told = delta.to;
        let services = || delta.entities.iter().filter_map(|entity| entity.service.as_ref());
        let Some(service) = services().next() else {
            // The observer settled.
            return Ok(());
        };
        ensure!(
            services().count() == 1,
            "{} services in one flip",
            services().count()
        );
        let heard = board.hear(&mut self.place)?;
        let well = service
            .condition
            .as_ref()
            .is_some_and(|condition| condition.status() == Status::Healthy);
        // Changes make ill and well in turns.
        ensure!(
            well == heard.is_multiple_of(2),
            "change {heard} is not the one that was made: {delta:?}"
        );
        Ok(())
    }
}

struct Head {
    kind: u8,
    flags: u8,
    stream: u32,
}

/// The first frame, if it is whole, and what is behind it.
fn split(bytes: &[u8]) -> Option<(Head, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<9>()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let (payload, rest) = rest.split_at_checked(length as usize)?;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & WINDOW;
    let (kind, flags) = (head[3], head[4]);
    Some((Head { kind, flags, stream }, payload, rest))
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("frames made here are short");
    out.extend_from_slice(&length.to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// What a client sends that begins so many watches of the system and all services, with windows of so many bytes.
pub(crate) fn opening(watches: usize, window: u32) -> Vec<u8> {
    /// Setting 4 of RFC 9113, section 6.5.2.
    const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];
    let mut out = PREFACE.to_vec();
    let setting = [&INITIAL_WINDOW_SIZE[..], &window.to_be_bytes()].concat();
    frame(&mut out, kind::SETTINGS, 0, 0, &setting);
    if window > FIRST_WINDOW {
        let more = window - FIRST_WINDOW;
        frame(&mut out, kind::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
    }
    let message = WatchRequest::default().encode_to_vec();
    let length = u32::try_from(message.len()).expect("a short request");
    let body = [&[0], &length.to_be_bytes()[..], &message].concat();
    let headers = headers();
    for watch in 0..watches {
        let stream = u32::try_from(watch * 2 + 1).expect("few streams");
        frame(&mut out, kind::HEADERS, END_HEADERS, stream, &headers);
        frame(&mut out, kind::DATA, END_STREAM, stream, &body);
    }
    out
}

/// The request's headers in HPACK (RFC 7541): fields of the static table, and literals that enter no table.
fn headers() -> Vec<u8> {
    const POST: u8 = 0x83;
    const HTTP: u8 = 0x86;
    const PATH: &[u8] = &[4];
    const AUTHORITY: &[u8] = &[1];
    /// Field 31, whose number does not fit the four bits there are.
    const CONTENT_TYPE: &[u8] = &[15, 16];
    let mut out = vec![POST, HTTP];
    let mut literal = |name: &[u8], value: &[u8]| {
        out.extend_from_slice(name);
        out.push(u8::try_from(value.len()).expect("short values"));
        out.extend_from_slice(value);
    };
    literal(PATH, b"/ward.health.v1.HealthService/Watch");
    literal(AUTHORITY, b"localhost");
    literal(CONTENT_TYPE, b"application/grpc");
    literal(b"\x00\x02te", b"trailers");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_messages_may_come_in_pieces() {
        let delta = |from: u64, to: u64, status: Status| {
            let status = status.into();
            let condition = Some(Condition { status });
            let service = Some(Service { condition });
            let delta = Delta {
                from,
                to,
                kind: DeltaKind::Revision.into(),
                last: true,
                entities: vec![Entity { service }],
            };
            let message = Told { delta: Some(delta) }.encode_to_vec();
            [&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()][..], &message].concat()
        };
        let mut bytes = Vec::new();
        frame(&mut bytes, kind::HEADERS, END_HEADERS, 1, &[]);
        let both = [delta(0, 1, Status::Unhealthy), delta(1, 2, Status::Healthy)].concat();
        let (one, other) = both.split_at(both.len() - 3);
        frame(&mut bytes, kind::DATA, 0, 1, one);
        frame(&mut bytes, kind::DATA, 0, 1, other);
        let board = Board::new(1);
        board.make(3);
        let mut wire = Watches::new(1, false);
        let (mut pending, mut out) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(7) {
            pending.extend_from_slice(piece);
            let taken = wire.take_in(&pending, &mut out, &board).unwrap();
            pending.drain(..taken);
        }
        assert_eq!((pending.len(), wire.streams[0].told), (0, 2));
        let mut again = Vec::new();
        frame(&mut again, kind::DATA, 0, 1, &delta(1, 2, Status::Unhealthy));
        assert!(wire.take_in(&again, &mut out, &board).is_err(), "told twice");
    }
}
