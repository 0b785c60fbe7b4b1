//! The bytes of an event: the ones that are hashed, as they stand on disk, for ever.
//!
//! JSON, so that anybody can read it, with one way to write each event: no white space, the fields in the order of
//! [`Event`], integers and strings only, evidence in the order of its keys, `\"` `\\` and `\uxxxx` as the only escapes, the
//! last for what could harm a reader and nothing else. What does not encode back to the same bytes is refused. The beginning
//! is fixed, `{"index":N,"prev":"..."`: order and chain can be checked without a parser, at the speed of the hash.
//!
//! An encoding with lengths (protobuf, CBOR) would be shorter. It would also be one that nobody reads with `less`.

mod out;

use std::ops::Range;

use ward_tlog::Hash;

use super::{Draft, Event, VERSION};
use out::{DIGITS, Out, decimal, escaped_len};

/// Longest entry: a quarter of what tiles allow, and so four times as many of them in the worst bundle that is read whole.
pub const ENTRY_BYTES: usize = 16 << 10;
/// What a text other than evidence may take, escaped. A SPIFFE id has at most 2,048 bytes, none of which needs an escape.
const TEXT_BYTES: usize = 2048;

/// Longest entry without its beginning, of which the longest is taken: what an event is cut to does not depend on its place.
const BODY: usize = ENTRY_BYTES - PREFIX;

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
        let body = self.fitting();
        [Prefix::of(self.index, &self.prev).as_bytes(), &body].concat()
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
        let body = entry.strip_prefix(Prefix::of(event.index, &event.prev).as_bytes());
        match event.version {
            VERSION if body.is_some_and(|body| event.body() == body) => Ok(event),
            VERSION => Err(InvalidEntry::NotCanonical),
            newer => Err(InvalidEntry::Version(newer)),
        }
    }

    /// All but the beginning, which tells the place.
    fn body(&self) -> Vec<u8> {
        let mut out = Out::new();
        out.number("version", self.version.into());
        out.hexadecimal("epoch", self.epoch.0);
        out.number("revision", self.revision.0);
        out.signed("time", self.time.0);
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
        out.map("evidence", self.evidence.iter());
        out.end()
    }

    /// The same, of an event that fits wherever its place is.
    fn fitting(&mut self) -> Vec<u8> {
        let body = self.body();
        if body.len() <= BODY {
            return body;
        }
        self.shorten();
        self.body()
    }

    /// Until it fits: at the last step there are 32 keys of 64 bytes, each byte six escaped, with values of next to nothing.
    fn shorten(&mut self) {
        for text in [&mut self.actor, &mut self.subject, &mut self.boot] {
            clip(text, TEXT_BYTES);
        }
        for limit in [8192, 4096, 2048, 1024, 512, 256, 128, 64, 0] {
            self.evidence.values_mut().for_each(|value| clip(value, limit));
            if self.body().len() <= BODY {
                return;
            }
        }
        // Only keys made of control characters get here.
        self.evidence = [("left_out", "all of it: too long".to_owned())]
            .into_iter()
            .collect();
    }
}

impl Draft {
    /// What its entry has behind the beginning: all that can be written before its place is known.
    pub(crate) fn body(self, boot: &str) -> Vec<u8> {
        self.placed(0, Hash([0; 32]), boot).fitting()
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

/// How the entry at a place in a log must begin.
#[derive(Clone, Debug)]
pub(crate) struct Prefix {
    bytes: [u8; PREFIX],
    used: Range<usize>,
}

const INDEX_KEY: &[u8] = b"{\"index\":";
const PREV_KEY: &[u8] = b",\"prev\":\"";
const HASH: usize = 44;
const PREFIX: usize = INDEX_KEY.len() + DIGITS + PREV_KEY.len() + HASH + 1;

impl Prefix {
    /// Of the entry `index`, behind one with that leaf hash.
    pub(crate) fn of(index: u64, prev: &Hash) -> Self {
        let mut bytes = [b'"'; PREFIX];
        // From the right, since the number of digits is known last.
        let hash = PREFIX - 1 - HASH;
        base64(&prev.0, &mut bytes[hash..PREFIX - 1]);
        let mut at = hash - PREV_KEY.len();
        bytes[at..hash].copy_from_slice(PREV_KEY);
        at = decimal(index, &mut bytes[..at]);
        at -= INDEX_KEY.len();
        bytes[at..at + INDEX_KEY.len()].copy_from_slice(INDEX_KEY);
        Self {
            bytes,
            used: at..PREFIX,
        }
    }

    /// As much of an entry as the longest one has.
    pub(crate) fn most_of(entry: &[u8]) -> &[u8] {
        &entry[..entry.len().min(PREFIX)]
    }

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.used.clone()]
    }
}

/// Two characters of base64 for each twelve bits.
static PAIRS: [[u8; 2]; 4096] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut pairs = [[0; 2]; 4096];
    let mut bits = 0;
    while bits < 4096 {
        pairs[bits] = [alphabet[bits >> 6], alphabet[bits & 63]];
        bits += 1;
    }
    pairs
};

/// The 44 characters of a hash. The crate for it takes three times as long for so few, which verification would feel.
fn base64(hash: &[u8; 32], out: &mut [u8]) {
    let (threes, last) = hash.as_chunks::<3>();
    let (fours, _) = out.as_chunks_mut::<4>();
    let bits =
        |bytes: [u8; 3]| usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
    let end = [last[0], last[1], 0];
    for (three, four) in threes.iter().chain([&end]).zip(fours.iter_mut()) {
        let bits = bits(*three);
        let ([a, b], [c, d]) = (PAIRS[bits >> 12], PAIRS[bits & 0xfff]);
        *four = [a, b, c, d];
    }
    if let Some([.., padding]) = fours.last_mut() {
        *padding = b'=';
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
