//! Finding the daemon: never waiting for long, and trusting nobody but ourselves.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::runtime_dir;

/// How long a daemon may leave callers waiting at its door.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Who is behind a socket's path.
#[derive(Debug)]
pub enum Found {
    /// A process of ours that listens.
    Daemon(OwnedFd),
    /// Nobody: no socket, or one that a daemon left behind.
    Nobody,
}

/// Connects to the daemon at `socket`. An error says why there can be none.
pub fn connect(socket: &Path) -> Result<Found, String> {
    let address = runtime_dir::address(socket)?;
    let failed = |what: &str| format!("the daemon at {} {what}", socket.display());
    let stream = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        // Non-blocking: with a full queue of callers, connect would otherwise wait without end.
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
    .map_err(|error| failed(&format!("cannot be reached ({})", std::io::Error::from(error))))?;

    let mut attempts = 0;
    loop {
        match rustix::net::connect(&stream, &address) {
            Ok(()) => break,
            Err(Errno::NOENT | Errno::CONNREFUSED) => return Ok(Found::Nobody),
            Err(Errno::AGAIN | Errno::INTR) if attempts < ATTEMPTS => attempts += 1,
            Err(Errno::AGAIN) => {
                return Err(failed("does not take new connections (`dx-py daemon restart` gives a new one)"))
            }
            Err(error) => return Err(failed(&format!("cannot be reached ({})", std::io::Error::from(error)))),
        }
        sleep(PAUSE);
    }

    let peer = rustix::net::sockopt::socket_peercred(&stream)
        .map_err(|error| failed(&format!("does not say whose it is ({})", std::io::Error::from(error))))?;
    if peer.uid != rustix::process::geteuid() {
        return Err(failed(&format!("belongs to user {} and is not used", peer.uid.as_raw())));
    }
    Ok(Found::Daemon(stream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    #[test]
    fn a_listener_of_ours_is_a_daemon() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("s");
        let _listener = UnixListener::bind(&path).unwrap();
        assert!(matches!(connect(&path), Ok(Found::Daemon(_))));
    }

    #[test]
    fn no_socket_and_a_stale_one_are_nobody() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("s");
        assert!(matches!(connect(&path), Ok(Found::Nobody)));
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(matches!(connect(&path), Ok(Found::Nobody)));
    }

    #[test]
    fn what_is_no_socket_is_nobody_too() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("s");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(connect(&path), Ok(Found::Nobody)));
    }

    #[test]
    fn a_full_queue_is_given_up_on() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let mut waiting = Vec::new();
        let begin = Instant::now();
        let sentence = loop {
            match connect(&path) {
                Ok(Found::Daemon(stream)) => waiting.push(stream),
                Ok(Found::Nobody) => panic!("the listener is there"),
                Err(sentence) => break sentence,
            }
        };
        assert!(sentence.contains("does not take new connections"), "{sentence}");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}
