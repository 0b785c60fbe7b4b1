//! `ward audit ship`: copies the log to where nobody can take anything away.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use object_store::{ObjectStore, aws::AmazonS3Builder, local::LocalFileSystem, path::Path as Key};
use ward_audit::ship::ship;

use super::place::PlaceArgs;
use crate::{Exit, Failure, output::Out};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward audit ship s3://compliance/ward           with a retention lock on the bucket, nobody can rewrite it
  ward audit ship /mnt/archive/ward              or file:///mnt/archive/ward
  ward audit verify /mnt/archive/ward            the copy is a log that can be verified

Credentials are those of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, the place is that of AWS_REGION, or
AWS_ENDPOINT for stores of others (AWS_ALLOW_HTTP=true if it has no TLS). Only what is new since the last time is copied, so
this can be run every hour. What is there with other bytes is never written over: that is an error.")]
pub(super) struct ShipArgs {
    /// Where to: s3://bucket/prefix, or a directory
    #[arg(value_parser = destination)]
    destination: Destination,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Clone, Debug)]
enum Destination {
    Bucket { name: String, prefix: String },
    Directory(PathBuf),
}

fn destination(text: &str) -> Result<Destination, String> {
    if let Some(place) = text.strip_prefix("s3://") {
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        return match name {
            "" => Err("expected s3://bucket/prefix".to_owned()),
            name => Ok(Destination::Bucket {
                name: name.to_owned(),
                prefix: prefix.to_owned(),
            }),
        };
    }
    match text.strip_prefix("file://").unwrap_or(text) {
        "" => Err("expected s3://bucket/prefix, or a directory".to_owned()),
        other if other.contains("://") => {
            Err("expected s3://bucket/prefix, or a directory; no other store is known".to_owned())
        }
        path => Ok(Destination::Directory(path.into())),
    }
}

impl Destination {
    fn open(&self) -> Result<(Arc<dyn ObjectStore>, Key), Failure> {
        match self {
            Self::Bucket { name, prefix } => {
                // One TLS for all of Ward. Whoever was first has set the same.
                drop(rustls::crypto::ring::default_provider().install_default());
                let store = AmazonS3Builder::from_env().with_bucket_name(name).build();
                let prefix = Key::parse(prefix).context("read the prefix in the bucket")?;
                Ok((Arc::new(store.context("reach the object store")?), prefix))
            }
            Self::Directory(path) => {
                fs::create_dir_all(path).with_context(|| format!("make {path:?}"))?;
                let store = LocalFileSystem::new_with_prefix(path);
                let store = store.with_context(|| format!("open {path:?}"))?.with_fsync(true);
                Ok((Arc::new(store), Key::default()))
            }
        }
    }
}

pub(super) async fn run(args: &ShipArgs, out: &mut Out) -> Result<Exit, Failure> {
    let dir = args.place.dir()?;
    let (store, prefix) = args.destination.open()?;
    let bar = ProgressBar::new(0).with_style(style());
    let shipped = ship(&dir, &*store, &prefix, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })
    .await;
    bar.finish_and_clear();
    let shipped = shipped.map_err(anyhow::Error::new)?;
    let events = shipped.size - shipped.before.min(shipped.size);
    out.data(&format!(
        "{} events are there, of which {events} were looked at, in {} new objects\n",
        shipped.size, shipped.written
    ))?;
    Ok(Exit::Good)
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} objects, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let shown = |text| {
            destination(text)
                .map(|there| format!("{there:?}"))
                .unwrap_or_else(|error| error)
        };
        assert_eq!(shown("s3://a/b/c"), "Bucket { name: \"a\", prefix: \"b/c\" }");
        assert_eq!(shown("s3://a"), "Bucket { name: \"a\", prefix: \"\" }");
        assert_eq!(shown("file:///a/b"), "Directory(\"/a/b\")");
        assert_eq!(shown("a/b"), "Directory(\"a/b\")");
        for wrong in ["", "s3://", "gs://a/b"] {
            assert!(shown(wrong).starts_with("expected s3://"), "{wrong}");
        }
    }
}
