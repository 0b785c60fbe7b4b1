//! What a watcher asks for in its URL, and in the header that a client sets when it comes back.
//!
//! Every key and every value is checked, and each is told by name: a filter with a mistake in it that watches everything
//! would look as if it worked. The header wins over the `resume` of the URL, because a client that reconnects by itself
//! repeats its URL and knows better by then.

use ward_model::{Epoch, Revision, Status};
use ward_proto::Invalid;

use crate::{
    edge::{
        http::parameters::{decoded, said},
        watch::{self, Ask},
    },
    hub::{Cursor, Filter, Level},
};

const KEYS: [&str; 4] = ["level", "names", "least_severity", "resume"];
const LEVELS: [(&str, Level); 3] = [
    ("system", Level::System),
    ("service", Level::Service),
    ("instance", Level::Instance),
];
/// Most parameters of one query: one for each name there may be, and a few more.
const MOST: usize = 160;

type Pairs = Vec<(String, String)>;

/// Reads the query and the `Last-Event-ID`.
pub(in crate::edge::http) fn ask(query: Option<&str>, last_event_id: Option<&[u8]>) -> Result<Ask, Invalid> {
    let pairs = pairs(query.unwrap_or_default())?;
    let level = once(&pairs, "level", |text| word("level", text, &LEVELS))?;
    let severities = Status::ALL.map(|status| (status.as_str(), status));
    let least = once(&pairs, "least_severity", |text| {
        word("least_severity", text, &severities)
    })?;
    let resume = once(&pairs, "resume", |text| cursor("resume", text.as_bytes()))?;
    // An empty one is how a client says that it has none.
    let last_event_id = last_event_id
        .filter(|id| !id.is_empty())
        .map(|id| cursor("Last-Event-ID", id))
        .transpose()?;
    let names: Vec<&str> = of(&pairs, "names")
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

/// The query that asks the same.
pub(in crate::edge::http) fn query(ask: &Ask) -> String {
    let Ask { filter, resume } = ask;
    let level = LEVELS.iter().find(|(_, level)| *level == filter.level);
    let level = level.map_or("", |(word, _)| word);
    let names: Vec<_> = filter.names.iter().map(|name| name.as_str()).collect();
    let mut query = format!(
        "level={level}&names={}&least_severity={}",
        names.join(","),
        filter.least
    );
    if let Some(Cursor { epoch, revision }) = resume {
        query += &format!("&resume={:016x}-{}", epoch.0, revision.0);
    }
    query
}

/// Not [`Parameters`](crate::edge::http::parameters::Parameters), since names may be repeated.
fn pairs(query: &str) -> Result<Pairs, Invalid> {
    let mut pairs = Pairs::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == MOST {
            return Err(Invalid::new("query", format!("has more than {MOST} parameters")));
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(key), Some(value)) = (decoded(key), decoded(value)) else {
            return Err(Invalid::new("query", "is not percent-encoded UTF-8"));
        };
        if !KEYS.contains(&key.as_str()) {
            // The key itself is not repeated: it may be anything.
            let message = format!("has a parameter that is not known here, {}", said(&key, &KEYS));
            return Err(Invalid::new("query", message));
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

fn of<'a>(pairs: &'a [(String, String)], key: &str) -> impl Iterator<Item = &'a str> {
    pairs
        .iter()
        .filter(move |(found, _)| found == key)
        .map(|(_, value)| value.as_str())
}

fn once<T>(
    pairs: &[(String, String)],
    key: &'static str,
    read: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Result<Option<T>, Invalid> {
    let mut values = of(pairs, key);
    match (values.next(), values.next()) {
        (value, None) => value.map(read).transpose(),
        _ => Err(Invalid::new(key, "is there twice, expected once")),
    }
}

fn word<T: Copy>(key: &'static str, text: &str, known: &[(&str, T)]) -> Result<T, Invalid> {
    let found = known.iter().find(|(word, _)| *word == text);
    let words = || known.iter().map(|(word, _)| *word).collect::<Vec<_>>();
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| Invalid::new(key, format!("is not known, {}", said(text, &words()))))
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

    fn at(epoch: u64, revision: u64) -> Option<Cursor> {
        Some(Cursor {
            epoch: Epoch(epoch),
            revision: Revision(revision),
        })
    }

    #[test]
    fn names_come_in_lists_and_repeated() {
        let query = "names=a,b&level=instance&names=c&&least_severity=degraded";
        let Ask { filter, resume } = ask(Some(query), None).unwrap();
        let names: Vec<_> = filter.names.iter().map(|name| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(
            (filter.level, filter.least, resume),
            (Level::Instance, Status::Degraded, None)
        );
    }

    #[test]
    fn the_header_wins() {
        let query = Some("resume=7-5");
        assert_eq!(ask(query, None).unwrap().resume, at(7, 5));
        assert_eq!(ask(query, Some(b"")).unwrap().resume, at(7, 5));
        assert_eq!(
            ask(query, Some(b"001fffffffffffff-6")).unwrap().resume,
            at((1 << 53) - 1, 6)
        );
    }

    #[test]
    fn each_mistake_is_told_by_name() {
        let many = vec!["x"; 129].join(",");
        let many = format!("names={many}");
        let endless = "names&".repeat(1_000);
        for (query, field) in [
            ("level=Service", "level"),
            ("level=system&level=system", "level"),
            ("level=system&lev%65l=system", "level"),
            ("least_severity=bad", "least_severity"),
            ("names=a,B", "names[1]"),
            (&*many, "names has 129"),
            (&*endless, "query has more than 160"),
            (
                "name=a",
                "query has a parameter that is not known here, did you mean names?",
            ),
            ("names=%ff", "query"),
            ("resume=7", "resume"),
            ("resume=%2b7-5", "resume"),
            ("resume=7-a", "resume"),
            ("resume=7-5-3", "resume"),
            ("resume=7-99999999999999999999", "resume"),
        ] {
            let refused = ask(Some(query), None).unwrap_err().to_string();
            assert!(refused.starts_with(field), "{query}: {refused}");
        }
        let refused = ask(None, Some(b"\xff-1")).unwrap_err().to_string();
        assert!(refused.starts_with("Last-Event-ID"), "{refused}");
    }
}
