//! What proves who somebody is: tokens, and the names in certificates.

use std::collections::BTreeSet;

use ward_access::Token;
use ward_chassis::tls::certificate_name;

/// A token: there is one way to write each.
pub(crate) fn token(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    match text.parse::<Token>() {
        Ok(token) => {
            assert_eq!(token.reveal(), text);
            assert!(token.hash().is_of(&token));
            let shown = format!("{token:?} {:?}", token.hash());
            let secret = text.rsplit('_').next().unwrap_or_default();
            assert!(!shown.contains(secret), "the secret is shown");
        }
        Err(error) => super::is_harmless(&error.to_string()),
    }
}

/// A certificate, in DER: it names one that is known or has a SPIFFE id, or nobody.
pub(crate) fn certificate_names(input: &[u8]) {
    let known: BTreeSet<String> = ["payments.example.org", "bank.example.org"]
        .map(str::to_owned)
        .into();
    match certificate_name(input, &known) {
        Ok(name) => {
            let is_id = name.starts_with("spiffe://") && name.len() <= 2_048;
            assert!(is_id || known.contains(&*name), "{name:?}");
            assert!(name.chars().all(|c| c.is_ascii_graphic()), "{name:?}");
        }
        Err(error) => super::is_harmless(&error.to_string()),
    }
}
