//! Who signs: the key of a log, and the name of the log with it.
//!
//! Made once, with the log, and never changed: a log with another name is another log. The key is kept in the form of Go's
//! `note` package, so that other tools can sign and verify with it; the public half is for everybody, `key.pub`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ward_tlog::{Signer, Verifier};

use crate::{
    files::{FileError, Files, read_if_there},
    layout::{KEY, PUBLIC_KEY, SMALL},
};

const PREFIX: &str = "PRIVATE+KEY+";
/// Ed25519.
const KIND: u8 = 1;

/// A name that no other log has: two of a few thousand are alike once in 10^3 installations of that size, and then the
/// keys are not.
pub(crate) fn new_origin() -> String {
    format!("ward.{:08x}/audit", rand::random::<u32>())
}

/// The key of the log; one is made if there is none.
pub(crate) fn load_or_make(files: &dyn Files) -> Result<Signer, KeyFault> {
    if let Some(text) = read_if_there(files, KEY, SMALL)? {
        return parse(&text).ok_or(KeyFault::Form);
    }
    let seed: [u8; 32] = rand::random();
    let signer = Signer::new(&new_origin(), &seed).map_err(|_| KeyFault::Form)?;
    let secret = STANDARD.encode([&[KIND], seed.as_slice()].concat());
    let text = format!(
        "{PREFIX}{}+{:08x}+{secret}\n",
        signer.name(),
        signer.verifier().id()
    );
    files.replace(KEY, text.as_bytes())?;
    Ok(signer)
}

/// Holds the public key to the private one; it is written if there is none.
pub(crate) fn publish(files: &dyn Files, signer: &Signer) -> Result<(), KeyFault> {
    let vkey = format!("{}\n", signer.vkey());
    match read_if_there(files, PUBLIC_KEY, SMALL)? {
        Some(there) if there == vkey.as_bytes() => Ok(()),
        Some(_) => Err(KeyFault::Public),
        None => Ok(files.replace(PUBLIC_KEY, vkey.as_bytes())?),
    }
}

/// The public key.
pub(crate) fn verifier(files: &dyn Files) -> Result<Option<Verifier>, FileError> {
    let text = read_if_there(files, PUBLIC_KEY, SMALL)?;
    Ok(text.and_then(|text| {
        let verifier: Verifier = std::str::from_utf8(&text).ok()?.parse().ok()?;
        // One way to write it, and nothing behind it.
        (format!("{}\n", verifier.vkey()).as_bytes() == text).then_some(verifier)
    }))
}

fn parse(text: &[u8]) -> Option<Signer> {
    let text = std::str::from_utf8(text)
        .ok()?
        .strip_prefix(PREFIX)?
        .strip_suffix('\n')?;
    let (name, rest) = text.split_once('+')?;
    let (id, secret) = rest.split_once('+')?;
    let secret = STANDARD.decode(secret).ok()?;
    let (kind, seed) = secret.split_first()?;
    let signer = Signer::new(name, seed.try_into().ok()?).ok()?;
    (*kind == KIND && format!("{:08x}", signer.verifier().id()) == id).then_some(signer)
}

/// What is wrong with the keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFault {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("is no key of a log")]
    Form,
    #[error("is not the public half of the key beside it")]
    Public,
}
