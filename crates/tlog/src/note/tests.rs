//! Keys and notes: the example of the format, and everything that could be passed off as one.

use proptest::prelude::*;

use super::*;
use crate::testing::{flipped, signer};

/// The example of Go's `sumdb/note`, which the format was taken from: its key, its seed, its note.
const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const SKEY: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn peter() -> Verifier {
    VKEY.parse().unwrap()
}

#[test]
fn the_example_of_the_format_is_read_and_written_the_same() {
    let note = format!("{TEXT}\n{SIGNATURE}");
    assert_eq!(open(&note, &[peter()]), Ok(TEXT));
    assert_eq!(peter().vkey(), VKEY);
    assert_eq!(peter().id(), 0xc74f_20a3);
    let seed = STANDARD.decode(SKEY).unwrap();
    let signer = Signer::new("PeterNeumann", seed[1..].try_into().unwrap()).unwrap();
    assert_eq!(signer.vkey(), VKEY);
    assert_eq!(signer.sign(TEXT), Ok(note));
}

#[test]
fn every_flipped_bit_of_a_note_is_noticed() {
    let note = format!("{TEXT}\n{SIGNATURE}");
    let mut tried = 0;
    for other in flipped(&note) {
        assert!(open(&other, &[peter()]).is_err(), "{other}");
        tried += 1;
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn every_cut_of_a_note_is_noticed() {
    let note = format!("{TEXT}\n{SIGNATURE}");
    for end in (0..note.len()).filter(|end| note.is_char_boundary(*end)) {
        assert!(open(&note[..end], &[peter()]).is_err(), "{end}");
    }
}

#[test]
fn signatures_of_unknown_keys_are_passed_over_and_no_others() {
    let one = signer();
    let same_name = Signer::new(one.name(), &[8; 32]).unwrap();
    let signed = one.sign(TEXT).unwrap();
    let line = |note: &str| note.rsplit_once("\n\n").unwrap().1.to_owned();
    let both = format!(
        "{TEXT}\n{SIGNATURE}{}{}",
        line(&signed),
        line(&same_name.sign(TEXT).unwrap())
    );
    for key in [peter(), one.verifier().clone(), same_name.verifier().clone()] {
        assert_eq!(open(&both, &[key]), Ok(TEXT));
    }
    let unsigned = NoteError::Unsigned {
        wanted: "PeterNeumann (c74f20a3)".to_owned(),
        found: format!("{} ({:08x})", one.name(), one.verifier().id()),
    };
    assert_eq!(open(&signed, &[peter()]), Err(unsigned));
    assert!(matches!(open(&both, &[]), Err(NoteError::Unsigned { .. })));
    // One good signature does not make up for a bad one by a key that is known as well.
    let spoiled = both.replacen("thEn", "then", 1).replacen("UG/Sff", "UG/Sfg", 1);
    assert_eq!(open(&spoiled, &[one.verifier().clone()]), Ok(TEXT));
    let wrong = NoteError::Signature("PeterNeumann".to_owned());
    assert_eq!(open(&spoiled, &[one.verifier().clone(), peter()]), Err(wrong));
}

/// What strangers wrote is told in bounds, and does nothing to a terminal.
#[test]
fn what_is_told_of_signatures_is_short_and_harmless() {
    let line = format!("\u{2014} {}\u{202e} x08go/ZJ\n", "ab".repeat(500));
    let note = format!("{TEXT}\n{}", line.repeat(64));
    let said = open(&note, &[peter()]).unwrap_err().to_string();
    assert!(said.len() < 500 && said.ends_with(", others"), "{said}");
    let said = Signer::new(&"\u{202e} ".repeat(500), &[1; 32])
        .unwrap_err()
        .to_string();
    assert!(said.len() < 800 && !said.contains('\u{202e}'), "{said}");
}

#[test]
fn a_text_may_have_empty_lines_and_its_signatures_follow_the_last() {
    let one = signer();
    let note = one.sign("a\n\nb\n\n\n").unwrap();
    assert_eq!(open(&note, &[one.verifier().clone()]), Ok("a\n\nb\n\n\n"));
}

#[test]
fn what_is_no_note_is_refused() {
    let one = signer();
    for text in ["", "no end", "tab\tin it\n", "nul\0\n", "return\r\n"] {
        assert!(matches!(one.sign(text), Err(NoteError::Form(_))), "{text:?}");
    }
    let line = SIGNATURE;
    for note in [
        String::new(),
        "\n\n".to_owned(),
        TEXT.to_owned(),
        format!("{TEXT}\n"),
        format!("{TEXT}{line}"),
        format!("{TEXT}\n{}", line.trim_end()),
        format!("{TEXT}\n-{}", &line[3..]),
        format!("{TEXT}\n{line}no signature\n"),
        format!("{TEXT}\n\u{2014}  x08go/ZJ\n"),
        format!("{TEXT}\n\u{2014} a x08gow==\n"),
        format!("{TEXT}\n{}", line.replace('\n', " \n")),
    ] {
        assert!(
            matches!(open(&note, &[peter()]), Err(NoteError::Form(_))),
            "{note:?}"
        );
    }
    let many = format!("{TEXT}\n{}", line.repeat(65));
    assert_eq!(open(&many, &[peter()]), Err(NoteError::TooLarge));
    assert_eq!(open(&many[..many.len() - line.len()], &[peter()]), Ok(TEXT));
    let long = format!("{}\n\n{line}", "a".repeat(MAX_NOTE_BYTES));
    assert_eq!(open(&long, &[peter()]), Err(NoteError::TooLarge));
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_a_reason() {
    for name in ["", "a b", "a+b", "a\nb", "a\u{2003}b", "a\u{7f}"] {
        assert_eq!(
            Signer::new(name, &[1; 32]).err(),
            Some(KeyError::Name(told(name)))
        );
    }
    let of = |vkey: &str| vkey.parse::<Verifier>().err();
    assert_eq!(of(&VKEY.replace("ARpc", "BBpc")), Some(KeyError::Kind(4)));
    assert_eq!(of(&VKEY.replace("Peter", "Pater")), Some(KeyError::Id));
    assert_eq!(of(&VKEY.replace("c74f", "C74F")), Some(KeyError::Id));
    assert!(of(&VKEY.replace("c74f", "+74f")).is_some());
    assert_eq!(of(&VKEY[..VKEY.len() - 4]), Some(KeyError::Form));
    assert_eq!(of("PeterNeumann"), Some(KeyError::Form));
    assert_eq!(format!("{VKEY}\n").parse(), Ok(peter()));
    for other in flipped(VKEY) {
        assert!(other.parse::<Verifier>().is_err(), "{other}");
    }
}

#[test]
fn no_form_of_a_signer_shows_its_seed() {
    let shown = format!("{:?} {:#?}", signer(), signer());
    assert!(!shown.contains("7, 7, 7") && !shown.contains("0707"), "{shown}");
}

proptest! {
    #[test]
    fn what_is_signed_is_opened(lines in prop::collection::vec("[^\\x00-\\x1f]{0,20}", 1..6), seed: [u8; 32]) {
        let text = lines.join("\n") + "\n";
        let one = Signer::new("one", &seed).unwrap();
        let note = one.sign(&text).unwrap();
        prop_assert_eq!(open(&note, &[one.vkey().parse().unwrap()]), Ok(text.as_str()));
    }

    #[test]
    fn no_text_breaks_the_reading(note in "(\\PC|\n|\n\n\u{2014} |\u{2014} a eDA4Z28v\n){0,30}") {
        prop_assert!(open(&note, &[peter()]).is_err());
    }
}
