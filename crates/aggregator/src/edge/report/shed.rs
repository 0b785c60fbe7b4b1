//! Instances of a stream whose updates were left out, until their newest state is there.
//!
//! What was left out is not kept: the reporter has something newer by then. So the state is asked for once there is room
//! again, and until it comes, changes to a state that nobody has are left out unseen. Who was asked has paid, or one
//! instance that never stops would take the room from what was asked of another. They are asked in turns: who talks all
//! the time is behind again at once, and would always be the first to be asked.
//!
//! Bounded by the handles a stream may have.

use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub(super) struct Shed {
    /// To be asked.
    behind: BTreeSet<u32>,
    /// Asked, and not heard since.
    asked: BTreeSet<u32>,
    /// Whose turn it is to be asked: the first of these that is behind.
    next: u32,
}

/// What becomes of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// As ever: if there is room.
    Pays,
    /// It was asked for.
    HasPaid,
    /// It goes on from a state that was left out.
    Useless,
}

impl Shed {
    /// An update under this handle was left out. True if that is news.
    pub(super) fn leave_out(&mut self, handle: u32) -> bool {
        !self.asked.contains(&handle) && self.behind.insert(handle)
    }

    /// An update that was to be decided was left out all the same.
    pub(super) fn leave_out_again(&mut self, handle: u32) -> bool {
        self.asked.remove(&handle);
        self.behind.insert(handle)
    }

    /// What becomes of an update under this handle; `full` if it is the whole state.
    pub(super) fn turn(&self, handle: u32, full: bool) -> Turn {
        match (self.behind.contains(&handle), self.asked.contains(&handle)) {
            (false, false) => Turn::Pays,
            (true, _) if full => Turn::Pays,
            (_, true) if full => Turn::HasPaid,
            _ => Turn::Useless,
        }
    }

    /// Its state is there.
    pub(super) fn make_up(&mut self, handle: u32) {
        self.behind.remove(&handle);
        self.asked.remove(&handle);
    }

    /// There is somebody to ask.
    pub(super) fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Forgets handles that stand for nobody any more.
    pub(super) fn retain(&mut self, stands: impl Fn(u32) -> bool) {
        self.behind.retain(|&handle| stands(handle));
        self.asked.retain(|&handle| stands(handle));
    }

    /// The next one to ask, which is asked from now on if `room` says that there is some.
    pub(super) fn ask(&mut self, room: impl FnOnce() -> bool) -> Option<u32> {
        let in_turn = self.behind.range(self.next..).next();
        let handle = *in_turn.or_else(|| self.behind.first())?;
        if !room() {
            return None;
        }
        self.behind.remove(&handle);
        self.asked.insert(handle);
        self.next = handle.saturating_add(1);
        Some(handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_asked_for_and_then_has_paid() {
        let mut shed = Shed::default();
        assert_eq!(shed.turn(7, false), Turn::Pays);
        assert!(shed.leave_out(7) && !shed.leave_out(7), "told once");
        assert_eq!(
            (shed.turn(7, false), shed.turn(7, true)),
            (Turn::Useless, Turn::Pays)
        );
        assert_eq!(shed.ask(|| false), None);
        assert!(shed.is_behind());
        assert_eq!(shed.ask(|| true), Some(7));
        assert!(!shed.is_behind() && !shed.leave_out(7), "it was asked already");
        assert_eq!(
            (shed.turn(7, false), shed.turn(7, true)),
            (Turn::Useless, Turn::HasPaid)
        );
        assert!(shed.leave_out_again(7));
        assert_eq!(shed.ask(|| true), Some(7), "what came was left out too");
        shed.make_up(7);
        assert_eq!((shed.turn(7, false), shed.ask(|| true)), (Turn::Pays, None));
        shed.leave_out(8);
        shed.retain(|_| false);
        assert!(!shed.is_behind());
    }

    #[test]
    fn those_who_are_behind_again_at_once_do_not_keep_the_others_from_being_asked() {
        const ROOM: usize = 3;
        let mut shed = Shed::default();
        for handle in 0..10 {
            shed.leave_out(handle);
        }
        let mut all = Vec::new();
        for _ in 0..4 {
            let asked: Vec<_> = (0..ROOM).filter_map(|_| shed.ask(|| true)).collect();
            for handle in asked {
                shed.leave_out_again(handle);
                all.push(handle);
            }
        }
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    }
}
