//! A large log out of nothing: its tiles, its last bundle, its checkpoint.

use std::{fs, path::Path};

use anyhow::Context;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ward_audit::{Log, Options};
use ward_tlog::{Checkpoint, Hash, Head, Signer, TILE_WIDTH, TileId, Tree, entries_path, leaf_hash};

use super::{draft, start};

const SEED: [u8; 32] = [7; 32];

/// Makes one of `size` events in `dir`.
pub(super) fn log(dir: &Path, size: u64) -> anyhow::Result<()> {
    let signer = Signer::new("ward.bench/audit", &SEED)?;
    fs::create_dir_all(dir)?;
    let secret = STANDARD.encode([&[1], SEED.as_slice()].concat());
    fs::write(
        dir.join("key"),
        format!(
            "PRIVATE+KEY+{}+{:08x}+{secret}\n",
            signer.name(),
            signer.verifier().id()
        ),
    )?;
    Log::open(dir, Options::default(), start())?.0.close()?;
    let mut tree = Tree::new();
    let mut levels: Vec<Vec<Hash>> = vec![Vec::new()];
    let mut bundle = Vec::new();
    let whole = size / TILE_WIDTH * TILE_WIDTH;
    let mut last = Hash([0; 32]);
    for n in 0..size {
        // The entries of the last bundle are there; of the others nobody asks more than a hash.
        last = if n < whole {
            leaf_hash(&n.to_be_bytes())
        } else {
            let entry = draft(n).placed(n, last, "boot").encode();
            bundle.extend_from_slice(&u16::try_from(entry.len())?.to_be_bytes());
            bundle.extend_from_slice(&entry);
            leaf_hash(&entry)
        };
        tree.push(last);
        take(dir, &mut levels, n, last)?;
    }
    for (level, hashes) in levels.iter().enumerate().filter(|(_, hashes)| !hashes.is_empty()) {
        let index = size >> (8 * (level + 1));
        tile(
            dir,
            TileId {
                level: level as u8,
                index,
                width: hashes.len() as u16,
            },
            hashes,
        )?;
    }
    write(
        dir,
        &entries_path(size / TILE_WIDTH, (size % TILE_WIDTH) as u16),
        &bundle,
    )?;
    let checkpoint = Checkpoint {
        origin: signer.name().to_owned(),
        head: Head {
            size,
            root: tree.root(),
        },
    };
    write(dir, "checkpoint", checkpoint.sign(&signer)?.as_bytes())
}

/// Takes a hash up, and writes the tiles that are full with it.
fn take(dir: &Path, levels: &mut Vec<Vec<Hash>>, n: u64, leaf: Hash) -> anyhow::Result<()> {
    let mut hash = leaf;
    for level in 0.. {
        if levels.len() == level {
            levels.push(Vec::new());
        }
        levels[level].push(hash);
        if levels[level].len() < TILE_WIDTH as usize {
            break;
        }
        let hashes = std::mem::take(&mut levels[level]);
        tile(
            dir,
            TileId {
                level: level as u8,
                index: n >> (8 * (level + 1)),
                width: TILE_WIDTH as u16,
            },
            &hashes,
        )?;
        let mut root = Tree::new();
        hashes.iter().for_each(|hash| root.push(*hash));
        hash = root.root();
    }
    Ok(())
}

fn tile(dir: &Path, id: TileId, hashes: &[Hash]) -> anyhow::Result<()> {
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    write(dir, &id.path(), &bytes)
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().context("a file in a directory")?)?;
    fs::write(&path, bytes).with_context(|| format!("write {path:?}"))
}
