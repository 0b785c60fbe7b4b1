//! Compiles the proto with protox, so that no `protoc` is needed on the machine, and keeps the descriptor set for server
//! reflection.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let file = root.join("grpc/health/v1/health.proto");
    println!("cargo::rerun-if-changed={}", file.display());
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).open_file(&file)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptor.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        // A list is in the order of its names, the same each time.
        .btree_map(".grpc.health.v1")
        .codec_path("crate::codec::SmallCodec")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
