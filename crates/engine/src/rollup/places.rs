//! A set of services as one bit each, to be gone through by their places.
//!
//! A service enters and leaves in one step and without an allocation, and ten thousand are 160 words to look through
//! for the first. An ordered set costs more at each change than that does where it is asked.

#[derive(Clone, Debug, Default)]
pub(super) struct Places(Vec<u64>);

impl Places {
    pub(super) fn resize(&mut self, places: usize) {
        self.0.resize(places.div_ceil(64), 0);
    }

    #[inline]
    pub(super) fn set(&mut self, place: usize, is_in: bool) {
        let (word, bit) = (&mut self.0[place / 64], 1 << (place % 64));
        *word = if is_in { *word | bit } else { *word & !bit };
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(0);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(number, &word)| {
            let rest = |&word: &u64| Some(word & word.wrapping_sub(1)).filter(|&rest| rest > 0);
            let words = std::iter::successors(Some(word).filter(|&word| word > 0), rest);
            words.map(move |word| 64 * number + word.trailing_zeros() as usize)
        })
    }
}
