//! The bytes of an event: the ones that are hashed, as they stand on disk, for ever.
//!
//! JSON, so that anybody can read it, with one way to write each event: no white space, the fields in the order of
//! [`Event`], integers and strings only, evidence in the order of its keys, `\"` `\\` and `\uxxxx` as the only escapes, the
//! last for what could harm a reader and nothing else. What does not encode back to the same bytes is refused. The beginning
//! is fixed, `{"index":N,"prev":"..."`: order and chain can be checked without a parser, at the speed of the hash.
//!
//! An encoding with lengths (protobuf, CBOR) would be shorter. It would also be one that nobody reads with `less`.

use std::{io::Write, ops::Range};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ward_tlog::Hash;

use super::{Event, VERSION};

/// Longest entry: a quarter of what tiles allow, and so four times as many of them in the worst bundle that is read whole.
pub const ENTRY_BYTES: usize = 16 << 10;
/// What a text other than evidence may take, escaped. A SPIFFE id has at most 2,048 bytes, none of which needs an escape.
const TEXT_BYTES: usize = 2048;

/// Bytes that are not an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEntry {
    /// Longer than any.
    #[error("it has {0} bytes, more than the {ENTRY_BYTES} an event may have")]
    TooLong(usize),
    /// Of a newer format.
    #[error("it has version {0}, and this Ward knows {VERSION}: read it with a newer Ward")]
    Version(u32),
    /// Not what an event looks like.
    #[error("it is no event: {0}")]
    Json(String),
    /// Another way to write one.
    #[error("it is not written the one way an event is written")]
    NotCanonical,
}

impl Event {
    /// Its bytes. Texts that would make it longer than [`ENTRY_BYTES`] are shortened, with a mark that says by how much, and
    /// stay so in `self`: an event is never refused.
    pub fn encode(&mut self) -> Vec<u8> {
        let bytes = self.written();
        if bytes.len() <= ENTRY_BYTES {
            return bytes;
        }
        self.shorten();
        self.written()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// If it is anything else.
    pub fn decode(entry: &[u8]) -> Result<Self, InvalidEntry> {
        if entry.len() > ENTRY_BYTES {
            return Err(InvalidEntry::TooLong(entry.len()));
        }
        let event: Self = serde_json::from_slice(entry).map_err(|error| refused(entry, &error))?;
        match event.version {
            VERSION if event.written() == entry => Ok(event),
            VERSION => Err(InvalidEntry::NotCanonical),
            newer => Err(InvalidEntry::Version(newer)),
        }
    }

    fn written(&self) -> Vec<u8> {
        let mut out = Out(Vec::with_capacity(512));
        out.0
            .extend_from_slice(Prefix::of(self.index, &self.prev).as_bytes());
        out.number("version", self.version);
        out.text("epoch", &format!("{:016x}", self.epoch.0));
        out.number("revision", self.revision.0);
        out.number("time", self.time.0);
        out.text("boot", &self.boot);
        out.number("mono", self.mono.0);
        out.text("actor", &self.actor);
        out.text("subject", &self.subject);
        out.text("kind", self.kind.as_str());
        out.text("source", self.source.as_str());
        out.text("phase", self.phase.as_str());
        if let Some(intent) = self.intent {
            out.number("intent", intent);
        }
        out.key("evidence");
        out.0.push(b'{');
        for (n, (key, value)) in self.evidence.iter().enumerate() {
            if n > 0 {
                out.0.push(b',');
            }
            out.string(key);
            out.0.push(b':');
            out.string(value);
        }
        out.0.extend_from_slice(b"}}");
        out.0
    }

    /// Until it fits: at the last step there are 32 keys of 64 bytes, each byte six escaped, with values of next to nothing.
    fn shorten(&mut self) {
        for text in [&mut self.actor, &mut self.subject, &mut self.boot] {
            clip(text, TEXT_BYTES);
        }
        for limit in [8192, 4096, 2048, 1024, 512, 256, 128, 64, 0] {
            self.evidence.values_mut().for_each(|value| clip(value, limit));
            if self.written().len() <= ENTRY_BYTES {
                return;
            }
        }
        // Only keys made of control characters get here.
        self.evidence = [("left_out", "all of it: too long".to_owned())]
            .into_iter()
            .collect();
    }
}

/// Says the version if that is what is wrong: it is what somebody can do something about.
fn refused(entry: &[u8], error: &serde_json::Error) -> InvalidEntry {
    #[derive(serde::Deserialize)]
    struct Peek {
        version: u32,
    }
    match serde_json::from_slice::<Peek>(entry) {
        Ok(Peek { version }) if version != VERSION => InvalidEntry::Version(version),
        _ => InvalidEntry::Json(error.to_string()),
    }
}

/// Cuts a text to `limit` bytes as it is written, the mark not counted.
fn clip(text: &mut String, limit: usize) {
    let mut written = 0;
    let cut = text.char_indices().find(|(_, c)| {
        written += escaped_len(*c);
        written > limit
    });
    if let Some((at, _)) = cut
        && text.len() - at > MARK
    {
        let mark = format!("…[{} bytes cut]", text.len() - at);
        text.truncate(at);
        text.push_str(&mark);
    }
}

/// What a mark takes at most: what is shorter is not worth replacing by one.
const MARK: usize = 40;

fn escaped_len(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c if is_harmful(c) => 6 * c.len_utf16(),
        c => c.len_utf8(),
    }
}

/// What would do something to a terminal, or to the order of what is read, where a log is looked at as it is: control
/// characters, separators of lines, and the invisible ones that reorder or join what is around them.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

struct Out(Vec<u8>);

impl Out {
    fn key(&mut self, key: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn number(&mut self, key: &str, number: impl std::fmt::Display) {
        self.key(key);
        write!(self.0, "{number}").expect("writing to memory does not fail");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.string(text);
    }

    fn string(&mut self, text: &str) {
        self.0.push(b'"');
        let mut rest = text;
        // Nearly all of it is copied as it is.
        while let Some(at) = rest.find(|c: char| !is_plain(c)) {
            let (plain, behind) = rest.split_at(at);
            self.0.extend_from_slice(plain.as_bytes());
            let mut chars = behind.chars();
            chars.next().into_iter().for_each(|c| self.escaped(c));
            rest = chars.as_str();
        }
        self.0.extend_from_slice(rest.as_bytes());
        self.0.push(b'"');
    }

    fn escaped(&mut self, c: char) {
        if matches!(c, '"' | '\\') {
            return self.0.extend_from_slice(&[b'\\', c as u8]);
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(self.0, "\\u{unit:04x}").expect("writing to memory does not fail");
        }
    }
}

/// What needs no escape.
fn is_plain(c: char) -> bool {
    match c {
        '"' | '\\' => false,
        ' '..='~' => true,
        c => !is_harmful(c),
    }
}

/// How the entry at a place in a log must begin.
#[derive(Clone, Debug)]
pub(crate) struct Prefix {
    bytes: [u8; PREFIX],
    used: Range<usize>,
}

const INDEX_KEY: &[u8] = b"{\"index\":";
const PREV_KEY: &[u8] = b",\"prev\":\"";
const DIGITS: usize = 20;
const HASH: usize = 44;
const PREFIX: usize = INDEX_KEY.len() + DIGITS + PREV_KEY.len() + HASH + 1;

impl Prefix {
    /// Of the entry `index`, behind one with that leaf hash.
    pub(crate) fn of(index: u64, prev: &Hash) -> Self {
        let mut bytes = [b'"'; PREFIX];
        // From the right, since the number of digits is known last.
        let hash = PREFIX - 1 - HASH;
        STANDARD
            .encode_slice(prev.0, &mut bytes[hash..PREFIX - 1])
            .expect("44 characters are the base64 of 32 bytes");
        let mut at = hash - PREV_KEY.len();
        bytes[at..hash].copy_from_slice(PREV_KEY);
        let mut rest = index;
        loop {
            at -= 1;
            bytes[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        at -= INDEX_KEY.len();
        bytes[at..at + INDEX_KEY.len()].copy_from_slice(INDEX_KEY);
        Self {
            bytes,
            used: at..PREFIX,
        }
    }

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.used.clone()]
    }
}

/// Base64, as checkpoints have it.
pub(super) mod hash {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use ward_tlog::Hash;

    pub(in super::super) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Hash, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// Hexadecimal: an epoch fills 64 bits, more than many readers of JSON numbers keep.
pub(super) mod epoch {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use ward_model::Epoch;

    pub(in super::super) fn serialize<S: Serializer>(
        epoch: &Epoch,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", epoch.0))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Epoch, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16)
            .map(Epoch)
            .map_err(D::Error::custom)
    }
}

/// Nanoseconds; a number that readers keep for 104 days of one life.
pub(super) mod mono {
    use serde::{Deserialize, Deserializer, Serializer};
    use ward_model::Mono;

    pub(in super::super) fn serialize<S: Serializer>(mono: &Mono, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(mono.0)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Mono, D::Error> {
        u64::deserialize(deserializer).map(Mono)
    }
}

#[cfg(test)]
mod tests;
