//! Bearer tokens: how they are written, and what is kept of them.
//!
//! `ward_<id>_<secret>`: the id is no secret and names the token in lists and logs; the prefix lets scanners of
//! repositories find one that was checked in. Kept is the SHA-256 of the secret: 256 random bits need no slow hash, since
//! nobody can try them all. Signed tokens (JWT) were not taken: they cannot be revoked without a list, and then the list
//! is enough.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "ward_";
/// Random bytes of an id: two of a few thousand are alike once in 10^7 installations, and then one is drawn again.
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;

/// Names a token; no secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

/// A token as its owner has it. Shows its id only.
pub struct Token {
    id: TokenId,
    secret: SecretBox<[u8; SECRET_BYTES]>,
}

/// The hash of a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretHash([u8; 32]);

/// Not a token, or not a part of one. Does not say what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no token of Ward, expected ward_ and what `ward token new` printed behind it")]
pub struct InvalidToken;

impl Token {
    /// Of random bytes.
    pub fn new(id: [u8; ID_BYTES], secret: [u8; SECRET_BYTES]) -> Self {
        Self {
            id: TokenId(hex(&id)),
            secret: SecretBox::new(Box::new(secret)),
        }
    }

    /// Which one it says it is.
    pub fn id(&self) -> &TokenId {
        &self.id
    }

    /// All of it, for its owner: once, and never into a log.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, hex(self.secret.expose_secret()))
    }

    /// What is kept of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.secret.expose_secret()).into())
    }
}

impl SecretHash {
    /// Whether it is of this token, in a time that does not tell how much of it is right.
    pub fn is_of(&self, token: &Token) -> bool {
        token.hash().0.ct_eq(&self.0).into()
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let (id, secret) = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .ok_or(InvalidToken)?;
        Ok(Self::new(unhex(id)?, unhex(secret)?))
    }
}

impl FromStr for TokenId {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        unhex::<ID_BYTES>(text).map(|id| Self(hex(&id)))
    }
}

impl TryFrom<String> for TokenId {
    type Error = InvalidToken;

    fn try_from(text: String) -> Result<Self, InvalidToken> {
        text.parse()
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

impl TryFrom<String> for SecretHash {
    type Error = InvalidToken;

    fn try_from(text: String) -> Result<Self, InvalidToken> {
        unhex(&text).map(Self)
    }
}

impl From<SecretHash> for String {
    fn from(hash: SecretHash) -> Self {
        hex(&hash.0)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lower case only, so that there is one way to write each.
fn unhex<const N: usize>(text: &str) -> Result<[u8; N], InvalidToken> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(InvalidToken),
    };
    if text.len() != 2 * N {
        return Err(InvalidToken);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_revealed_is_read_back(id: [u8; ID_BYTES], secret: [u8; SECRET_BYTES], other: [u8; SECRET_BYTES]) {
            let token = Token::new(id, secret);
            let read: Token = token.reveal().parse().unwrap();
            prop_assert_eq!(read.reveal(), token.reveal());
            prop_assert!(token.hash().is_of(&read));
            prop_assert_eq!(token.hash().is_of(&Token::new(id, other)), secret == other);
        }

        /// A slip in one that is good: a character that is another, one too many, or none.
        #[test]
        fn there_is_one_way_to_write_each(
            id: [u8; ID_BYTES],
            secret: [u8; SECRET_BYTES],
            at: prop::sample::Index,
            gone in 0..=1_usize,
            instead in "[0-9a-fA-F_wW ]?",
        ) {
            let mut text = Token::new(id, secret).reveal();
            let at = at.index(text.len());
            text.replace_range(at..at + gone, &instead);
            if let Ok(token) = text.parse::<Token>() {
                prop_assert_eq!(token.reveal(), text);
            }
        }
    }

    #[test]
    fn no_form_of_it_shows_the_secret() {
        let token = Token::new([7; ID_BYTES], [0xab; SECRET_BYTES]);
        let shown = format!("{token:?} {:#?} {:?}", token, token.hash());
        assert!(!shown.contains("abab") && !shown.contains("171"), "{shown}");
        assert!(shown.contains("070707070707"));
        let wrong = token.reveal() + "\n";
        assert_eq!(wrong.parse::<Token>().unwrap_err(), InvalidToken);
    }
}
