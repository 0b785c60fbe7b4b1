//! Which media type a client takes (RFC 9110, section 12.5.1).
//!
//! The most specific range decides about a type, and a quality of 0 forbids it. A header that cannot be read is one that
//! was not sent: nobody is served less for a stray comma.

use axum::http::{HeaderMap, header};

/// Whether `media` is acceptable at all. Without `Accept` everything is.
pub(super) fn takes(headers: &HeaderMap, media: &str) -> bool {
    quality(headers, media) > 0.0
}

/// The one of `offers` that is liked most; of those liked equally the first; `None` if none is acceptable.
pub(super) fn best<'a>(headers: &HeaderMap, offers: &[&'a str]) -> Option<&'a str> {
    let mut found: Option<(&str, f32)> = None;
    for offer in offers {
        let quality = quality(headers, offer);
        if quality > found.map_or(0.0, |(_, best)| best) {
            found = Some((offer, quality));
        }
    }
    found.map(|(offer, _)| offer)
}

/// From 0 to 1.
fn quality(headers: &HeaderMap, media: &str) -> f32 {
    let ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(range);
    let mut any = false;
    let mut decisive = (0, 0.0);
    for (range, quality) in ranges {
        any = true;
        let precision = precision(&range, media);
        if precision > decisive.0 || precision == decisive.0 && precision > 0 && quality > decisive.1 {
            decisive = (precision, quality);
        }
    }
    if any { decisive.1 } else { 1.0 }
}

/// How closely a range describes a type: 0 not at all, 3 exactly.
fn precision(range: &str, media: &str) -> u8 {
    let (group, _) = media.split_once('/').unwrap_or((media, ""));
    if range == media {
        3
    } else if range.strip_suffix("/*").is_some_and(|begun| begun == group) {
        2
    } else {
        u8::from(range == "*/*")
    }
}

/// `text/*;q=0.5` as range and quality; other parameters are passed over.
fn range(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    media.contains('/').then_some(())?;
    let quality = parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case("q")
            .then(|| value.trim().parse::<f32>().ok())?
    });
    let quality = quality.filter(|quality| quality.is_finite()).unwrap_or(1.0);
    Some((media, quality.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERS: [&str; 2] = ["application/json", "application/health+json"];

    fn chosen(accept: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        best(&headers, &OFFERS)
    }

    #[test]
    fn what_is_liked_most_is_sent() {
        assert_eq!(best(&HeaderMap::new(), &OFFERS), Some(OFFERS[0]));
        for (accept, expected) in [
            ("*/*", Some(OFFERS[0])),
            ("application/health+json", Some(OFFERS[1])),
            (
                "Application/Health+JSON; q=0.9, application/json;q=0.8",
                Some(OFFERS[1]),
            ),
            ("application/json;q=0.5, application/*", Some(OFFERS[1])),
            ("text/html, */*;q=0.1", Some(OFFERS[0])),
            ("application/json;q=0, */*", Some(OFFERS[1])),
            ("text/html", None),
            ("application/*;q=0", None),
            (",;,", Some(OFFERS[0])),
            ("application/json;q=NaN", Some(OFFERS[0])),
        ] {
            assert_eq!(chosen(accept), expected, "{accept}");
        }
    }
}
