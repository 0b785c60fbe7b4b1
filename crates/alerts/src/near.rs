//! What somebody may have meant by a word that is not known.

/// The one of `known` that `word` is a slip of, if any: a letter too many, too few, wrong or out of place, one for every
/// three; letters of either case and both dashes are the same.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Nothing that long is a slip, and the distance takes the product of both lengths.
    const LONGEST: usize = 80;
    if word.len() > LONGEST {
        return None;
    }
    let plain = |word: &str| word.to_ascii_lowercase().replace('-', "_");
    let meant = plain(word);
    let borne = (meant.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&meant, &plain(known)), known))
        .filter(|(distance, _)| *distance <= borne)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_known_and_another_word_is_not() {
        let known = ["grpc", "http", "data_dir", "min_healthy"];
        assert_eq!(nearest("grcp", known), Some("grpc"));
        assert_eq!(nearest("data-dir", known), Some("data_dir"));
        assert_eq!(nearest("MIN_HELTHY", known), Some("min_healthy"));
        assert_eq!(nearest("https", known), Some("http"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }
}
