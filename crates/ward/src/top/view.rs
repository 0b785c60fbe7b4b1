//! What is on the screen: the model, and what its reader chose of it. A plain function of what came and what was typed.
//!
//! It draws nothing and asks nobody: a key that needs more than this gives a [`Wish`], which the loop fulfils.
//!
//! The selection is a name, not a row, so that what one looks at does not slip away when the order changes. At the top
//! it is nothing: whoever has not moved sees the worst, whatever that is.

use std::sync::Arc;

use ratatui::{
    crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    layout::Rect,
};
use ward_model::{Mono, Name, Now, ServiceState};
use ward_sdk::watch::Event;

use super::{
    detail::{Answer, Detail},
    model::{Hearing, Model},
    order::{Choice, Sort, ordered},
    render,
};
use crate::output::Times;

/// The longest text to filter by: the longest name.
const FILTER: usize = 63;

/// What a key asks for that the view cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Leave.
    Quit,
    /// Give the terminal back for a while.
    Stop,
    /// Draw all of it again.
    Redraw,
    /// Ask about what is open.
    Ask,
    /// Open a service.
    Open(Name),
    /// Close it.
    Close,
}

/// What was shown when it was paused.
#[derive(Debug)]
pub(super) struct Pause {
    model: Model,
    at: Now,
}

/// The whole screen.
#[derive(Debug)]
pub(super) struct View {
    pub(super) server: String,
    /// Where its reader is.
    pub(super) zone: Times,
    live: Model,
    pause: Option<Pause>,
    pub(super) choice: Choice,
    /// The filter is being typed.
    pub(super) typing: bool,
    pub(super) help: bool,
    pub(super) detail: Option<Detail>,
    /// The services chosen, in order.
    pub(super) order: Vec<Arc<ServiceState>>,
    /// Columns of the longest name among them.
    pub(super) widest: usize,
    /// First row shown.
    pub(super) top: usize,
    selected: Option<Name>,
    at: usize,
    rows: usize,
    stale: bool,
}

impl View {
    /// Nothing is known yet. `server` is who is asked, `zone` where the reader is.
    pub(super) fn new(server: String, zone: Times) -> Self {
        Self {
            server,
            zone,
            live: Model::default(),
            pause: None,
            choice: Choice::default(),
            typing: false,
            help: false,
            detail: None,
            order: Vec::new(),
            widest: 0,
            top: 0,
            selected: None,
            at: 0,
            rows: 0,
            stale: false,
        }
    }

    /// The aggregator has not said anything yet.
    pub(super) fn knows_nothing(&self) -> bool {
        self.live.system.is_none()
    }

    /// Takes an answer about what is open.
    pub(super) fn answered(&mut self, answer: Result<Answer, String>, now: Now) {
        if let Some(detail) = &mut self.detail {
            detail.take(answer, now);
        }
    }

    /// Takes what the watcher said. True if what is open may be about that.
    pub(super) fn apply(&mut self, event: Event, now: Now) -> bool {
        let concerns = match (&event, &self.detail) {
            (Event::Update(update), Some(detail)) => update
                .changes
                .iter()
                .any(|changed| detail.concerns(&changed.entity.key())),
            _ => false,
        };
        self.stale |= self.live.apply(event, now);
        concerns
    }

    /// What is shown: how it is, or how it was when it was paused.
    pub(super) fn model(&self) -> &Model {
        self.pause.as_ref().map_or(&self.live, |pause| &pause.model)
    }

    /// Of the connection, whatever is paused.
    pub(super) fn hearing(&self, now: Mono) -> Hearing<'_> {
        self.live.hearing(now)
    }

    /// How it is, while something else is shown.
    pub(super) fn behind_pause(&self) -> Option<(&Model, u64)> {
        let pause = self.pause.as_ref()?;
        Some((&self.live, self.live.changes.count - pause.model.changes.count))
    }

    /// The moment that spans are told from.
    pub(super) fn moment(&self, now: Now) -> Now {
        match &self.pause {
            Some(pause) => pause.model.known_at(pause.at),
            None => self.live.known_at(now),
        }
    }

    /// When it was paused.
    pub(super) fn paused_at(&self) -> Option<Now> {
        self.pause.as_ref().map(|pause| pause.at)
    }

    /// The row of the selected service.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Makes order, selection and rows those of now, for a screen of this size.
    pub(super) fn fit(&mut self, area: Rect, now: Now) {
        if std::mem::take(&mut self.stale) {
            self.order = ordered(self.model().services.values(), &self.choice);
            let columns = self.order.iter().map(|service| service.name.as_str().len());
            self.widest = columns.max().unwrap_or_default();
            self.find_selected();
        }
        self.rows = render::rows(self, area, now);
        // A screen that has no room for rows has none to keep the selection on.
        let rows = self.rows.max(1);
        self.top = self.top.clamp((self.at + 1).saturating_sub(rows), self.at);
        self.top = self.top.min(self.order.len().saturating_sub(rows));
        if let Some(detail) = &mut self.detail {
            detail.fit(rows);
        }
    }

    fn find_selected(&mut self) {
        let last = self.order.len().saturating_sub(1);
        let found = self
            .selected
            .as_ref()
            .map(|name| self.order.iter().position(|service| service.name == *name));
        self.at = match found {
            None => 0,
            Some(Some(at)) => at,
            Some(None) => self.at.min(last),
        };
    }

    fn move_to(&mut self, at: usize) {
        self.at = at.min(self.order.len().saturating_sub(1));
        self.selected = (self.at > 0).then(|| self.order[self.at].name.clone());
    }

    /// Takes a key.
    pub(super) fn key(&mut self, mut key: KeyEvent, now: Now) -> Option<Wish> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers == KeyModifiers::CONTROL && key.code == KeyCode::Char('h') {
            // What the key says on some terminals.
            key = KeyCode::Backspace.into();
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.control(key.code);
        }
        if self.help {
            self.help = false;
            return (key.code == KeyCode::Char('q')).then_some(Wish::Quit);
        }
        if self.typing {
            self.typed(key.code);
            return None;
        }
        match key.code {
            KeyCode::Char('q') => return Some(Wish::Quit),
            KeyCode::Char('?') => self.help = true,
            KeyCode::Char('p') => self.toggle_pause(now),
            code if self.detail.is_some() => return self.key_in_detail(code),
            code => return self.key_in_list(code),
        }
        None
    }

    fn control(&mut self, code: KeyCode) -> Option<Wish> {
        match code {
            KeyCode::Char('c') => Some(Wish::Quit),
            KeyCode::Char('z') => Some(Wish::Stop),
            KeyCode::Char('l') => Some(Wish::Redraw),
            _ => None,
        }
    }

    fn key_in_list(&mut self, code: KeyCode) -> Option<Wish> {
        let page = self.rows.max(1);
        match code {
            KeyCode::Esc if self.choice.text.is_empty() => return Some(Wish::Quit),
            KeyCode::Esc => self.choose(|choice| choice.text.clear()),
            KeyCode::Up | KeyCode::Char('k') => self.move_to(self.at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.move_to(self.at + 1),
            KeyCode::PageUp => self.move_to(self.at.saturating_sub(page)),
            KeyCode::PageDown => self.move_to(self.at + page),
            KeyCode::Home => self.move_to(0),
            KeyCode::End => self.move_to(usize::MAX),
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('s') => self.choose(|choice| choice.sort = choice.sort.next()),
            KeyCode::Char('m') => self.choose(|choice| choice.only_bad = !choice.only_bad),
            KeyCode::Enter => {
                let name = self.order.get(self.at)?.name.clone();
                self.detail = Some(Detail::new(name.clone()));
                return Some(Wish::Open(name));
            }
            _ => {}
        }
        None
    }

    fn key_in_detail(&mut self, code: KeyCode) -> Option<Wish> {
        let page = self.rows.max(1);
        let detail = self.detail.as_mut()?;
        match code {
            KeyCode::Esc | KeyCode::Backspace => {
                self.detail = None;
                return Some(Wish::Close);
            }
            KeyCode::Char('r') => return Some(Wish::Ask),
            KeyCode::Up | KeyCode::Char('k') => detail.top = detail.top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => detail.top = detail.top.saturating_add(1),
            KeyCode::PageUp => detail.top = detail.top.saturating_sub(page),
            KeyCode::PageDown => detail.top = detail.top.saturating_add(page),
            KeyCode::Home => detail.top = 0,
            KeyCode::End => detail.top = usize::MAX,
            _ => {}
        }
        None
    }

    fn typed(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.choose(|choice| choice.text.clear());
            }
            KeyCode::Backspace => self.choose(|choice| choice.text.truncate(shorter(&choice.text))),
            KeyCode::Char(c) if self.choice.text.len() < FILTER && !c.is_control() => {
                self.choose(|choice| choice.text.extend(c.to_lowercase()));
            }
            _ => {}
        }
    }

    /// Another choice begins at its top: what comes first is what was asked for.
    fn choose(&mut self, change: impl FnOnce(&mut Choice)) {
        change(&mut self.choice);
        self.selected = None;
        self.stale = true;
    }

    fn toggle_pause(&mut self, now: Now) {
        self.pause = match self.pause.take() {
            Some(_) => None,
            None => Some(Pause {
                model: self.live.clone(),
                at: now,
            }),
        };
        self.stale = true;
    }

    /// What the filters leave out, in words; empty if nothing.
    pub(super) fn chosen(&self) -> String {
        let mut words = Vec::new();
        if self.choice.only_bad {
            words.push("only bad".to_owned());
        }
        if !self.choice.text.is_empty() {
            words.push(format!("with \"{}\"", self.choice.text));
        }
        if self.choice.sort != Sort::Badness {
            words.push(format!("by {}", self.choice.sort.word()));
        }
        words.join(", ")
    }
}

/// Without its last character.
fn shorter(text: &str) -> usize {
    text.char_indices().last().map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests;
