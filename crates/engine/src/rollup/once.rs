//! Services to be looked at, each once, in the order in which they were noted.
//!
//! Kept from one time to the next, so that noting one allocates nothing. An ordered set was not taken: nothing here
//! depends on an order, and it costs an allocation a service.

#[derive(Clone, Debug, Default)]
pub(super) struct Once {
    noted: Vec<u32>,
    is_noted: Vec<bool>,
}

impl Once {
    pub(super) fn resize(&mut self, places: usize) {
        self.is_noted.resize(places, false);
    }

    #[inline]
    pub(super) fn note(&mut self, service: usize) {
        if !std::mem::replace(&mut self.is_noted[service], true) {
            self.noted.push(service as u32);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// The service noted as number `place`. More may be noted while one goes through them.
    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<usize> {
        self.noted.get(place).map(|&service| service as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.noted.iter().map(|&service| service as usize)
    }

    /// Takes one out that is seldom there.
    pub(super) fn strike(&mut self, service: usize) {
        if std::mem::replace(&mut self.is_noted[service], false) {
            self.noted.retain(|&noted| noted as usize != service);
        }
    }

    pub(super) fn clear(&mut self) {
        for service in self.noted.drain(..) {
            self.is_noted[service as usize] = false;
        }
    }
}
