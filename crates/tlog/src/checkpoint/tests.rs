//! Checkpoints: what is signed is opened, and nothing else.

use super::*;
use crate::testing::{Naive, ORIGIN, flipped, signed, signer};

#[test]
fn what_is_signed_is_opened() {
    for size in [0, 1, 300] {
        let opened = Checkpoint::open(&signed(size), signer().verifier()).unwrap();
        assert_eq!(
            opened,
            Checkpoint {
                origin: ORIGIN.to_owned(),
                head: Naive::new(size).head(size)
            }
        );
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let text = signed(300);
    for other in flipped(&text) {
        assert!(Checkpoint::open(&other, signer().verifier()).is_err(), "{other}");
    }
}

/// The example of the specification, which comes without the key.
#[test]
fn the_example_of_the_specification_is_read() {
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let read = Checkpoint::parse_unverified(text).unwrap();
    assert_eq!(
        (read.origin.as_str(), read.head.size),
        ("example.com/behind-the-sofa", 20_852_163)
    );
    assert!(text.starts_with(&read.text()));
    assert_eq!(Checkpoint::from_text(&read.text()), Ok(read));
    assert!(matches!(
        Checkpoint::open(text, signer().verifier()),
        Err(CheckpointError::Note(NoteError::Unsigned { .. }))
    ));
}

#[test]
fn one_of_another_log_is_refused_whoever_signed_it() {
    let text = Checkpoint {
        origin: "ward.example/other".to_owned(),
        head: Head::EMPTY,
    }
    .text();
    let note = signer().sign(&text).unwrap();
    let origin = CheckpointError::Origin {
        found: "ward.example/other".to_owned(),
        expected: ORIGIN.to_owned(),
    };
    assert_eq!(Checkpoint::open(&note, signer().verifier()), Err(origin));
    assert!(Checkpoint::parse_unverified(&note).is_ok());
}

#[test]
fn lines_behind_the_root_are_passed_over() {
    let text = format!("{ORIGIN}\n0\n{}\nmore\nand more\n", Hash::EMPTY);
    let note = signer().sign(&text).unwrap();
    assert_eq!(
        Checkpoint::open(&note, signer().verifier()).unwrap().head,
        Head::EMPTY
    );
}

#[test]
fn what_is_signed_and_no_checkpoint_is_refused() {
    let root = Hash::EMPTY;
    let other = crate::leaf_hash(b"");
    for text in [
        "\n".to_owned(),
        format!("{ORIGIN}\n"),
        format!("{ORIGIN}\n0\n"),
        format!("\n{ORIGIN}\n0\n{root}\n"),
        format!("{ORIGIN}\n00\n{root}\n"),
        format!("{ORIGIN}\n+1\n{root}\n"),
        format!("{ORIGIN}\n-1\n{root}\n"),
        format!("{ORIGIN}\n1 \n{root}\n"),
        format!("{ORIGIN}\n9223372036854775808\n{root}\n"),
        format!("{ORIGIN}\n1\n{}\n", &root.to_string()[1..]),
        format!("{ORIGIN}\n0\n{other}\n"),
        format!("{ORIGIN}\n0\n{root}\n\nmore\n"),
        format!("{ORIGIN}\n0\n{root}\n\n"),
    ] {
        let note = signer().sign(&text).unwrap();
        let opened = Checkpoint::open(&note, signer().verifier());
        assert!(
            matches!(opened, Err(CheckpointError::Form(_))),
            "{text:?}: {opened:?}"
        );
    }
    let largest = signer().sign(&format!("{ORIGIN}\n{MAX_SIZE}\n{root}\n")).unwrap();
    assert!(Checkpoint::open(&largest, signer().verifier()).is_ok());
}

#[test]
fn nothing_is_signed_that_would_not_be_read() {
    for origin in ["", "two\nlines", "ward.example/other"] {
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            head: Head::EMPTY,
        };
        assert!(checkpoint.sign(&signer()).is_err(), "{origin:?}");
    }
    let head = Head {
        size: MAX_SIZE + 1,
        root: Hash::EMPTY,
    };
    assert!(
        Checkpoint {
            origin: ORIGIN.to_owned(),
            head
        }
        .sign(&signer())
        .is_err()
    );
}
