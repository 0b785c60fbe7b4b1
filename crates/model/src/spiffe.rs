//! Which SPIFFE ids there are: what a certificate may say and what `[access]` may name are the same.
//!
//! By the SPIFFE ID standard, sections 2.1 to 2.4: <https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md>. Ids
//! are compared byte by byte, so nothing is made right here: an id in upper case or with `//` in it is none.

/// Longest SPIFFE id, in bytes.
pub const SPIFFE_ID_BYTES: usize = 2_048;
/// Longest name of a trust domain, in bytes.
const TRUST_DOMAIN_BYTES: usize = 255;

/// Whether this is `spiffe://trust-domain/path`. The id of a trust domain, without a path, names no service.
pub fn is_spiffe_id(text: &str) -> bool {
    let Some((domain, path)) = text
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let of_domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let of_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(of_path);
    text.len() <= SPIFFE_ID_BYTES
        && (1..=TRUST_DOMAIN_BYTES).contains(&domain.len())
        && domain.chars().all(of_domain)
        && path.split('/').all(is_segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_standard() {
        let long = |length: usize| format!("spiffe://a/{}", "b".repeat(length - 11));
        let domain = |length: usize| format!("spiffe://{}/b", "a".repeat(length));
        for good in [
            "spiffe://example.org/shop/payments",
            "spiffe://1.2.3.4/9",
            "spiffe://a_b-c.d/A..b/.../_-.",
            &long(SPIFFE_ID_BYTES),
            &domain(TRUST_DOMAIN_BYTES),
        ] {
            assert!(is_spiffe_id(good), "{good}");
        }
        for bad in [
            "",
            "https://example.org/a",
            "SPIFFE://example.org/a",
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe:///a",
            "spiffe://Example.org/a",
            "spiffe://example.org/a/",
            "spiffe://example.org//a",
            "spiffe://example.org/a//b",
            "spiffe://example.org/./a",
            "spiffe://example.org/a/../b",
            "spiffe://example.org/a/..",
            "spiffe://example.org/a?b",
            "spiffe://example.org/a#b",
            "spiffe://example.org/%61",
            "spiffe://example.org/\u{e4}",
            "spiffe://user@example.org/a",
            "spiffe://example.org:1/a",
            &long(SPIFFE_ID_BYTES + 1),
            &domain(TRUST_DOMAIN_BYTES + 1),
        ] {
            assert!(!is_spiffe_id(bad), "{bad}");
        }
    }
}
