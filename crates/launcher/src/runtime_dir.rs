//! The directory where daemons listen: private to its user, or not used at all.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::Lookup;

const PRIVATE: u32 = 0o700;
const LONGEST: usize = 107;

/// `$DX_PY_RUNTIME_DIR`, else `dx-py` in `$XDG_RUNTIME_DIR`, else `/tmp/dx-py-UID`.
///
/// XDG_RUNTIME_DIR counts only if it is ours: `sudo -E` and containers hand on one that belongs to somebody else or is
/// not there, and root would leave a directory in it that its owner could not use.
pub fn place(lookup: Lookup, cwd: &Path) -> PathBuf {
    let set = |name: &str| lookup(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(wanted) = set("DX_PY_RUNTIME_DIR") {
        return cwd.join(wanted);
    }
    if let Some(session) = set("XDG_RUNTIME_DIR").filter(|path| path.is_absolute()) {
        if session.metadata().is_ok_and(|found| found.is_dir() && found.uid() == our_uid()) {
            return session.join("dx-py");
        }
    }
    PathBuf::from(format!("/tmp/dx-py-{}", our_uid()))
}

/// Makes the directory if it is not there, and checks that nobody else can put a socket into it. An error says what
/// is wrong and what to do about it.
pub fn prepare(folder: &Path) -> Result<(), String> {
    match rustix::fs::mkdir(folder, Mode::from_raw_mode(PRIVATE)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(wrong(folder, &format!("cannot be created ({})", describe(error)))),
    }
    // Looked at through a descriptor, so that what is checked is what is mended. O_PATH opens anything, unread.
    let found = rustix::fs::open(folder, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        .and_then(|opened| rustix::fs::fstat(&opened))
        .map_err(|error| wrong(folder, &format!("cannot be looked at ({})", describe(error))))?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => {}
        FileType::Symlink => return Err(wrong(folder, "is a symbolic link")),
        _ => return Err(wrong(folder, "is not a directory")),
    }
    if found.st_uid != our_uid() {
        return Err(wrong(folder, &format!("belongs to user {}", found.st_uid)));
    }
    if found.st_mode & 0o7777 != PRIVATE {
        make_private(folder).map_err(|error| {
            let mode = found.st_mode & 0o7777;
            wrong(folder, &format!("is open to others (mode {mode:o}) and cannot be closed ({})", describe(error)))
        })?;
    }
    Ok(())
}

fn make_private(folder: &Path) -> rustix::io::Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(folder, OFlags::RDONLY | flags, Mode::empty()) {
        Ok(opened) => rustix::fs::fchmod(opened, Mode::from_raw_mode(PRIVATE)),
        // We may not even read it. It is ours, in a directory that others cannot rename it in: by its name, then.
        Err(Errno::ACCESS) => rustix::fs::chmod(folder, Mode::from_raw_mode(PRIVATE)),
        Err(error) => Err(error),
    }
}

/// Whether a socket can be made there: a read-only file system or a full disk is noticed before a daemon is started
/// in vain.
pub fn try_writing(folder: &Path) -> Result<(), String> {
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Left behind by a process of the same number that died between two lines.
    let _ = rustix::fs::unlink(&probe);
    let written = rustix::fs::open(&probe, flags, Mode::from_raw_mode(0o600)).and_then(|file| {
        let written = rustix::io::write(&file, b"x");
        rustix::fs::unlink(&probe)?;
        written
    });
    written.map(drop).map_err(|error| wrong(folder, &format!("cannot be written ({})", describe(error))))
}

/// The socket's address, unless its path is too long for one.
pub fn address(socket: &Path) -> Result<rustix::net::SocketAddrUnix, String> {
    // One less than the address holds: Python, which listens there, insists on a terminating zero.
    let fits = socket.as_os_str().len() <= LONGEST;
    fits.then(|| rustix::net::SocketAddrUnix::new(socket).ok()).flatten().ok_or_else(|| {
        format!(
            "the path of the daemon's socket, {}, has {} bytes where a socket's may have {LONGEST} \
             (set DX_PY_RUNTIME_DIR to a directory with a shorter path)",
            socket.display(),
            socket.as_os_str().len(),
        )
    })
}

fn wrong(folder: &Path, what: &str) -> String {
    format!(
        "the directory for daemons, {}, {what}: put that right, or set DX_PY_RUNTIME_DIR to a directory of your own",
        folder.display()
    )
}

fn describe(error: Errno) -> std::io::Error {
    error.into()
}

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{symlink, PermissionsExt};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_missing_directory_is_made_private_whatever_the_umask() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("new");
        prepare(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        prepare(&folder).unwrap();
        try_writing(&folder).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn our_own_directory_is_closed_to_others() {
        let top = tempfile::tempdir().unwrap();
        for open in [0o755, 0o777, 0o1777, 0o500, 0o000] {
            let folder = top.path().join(format!("{open:o}"));
            fs::create_dir(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(open)).unwrap();
            prepare(&folder).unwrap();
            assert_eq!(mode(&folder), 0o700, "from {open:o}");
        }
    }

    #[test]
    fn links_and_files_are_refused() {
        let top = tempfile::tempdir().unwrap();
        let real = top.path().join("real");
        fs::create_dir(&real).unwrap();
        let link = top.path().join("link");
        symlink(&real, &link).unwrap();
        assert!(prepare(&link).unwrap_err().contains("is a symbolic link"));
        symlink("nowhere", top.path().join("dangling")).unwrap();
        assert!(prepare(&top.path().join("dangling")).unwrap_err().contains("is a symbolic link"));
        fs::write(top.path().join("file"), "").unwrap();
        assert!(prepare(&top.path().join("file")).unwrap_err().contains("is not a directory"));
    }

    #[test]
    fn somebody_elses_directory_is_refused() {
        if our_uid() == 0 {
            let top = tempfile::tempdir().unwrap();
            let folder = top.path().join("theirs");
            fs::create_dir(&folder).unwrap();
            std::os::unix::fs::chown(&folder, Some(12345), None).unwrap();
            assert!(prepare(&folder).unwrap_err().contains("belongs to user 12345"));
        } else {
            assert!(prepare(Path::new("/")).unwrap_err().contains("belongs to user 0"));
        }
    }

    #[test]
    fn a_directory_that_cannot_be_made_or_written_is_said() {
        let sentence = prepare(Path::new("/proc/dx-py")).unwrap_err();
        assert!(sentence.contains("cannot be created") && sentence.contains("DX_PY_RUNTIME_DIR"), "{sentence}");
        let sentence = try_writing(Path::new("/proc")).unwrap_err();
        assert!(sentence.contains("cannot be written"), "{sentence}");
    }

    #[test]
    fn the_place_is_the_variable_or_the_sessions_or_in_tmp() {
        let top = tempfile::tempdir().unwrap();
        let ours = top.path().to_str().unwrap();
        let placed = |env: &[(&str, &str)]| {
            place(
                &|name| env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()),
                Path::new("/cwd"),
            )
        };
        let fallback = PathBuf::from(format!("/tmp/dx-py-{}", our_uid()));
        assert_eq!(placed(&[]), fallback);
        assert_eq!(placed(&[("XDG_RUNTIME_DIR", ours)]), top.path().join("dx-py"));
        assert_eq!(placed(&[("XDG_RUNTIME_DIR", "/proc/nowhere/at/all")]), fallback);
        assert_eq!(placed(&[("XDG_RUNTIME_DIR", "relative")]), fallback);
        assert_eq!(placed(&[("XDG_RUNTIME_DIR", ours), ("DX_PY_RUNTIME_DIR", "/x")]), Path::new("/x"));
        assert_eq!(placed(&[("DX_PY_RUNTIME_DIR", "x")]), Path::new("/cwd/x"));
    }

    #[test]
    fn a_path_longer_than_an_address_is_said() {
        assert!(address(&Path::new("/").join("x".repeat(106))).is_ok());
        let sentence = address(&Path::new("/").join("x".repeat(107))).unwrap_err();
        assert!(sentence.contains("108 bytes") && sentence.contains("DX_PY_RUNTIME_DIR"), "{sentence}");
    }
}
