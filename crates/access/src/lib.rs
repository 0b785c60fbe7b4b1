//! Who may do what: rights, the policy that gives them, and the tokens that carry them.
//!
//! Nothing is permitted that nobody granted. It listens on nothing, reads no clock and knows no protocol: the edges ask it,
//! and say no in their own words. Roles were not taken: a right and what it is about is all there is to say, and a name for
//! a handful of them would be one more thing to look up at night.

mod pattern;
mod policy;
mod right;
mod store;
mod token;

pub use pattern::{InvalidPattern, Pattern};
pub use policy::{ANONYMOUS, Policy};
pub use right::{Grants, Right, UnknownRight};
pub use store::{Record, StoreError, TOKENS, TokenStore};
pub use token::{InvalidToken, Token, TokenId};
