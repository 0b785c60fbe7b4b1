//! How texts and numbers stand in an entry.
//!
//! Each event passes here once, on the way to the disk that others wait for. So what needs no escape is looked for byte by
//! byte and copied in pieces, and digits are written without `std::fmt`, which took twice as long for the whole.

/// More than most events have.
const USUAL: usize = 512;

/// An object that is being written, from its second field on.
pub(super) struct Out(Vec<u8>);

impl Out {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(USUAL))
    }

    /// All of it.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    fn key(&mut self, key: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    pub(super) fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        self.decimal(number);
    }

    pub(super) fn signed(&mut self, key: &str, number: i64) {
        self.key(key);
        if number < 0 {
            self.0.push(b'-');
        }
        self.decimal(number.unsigned_abs());
    }

    fn decimal(&mut self, number: u64) {
        let mut digits = [0; DIGITS];
        let from = decimal(number, &mut digits);
        self.0.extend_from_slice(&digits[from..]);
    }

    /// As a text of sixteen digits.
    pub(super) fn hexadecimal(&mut self, key: &str, number: u64) {
        self.key(key);
        self.0.push(b'"');
        self.digits(number, 16);
        self.0.push(b'"');
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.string(text);
    }

    pub(super) fn map<'a>(&mut self, key: &str, pieces: impl Iterator<Item = (&'a str, &'a str)>) {
        self.key(key);
        self.0.push(b'{');
        for (n, (key, value)) in pieces.enumerate() {
            if n > 0 {
                self.0.push(b',');
            }
            self.string(key);
            self.0.push(b':');
            self.string(value);
        }
        self.0.push(b'}');
    }

    fn string(&mut self, text: &str) {
        self.0.push(b'"');
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
            // All before it is ASCII, so a character begins here.
            let (plain, behind) = rest.split_at(at);
            self.0.extend_from_slice(plain.as_bytes());
            let mut chars = behind.chars();
            chars.next().into_iter().for_each(|c| self.character(c));
            rest = chars.as_str();
        }
        self.0.extend_from_slice(rest.as_bytes());
        self.0.push(b'"');
    }

    fn character(&mut self, c: char) {
        match c {
            '"' | '\\' => self.0.extend_from_slice(&[b'\\', c as u8]),
            c if is_harmful(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    self.0.extend_from_slice(b"\\u");
                    self.digits((*unit).into(), 4);
                }
            }
            c => self.0.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }

    /// The lowest `count` hexadecimal digits.
    fn digits(&mut self, number: u64, count: u32) {
        let digit = |at| b"0123456789abcdef"[(number >> (4 * at)) as usize & 15];
        self.0.extend((0..count).rev().map(digit));
    }
}

/// What the largest number has.
pub(super) const DIGITS: usize = 20;

/// Writes a number to the end of some bytes; says where it begins.
pub(super) fn decimal(number: u64, out: &mut [u8]) -> usize {
    let (mut at, mut rest) = (out.len(), number);
    loop {
        at -= 1;
        out[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return at;
        }
    }
}

/// Bytes that stand for themselves and are characters of their own.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// How many bytes a character is written with.
pub(super) fn escaped_len(c: char) -> usize {
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
