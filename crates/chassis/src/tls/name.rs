//! Who a certificate says its owner is.
//!
//! A SPIFFE id (one URI among the alternative names, and no other URI; SPIFFE X509-SVID, section 5.2), or one DNS name that
//! the operator has a row for. The common name is not looked at: it has no format, and nobody agrees what it means.

use std::{collections::BTreeSet, sync::Arc};

use ward_model::is_spiffe_id;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

/// Why a certificate names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is no certificate.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// It is one of an authority.
    #[error("the certificate is one that signs others, which no client shows")]
    Authority,
    /// Whose is it?
    #[error("the certificate has {0} URIs among its names, expected one")]
    SeveralUris(usize),
    /// A URI of another kind, or a bad one.
    #[error("the URI in the certificate is no SPIFFE id (spiffe://trust-domain/path)")]
    NoSpiffeId,
    /// No name that anybody has written down.
    #[error("the certificate has neither a SPIFFE id nor a DNS name with a row in [access]")]
    Unknown,
    /// More than one that somebody has.
    #[error("the certificate has {0} DNS names with a row in [access], expected one")]
    Ambiguous(usize),
}

/// Who the owner of this certificate (DER) is. `names` are the DNS names that are known.
///
/// # Errors
///
/// It names nobody, or more than one.
pub fn certificate_name(der: &[u8], names: &BTreeSet<String>) -> Result<Arc<str>, NameError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| NameError::Unreadable)?;
    if signs_others(&certificate)? {
        return Err(NameError::Authority);
    }
    let alternatives = certificate
        .subject_alternative_name()
        .map_err(|_| NameError::Unreadable)?;
    let alternatives = alternatives.map_or(&[][..], |extension| &extension.value.general_names);
    // One that cannot be decoded could be a URI, and there must be one and no other.
    if alternatives
        .iter()
        .any(|name| matches!(name, GeneralName::Invalid(..)))
    {
        return Err(NameError::Unreadable);
    }
    let uris: Vec<&str> = alternatives.iter().filter_map(uri).collect();
    match uris.as_slice() {
        [] => dns_name(alternatives, names),
        [uri] if is_spiffe_id(uri) => Ok((*uri).into()),
        [_] => Err(NameError::NoSpiffeId),
        several => Err(NameError::SeveralUris(several.len())),
    }
}

fn signs_others(certificate: &X509Certificate<'_>) -> Result<bool, NameError> {
    let constraints = certificate
        .basic_constraints()
        .map_err(|_| NameError::Unreadable)?;
    let usage = certificate.key_usage().map_err(|_| NameError::Unreadable)?;
    let authority = constraints.is_some_and(|constraints| constraints.value.ca);
    Ok(authority || usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign()))
}

fn uri<'a>(name: &GeneralName<'a>) -> Option<&'a str> {
    match name {
        GeneralName::URI(uri) => Some(uri),
        _ => None,
    }
}

fn dns_name(alternatives: &[GeneralName<'_>], names: &BTreeSet<String>) -> Result<Arc<str>, NameError> {
    let known: BTreeSet<&String> = alternatives
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => names.get(&name.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    match known.len() {
        0 => Err(NameError::Unknown),
        1 => known
            .first()
            .map(|name| name.as_str().into())
            .ok_or(NameError::Unknown),
        several => Err(NameError::Ambiguous(several)),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};

    use super::*;

    fn known() -> BTreeSet<String> {
        ["payments.example".to_owned(), "bank.example".to_owned()].into()
    }

    fn named(sans: &[&str]) -> Result<String, NameError> {
        certificate_name(&signed(sans), &known()).map(|name| name.to_string())
    }

    fn signed(sans: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = sans
            .iter()
            .map(|san| match san.contains("://") {
                true => SanType::URI((*san).try_into().unwrap()),
                false => SanType::DnsName((*san).try_into().unwrap()),
            })
            .collect();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        certificate.der().to_vec()
    }

    #[test]
    fn a_certificate_names_one_or_nobody() {
        let id = "spiffe://example.org/shop/payments";
        assert_eq!(named(&[id]).as_deref(), Ok(id));
        assert_eq!(named(&["other.example", id]).as_deref(), Ok(id));
        assert_eq!(
            named(&[id, "spiffe://example.org/bank"]),
            Err(NameError::SeveralUris(2))
        );
        assert_eq!(
            named(&[id, "https://example.org"]),
            Err(NameError::SeveralUris(2))
        );
        assert_eq!(
            named(&["Payments.Example", "x.example"]).as_deref(),
            Ok("payments.example")
        );
        assert_eq!(
            named(&["payments.example", "bank.example"]),
            Err(NameError::Ambiguous(2))
        );
        assert_eq!(named(&["other.example"]), Err(NameError::Unknown));
        assert_eq!(named(&[]), Err(NameError::Unknown));
        assert_eq!(certificate_name(b"no", &known()), Err(NameError::Unreadable));
    }

    #[test]
    fn a_name_that_cannot_be_decoded_is_not_passed_over() {
        let id = "spiffe://example.org/shop/payments";
        for hidden in ["https://hidden.example", "hidden.example", id] {
            let mut der = signed(&[id, "payments.example", hidden]);
            let at = der
                .windows(hidden.len())
                .rposition(|part| part == hidden.as_bytes());
            // No IA5String has such a byte.
            der[at.unwrap()] |= 0x80;
            assert_eq!(certificate_name(&der, &known()), Err(NameError::Unreadable));
        }
    }

    #[test]
    fn ids_are_spiffe_s() {
        for bad in ["https://example.org/a", "spiffe://example.org/a//b"] {
            assert_eq!(named(&[bad]), Err(NameError::NoSpiffeId), "{bad}");
        }
    }

    #[test]
    fn who_signs_others_is_no_client() {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI("spiffe://example.org/ca".try_into().unwrap())];
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(
            certificate_name(certificate.der(), &known()),
            Err(NameError::Authority)
        );
    }
}
