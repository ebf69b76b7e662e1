//! What changes in directories, as the kernel tells it. Which directories, and what of it matters, Python decides.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Mutex;

use pyo3::prelude::*;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Room for several hundred changes at once.
const ROOM: usize = 64 * 1024;

/// Directories that are watched, each by itself. ``select`` says when :meth:`read` has something to tell.
#[pyclass(frozen)]
pub struct Changes {
    queue: OwnedFd,
    folders: Mutex<HashMap<i32, PathBuf>>,
}

#[pymethods]
impl Changes {
    /// :raises OSError: the user has no room for another queue (``fs.inotify.max_user_instances``).
    #[new]
    fn new() -> PyResult<Changes> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(std::io::Error::from)?;
        Ok(Changes { queue, folders: Mutex::default() })
    }

    /// The descriptor that becomes readable with a change.
    fn fileno(&self) -> RawFd {
        self.queue.as_raw_fd()
    }

    /// Watch a directory, but not what lies below its own directories. One that is watched already stays so.
    ///
    /// :raises OSError: it is not there, is no directory, or there is no room (``fs.inotify.max_user_watches``).
    fn add(&self, folder: PathBuf) -> PyResult<()> {
        let wanted = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MODIFY
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR;
        let number = inotify::add_watch(&self.queue, &folder, wanted).map_err(std::io::Error::from)?;
        self.lock().insert(number, folder);
        Ok(())
    }

    /// What has changed since the last call: pairs of a path and whether it is a directory, in the order in which it
    /// happened, and whether the kernel had to forget some. Never waits.
    fn read(&self) -> (Vec<(OsString, bool)>, bool) {
        let mut room = [MaybeUninit::uninit(); ROOM];
        let mut reader = Reader::new(self.queue.as_fd(), &mut room);
        let mut folders = self.lock();
        let (mut found, mut lost) = (Vec::new(), false);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => break,
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                lost = true;
            } else if event.events().contains(ReadFlags::IGNORED) {
                folders.remove(&event.wd());
            } else if let (Some(folder), Some(name)) = (folders.get(&event.wd()), event.file_name()) {
                let path = folder.join(OsStr::from_bytes(name.to_bytes())).into_os_string();
                found.push((path, event.events().contains(ReadFlags::ISDIR)));
            }
        }
        (found, lost)
    }
}

impl Changes {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i32, PathBuf>> {
        // What it holds is true after a panic, too: each change of it is one call.
        self.folders.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
