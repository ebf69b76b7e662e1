//! The process that runs the tests, as far as the launcher deals with it: by signals and by its status page.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::status_page::{StatusPage, TESTS};

/// A started run.
#[derive(Debug)]
pub struct Run {
    pid: Pid,
    handle: Handle,
    page: Option<StatusPage>,
}

/// How to name the process to the kernel.
#[derive(Debug)]
enum Handle {
    /// A descriptor, which means this process even after its id has been given to another.
    Descriptor(OwnedFd),
    /// The bare id, on a kernel without such descriptors or in a sandbox that forbids them.
    Id,
    /// It had ended before it could be held.
    Ended,
}

impl Run {
    /// The run that a Started frame names. `None` for a number that is no process but a whole group or everybody, were
    /// it passed to kill.
    pub fn new(pid: u32, page: Option<OwnedFd>) -> Option<Run> {
        let pid = i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw)?;
        let handle = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => Handle::Descriptor(descriptor),
            Err(Errno::SRCH) => Handle::Ended,
            Err(_) => Handle::Id,
        };
        Some(Run { pid, handle, page: page.and_then(StatusPage::map) })
    }

    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends it a signal. False if it is not there any more.
    pub fn send(&self, signal: Signal) -> bool {
        let sent = match &self.handle {
            Handle::Descriptor(descriptor) => match rustix::process::pidfd_send_signal(descriptor, signal) {
                // A sandbox may know one call and forbid the other. The descriptor still says whether the id is its own.
                Err(Errno::NOSYS | Errno::PERM) if !self.ended() => rustix::process::kill_process(self.pid, signal),
                sent => sent,
            },
            Handle::Id => rustix::process::kill_process(self.pid, signal),
            Handle::Ended => Err(Errno::SRCH),
        };
        sent != Err(Errno::SRCH)
    }

    /// Sends a signal to it and to all that it has started: its workers have process groups of their own.
    pub fn send_to_tree(&self, signal: Signal) {
        if self.ended() {
            return;
        }
        self.send(signal);
        for pid in descendants(self.pid()) {
            let _ = Pid::from_raw(pid).map(|pid| rustix::process::kill_process(pid, signal));
        }
    }

    /// Asks it to stop at the next test boundary. False if it would not look, now.
    pub fn ask_to_stop(&self) -> bool {
        let page = self.page.as_ref().filter(|page| page.phase() == TESTS);
        page.inspect(|page| page.stop()).is_some()
    }

    /// Asks it to stop at the next test boundary, the first one included; what it does before and behind its tests goes on.
    /// False if it could not be told.
    pub fn ask_to_stop_later(&self) -> bool {
        self.page.as_ref().inspect(|page| page.stop()).is_some()
    }

    /// Sends it a signal by which the user means to end it: if it dies, that is no crash, and no other process resumes it.
    pub fn end_by(&self, signal: Signal) -> bool {
        self.page.iter().for_each(StatusPage::abandon);
        self.send(signal)
    }

    /// A descriptor that becomes readable when the process ends.
    pub fn end(&self) -> Option<BorrowedFd<'_>> {
        match &self.handle {
            Handle::Descriptor(descriptor) => Some(descriptor.as_fd()),
            _ => None,
        }
    }

    fn ended(&self) -> bool {
        match &self.handle {
            Handle::Descriptor(descriptor) => {
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&now)) != Ok(0)
            }
            Handle::Id => false,
            Handle::Ended => true,
        }
    }
}

/// The children of a process, their children, and so on, as far as the kernel tells.
fn descendants(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        // A process without other threads, or one whose main thread forks, lists its children there.
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", found[at])).unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        at += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn numbers_that_mean_more_than_one_process_are_refused() {
        for pid in [0, 1, u32::MAX, i32::MIN as u32, -5i32 as u32] {
            assert!(Run::new(pid, None).is_none(), "{pid}");
        }
    }

    #[test]
    fn a_signal_reaches_the_process_and_nobody_after_it() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let run = Run::new(child.id(), None).unwrap();
        assert!(!run.ask_to_stop());
        assert!(run.send(Signal::TERM));
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        // Reaped: from here on the id may be anybody's.
        assert!(!run.send(Signal::KILL));
        run.send_to_tree(Signal::KILL);
    }

    #[test]
    fn a_process_that_ended_before_is_never_signalled() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(!Run::new(pid, None).unwrap().send(Signal::KILL));
    }
}
