//! What may have been meant by a word that is not there.

/// Two words are near if they are at least this similar (Jaro-Winkler, 0 to 1): one slip in a short word.
const NEAR: f64 = 0.8;
/// Longer ones are not compared: no name is half as long, and the work grows with the square.
const LONGEST: usize = 128;

/// At most `most` of `there` that are like `word`, the nearest first.
pub(super) fn near<T: AsRef<str>>(word: &str, there: impl IntoIterator<Item = T>, most: usize) -> Vec<T> {
    if word.len() > LONGEST {
        return Vec::new();
    }
    let similar = |other: T| (strsim::jaro_winkler(word, other.as_ref()), other);
    let mut near: Vec<_> = there
        .into_iter()
        .map(similar)
        .filter(|(similarity, _)| *similarity >= NEAR)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.as_ref().cmp(b.1.as_ref())));
    near.into_iter().take(most).map(|(_, word)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first() {
        assert_eq!(
            near("paymnets", ["bank", "payments", "payment"], 2),
            ["payments", "payment"]
        );
        assert_eq!(near("zzz", ["bank"], 2), [""; 0]);
        assert_eq!(near(&"a".repeat(60_000), ["a"], 2), [""; 0]);
    }
}
