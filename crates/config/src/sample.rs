//! A `ward.toml` to begin with.

/// A `ward.toml` in which everything is explained and nothing is set: as good as none, and a start.
///
/// What stands behind `#` without a space is a key that may be made one; tests hold both the sample and what becomes of it
/// then to what the file may say.
pub fn sample() -> &'static str {
    include_str!("sample.toml")
}

#[cfg(test)]
pub(crate) mod tests;
