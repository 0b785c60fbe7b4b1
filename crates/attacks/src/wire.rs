//! HTTP/2 by hand (RFC 9113): the `h2` crate obeys the server's settings and says nothing malformed.

use bytes::{BufMut, BytesMut};

/// What an HTTP/2 client says first (section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Sections 6 and 7.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
pub(crate) const WINDOW_MOST: u32 = (1 << 31) - 1;

/// Of SETTINGS.
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

/// Frames that gather to be written.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pub(crate) bytes: BytesMut,
    /// The last stream that was opened.
    stream: u32,
}

impl Frames {
    /// With what a client says first.
    pub(crate) fn opening(settings: &[(u16, u32)]) -> Self {
        let mut frames = Self {
            bytes: BytesMut::from(PREFACE),
            stream: 0,
        };
        let mut payload = Vec::new();
        for &(setting, value) in settings {
            payload.put_u16(setting);
            payload.put_u32(value);
        }
        frames.put(SETTINGS, 0, 0, &payload);
        frames
    }

    pub(crate) fn put(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.bytes.put_uint(payload.len() as u64, 3);
        self.bytes.put_u8(kind);
        self.bytes.put_u8(flags);
        self.bytes.put_u32(stream);
        self.bytes.put_slice(payload);
    }

    /// Opens the next stream with this head.
    pub(crate) fn open(&mut self, flags: u8, head: &[u8]) -> u32 {
        // Streams of a client have odd numbers.
        self.stream = if self.stream == 0 { 1 } else { self.stream + 2 };
        self.put(HEADERS, flags, self.stream, head);
        self.stream
    }
}

/// The head of a call of the health service, in HPACK without compression (RFC 7541, section 6.2.2 and appendix A).
pub(crate) fn head(method: &str) -> Vec<u8> {
    let mut head = vec![POST, HTTP];
    indexed_name(
        &mut head,
        PATH,
        &format!("/ward.health.v1.HealthService/{method}"),
    );
    indexed_name(&mut head, AUTHORITY, "ward");
    field(&mut head, "content-type", "application/grpc");
    field(&mut head, "te", "trailers");
    head
}

// Of the static table.
const AUTHORITY: u8 = 1;
const PATH: u8 = 4;
const POST: u8 = 0x83;
const HTTP: u8 = 0x86;

/// Bytes and their length as HPACK has it: seven bits, and what is beyond them in sevens.
pub(crate) fn text(head: &mut Vec<u8>, text: &str) {
    length(head, text.len());
    head.extend_from_slice(text.as_bytes());
}

pub(crate) fn length(head: &mut Vec<u8>, length: usize) {
    const PREFIX: usize = 127;
    let Some(mut rest) = length.checked_sub(PREFIX) else {
        head.push(u8::try_from(length).unwrap_or(u8::MAX));
        return;
    };
    head.push(127);
    while rest >= 128 {
        head.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    head.push(rest as u8);
}

fn indexed_name(head: &mut Vec<u8>, name: u8, value: &str) {
    head.push(name);
    text(head, value);
}

/// A field that is not to be remembered.
pub(crate) fn field(head: &mut Vec<u8>, name: &str, value: &str) {
    head.push(0);
    text(head, name);
    text(head, value);
}

/// A field that is to be remembered: it is the first of the dynamic table then.
pub(crate) fn remembered(head: &mut Vec<u8>, name: &str, value: &str) {
    head.push(0x40);
    text(head, name);
    text(head, value);
}

/// The first field of the dynamic table, in one byte.
pub(crate) const FIRST_REMEMBERED: u8 = 0x80 | 62;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_appendix() {
        let shown = |of| {
            let mut bytes = Vec::new();
            length(&mut bytes, of);
            bytes
        };
        assert_eq!(shown(10), [10]);
        assert_eq!(shown(127), [127, 0]);
        // RFC 7541, C.1.2, with a prefix of seven bits.
        assert_eq!(shown(1_337), [127, 0b1011_1010, 0b0000_1001]);
    }

    #[test]
    fn streams_are_numbered_as_a_client_does() {
        let mut frames = Frames::opening(&[]);
        assert_eq!(frames.open(END_HEADERS, &[]), 1);
        assert_eq!(frames.open(END_HEADERS, &[]), 3);
        assert_eq!(frames.bytes.len(), PREFACE.len() + 3 * 9);
    }
}
