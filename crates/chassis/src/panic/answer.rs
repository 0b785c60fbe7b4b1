//! What the peer is told: a problem document (RFC 9457), or a gRPC status without a message body.

use std::fmt::Write;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

/// Of a panic's text, in bytes: it may quote what was sent, gRPC carries it in a header, and it is logged.
const DETAIL_BYTES: usize = 1024;

pub(super) fn problem(id: &str, detail: Option<&str>) -> Response<Bytes> {
    let mut problem = serde_json::json!({
        "type": "about:blank",
        "title": "internal error",
        "status": 500,
        "id": id,
    });
    if let Some(detail) = detail {
        problem["detail"] = cut(detail).into();
    }
    let mut response = Response::new(Bytes::from(problem.to_string()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

pub(super) fn grpc(id: &str, detail: Option<&str>) -> Response<()> {
    let mut response = Response::new(());
    *response.headers_mut() = grpc_status(id, detail);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// INTERNAL, as headers or trailers.
pub(super) fn grpc_status(id: &str, detail: Option<&str>) -> HeaderMap {
    let message = match detail {
        Some(detail) => format!("internal error, id {id}: {}", cut(detail)),
        None => format!("internal error, id {id}"),
    };
    let message =
        HeaderValue::from_str(&percent_encoded(&message)).expect("percent-encoded text is visible ASCII");
    HeaderMap::from_iter([
        (
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("13"),
        ),
        (http::HeaderName::from_static("grpc-message"), message),
    ])
}

pub(super) fn cut(text: &str) -> &str {
    let end = (0..=DETAIL_BYTES.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    &text[..end.expect("the start of a text is a boundary")]
}

/// As the gRPC protocol wants a status message: all but space to `~`, and `%`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("a String takes all"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_message_carries_anything() {
        let headers = grpc_status("07", Some("100% \u{1b}[31mrot\nü"));
        assert_eq!(
            headers["grpc-message"],
            "internal error, id 07: 100%25 %1B[31mrot%0A%C3%BC"
        );
        let long = "ü".repeat(4096);
        assert!(grpc_status("07", Some(&long))["grpc-message"].len() <= 3 * DETAIL_BYTES + 64);
    }
}
