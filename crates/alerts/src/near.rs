//! What somebody may have meant by a word that is not known; as `ward-config` does it for keys.

/// The one of `known` that `word` is a slip of, if any: a letter too many, too few, wrong or out of place, one for every
/// three; letters of either case and both dashes are the same.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
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
