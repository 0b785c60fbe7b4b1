//! The file of a witness: written, read back, and not made up when it cannot be read.

use ward_tlog::leaf_hash;

use super::*;

fn head(origin: &str, size: u64) -> AuditHead {
    AuditHead {
        origin: origin.to_owned(),
        size,
        root: leaf_hash(&size.to_be_bytes()).0,
    }
}

fn all() -> Vec<AuditHead> {
    (1..=HEADS as u64)
        .map(|size| {
            head(
                &format!("{}{size}", "ward.example/".repeat(18)),
                u64::MAX / 2 / size,
            )
        })
        .collect()
}

#[test]
fn what_is_kept_is_read_back() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("witness").join("127.0.0.1_7700");
    assert_eq!(read(&file).unwrap(), []);
    for heads in [vec![head("ward.example/1", 9)], all()] {
        write(&file, &heads).unwrap();
        assert_eq!(read(&file).unwrap(), heads);
    }
    let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else lies about: {left:?}");
}

#[test]
fn it_is_as_a_checkpoint_has_it() {
    let head = AuditHead {
        root: Hash::EMPTY.0,
        ..head("ward.example/1", 0)
    };
    assert_eq!(
        text(&head),
        "ward.example/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    );
}

#[test]
fn what_cannot_be_read_is_said_and_is_no_beginning_anew() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("kept");
    let good: String = all().iter().map(|head| text(head) + "\n").collect();
    let many = format!("{good}{}", text(&head("one more", 1)));
    for bad in [
        "garbage",
        &good[..good.len() - 9],
        &many,
        "ward.example/1\n09\n\n",
    ] {
        fs::write(&file, bad).unwrap();
        let said = read(&file).unwrap_err().to_string();
        assert!(said.contains("move it away to begin anew"), "{said}");
    }
    fs::write(&file, good).unwrap();
    assert_eq!(read(&file).unwrap(), all());
    assert!(read(home.path()).is_err(), "a directory");
}

#[test]
fn each_server_has_a_file_of_its_own() {
    let of = |server: &str| {
        let address = server.parse().unwrap();
        let file = default_file(&Server::new(address, crate::access::Access::default())).unwrap();
        file.file_name().unwrap().to_string_lossy().into_owned()
    };
    assert_eq!(of("https://ward.example:7700"), "ward.example_7700");
    assert_eq!(of("ward.example:7700"), "ward.example_7700");
    assert_eq!(of("[::1]:7700"), "___1__7700");
}
