//! One direction of the edges: a list for each service, all of them in one array.
//!
//! A list starts with room for [`ROOM`] and moves to the end of the array, twice as long, when it is full. What it
//! leaves behind is never used again: together that is less than the list is long, and nothing has to be sought or moved
//! together. A vector for each service costs a cascade another cache miss a step.

use super::edges::Edge;

/// What most services have fits, in half a cache line.
const ROOM: u32 = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    len: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    spans: Vec<Span>,
    edges: Vec<Edge>,
    /// For each of `edges` its place in the list of the other end. Read only where edges change.
    back: Vec<u32>,
    /// For how many each span has room.
    room: Vec<u32>,
}

impl Ends {
    pub(super) fn resize(&mut self, places: usize) {
        self.spans.resize_with(places, Span::default);
        self.room.resize(places, 0);
    }

    #[inline]
    pub(super) fn of(&self, service: usize) -> &[Edge] {
        let Span { start, len } = self.spans[service];
        &self.edges[start as usize..(start + len) as usize]
    }

    pub(super) fn len(&self, service: usize) -> u32 {
        self.spans[service].len
    }

    pub(super) fn push(&mut self, service: usize, edge: Edge, back: u32) {
        if self.spans[service].len == self.room[service] {
            self.make_room(service, edge);
        }
        let span = &mut self.spans[service];
        let at = (span.start + span.len) as usize;
        span.len += 1;
        (self.edges[at], self.back[at]) = (edge, back);
    }

    /// Twice the room at the end of the array, filled with `edge` until it is used.
    fn make_room(&mut self, service: usize, edge: Edge) {
        let Span { start, len } = self.spans[service];
        let (room, from) = ((2 * len).max(ROOM), start as usize..(start + len) as usize);
        let (start, end) = (self.edges.len(), self.edges.len() + room as usize);
        self.edges.extend_from_within(from.clone());
        self.edges.resize(end, edge);
        self.back.extend_from_within(from);
        self.back.resize(end, 0);
        self.spans[service].start = start as u32;
        self.room[service] = room;
    }

    /// Takes out the last edge, with its place at the other end.
    pub(super) fn pop(&mut self, service: usize) -> Option<(Edge, u32)> {
        let span = &mut self.spans[service];
        span.len = span.len.checked_sub(1)?;
        let at = (span.start + span.len) as usize;
        Some((self.edges[at], self.back[at]))
    }

    /// Takes out the edge at `place`. The last one moves there, if it is another: that, with its place at the other end.
    pub(super) fn take(&mut self, service: usize, place: u32) -> Option<(Edge, u32)> {
        let last = self.pop(service)?;
        let moves = place < self.spans[service].len;
        if moves {
            let at = (self.spans[service].start + place) as usize;
            (self.edges[at], self.back[at]) = last;
        }
        moves.then_some(last)
    }

    /// The edge at `place` has another place at its other end.
    pub(super) fn set_back(&mut self, service: usize, place: u32, back: u32) {
        self.back[(self.spans[service].start + place) as usize] = back;
    }
}
