//! The launcher: what `dx-py` does before any Python runs.
//!
//! `dx-py test …` hands the run to a supervisor — a living daemon if there is one, a new process otherwise — and
//! gives back its exit code. `dx-py list …` is answered here, from the project's index. Every other verb becomes Python. `docs/design/control-protocol.md` describes the
//! conversation; each module here is one part of it.

#[cfg(not(target_os = "linux"))]
compile_error!("the launcher needs Linux: it uses memfd, signalfd, pidfd and SO_PEERCRED");

pub mod args;
pub mod circumstances;
pub mod connect;
pub mod frame;
pub mod identity;
pub mod list;
pub mod python;
pub mod run;
pub mod runtime_dir;
pub mod say;
pub mod session;
pub mod signals;
pub mod spawn;
pub mod status_page;
pub mod stdio;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use args::Wish;
use connect::Found;
use session::{End, Patience};

/// The exit code when the runner itself failed: pytest's "internal error".
pub const FAILED: u8 = 3;

/// This build: the version, and a hash of the launcher's sources.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "+", env!("DX_PY_BUILD_HASH"));

/// The environment as the modules see it; the tests give them another.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Does what the command line asks for and returns the exit code. Does not return when another verb's Python
/// takes over this process, or when the process has to end by a signal.
pub fn launch(args: Vec<OsString>, closed: [bool; 3]) -> u8 {
    match carry_out(&args, closed) {
        Ok(code) => code,
        Err(sentence) => {
            say::error(&sentence);
            FAILED
        }
    }
}

fn carry_out(args: &[OsString], closed: [bool; 3]) -> Result<u8, String> {
    let lookup: Lookup = &|name| std::env::var_os(name);
    let cwd = std::env::current_dir().map_err(|error| {
        format!("cannot tell the current directory ({error}). Was it removed? Change to one that exists and try again.")
    })?;
    if let Wish::List = args::scan(args, lookup) {
        return list::list(&args[1..], &cwd, lookup);
    }
    let python = python::find(lookup, &cwd)?;
    let runtime_dir = runtime_dir::place(lookup, &cwd);
    let socket = identity::socket_path(&runtime_dir, &identity::root(&cwd), &python);

    match args::scan(args, lookup) {
        Wish::Other | Wish::List => Err(spawn::become_python(&python, args, &socket)),
        Wish::Test { daemon } => {
            let launch = Launch { args, closed, cwd: &cwd, python: &python, runtime_dir: &runtime_dir };
            launch.test(daemon.then_some(socket))
        }
    }
}

/// One `dx-py test`.
struct Launch<'a> {
    args: &'a [OsString],
    closed: [bool; 3],
    cwd: &'a Path,
    python: &'a Path,
    runtime_dir: &'a Path,
}

impl Launch<'_> {
    /// Runs it with the daemon behind `socket` if one answers, with a new supervisor otherwise. The new one stays
    /// as a daemon at `socket`, unless there is no socket or the reason for doing without a daemon is said here.
    fn test(&self, socket: Option<PathBuf>) -> Result<u8, String> {
        let signals = signals::Signals::take()
            .map_err(|error| format!("cannot receive signals ({error}); a run could not be interrupted."))?;

        let mut socket = socket;
        if let Some(path) = &socket {
            match self.with_daemon(path, &signals) {
                Ok(Some(code)) => return Ok(code),
                Ok(None) => {}
                Err(reason) => {
                    say::note(&format!("{reason}; running without a daemon."));
                    socket = None;
                }
            }
        }
        self.with_new_supervisor(socket.as_deref(), &signals)
    }

    /// The run's exit code, `None` if there is no daemon but could be one, or why there can be none.
    fn with_daemon(&self, socket: &Path, signals: &signals::Signals) -> Result<Option<u8>, String> {
        runtime_dir::prepare(self.runtime_dir)?;
        let daemon = match connect::connect(socket)? {
            Found::Daemon(daemon) => daemon,
            Found::Nobody => return runtime_dir::try_writing(self.runtime_dir).map(|()| None),
        };
        let request = circumstances::request(self.args, self.cwd, self.closed, Some(socket), false)?;
        match session::converse(&daemon, &request, signals, self.patience(Patience::with_daemon())) {
            // One of another build leaves its place before it says so: a new one can take it.
            End::Refused(_) => Ok(None),
            End::NotStarted(reason) => Err(format!("the daemon at {} {reason}", socket.display())),
            end => Ok(Some(finish(end))),
        }
    }

    /// A program that wants to be told of the run has better to do with an interrupt than to break it off anywhere.
    fn patience(&self, usual: Patience) -> Patience {
        Patience { polite: self.args.iter().any(|arg| arg == "--tell"), ..usual }
    }

    fn with_new_supervisor(&self, socket: Option<&Path>, signals: &signals::Signals) -> Result<u8, String> {
        let request = circumstances::request(self.args, self.cwd, self.closed, socket, socket.is_some())?;
        let mut supervisor = signals.start(|| spawn::supervisor(self.python, socket.is_some()))?;
        match session::converse(&supervisor.socket, &request, signals, self.patience(Patience::with_child())) {
            End::NotStarted(reason) | End::Refused(reason) => {
                let python = self.python.display();
                let fate = supervisor.fate();
                supervisor.abandon();
                Err(format!(
                    "{python} {reason} before it started the run ({fate}). Its own message, if it left one, is above; \
                     `{python} -c 'import dx_py_test_runner'` shows whether dx-py-test-runner is installed for it."
                ))
            }
            End::DieBy(signal) => {
                supervisor.abandon();
                signals::die_by(signal)
            }
            end => {
                if socket.is_none() {
                    supervisor.settle();
                }
                Ok(finish(end))
            }
        }
    }
}

fn finish(end: End) -> u8 {
    match end {
        End::Exit(code) => code,
        End::DieBy(signal) => signals::die_by(signal),
        End::NotStarted(sentence) | End::Refused(sentence) | End::Lost(sentence) => {
            say::error(&sentence);
            FAILED
        }
    }
}
