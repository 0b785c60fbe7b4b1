//! `ward.toml`: what it may say, what is wrong with it, and what is in force.
