//! The signals that the launcher takes on behalf of the run. They arrive through a descriptor, between two messages,
//! never in the middle of anything.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::{io, ptr};

use libc::c_int;

/// Those of the protocol, and what they are called.
const TAKEN: [(c_int, &str); 9] = [
    (libc::SIGINT, "SIGINT"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGWINCH, "SIGWINCH"),
    (libc::SIGCONT, "SIGCONT"),
    (libc::SIGTSTP, "SIGTSTP"),
];

/// What a signal is called, for messages.
pub fn name(signal: c_int) -> &'static str {
    TAKEN.iter().find(|(taken, _)| *taken == signal).map_or("a signal", |(_, name)| name)
}

/// Where the taken signals arrive.
pub struct Signals {
    arrivals: OwnedFd,
    /// What the caller blocked.
    callers: libc::sigset_t,
}

impl Signals {
    /// From here on the signals of the protocol go through this descriptor.
    ///
    /// One that the caller ignores (`nohup`, a shell without job control starting a background job) stays ignored: a
    /// blocked signal would arrive all the same.
    pub fn take() -> io::Result<Signals> {
        let wanted = || TAKEN.iter().map(|(signal, _)| *signal).filter(|signal| !ignored(*signal));
        let set = set_of(wanted());
        dispose(libc::SIGPIPE, libc::SIG_IGN);
        // Inherited as ignored, it would take away the exit status of every child down the tree.
        dispose(libc::SIGCHLD, libc::SIG_DFL);
        let mut callers = MaybeUninit::uninit();
        // SAFETY: `set` is a valid set, and sigprocmask initialises `callers`. The mask is this thread's, and there is
        // no other. The descriptor is new and nobody else's.
        unsafe {
            check(libc::sigprocmask(libc::SIG_BLOCK, &set, callers.as_mut_ptr()))?;
            let fd = check(libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
            Ok(Signals { arrivals: OwnedFd::from_raw_fd(fd), callers: callers.assume_init() })
        }
    }

    /// Starts a child under the caller's own signal mask; it would inherit ours and could not be ended. A signal that
    /// arrives in this moment acts on us as on any program, which is right as long as there is no run.
    pub fn start<T>(&self, child: impl FnOnce() -> T) -> T {
        let mut ours = MaybeUninit::uninit();
        // SAFETY: valid sets, and sigprocmask initialises `ours` before it is used.
        unsafe {
            libc::sigprocmask(libc::SIG_SETMASK, &self.callers, ours.as_mut_ptr());
            let started = child();
            libc::sigprocmask(libc::SIG_SETMASK, ours.as_ptr(), ptr::null_mut());
            started
        }
    }

    /// The next signal that has arrived.
    pub fn next(&self) -> Option<c_int> {
        let mut found = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = std::mem::size_of_val(&found);
        // SAFETY: the kernel writes at most `size` bytes into `found`.
        let count = unsafe { libc::read(self.arrivals.as_raw_fd(), found.as_mut_ptr().cast(), size) };
        // SAFETY: a signalfd gives whole records or nothing.
        (count == size as isize).then(|| unsafe { found.assume_init() }.ssi_signo as c_int)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrivals.as_fd()
    }
}

/// Stops this process the way SIGTSTP does by default, and returns when it goes on. True if a SIGCONT is waiting to be
/// taken; false if there was none, because the kernel will not stop a process that no shell could ever continue.
pub fn stop_here() -> bool {
    let set = set_of([libc::SIGTSTP].into_iter());
    // SAFETY: valid sets; SIGTSTP has its default action, which is what is wanted once it is let through.
    unsafe {
        libc::raise(libc::SIGTSTP);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
        libc::sigprocmask(libc::SIG_BLOCK, &set, ptr::null_mut());
        let mut waiting = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigpending(waiting.as_mut_ptr()) == 0 && libc::sigismember(waiting.as_ptr(), libc::SIGCONT) == 1
    }
}

/// Ends this process by a signal, so that whoever waits for it sees what happened.
pub fn die_by(signal: c_int) -> ! {
    // No core file of a program that did nothing wrong.
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `none` is valid, and nothing runs in this process but this.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
    dispose(signal, libc::SIG_DFL);
    let set = set_of([signal].into_iter());
    // SAFETY: a valid set and a signal with its default action.
    unsafe {
        libc::raise(signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
    }
    // Not reached for any signal that the launcher takes.
    std::process::exit(128 + signal);
}

/// What the caller ignores, as a mask, without the signals whose actions are changed here. Inherited by whatever the
/// caller starts, unless it is started by a daemon.
pub fn ignored_by_caller() -> u64 {
    let own = [libc::SIGPIPE, libc::SIGCHLD];
    (1..=31).filter(|signal| !own.contains(signal) && ignored(*signal)).fold(0, |mask, signal| mask | 1 << (signal - 1))
}

fn ignored(signal: c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: asks for the present action and sets none.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// `action` is SIG_IGN or SIG_DFL, so no code of ours ever runs in a signal's context.
fn dispose(signal: c_int, action: libc::sighandler_t) {
    // SAFETY: neither of the two actions calls anything.
    unsafe { libc::signal(signal, action) };
}

fn set_of(signals: impl Iterator<Item = c_int>) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set; sigaddset refuses numbers that are no signals.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
