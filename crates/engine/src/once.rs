//! Places to be looked at, each once, in the order in which they were noted.
//!
//! Kept from one time to the next, so that noting one allocates nothing. An ordered set was not taken: where an order is
//! asked for, to sort once is cheaper than to keep the order at each step.

#[derive(Clone, Debug, Default)]
pub(crate) struct Once {
    noted: Vec<u32>,
    is_noted: Vec<bool>,
}

impl Once {
    /// There may be places below `places`; never fewer than before.
    pub(crate) fn resize(&mut self, places: usize) {
        self.is_noted.resize(places.max(self.is_noted.len()), false);
    }

    /// True if it was not noted yet.
    #[inline]
    pub(crate) fn note(&mut self, place: usize) -> bool {
        let is_new = !std::mem::replace(&mut self.is_noted[place], true);
        if is_new {
            self.noted.push(place as u32);
        }
        is_new
    }

    pub(crate) fn contains(&self, place: usize) -> bool {
        self.is_noted[place]
    }

    pub(crate) fn len(&self) -> usize {
        self.noted.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// The one noted as number `number`. More may be noted while one goes through them.
    #[inline]
    pub(crate) fn get(&self, number: usize) -> Option<usize> {
        self.noted.get(number).map(|&place| place as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.noted.iter().map(|&place| place as usize)
    }

    /// From here on in the order of the places.
    pub(crate) fn sort(&mut self) {
        self.noted.sort_unstable();
    }

    /// Takes one out that is seldom there.
    pub(crate) fn strike(&mut self, place: usize) {
        if std::mem::replace(&mut self.is_noted[place], false) {
            self.noted.retain(|&noted| noted as usize != place);
        }
    }

    pub(crate) fn clear(&mut self) {
        for place in self.noted.drain(..) {
            self.is_noted[place as usize] = false;
        }
    }
}
