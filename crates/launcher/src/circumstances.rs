//! The circumstances of the caller, which a run has to reproduce: directory, environment, limits.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::Mode;

use crate::frame::{Request, Rlimit, TooLong};
use crate::{signals, BUILD};

/// The Request frame for this process as it stands.
pub fn request(
    args: &[OsString],
    cwd: &Path,
    closed: [bool; 3],
    socket: Option<&Path>,
    stay: bool,
) -> Result<Vec<u8>, String> {
    let request = Request {
        daemon: stay,
        closed,
        build: BUILD.as_bytes().to_vec(),
        cwd: cwd.as_os_str().as_bytes().to_vec(),
        umask: umask(),
        argv: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        env: environment(),
        rlimits: rlimits(),
        ignored: signals::ignored_by_caller(),
        socket: socket.map(|path| path.as_os_str().as_bytes().to_vec()).unwrap_or_default(),
    };
    request.encode().map_err(|TooLong(length)| {
        format!("the arguments and the environment take {length} bytes, more than a request may hold; shorten them.")
    })
}

fn environment() -> Vec<Vec<u8>> {
    std::env::vars_os()
        .map(|(name, value)| {
            let mut entry = name.into_vec();
            entry.push(b'=');
            entry.extend_from_slice(value.as_bytes());
            entry
        })
        .collect()
}

/// The only way to read the umask is to set it. Nothing else runs in this process meanwhile.
fn umask() -> u32 {
    let mask = rustix::process::umask(Mode::empty());
    rustix::process::umask(mask);
    mask.bits()
}

fn rlimits() -> Vec<Rlimit> {
    let mut found = Vec::with_capacity(16);
    // The kernel numbers its limits from 0 without gaps and refuses the first number it does not know.
    for resource in 0u32..64 {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `limit` is valid for the kernel to write; an unknown resource is an error, not a hazard.
        if unsafe { libc::getrlimit(resource as _, &mut limit) } != 0 {
            break;
        }
        // Infinity is all ones, here as in the frame.
        found.push(Rlimit { resource, soft: limit.rlim_cur, hard: limit.rlim_max });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HEADER, REQUEST};

    #[test]
    fn a_request_holds_the_circumstances() {
        let frame = request(&["test".into(), "-x".into()], Path::new("/a"), [false, true, false], None, false).unwrap();
        assert_eq!(frame[4], REQUEST);
        let request = Request::decode(&frame[HEADER..]).unwrap();
        assert_eq!(request.argv, [b"test".to_vec(), b"-x".to_vec()]);
        assert_eq!(request.cwd, b"/a");
        assert_eq!(request.closed, [false, true, false]);
        assert_eq!(request.build, BUILD.as_bytes());
        assert!(request.socket.is_empty() && !request.daemon);
        assert!(request.env.iter().any(|entry| entry.starts_with(b"PATH=")));
    }

    #[test]
    fn every_limit_of_the_kernel_is_sent() {
        let found = rlimits();
        assert!(found.len() >= 16, "{found:?}");
        assert!(found.iter().any(|limit| limit.resource == libc::RLIMIT_NOFILE && limit.soft > 0));
    }

    #[test]
    fn the_umask_is_read_and_left() {
        let first = umask();
        assert_eq!(umask(), first);
    }
}
