//! What a watcher asks for in its URL, and in the header that a client sets when it comes back.
//!
//! Every key and every value is checked, and each is told by name: a filter with a mistake in it that watches everything
//! would look as if it worked. The header wins over the `resume` of the URL, because a client that reconnects by itself
//! repeats its URL and knows better by then.

use ward_model::{Epoch, Revision, Status};
use ward_proto::Invalid;

use crate::{
    edge::watch::{self, Ask},
    hub::{Cursor, Filter, Level},
};

/// Reads the pairs of the query and the `Last-Event-ID`.
pub(super) fn ask(pairs: &[(String, String)], last_event_id: Option<&[u8]>) -> Result<Ask, Invalid> {
    known(pairs)?;
    let level = once(pairs, "level")?.map(level).transpose()?;
    let least = once(pairs, "least_severity")?.map(severity).transpose()?;
    let resume = once(pairs, "resume")?
        .map(|text| cursor("resume", text.as_bytes()))
        .transpose()?;
    // An empty one is how a client says that it has none.
    let last_event_id = last_event_id
        .filter(|id| !id.is_empty())
        .map(|id| cursor("Last-Event-ID", id))
        .transpose()?;
    let names: Vec<&str> = of(pairs, "names")
        .flat_map(|names| names.split(','))
        .filter(|name| !name.is_empty())
        .collect();
    Ok(Ask {
        filter: Filter {
            names: watch::names(names.into_iter())?,
            level: level.unwrap_or_default(),
            least: least.unwrap_or_default(),
        },
        resume: last_event_id.or(resume),
    })
}

fn known(pairs: &[(String, String)]) -> Result<(), Invalid> {
    const KEYS: [&str; 4] = ["level", "names", "least_severity", "resume"];
    match pairs.iter().position(|(key, _)| !KEYS.contains(&key.as_str())) {
        None => Ok(()),
        // The key itself is not repeated: it may be anything.
        Some(index) => Err(Invalid::new(
            "query",
            format!(
                "has a key that is not known (number {}), expected {}",
                index + 1,
                KEYS.join(", ")
            ),
        )),
    }
}

fn of<'a>(pairs: &'a [(String, String)], key: &str) -> impl Iterator<Item = &'a str> {
    pairs
        .iter()
        .filter(move |(found, _)| found == key)
        .map(|(_, value)| value.as_str())
}

fn once<'a>(pairs: &'a [(String, String)], key: &'static str) -> Result<Option<&'a str>, Invalid> {
    let mut values = of(pairs, key);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Invalid::new(key, "is given more than once, expected one value")),
    }
}

fn level(text: &str) -> Result<Level, Invalid> {
    match text {
        "system" => Ok(Level::System),
        "service" => Ok(Level::Service),
        "instance" => Ok(Level::Instance),
        _ => Err(Invalid::new(
            "level",
            "is not known, expected system, service or instance",
        )),
    }
}

fn severity(text: &str) -> Result<Status, Invalid> {
    let found = Status::ALL.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| {
        Invalid::new(
            "least_severity",
            "is not known, expected healthy, unknown, degraded or unhealthy",
        )
    })
}

/// The id of an event: the epoch in hexadecimal, the revision in digits.
fn cursor(field: &'static str, text: &[u8]) -> Result<Cursor, Invalid> {
    let number = |text: &str, radix| {
        // Digits alone: the parser takes a sign as well.
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u64::from_str_radix(text, radix).ok().filter(|_| digits)
    };
    let read = || {
        let (epoch, revision) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Cursor {
            epoch: Epoch(number(epoch, 16)?),
            revision: Revision(number(revision, 10)?),
        })
    };
    read().ok_or_else(|| {
        Invalid::new(
            field,
            "is not the id of an event, expected EPOCH-REVISION as in 00184f2c9d1be7a3-42",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        pairs.iter().map(owned).collect()
    }

    fn at(epoch: u64, revision: u64) -> Option<Cursor> {
        Some(Cursor {
            epoch: Epoch(epoch),
            revision: Revision(revision),
        })
    }

    #[test]
    fn names_come_in_lists_and_repeated() {
        let query = pairs(&[
            ("names", "a,b"),
            ("level", "instance"),
            ("names", "c"),
            ("least_severity", "degraded"),
        ]);
        let Ask { filter, resume } = ask(&query, None).unwrap();
        let names: Vec<_> = filter.names.iter().map(|name| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(
            (filter.level, filter.least, resume),
            (Level::Instance, Status::Degraded, None)
        );
    }

    #[test]
    fn the_header_wins() {
        let query = pairs(&[("resume", "7-5")]);
        assert_eq!(ask(&query, None).unwrap().resume, at(7, 5));
        assert_eq!(ask(&query, Some(b"")).unwrap().resume, at(7, 5));
        assert_eq!(
            ask(&query, Some(b"001fffffffffffff-6")).unwrap().resume,
            at((1 << 53) - 1, 6)
        );
    }

    #[test]
    fn each_mistake_is_told_by_name() {
        let many = vec!["x"; 129].join(",");
        let queries: &[(&[(&str, &str)], &str)] = &[
            (&[("level", "Service")], "level"),
            (&[("level", "system"), ("level", "system")], "level"),
            (&[("least_severity", "bad")], "least_severity"),
            (&[("names", "a,B")], "names[1]"),
            (&[("names", &many)], "names has 129"),
            (&[("name", "a")], "query"),
            (&[("resume", "7")], "resume"),
            (&[("resume", "+7-5")], "resume"),
            (&[("resume", "7-a")], "resume"),
            (&[("resume", "7-5-3")], "resume"),
            (&[("resume", "7-99999999999999999999")], "resume"),
        ];
        for (query, field) in queries {
            let refused = ask(&pairs(query), None).unwrap_err().to_string();
            assert!(refused.starts_with(field), "{query:?}: {refused}");
        }
        let refused = ask(&[], Some(b"\xff-1")).unwrap_err().to_string();
        assert!(refused.starts_with("Last-Event-ID"), "{refused}");
    }
}
