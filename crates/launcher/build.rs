//! Gives the launcher a build id, so that a daemon started by another build is told apart from its own.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let mut files = vec![here.join("Cargo.toml"), here.join("build.rs")];
    sources(&here.join("src"), &mut files);
    files.sort();

    let mut hash = Fnv::new();
    for file in &files {
        let name = file.strip_prefix(&here).expect("every file is in the crate");
        hash.add(name.as_os_str().as_encoded_bytes());
        hash.add(&fs::read(file).expect("a source file of the launcher can be read"));
    }
    println!("cargo::rustc-env=DX_PY_BUILD_HASH={:016x}", hash.0);
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-changed=build.rs");
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the source folder can be listed") {
        let path = entry.expect("the source folder can be listed").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// FNV-1a. Nobody attacks a build id, and the build needs no hashing crate of its own this way.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, part: &[u8]) {
        for byte in (part.len() as u64).to_le_bytes().iter().chain(part) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
