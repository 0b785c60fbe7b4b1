//! The fields of one message, as proto3 has them: in the order in which they are written, and left out where they hold
//! the default.
//!
//! Keys and numbers are prost's own; here is only what it does in generated code. A message goes behind its length,
//! which is not known before it is written: a byte is kept free for it, and a message that needs more is moved. Few do,
//! and they are short enough to be moved sooner than measured, which is how prost finds the length, again at each level.

use std::fmt::{Display, Write as _};

use prost::{
    bytes::BytesMut,
    encoding::{self, WireType, encode_key, encode_varint, encoded_len_varint},
};
use ward_model::{Name, Wall};

/// What has a message of its own on the wire.
pub(super) trait Message {
    /// Writes its fields, in the order of their numbers.
    fn write(&self, to: &mut Fields<'_>);
}

/// Where the fields of a message are appended.
pub(super) struct Fields<'a>(&'a mut BytesMut);

impl<'a> Fields<'a> {
    pub(super) fn new(buffer: &'a mut BytesMut) -> Self {
        Self(buffer)
    }

    pub(super) fn text(&mut self, tag: u32, text: &str) {
        if !text.is_empty() {
            self.element(tag, text);
        }
    }

    /// All of them: of a list, an empty element is not left out.
    pub(super) fn texts<'t>(&mut self, tag: u32, texts: impl IntoIterator<Item = &'t str>) {
        for text in texts {
            self.element(tag, text);
        }
    }

    pub(super) fn name(&mut self, tag: u32, name: Option<&Name>) {
        if let Some(name) = name {
            self.element(tag, name.as_str());
        }
    }

    pub(super) fn names(&mut self, tag: u32, names: &[Name]) {
        self.texts(tag, names.iter().map(Name::as_str));
    }

    /// The text of what has none to lend. It must not be empty.
    pub(super) fn displayed(&mut self, tag: u32, value: &impl Display) {
        self.nested(tag, |to| {
            write!(to.0, "{value}").expect("a buffer that grows takes all text");
        });
    }

    pub(super) fn flag(&mut self, tag: u32, flag: bool) {
        if flag {
            encoding::bool::encode(tag, &flag, self.0);
        }
    }

    pub(super) fn count(&mut self, tag: u32, count: u32) {
        if count != 0 {
            encoding::uint32::encode(tag, &count, self.0);
        }
    }

    /// A value of an enum.
    pub(super) fn word(&mut self, tag: u32, word: impl Into<i32>) {
        let number = word.into();
        if number != 0 {
            encoding::int32::encode(tag, &number, self.0);
        }
    }

    pub(super) fn wall(&mut self, tag: u32, wall: Option<Wall>) {
        match wall {
            None | Some(Wall(0)) => (),
            Some(Wall(unix_ms)) => encoding::int64::encode(tag, &unix_ms, self.0),
        }
    }

    /// Generated code leaves out a negative zero as well.
    pub(super) fn real(&mut self, tag: u32, value: f64) {
        if value != 0.0 {
            encoding::double::encode(tag, &value, self.0);
        }
    }

    /// Even an empty one is told: that it is there says something.
    pub(super) fn message(&mut self, tag: u32, message: &impl Message) {
        self.nested(tag, |to| message.write(to));
    }

    /// One field for each, of a list or of what may be left out.
    pub(super) fn messages<'m, M: Message + 'm>(
        &mut self,
        tag: u32,
        messages: impl IntoIterator<Item = &'m M>,
    ) {
        for message in messages {
            self.message(tag, message);
        }
    }

    /// A field that is what `write` appends, behind its length.
    pub(super) fn nested(&mut self, tag: u32, write: impl FnOnce(&mut Fields<'_>)) {
        encode_key(tag, WireType::LengthDelimited, self.0);
        let before = self.0.len();
        encode_varint(0, self.0);
        let start = self.0.len();
        write(self);
        let length = self.0.len() - start;
        match u8::try_from(length) {
            Ok(short @ 0..0x80) => self.0[before] = short,
            _ => self.make_room(before, length),
        }
    }

    /// Moves the last `length` bytes behind their length, which is to stand at `before` and takes more than the one byte
    /// that was kept for it.
    #[cold]
    fn make_room(&mut self, before: usize, length: usize) {
        let start = before + encoded_len_varint(length as u64);
        self.0.resize(start + length, 0);
        self.0.copy_within(before + 1..before + 1 + length, start);
        encode_varint(length as u64, &mut &mut self.0[before..start]);
    }

    fn element(&mut self, tag: u32, text: &str) {
        encode_key(tag, WireType::LengthDelimited, self.0);
        encode_varint(text.len() as u64, self.0);
        self.0.extend_from_slice(text.as_bytes());
    }
}
