//! Proofs in a text: what shows an entry, and what does not.

use proptest::prelude::*;

use super::*;
use crate::{
    NoteError, inclusion_proof,
    testing::{Naive, flipped, leaf, signed, signer},
};

fn proof(index: u64, size: u64) -> LogProof {
    LogProof::new(
        index,
        inclusion_proof(index, size, &Naive::new(size)).unwrap(),
        signed(size),
    )
}

#[test]
fn a_proof_is_read_back_and_shows_its_entry() {
    for (index, size) in [(0, 1), (4, 5), (299, 300), (17, 300)] {
        let mut proof = proof(index, size);
        for extra in [None, Some(Vec::new()), Some(b"more".to_vec())] {
            proof.extra = extra;
            let read = LogProof::parse(&proof.encode()).unwrap();
            assert_eq!(read, proof);
            assert_eq!(
                read.verify(leaf(index), signer().verifier()).unwrap().head.size,
                size
            );
            let other = read.verify(leaf(index + 1), signer().verifier());
            assert_eq!(other, Err(LogProofError::Proof(ProofError::Root)));
        }
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let text = proof(17, 300).encode();
    let shows = |text: &str| {
        LogProof::parse(text).is_ok_and(|proof| proof.verify(leaf(17), signer().verifier()).is_ok())
    };
    assert!(shows(&text));
    for other in flipped(&text) {
        assert!(!shows(&other), "{other}");
    }
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        assert!(!shows(&text[..end]), "{end}");
    }
}

/// The example of the specification, with signatures that can be read in place of those left out there.
#[test]
fn the_example_of_the_specification_is_read() {
    let hashes = "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\nB95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n\
        EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\nRoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=\n\
        AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n";
    let checkpoint = "example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\n\
        \u{2014} example.com/fancylog hI2DJwAA\n\u{2014} witness1.example mJirIklj\n";
    let extra = "extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6\n";
    for extra in [extra, ""] {
        let text = format!("c2sp.org/tlog-proof@v1\n{extra}index 73894\n{hashes}\n{checkpoint}");
        let read = LogProof::parse(&text).unwrap();
        assert_eq!((read.index, read.hashes.len()), (73_894, 5));
        assert_eq!(read.checkpoint, checkpoint);
        assert_eq!(read.encode(), text);
        assert_eq!(
            Checkpoint::parse_unverified(&read.checkpoint).unwrap().head.size,
            109_482
        );
        let verified = read.verify(leaf(0), signer().verifier());
        let LogProofError::Checkpoint(CheckpointError::Note(NoteError::Unsigned { .. })) =
            verified.unwrap_err()
        else {
            panic!("believed a checkpoint of a key that it does not know");
        };
    }
}

#[test]
fn what_is_written_otherwise_is_refused() {
    let text = proof(17, 300).encode();
    let hash = Hash::EMPTY.to_string();
    for other in [
        String::new(),
        text.replace("@v1", "@v2"),
        text.replace("index 17", "index 017"),
        text.replace("index 17", "index +17"),
        text.replace("index 17\n", ""),
        text.replace("index 17\n", "index 17\nextra AAAA\n"),
        text.replace("index 17\n", "extra AAA\nindex 17\n"),
        text.replace("index 17\n", "extra AAAA\nextra AAAA\nindex 17\n"),
        text.replace("index 17\n", &format!("index 17\n{hash}\r\n")),
        text.replace(
            "index 17\n",
            &format!("index 17\n{}", format!("{hash}\n").repeat(65)),
        ),
        text.replace("\n\n", "\n"),
        text.clone() + &" ".repeat(MAX_BYTES),
    ] {
        assert!(
            matches!(LogProof::parse(&other), Err(LogProofError::Form(_))),
            "{other:.300}"
        );
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reading(text in "(c2sp.org/tlog-proof@v1\n)?(index |extra |\\PC|\n|[0-9]|A{43}=\n){0,30}") {
        if let Ok(proof) = LogProof::parse(&text) {
            prop_assert_eq!(proof.encode(), text);
        }
    }
}
