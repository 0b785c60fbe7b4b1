//! The plan of the shop: who is in it, what each needs, and how long it waits.
//!
//! A table and nothing else: what a member does stands in `trade`, how it is measured in `measure` and `upstream`. The
//! obvious alternative, a configuration file, would let people build another shop; this one is for showing Ward.

use std::time::Duration;

use ward_model::{
    Criticality,
    DependencyKind::{self, Hard, Soft},
};

/// What a member does for a living.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Sells to customers.
    Storefront,
    /// Knows what there is.
    Catalog,
    /// Holds what customers chose.
    Cart,
    /// Charges customers.
    Payments,
    /// Guesses what else they may want.
    Recommendations,
    /// Moves the money.
    Bank,
    /// Keeps keys and values. Knows nothing of Ward: others see how it is.
    Store,
}

/// One process of the shop.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) criticality: Criticality,
    pub(crate) needs: &'static [Need],
}

/// What a member cannot do without, or would rather not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) name: &'static str,
    pub(crate) kind: DependencyKind,
    /// How long a call may take. Longer the nearer to the customer: who waits for one who waits must not lose patience
    /// first, or the one in the middle would be blamed.
    pub(crate) patience: Duration,
}

const fn need(name: &'static str, kind: DependencyKind, patience_ms: u64) -> Need {
    Need {
        name,
        kind,
        patience: Duration::from_millis(patience_ms),
    }
}

const fn member(name: &'static str, role: Role, criticality: Criticality, needs: &'static [Need]) -> Member {
    Member {
        name,
        role,
        criticality,
        needs,
    }
}

/// The shop, in the order of starting: nobody stands before what it needs.
pub(crate) const SHOP: [Member; 8] = [
    member("catalog-db", Role::Store, Criticality::Important, &[]),
    member("cart-cache", Role::Store, Criticality::Important, &[]),
    member("bank", Role::Bank, Criticality::Important, &[]),
    member(
        "recommendations",
        Role::Recommendations,
        Criticality::Optional,
        &[],
    ),
    member(
        "catalog",
        Role::Catalog,
        Criticality::Important,
        &[need("catalog-db", Hard, 1_000)],
    ),
    member(
        "cart",
        Role::Cart,
        Criticality::Important,
        &[need("cart-cache", Hard, 1_000)],
    ),
    member(
        "payments",
        Role::Payments,
        Criticality::Important,
        &[need("bank", Hard, 1_000)],
    ),
    member(
        "storefront",
        Role::Storefront,
        Criticality::Critical,
        &[
            need("catalog", Hard, 1_800),
            need("cart", Hard, 1_800),
            need("payments", Hard, 1_800),
            need("recommendations", Soft, 1_000),
        ],
    ),
];

impl Member {
    /// The member of that name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        SHOP.iter().find(|member| member.name == name)
    }

    /// Whether it speaks to Ward itself.
    pub(crate) fn reports(&self) -> bool {
        self.role != Role::Store
    }
}

/// What the catalog keeps its goods in where there is a real one, and the cart its carts: known by what the two see.
pub(crate) const POSTGRES: &str = "postgres";
pub(crate) const REDIS: &str = "redis";

/// The name of one that can be to blame, if it is one.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    let mut names = SHOP.iter().map(|member| member.name).chain([POSTGRES, REDIS]);
    names.find(|known| *known == name)
}

/// The shop's names, for people.
pub(crate) fn names() -> String {
    SHOP.map(|member| member.name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_stand_before_who_needs_them_and_lose_patience_first() {
        for (at, member) in SHOP.iter().enumerate() {
            for need in member.needs {
                let needed = SHOP[..at].iter().find(|earlier| earlier.name == need.name);
                let needed = needed.unwrap_or_else(|| panic!("{} starts before {}", member.name, need.name));
                let inner = needed
                    .needs
                    .iter()
                    .map(|need| need.patience)
                    .max()
                    .unwrap_or_default();
                assert!(
                    need.patience >= inner + Duration::from_millis(500),
                    "{} blames {}",
                    member.name,
                    need.name
                );
            }
        }
    }

    #[test]
    fn names_are_names() {
        for member in &SHOP {
            assert!(ward_model::Name::service(member.name).is_ok());
        }
    }
}
