//! Whether a file is still the one that was read.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{Stat, CWD};
use serde::{Deserialize, Serialize};

/// What the file system says of a file or folder. Any edit changes at least one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub size: u64,
    pub mtime: u64,
    pub ctime: u64,
    pub inode: u64,
}

/// A file changed this shortly before it was read may be changed again without a new stamp: clocks of file systems tick slowly.
const SLACK: u64 = 20_000_000;

impl Stamp {
    /// `None` if there is nothing at `path`. Links are followed.
    pub fn of(path: &Path) -> Option<Self> {
        let path = CString::new(path.as_os_str().as_bytes()).ok()?;
        rustix::fs::statat(CWD, path, rustix::fs::AtFlags::empty()).ok().map(|status| Self::from_status(&status))
    }

    pub(crate) fn from_status(status: &Stat) -> Self {
        let nanoseconds = |seconds: i64, rest: u64| (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(rest);
        Self {
            size: status.st_size as u64,
            mtime: nanoseconds(status.st_mtime as i64, status.st_mtime_nsec as u64),
            ctime: nanoseconds(status.st_ctime as i64, status.st_ctime_nsec as u64),
            inode: status.st_ino as u64,
        }
    }

    /// The stamp to keep of something read at `now`: one that equals no other if it may change without being seen.
    pub fn kept(self, now: u64) -> Self {
        if self.ctime.max(self.mtime).saturating_add(SLACK) >= now {
            Self { inode: 0, ..self }
        } else {
            self
        }
    }
}

/// Nanoseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_show_and_what_is_too_young_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert_eq!(Stamp::of(&path), None);
        std::fs::write(&path, "one").unwrap();
        let first = Stamp::of(&path).unwrap();
        assert_ne!(first.kept(now()), first);
        assert_eq!(first.kept(first.ctime + SLACK + 1), first);
        std::fs::write(folder.path().join("b"), "two").unwrap();
        std::fs::rename(folder.path().join("b"), &path).unwrap();
        assert_ne!(Stamp::of(&path).unwrap(), first);
    }
}
