//! Signed notes: a text, and under it who signed it, as C2SP `signed-note` has them.
//!
//! Ed25519 only: it is what public witnesses ask of a log. Signatures of keys that one does not know are passed over, as the
//! format wants it: a log can change its key, and witnesses can add theirs. A text is handed out only after a known key has
//! verified it.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

/// The longest note that is read: 16 signatures, which every verifier must take, of 5 kB, which the longest kinds have, are
/// 110 kB in base64.
pub const MAX_NOTE_BYTES: usize = 256 * 1024;
/// The most signatures that are looked at, each a verification at worst.
const MAX_SIGNATURES: usize = 64;
/// What is told of a name, and of how many: enough to know them by.
const TOLD_CHARS: usize = 64;
const TOLD_KEYS: usize = 4;
/// The kind of signature: Ed25519 over the text.
const KIND: u8 = 1;
const ID_BYTES: usize = 4;

/// Signs notes. Shows its name and never its key.
pub struct Signer {
    pair: Ed25519KeyPair,
    verifier: Verifier,
}

/// Verifies what one signer signed. Written as the `vkey` of Go's tools: `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; ID_BYTES],
    key: [u8; 32],
}

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the name of a key; this is how it begins.
    #[error("\"{0}\" cannot name a key: it must be neither empty nor have spaces, control characters or +")]
    Name(String),
    /// Not a key as it is written.
    #[error("is no key to verify with, expected name+id+key, as in the file with the public key of the log")]
    Form,
    /// A key of another kind.
    #[error("is a key of kind {0}, expected 1 (Ed25519)")]
    Kind(u8),
    /// Name, id and key are not of one another.
    #[error("the key is not that which its id names: it was changed, or belongs to another name")]
    Id,
    /// 32 bytes that cannot be a key.
    #[error("the seed was refused by the signature library")]
    Seed,
}

/// Why a note is not believed, or cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Larger than [`MAX_NOTE_BYTES`], or with too many signatures.
    #[error("is too large for a signed note")]
    TooLarge,
    /// Not a signed note.
    #[error("is no signed note: {0}")]
    Form(&'static str),
    /// Nobody who is known has signed it.
    #[error("is not signed by {wanted}; it is signed by {found}")]
    Unsigned {
        /// The known keys.
        wanted: String,
        /// Those of its signatures, as they say of themselves.
        found: String,
    },
    /// A known key has not made the signature that bears its name.
    #[error(
        "does not have the text that {0} signed: it was changed, or the key is another one of the same name"
    )]
    Signature(String),
}

impl Signer {
    /// From 32 bytes that must be random and stay secret.
    ///
    /// # Errors
    ///
    /// If the name cannot name a key.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Seed)?;
        let key = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| KeyError::Seed)?;
        Ok(Self {
            verifier: Verifier::new(name, key)?,
            pair,
        })
    }

    /// Who signs.
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// For those who verify.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The public key as it is handed out.
    pub fn vkey(&self) -> String {
        self.verifier.vkey()
    }

    /// The note: the text, an empty line, the signature.
    ///
    /// # Errors
    ///
    /// If the text does not end with a newline, or has other control characters.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        well_formed(text)?;
        let Verifier { name, id, .. } = &self.verifier;
        let signature = [id, self.pair.sign(text.as_bytes()).as_ref()].concat();
        Ok(format!(
            "{text}\n\u{2014} {name} {}\n",
            STANDARD.encode(signature)
        ))
    }
}

impl Verifier {
    /// From the 32 bytes of a public key.
    ///
    /// # Errors
    ///
    /// If the name cannot name a key.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name(told(name)));
        }
        let hash = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', KIND])
            .chain_update(key)
            .finalize();
        let id = [hash[0], hash[1], hash[2], hash[3]];
        Ok(Self {
            name: name.to_owned(),
            id,
            key,
        })
    }

    /// Whose signatures it verifies.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells keys of one name apart. No secret, and no proof of anything.
    pub fn id(&self) -> u32 {
        u32::from_be_bytes(self.id)
    }

    /// The key as it is handed out: `name+id+key`.
    pub fn vkey(&self) -> String {
        let key = [&[KIND], self.key.as_slice()].concat();
        format!("{}+{:08x}+{}", self.name, self.id(), STANDARD.encode(key))
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key)
            .verify(text.as_bytes(), signature)
            .is_ok()
    }
}

impl FromStr for Verifier {
    type Err = KeyError;

    fn from_str(vkey: &str) -> Result<Self, KeyError> {
        // The key may have a + in it, the name and the id may not.
        let mut parts = vkey.trim_ascii_end().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let key = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
        let (kind, key) = key.split_first().ok_or(KeyError::Form)?;
        if *kind != KIND {
            return Err(KeyError::Kind(*kind));
        }
        let verifier = Self::new(name, key.try_into().map_err(|_| KeyError::Form)?)?;
        if format!("{:08x}", verifier.id()) == id {
            Ok(verifier)
        } else {
            Err(KeyError::Id)
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.vkey())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

/// The text of a note, if a known key has signed it and all signatures by known keys are right.
///
/// # Errors
///
/// If that is not so, or it is no note.
pub fn open<'a>(note: &'a str, known: &[Verifier]) -> Result<&'a str, NoteError> {
    let (text, signatures) = parse(note)?;
    let mut verified = false;
    for signature in &signatures {
        let by = known
            .iter()
            .find(|key| key.name == signature.name && key.id == signature.id);
        if let Some(key) = by {
            if !key.verifies(text, &signature.bytes) {
                return Err(NoteError::Signature(key.name.clone()));
            }
            verified = true;
        }
    }
    if verified {
        return Ok(text);
    }
    let known = known.iter().map(|key| label(&key.name, key.id));
    let found = signatures
        .iter()
        .map(|signature| label(signature.name, signature.id));
    Err(NoteError::Unsigned {
        wanted: list(known),
        found: list(found),
    })
}

/// The text of a note that nobody has verified: to say what is wrong with it, never to act on.
///
/// # Errors
///
/// If it is no note.
pub fn text_unverified(note: &str) -> Result<&str, NoteError> {
    parse(note).map(|(text, _)| text)
}

struct Signature<'a> {
    name: &'a str,
    id: [u8; ID_BYTES],
    bytes: Vec<u8>,
}

fn parse(note: &str) -> Result<(&str, Vec<Signature<'_>>), NoteError> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(NoteError::TooLarge);
    }
    // The last empty line: the text may have some of its own.
    let at = note
        .rfind("\n\n")
        .ok_or(NoteError::Form("no empty line before the signatures"))?;
    let (text, signatures) = (&note[..=at], &note[at + 2..]);
    well_formed(text)?;
    well_formed(signatures)?;
    let signatures: Vec<_> = signatures
        .lines()
        .take(MAX_SIGNATURES + 1)
        .map(parse_signature)
        .collect::<Option<_>>()
        .ok_or(NoteError::Form("a line under the empty one is no signature"))?;
    if signatures.len() > MAX_SIGNATURES {
        return Err(NoteError::TooLarge);
    }
    Ok((text, signatures))
}

fn parse_signature(line: &str) -> Option<Signature<'_>> {
    let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, bytes) = bytes.split_first_chunk()?;
    let named = is_name(name) && !bytes.is_empty();
    named.then(|| Signature {
        name,
        id: *id,
        bytes: bytes.to_vec(),
    })
}

fn well_formed(text: &str) -> Result<(), NoteError> {
    if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::Form("it has control characters"));
    }
    if !text.ends_with('\n') {
        return Err(NoteError::Form("its last line does not end"));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// As it is told to people: it may have been sent by anybody.
pub(crate) fn told(name: &str) -> String {
    name.chars()
        .take(TOLD_CHARS)
        .flat_map(char::escape_debug)
        .collect()
}

fn label(name: &str, id: [u8; ID_BYTES]) -> String {
    format!("{} ({:08x})", told(name), u32::from_be_bytes(id))
}

fn list(labels: impl Iterator<Item = String>) -> String {
    let mut labels: Vec<_> = labels.take(TOLD_KEYS + 1).collect();
    match labels.len() {
        0 => return "nobody".to_owned(),
        1..=TOLD_KEYS => {}
        _ => labels[TOLD_KEYS] = "others".to_owned(),
    }
    labels.join(", ")
}

#[cfg(test)]
mod tests;
