//! What a person may have meant by a name that is not there.

use std::cmp::Reverse;

use ward_model::{Name, ServiceState};

use crate::Failure;

/// Most names told.
const TOLD: usize = 5;
/// Two names are near if they are at least this similar (Jaro-Winkler, 0 to 1): one slip in a short word.
const NEAR: f64 = 0.8;

/// That there is no service called `name`, and which of `there` it may have been.
pub(crate) fn no_such_service(name: &Name, there: &[ServiceState]) -> Failure {
    let there: Vec<_> = there.iter().map(|service| service.name.as_str()).collect();
    Failure::Usage(said(name.as_str(), &there))
}

fn said(name: &str, there: &[&str]) -> String {
    let near = near(name, there);
    let hint = match (near.as_slice(), there.len()) {
        (_, 0) => "; nothing reports yet".to_owned(),
        ([], count) if count <= TOLD => format!("; there are: {}", listed(there)),
        ([], count) => format!("; `ward status` lists the {count} there are"),
        ([one], _) => format!("; did you mean {one}?"),
        (several, _) => format!("; did you mean one of: {}?", several.join(", ")),
    };
    format!("no service named {name}{hint}")
}

fn near<'a>(name: &str, there: &[&'a str]) -> Vec<&'a str> {
    let similar = |other: &&'a str| (strsim::jaro_winkler(name, other), *other);
    let mut near: Vec<_> = there
        .iter()
        .map(similar)
        .filter(|(similarity, _)| *similarity >= NEAR)
        .collect();
    near.sort_by(|a, b| {
        Reverse(a.0.to_bits())
            .cmp(&Reverse(b.0.to_bits()))
            .then(a.1.cmp(b.1))
    });
    near.into_iter().take(TOLD).map(|(_, name)| name).collect()
}

fn listed(names: &[&str]) -> String {
    let mut names = names.to_vec();
    names.sort();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_may_have_been_meant() {
        let shop = ["storefront", "catalog", "cart", "payments", "bank"];
        assert_eq!(
            said("paymnets", &shop),
            "no service named paymnets; did you mean payments?"
        );
        assert_eq!(
            said("zzz", &shop),
            "no service named zzz; there are: bank, cart, catalog, payments, storefront"
        );
        assert_eq!(
            said("zzz", &["a"; 6]),
            "no service named zzz; `ward status` lists the 6 there are"
        );
        assert_eq!(said("zzz", &[]), "no service named zzz; nothing reports yet");
        assert_eq!(
            said("db-1", &["db-2", "db-3"]),
            "no service named db-1; did you mean one of: db-2, db-3?"
        );
    }
}
