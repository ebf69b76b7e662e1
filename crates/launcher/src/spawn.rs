//! Starting Python: a new supervisor beside this process, or another verb in its place.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{pidfd_open, Pid, PidfdFlags, Signal};

use crate::python::{BOOT, BOOT_VERB};

/// A supervisor that this process started.
#[derive(Debug)]
pub struct Supervisor {
    /// Our end of the conversation.
    pub socket: OwnedFd,
    child: Child,
}

/// Starts one. If it is to stay as a daemon, it inherits none of the caller's descriptors beyond the standard ones: it
/// would keep them open for hours, and whoever reads from a pipe among them would wait as long.
pub fn supervisor(python: &Path, stays: bool) -> Result<Supervisor, String> {
    start(python, stays).map_err(|error| {
        format!("cannot start {} ({error}). Set DX_PY_PYTHON to a Python that can be started.", python.display())
    })
}

fn start(python: &Path, stays: bool) -> std::io::Result<Supervisor> {
    let (socket, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    if stays {
        keep_from_children()?;
    }
    // No other thread could start a child in between and hand it on.
    rustix::io::fcntl_setfd(&theirs, FdFlags::empty())?;
    let stderr = std::io::stderr();
    let child = Command::new(python)
        .arg("-c")
        .arg(BOOT)
        .arg(theirs.as_raw_fd().to_string())
        .stdin(Stdio::null())
        .stdout(stderr.as_fd().try_clone_to_owned()?)
        .stderr(stderr.as_fd().try_clone_to_owned()?)
        .spawn()?;
    Ok(Supervisor { socket, child })
}

/// Marks every descriptor above the standard ones to be closed in children.
fn keep_from_children() -> std::io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: marks descriptors and closes none.
    let marked = unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if marked == 0 {
        return Ok(());
    }
    // A kernel before 5.11, or a sandbox.
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let fd = entry?.file_name().to_str().and_then(|name| name.parse::<libc::c_int>().ok());
        if let Some(fd) = fd.filter(|fd| *fd >= FIRST as libc::c_int) {
            // SAFETY: marks a descriptor and closes none; one that is gone by now is an error without effect.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

impl Supervisor {
    /// How it ended, in words. Waits a moment, since a process closes its descriptors shortly before it is gone.
    pub fn fate(&mut self) -> String {
        let deadline = Instant::now() + Duration::from_millis(500);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    return match (status.code(), status.signal()) {
                        (Some(code), _) => format!("exit status {code}"),
                        (_, Some(signal)) => format!("killed by signal {signal}"),
                        _ => status.to_string(),
                    }
                }
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => return "it is still there".to_owned(),
                Err(error) => return format!("its exit status is not known: {error}"),
            }
        }
    }

    /// Waits for the end of one that serves a single run, so that nothing of it is left when the command has ended.
    /// Not for ever: it has nothing to say any more.
    pub fn settle(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // Without a descriptor for it (an old kernel) nobody waits: it ends all the same.
        if let Some(end) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) {
            let most = Timespec { tv_sec: 2, tv_nsec: 0 };
            let _ = poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&most));
        }
        let _ = self.child.try_wait();
    }

    /// Ends it, before it has started a run.
    pub fn abandon(&mut self) {
        // As long as it has not been waited for, its id is its own.
        if let Ok(None) = self.child.try_wait() {
            let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
            let _ = pid.map(|pid| rustix::process::kill_process(pid, Signal::TERM));
        }
    }
}

/// Replaces this process by the Python of another verb. Returns only if it could not, with the reason.
pub fn become_python(python: &Path, args: &[OsString], socket: &Path) -> String {
    let error = Command::new(python).arg("-c").arg(BOOT_VERB).args(args).env("DX_PY_SOCKET", socket).exec();
    format!("cannot start {} ({error}). Set DX_PY_PYTHON to a Python that can be started.", python.display())
}
