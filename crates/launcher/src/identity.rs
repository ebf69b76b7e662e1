//! Which daemon is ours: one per project root, interpreter, build, and view of the file system.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::BUILD;

const SETTINGS: [&str; 5] = ["pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "setup.py"];

/// The project root: the nearest ancestor under version control, else the nearest with a settings file, else `cwd`.
pub fn root(cwd: &Path) -> PathBuf {
    // A work tree's `.git` is a file, so being there is enough.
    let controlled = cwd.ancestors().find(|folder| there(&folder.join(".git")));
    let configured = || cwd.ancestors().find(|folder| SETTINGS.iter().any(|name| there(&folder.join(name))));
    controlled.or_else(configured).unwrap_or(cwd).to_owned()
}

fn there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Where that daemon listens.
pub fn socket_path(runtime_dir: &Path, root: &Path, python: &Path) -> PathBuf {
    let namespaces = [namespace("mnt"), namespace("pid")].concat();
    let parts = [b"dx-py socket 1", root.as_os_str().as_bytes(), python.as_os_str().as_bytes(), BUILD.as_bytes()];
    let mut hasher = blake3::Hasher::new();
    for part in parts.into_iter().chain([namespaces.as_slice()]) {
        // The length first: moving a byte from one part to the next must not give the same name.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let name: String = hasher.finalize().as_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    runtime_dir.join(name + ".sock")
}

/// A container that shares the runtime directory sees other files under the same paths, and other processes under
/// the same ids. Its daemon is not ours.
fn namespace(kind: &str) -> Vec<u8> {
    let identity = std::fs::metadata(format!("/proc/self/ns/{kind}")).map(|found| (found.dev(), found.ino()));
    let (device, inode) = identity.unwrap_or((0, 0));
    [device.to_le_bytes(), inode.to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn version_control_wins_over_nearer_settings() {
        let top = tempfile::tempdir().unwrap();
        let deep = top.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(top.path().join("a/pyproject.toml"), "").unwrap();
        assert_eq!(root(&deep), top.path().join("a"));
        fs::write(top.path().join(".git"), "gitdir: elsewhere").unwrap();
        assert_eq!(root(&deep), top.path());
    }

    #[test]
    fn the_nearest_settings_win_and_without_any_it_is_the_directory_itself() {
        let top = tempfile::tempdir().unwrap();
        let deep = top.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        assert_eq!(root(&deep), deep);
        fs::write(top.path().join("tox.ini"), "").unwrap();
        assert_eq!(root(&deep), top.path());
        fs::write(top.path().join("a/setup.py"), "").unwrap();
        assert_eq!(root(&deep), top.path().join("a"));
    }

    #[test]
    fn each_part_of_the_identity_counts() {
        let run = Path::new("/run/x");
        let path = socket_path(run, Path::new("/root"), Path::new("/bin/python"));
        assert_eq!(path, socket_path(run, Path::new("/root"), Path::new("/bin/python")));
        assert_ne!(path, socket_path(run, Path::new("/root/"), Path::new("bin/python")));
        assert_ne!(path, socket_path(run, Path::new("/root"), Path::new("/bin/python3")));
        assert_eq!(path.parent(), Some(run));
        assert_eq!(path.file_name().unwrap().len(), 16 + ".sock".len());
    }
}
