//! The address of a database, which holds a password: it is kept, and never shown.

use serde_json::{Value as Json, json};

use super::{Text, Wrong, url::secret};

/// Longest address, in bytes: a name, a password and a host of the longest kind there are.
const ADDRESS_BYTES: usize = 2_048;

/// The address of a PostgreSQL database. Shown without its password, everywhere.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// All of it, for whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Without the password.
    pub fn shown(&self) -> String {
        masked(&self.0)
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DatabaseUrl").field(&self.shown()).finish()
    }
}

impl Text for DatabaseUrl {
    const EXPECTED: &'static str = "postgresql://USER:PASSWORD@HOST:PORT/NAME";

    /// What is wrong is told without the text.
    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |message: &str| Wrong {
            message: message.to_owned(),
            help: None,
        };
        if text.len() > ADDRESS_BYTES {
            return Err(wrong("is longer than any address"));
        }
        let behind = ["postgresql://", "postgres://"]
            .into_iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        match behind {
            Some(rest) if !rest.is_empty() && !rest.chars().any(|c| c.is_whitespace() || c.is_control()) => {
                Ok(Self(text.to_owned()))
            }
            Some(_) => Err(wrong(
                "is no address: nothing or a space is where a host should be",
            )),
            None => Err(wrong("is no address of a PostgreSQL database")),
        }
    }

    fn schema() -> Json {
        json!({ "type": "string", "maxLength": ADDRESS_BYTES, "pattern": r"^postgres(ql)?://[^\s\u0000-\u001f\u007f-\u009f]+$" })
    }
}

/// `text` with stars in place of each byte of passwords in addresses (`://user:password@`, `password=`), and of what may be
/// secret in one on the web, so that what is shown of a file with something wrong in it shows none, and everything else stays
/// where it was.
pub(crate) fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let line_end = |from: usize| text[from..].find('\n').map_or(text.len(), |end| from + end);
    for (at, _) in text.match_indices("://") {
        let from = at + 3;
        let line = &text[from..line_end(from)];
        // The last `@` before the address ends: a password may hold one that nobody escaped.
        let address = line.find(['"', '\'', ' ']).map_or(line, |end| &line[..end]);
        if let (Some(colon), Some(host)) = (address.find(':'), address.rfind('@'))
            && colon < host
        {
            bytes[from + colon + 1..from + host].fill(b'*');
        }
        // On the web a name alone is often a token.
        let authority = address.split('/').next().unwrap_or_default();
        if let (true, Some(host)) = (
            text[..at].ends_with("http") || text[..at].ends_with("https"),
            authority.rfind('@'),
        ) {
            bytes[from..from + host].fill(b'*');
        }
    }
    for from in web_addresses(text) {
        let line = &text[from..line_end(from)];
        let address = line.find(['"', '\'', ' ']).map_or(line, |end| &line[..end]);
        bytes[from + secret(address)..from + address.len()].fill(b'*');
    }
    for (at, _) in text.match_indices("password=") {
        let from = at + "password=".len();
        let rest = &text[from..line_end(from)];
        let end = rest.find(['"', '\'', ' ', '&']).unwrap_or(rest.len());
        bytes[from..from + end].fill(b'*');
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// What stands around a key and before the text of a value.
const BLANK: [char; 5] = ['"', '\'', ' ', '\t', '['];

/// Where addresses on the web begin: by how they begin, or, as one may be written without that, behind a key `url`.
fn web_addresses(text: &str) -> impl Iterator<Item = usize> {
    let schemes = ["http://", "https://"];
    let by_scheme = schemes.into_iter().flat_map(|scheme| text.match_indices(scheme));
    let by_key = text.match_indices("url").filter_map(|(at, key)| {
        let behind = text[at + key.len()..]
            .trim_start_matches(BLANK)
            .strip_prefix('=')?;
        let address = behind.trim_start_matches(BLANK);
        // Of an address of a database only the password is secret.
        (!address.starts_with("postgres")).then_some(text.len() - address.len())
    });
    by_scheme.map(|(at, _)| at).chain(by_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_and_nothing_moves() {
        for (text, shown) in [
            ("postgresql://u:pw@h:5432/n", "postgresql://u:**@h:5432/n"),
            (
                "url = \"postgres://u:p@w@h/n?x=1\" # a@b",
                "url = \"postgres://u:***@h/n?x=1\" # a@b",
            ),
            (
                "url = \"postgres://u:p\u{fc}@h\nx = \"a@b\"",
                "url = \"postgres://u:***@h\nx = \"a@b\"",
            ),
            (
                "postgresql://u@h/n?password=pw&a=b",
                "postgresql://u@h/n?password=**&a=b",
            ),
            ("https://example.org:80/a", "https://example.org:80/a"),
            (
                "url = \"https://h/s/T0/x\" # a/b/c",
                "url = \"https://h/s/****\" # a/b/c",
            ),
            (
                "{ \"url\" = 'h/a?x', n = 'a/b/c' }",
                "{ \"url\" = 'h/a?*', n = 'a/b/c' }",
            ),
            ("url_file = \"/a/b/c\"\nurl = 3", "url_file = \"/a/b/c\"\nurl = 3"),
            (
                "http://token@h/@a https://u:p@h",
                "http://*****@h/@a https://***@h",
            ),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(masked(text).len(), text.len());
        }
    }

    #[test]
    fn an_address_is_never_told_whole() {
        let url = DatabaseUrl::parse("postgresql://ward:hunter2@db/ward").unwrap();
        assert_eq!(url.expose(), "postgresql://ward:hunter2@db/ward");
        assert!(!format!("{url:?}").contains("hunter2"));
        for text in [
            "",
            "hunter2",
            "mysql://hunter2",
            "postgresql://",
            "postgresql://u:hunter2 @h",
        ] {
            let wrong = DatabaseUrl::parse(text).unwrap_err();
            assert!(!wrong.message.contains("hunter2"), "{}", wrong.message);
        }
    }
}
