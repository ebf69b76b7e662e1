//! Hashes of what files hold.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

pub type Hash = [u8; blake3::OUT_LEN];

/// Fewer files than this per thread cost less to hash than a thread costs to start.
const PER_THREAD: usize = 64;
const MOST_THREADS: usize = 8;

/// The hash of a regular file.
pub fn hash_file(path: &Path) -> io::Result<Hash> {
    // Non-blocking: opening a named pipe would otherwise wait for somebody to write to it.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    if !kind.is_file() {
        // A device or a pipe has no content to speak of: it gives something else each time, or never ends.
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    hash_open(file)
}

/// Read, not mapped: a mapped file that is cut short meanwhile ends the process by SIGBUS.
fn hash_open(file: File) -> io::Result<Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(*hasher.finalize().as_bytes())
}

/// The hashes of many, on several threads, all of which have ended on return: a process that forks may call this.
pub fn hash_files(paths: &[PathBuf]) -> Vec<Option<Hash>> {
    let processors = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let share = paths.len().div_ceil(processors).max(PER_THREAD);
    let hash_all = |paths: &[PathBuf]| paths.iter().map(|path| hash_file(path).ok()).collect::<Vec<_>>();

    let mut shares = paths.chunks(share);
    let Some(first) = shares.next() else { return Vec::new() };
    thread::scope(|scope| {
        let others: Vec<_> = shares
            // Where no thread can be had (a limit on processes), this one does the work.
            .map(|share| (share, thread::Builder::new().spawn_scoped(scope, move || hash_all(share)).ok()))
            .collect();
        let mut hashes = hash_all(first);
        for (share, other) in others {
            let done = other.and_then(|other| other.join().ok());
            hashes.extend(done.unwrap_or_else(|| hash_all(share)));
        }
        hashes
    })
}
