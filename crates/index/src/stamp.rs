//! Whether a file is still the one that was read.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, Stat, CWD};
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
        rustix::fs::statat(CWD, path.as_os_str().as_bytes(), AtFlags::empty())
            .ok()
            .map(|status| Self::from_status(&status))
    }

    pub(crate) fn from_status(status: &Stat) -> Self {
        // The types differ between platforms.
        #[allow(clippy::unnecessary_cast)]
        let numbers = [
            (status.st_mtime as u64, status.st_mtime_nsec as u64),
            (status.st_ctime as u64, status.st_ctime_nsec as u64),
        ];
        let [mtime, ctime] = numbers.map(|(seconds, rest)| seconds.wrapping_mul(1_000_000_000).wrapping_add(rest));
        #[allow(clippy::unnecessary_cast)]
        let (size, inode) = (status.st_size as u64, status.st_ino as u64);
        Self { size, mtime, ctime, inode }
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

/// A folder from which files are looked up.
pub struct Opened(OwnedFd);

impl Opened {
    /// `None` if there is no such folder.
    pub fn at(folder: &[u8]) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, folder, flags, Mode::empty()).ok().map(Self)
    }

    /// The stamp of what has that name in the folder.
    pub fn stamp_of(&self, name: &[u8]) -> Option<Stamp> {
        rustix::fs::statat(&self.0, name, AtFlags::empty()).ok().map(|status| Stamp::from_status(&status))
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
