//! The Python files below a folder, in pytest's order.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::settings::Settings;
use crate::stamp::Stamp;

#[derive(Debug, Default)]
pub struct Found {
    /// All folders that were looked into, each with its stamp from before.
    pub folders: Vec<(PathBuf, Stamp)>,
    /// All files whose name ends in `.py`.
    pub files: Vec<PathBuf>,
}

/// Deeper folders are not looked into.
const DEEPEST: usize = 64;

/// Walk `root` and, each as a whole, those of `asked` that the walk would leave out.
pub fn walk(settings: &Settings, asked: &[PathBuf]) -> Found {
    let mut walk = Walk { settings, found: Found::default(), seen: HashSet::new() };
    walk.folder(&settings.root, 0);
    for path in asked {
        if path.is_dir() {
            walk.folder(path, 0);
        } else if path.extension().is_some_and(|end| end == "py") && !walk.found.files.contains(path) && path.is_file()
        {
            walk.found.files.push(path.clone());
        }
    }
    walk.found
}

struct Walk<'a> {
    settings: &'a Settings,
    found: Found,
    /// Folders by device and inode: links may lead back.
    seen: HashSet<(u64, u64)>,
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, depth: usize) {
        let Ok(status) = fs::metadata(path) else { return };
        if depth > DEEPEST || !self.seen.insert((status.dev(), status.ino())) {
            return;
        }
        let Some(stamp) = Stamp::of(path) else { return };
        let Ok(entries) = fs::read_dir(path) else { return };
        self.found.folders.push((path.to_owned(), stamp));
        let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
        entries.sort_by_key(|entry| (entry.file_name() != "__init__.py", entry.file_name()));
        for entry in entries {
            let (name, inner) = (entry.file_name(), entry.path());
            let Ok(kind) = entry.file_type() else { continue };
            let is_folder = kind.is_dir() || (kind.is_symlink() && inner.is_dir());
            if is_folder {
                let left_out = self.settings.is_left_out(&inner);
                if !left_out && !is_environment(&inner) {
                    self.folder(&inner, depth + 1);
                }
            } else if name.as_encoded_bytes().ends_with(b".py") && (kind.is_file() || inner.is_file()) {
                self.found.files.push(inner);
            }
        }
    }
}

/// A virtual environment.
fn is_environment(path: &Path) -> bool {
    path.join("pyvenv.cfg").is_file() || path.join("conda-meta/history").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_pytests_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "b/__init__.py",
            "b/a.py",
            "b/Z/c.py",
            "b.py",
            "a/x.py",
            "build/no.py",
            "env/pyvenv.cfg",
            "env/no.py",
            ".hidden/no.py",
            "b/t.txt",
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).unwrap();
        let mut settings = Settings::load(folder.path(), &[], &[], &|_| None);
        settings.root = folder.path().to_owned();
        let names = |asked: &[PathBuf]| -> Vec<String> {
            let found = walk(&settings, asked);
            found
                .files
                .iter()
                .map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned())
                .collect()
        };
        let all = ["a/x.py", "b/__init__.py", "b/Z/c.py", "b/a.py", "b.py"];
        assert_eq!(names(&[]), all);
        assert_eq!(names(&[folder.path().join("build")])[5..], ["build/no.py"]);
    }
}
