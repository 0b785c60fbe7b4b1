//! Text from outside, shown so that it can do nothing to a terminal or to the order of what is read.

use std::fmt::{self, Write};

/// Shows control characters, and those that change the direction or the place of others, as `\u{..}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_harmful(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Control characters (C0, DEL, C1), separators of lines, and the invisible ones that reorder or join what is around them.
pub(crate) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_is_shown_instead() {
        let shown = Escaped("a\u{1b}[2Jb\r\n\u{9b}c\u{202e}d").to_string();
        assert_eq!(shown, "a\\u{1b}[2Jb\\u{d}\\u{a}\\u{9b}c\\u{202e}d");
        assert_eq!(Escaped("über 50 % \u{1f600}").to_string(), "über 50 % \u{1f600}");
    }
}
