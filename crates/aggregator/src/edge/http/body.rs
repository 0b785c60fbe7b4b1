//! Bodies of requests: JSON, of a bounded size, within a bounded time.
//!
//! What is wrong in one is told by its JSON pointer, with what was expected and, for a name that is not known, with what
//! may have been meant. axum's `Json` was not taken: its answers are text, repeat what was sent, and wait for a body
//! that trickles in for as long as it likes.

use axum::{
    body::{Body as Incoming, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use tokio::time::timeout;

use super::{
    App,
    object::Object,
    parameters::{said, shown},
    problem::{FieldError, Problem},
};

/// The one type of body that is taken.
const JSON: &str = "application/json";

/// What was sent, as a type of ours.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "the body is not taken: send JSON, and say so with `Content-Type: application/json`";
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "NOT_JSON",
                detail,
            ));
        }
        let limits = &app.guard.limits;
        let bytes = timeout(limits.body_time, read(request.into_body(), limits.body_bytes)).await;
        let bytes = bytes.map_err(|_| {
            let detail = format!("the body did not come within {:?}", limits.body_time);
            Problem::new(StatusCode::REQUEST_TIMEOUT, "TOO_SLOW", detail)
        })??;
        parse(&bytes).map(Self)
    }
}

/// `application/json`, in UTF-8 as JSON is.
fn is_json(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (all.next().and_then(text), all.next()) else {
        return false;
    };
    let mut parts = only.split(';').map(str::trim);
    let media = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(JSON));
    let in_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((key, value)) if key.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    media && parts.all(in_utf8)
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

async fn read(body: Incoming, most: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body has more than {most} bytes");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", detail))
        }
        Err(_) => {
            let detail = "the body broke off, or its chunks are none";
            Err(Problem::new(StatusCode::BAD_REQUEST, "BROKEN_BODY", detail))
        }
    }
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize::<_, Object<T>>(&mut json).map_err(|error| {
        let path = pointer(error.path());
        wrong(path, error.inner())
    })?;
    json.end().map_err(|error| wrong(String::new(), &error))?;
    Ok(value)
}

fn pointer(path: &Path) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } | Segment::Enum { variant: key } => {
            format!("/{}", shown(key).replace('~', "~0").replace('/', "~1"))
        }
        Segment::Unknown => String::new(),
    };
    path.iter().map(part).collect()
}

/// serde's sentence, without what was sent.
fn wrong(pointer: String, error: &serde_json::Error) -> Problem {
    if !error.is_data() {
        let (line, column) = (error.line(), error.column());
        let what = if error.is_eof() {
            "ends too early"
        } else {
            "is not JSON"
        };
        let detail = format!("the body {what}, at line {line} column {column}");
        return Problem::new(StatusCode::BAD_REQUEST, "NOT_JSON", detail);
    }
    let whole = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let sentence = whole.strip_suffix(&place).unwrap_or(&whole);
    let detail = if let Some(field) = quoted(sentence, "missing field ") {
        return Problem::fields(vec![FieldError::body(
            format!("{pointer}/{field}"),
            "is missing, expected a value",
        )]);
    } else if let Some(field) = quoted(sentence, "duplicate field ") {
        return Problem::fields(vec![FieldError::body(
            format!("{pointer}/{field}"),
            "is there twice, expected once",
        )]);
    } else if let Some(field) = quoted(sentence, "unknown field ") {
        let known = words(sentence);
        format!("is not known, {}", said(&field, &known))
    } else if let Some(variant) = quoted(sentence, "unknown variant ") {
        format!("is not right, {}", said(&variant, &words(sentence)))
    } else {
        match sentence.rsplit_once(", expected ") {
            Some((_, expected)) => format!("is not right, expected {expected}"),
            None => "is not as it must be".to_owned(),
        }
    };
    Problem::fields(vec![FieldError::body(pointer, detail)])
}

/// What stands between the backticks behind `prefix`.
fn quoted(sentence: &str, prefix: &str) -> Option<String> {
    let rest = sentence.strip_prefix(prefix)?.strip_prefix('`')?;
    let end = rest.rfind("`, ").or_else(|| rest.rfind('`'))?;
    // The list of what is known comes behind the first end that is followed by it.
    let end = rest.find("`, expected ").unwrap_or(end);
    Some(rest[..end].to_owned())
}

/// The words of the list of what is known.
fn words(sentence: &str) -> Vec<&str> {
    let list = sentence.rsplit_once(", expected ").map_or("", |(_, list)| list);
    list.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read is of interest")]
    struct Thing {
        name: String,
        parts: Vec<Part>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Part {
        Large,
        Small,
    }

    fn said_of(body: &str) -> String {
        let problem = parse::<Thing>(body.as_bytes()).unwrap_err();
        serde_json::to_value(&problem).unwrap()["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn mistakes_are_told_by_place_and_never_repeated() {
        for (body, expected) in [
            ("", "the body ends too early, at line 1 column 0"),
            ("{\"name\":", "the body ends too early, at line 1 column 8"),
            ("{]", "the body is not JSON, at line 1 column 2"),
            (
                "{\"name\":\"a\",\"parts\":[]} x",
                "the body is not JSON, at line 1 column 25",
            ),
            ("[\"a\", []]", "the body is not right, expected an object"),
            ("{\"parts\":[]}", "/name is missing, expected a value"),
            (
                "{\"name\":5,\"parts\":[]}",
                "/name is not right, expected a string",
            ),
            (
                "{\"name\":\"a\",\"name\":\"b\"}",
                "/name is there twice, expected once",
            ),
            ("{\"nmae\":\"a\"}", "/nmae is not known, did you mean name?"),
            (
                "{\"zzz\":\"a\"}",
                "/zzz is not known, expected one of name, parts",
            ),
            (
                "{\"parts\":[\"large\",\"smal\"]}",
                "/parts/1 is not right, did you mean small?",
            ),
            (
                "{\"parts\":[\"\\u001b[31m`, expected `x\"]}",
                "/parts/0 is not right, expected one of large, small",
            ),
        ] {
            let said = said_of(body);
            assert_eq!(said, expected, "{body}");
            assert!(!said.contains('\u{1b}'), "{body}: {said}");
        }
        assert!(said_of(&format!("{{\"{}\":1}}", "é\u{7}".repeat(9_000))).len() < 200);
        assert!(
            said_of(&"[".repeat(60_000)).len() < 200,
            "no stack is deep enough"
        );
    }

    #[test]
    fn only_json_is_json() {
        let json = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_TYPE, value.parse().unwrap());
            }
            is_json(&headers)
        };
        assert!(json(&["application/json"]) && json(&["Application/JSON; charset=\"UTF-8\""]));
        for no in [
            &[][..],
            &["text/plain"],
            &["application/jsonp"],
            &["application/json; charset=latin1"],
            &["application/json", "text/plain"],
        ] {
            assert!(!json(no), "{no:?}");
        }
    }
}
