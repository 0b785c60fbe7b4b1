//! The engine as a whole: random histories against a reference computed from nothing, and the health model's rules by
//! example.

mod declared;
mod details;
mod examples;
mod fleet;
mod from_nothing;
mod histories;
mod observer;
mod recall;
mod seldom;
mod signals;
