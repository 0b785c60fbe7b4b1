//! How long functions are.
//!
//! Counted from `fn` to the closing brace, tests included. Clippy's `too_many_lines` has one threshold and counts other
//! lines; here one length is advice and another the end.

use super::{Finding, files::Files};

const LONG: usize = 70;
const TOO_LONG: usize = 100;

/// Functions stay on a screen.
pub(super) fn length(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in files.rust() {
        for function in functions(&source.code).filter(|function| function.lines > LONG) {
            let Function { name, line, lines } = function;
            findings.push(if lines > TOO_LONG {
                Finding::new(
                    &file.path,
                    line,
                    format!("fn {name} has {lines} lines, {TOO_LONG} is the most"),
                )
            } else {
                Finding::advice(&file.path, line, format!("fn {name} has {lines} lines"))
            });
        }
    }
    findings
}

#[derive(Debug, PartialEq, Eq)]
struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

/// The functions with a body, in text without comments and strings.
fn functions(code: &str) -> impl Iterator<Item = Function<'_>> {
    code.match_indices("fn ").filter_map(|(at, keyword)| {
        let starts_a_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let behind = &code[at + keyword.len()..];
        let length = behind
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(behind.len());
        let (name, signature) = behind.split_at(length);
        let end = body_end(signature).filter(|_| starts_a_word && !name.is_empty())?;
        let line = 1 + code[..at].matches('\n').count();
        Some(Function {
            name,
            line,
            lines: 1 + signature[..end].matches('\n').count(),
        })
    })
}

/// Where the body ends that follows this signature, if one does.
fn body_end(signature: &str) -> Option<usize> {
    let mut brackets = 0_i32;
    let mut braces = 0_i32;
    for (at, c) in signature.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && brackets == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let code = "trait T { fn declared(&self, x: [u8; 2]); }\nimpl T {\n  pub fn one(f: fn (u8)) { if x { y } }\n\
                    fn two(\n  a: u8,\n) {\n  || { };\n}\n}\n";
        assert_eq!(
            functions(code).collect::<Vec<_>>(),
            [
                Function {
                    name: "one",
                    line: 3,
                    lines: 1
                },
                Function {
                    name: "two",
                    line: 4,
                    lines: 5
                }
            ]
        );
    }

    #[test]
    fn long_ones_are_advice_and_longer_ones_failures() {
        let found = |lines: usize| {
            let text = format!("//! x\nfn f() {{\n{}}}\n", "g();\n".repeat(lines - 2));
            length(&Files::sample(&[("a.rs", &text)]))
                .iter()
                .map(|it| it.advice)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(70), [false; 0]);
        assert_eq!(found(71), [true]);
        assert_eq!(found(101), [false]);
    }
}
