//! Who types: operators' commands are logged with a name.
//!
//! Nobody proves to be who they say. The name is for those who read the log and wonder whom to ask.

use std::env;

use nix::unistd::{Uid, User};

/// The name of the user this runs as: what the session says, else what the system calls them, else their number.
pub(crate) fn name() -> String {
    let uid = Uid::current();
    ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|variable| env::var(variable).ok())
        .find(|name| !name.is_empty())
        .or_else(|| User::from_uid(uid).ok().flatten().map(|user| user.name))
        .unwrap_or_else(|| format!("user {uid}"))
}
