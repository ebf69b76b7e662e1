//! The real launcher against supervisors that run no tests: `fake_supervisor.py` where the launcher starts one, and
//! threads of this program where it finds a daemon.

use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use dx_py_launcher::frame::{Frame, Request, HEADER};
use dx_py_launcher::identity;
use rustix::cmsg_space;
use rustix::net::{
    recvmsg, sendmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

/// Long enough for a busy machine, short enough to notice a hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// A project, a runtime directory and a Python of their own.
struct Scene {
    top: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let scene = Scene { top };
        fs::create_dir(scene.project()).unwrap();
        fs::write(scene.project().join("pytest.ini"), "").unwrap();
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_supervisor.py");
        let script = format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", interpreter(), fake.display());
        fs::write(scene.python(), script).unwrap();
        fs::set_permissions(scene.python(), fs::Permissions::from_mode(0o755)).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    fn project(&self) -> PathBuf {
        self.path("project")
    }

    fn python(&self) -> PathBuf {
        self.path("python")
    }

    fn runtime_dir(&self) -> PathBuf {
        self.path("run")
    }

    fn socket(&self) -> PathBuf {
        identity::socket_path(&self.runtime_dir(), &self.project(), &self.python())
    }

    /// `dx-py`, with a new supervisor playing `scene`.
    fn launcher(&self, scene: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dx-py"));
        command
            .current_dir(self.project())
            .env("DX_PY_PYTHON", self.python())
            .env("DX_PY_RUNTIME_DIR", self.runtime_dir())
            .env("FAKE_SCENE", scene)
            .env("FAKE_RECORD", self.path("record"))
            .env_remove("CI")
            .env_remove("DX_PY_DAEMON")
            .stdin(Stdio::null());
        command
    }

    fn test(&self, scene: &str) -> Command {
        let mut command = self.launcher(scene);
        command.arg("test");
        command
    }

    fn record(&self) -> String {
        fs::read_to_string(self.path("record")).unwrap_or_default()
    }

    /// Waits until the record holds something.
    fn await_record(&self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let record = self.record();
            if record.contains(wanted) {
                return record;
            }
            assert!(Instant::now() < deadline, "no {wanted} in {record}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// A daemon for one connection.
    fn daemon(&self, serve: impl FnOnce(Daemon) + Send + 'static) -> thread::JoinHandle<()> {
        fs::create_dir(self.runtime_dir()).unwrap();
        let listener = UnixListener::bind(self.socket()).unwrap();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            serve(Daemon { stream, _listener: listener });
        })
    }
}

/// The interpreter itself: `python3` may be a script that takes its time to find it.
fn interpreter() -> String {
    if let Ok(python) = std::env::var("PYO3_PYTHON") {
        return python;
    }
    let shown = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    String::from_utf8(shown.expect("the tests need python3").stdout).unwrap().trim().to_owned()
}

struct Daemon {
    stream: UnixStream,
    _listener: UnixListener,
}

impl Daemon {
    fn request(&self) -> (Request, Vec<OwnedFd>) {
        let mut fds = Vec::new();
        let mut bytes = Vec::new();
        loop {
            let mut piece = [0; 1 << 16];
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(8))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received =
                recvmsg(&self.stream, &mut [IoSliceMut::new(&mut piece)], &mut control, RecvFlags::CMSG_CLOEXEC)
                    .unwrap();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(more) = message {
                    assert!(bytes.is_empty(), "the descriptors travel with the first byte");
                    fds.extend(more);
                }
            }
            bytes.extend_from_slice(&piece[..received.bytes]);
            let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
            if bytes.len() >= HEADER + length {
                assert_eq!((bytes[4], bytes.len()), (1, HEADER + length));
                return (Request::decode(&bytes[HEADER..]).unwrap(), fds);
            }
        }
    }

    fn say(&mut self, frame: &Frame) {
        self.stream.write_all(&frame.encode()).unwrap();
    }

    fn say_with(&mut self, frame: &Frame, fd: &File) {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [fd.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let bytes = frame.encode();
        let sent = sendmsg(&self.stream, &[IoSlice::new(&bytes)], &mut control, SendFlags::empty()).unwrap();
        assert_eq!(sent, bytes.len());
    }
}

/// Waits for the launcher, which must not hang.
fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("the launcher hangs");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn run(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn signal(child: &Child, signal: libc::c_int) {
    // SAFETY: the child has not been waited for, so the id is its own.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
}

/// The field of a JSON object in the record, as text.
fn field(record: &str, name: &str) -> String {
    let start =
        record.find(&format!("\"{name}\": ")).unwrap_or_else(|| panic!("no {name} in {record}")) + name.len() + 4;
    let rest = &record[start..];
    let close = match rest.as_bytes()[0] {
        b'[' => rest.find(']').unwrap() + 1,
        _ => rest.find([',', '}']).unwrap(),
    };
    rest[..close].to_owned()
}

fn state_of(pid: &str) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat[stat.rfind(')').unwrap() + 2..].chars().next().unwrap()
}

fn await_state(pid: &str, wanted: impl Fn(char) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !wanted(state_of(pid)) {
        assert!(Instant::now() < deadline, "process {pid} is in state {}", state_of(pid));
        thread::sleep(Duration::from_millis(5));
    }
}

// A new supervisor.

#[test]
fn the_standard_descriptors_the_text_and_the_exit_code_are_passed_on() {
    let scene = Scene::new();
    let mut child = scene
        .test("echo")
        .args(["-k", "a or b", "--no-daemon"])
        .env("FAKE_ODD", "a=b")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"shout").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(output.stdout, b"SHOUT");
    assert_eq!(stderr(&output), "to stderr\nas text\n");

    let record = scene.record();
    assert_eq!(field(&record, "argv"), r#"["test", "-k", "a or b", "--no-daemon"]"#);
    assert_eq!(field(&record, "cwd"), format!("{:?}", scene.project()));
    assert_eq!(field(&record, "flags"), "0");
    assert_eq!(field(&record, "socket"), "\"\"");
    assert_eq!(field(&record, "build"), format!("{:?}", dx_py_launcher::BUILD));
    assert!(record.contains("\"FAKE_ODD=a=b\""));
    assert!(record.contains(&format!("[{}, ", libc::RLIMIT_NOFILE)));
    assert_eq!(field(&record, "fds"), "3");
}

#[test]
fn a_daemon_is_asked_to_stay_unless_it_is_unwanted() {
    let scene = Scene::new();
    run(&mut scene.test("echo"));
    assert_eq!(field(&scene.record(), "flags"), "1");
    assert_eq!(field(&scene.record(), "socket"), format!("{:?}", scene.socket()));
    assert_eq!(fs::read_dir(scene.runtime_dir()).unwrap().count(), 0, "nothing is left behind by looking");

    for (name, value) in [("CI", "1"), ("DX_PY_DAEMON", "0")] {
        run(scene.test("echo").env(name, value));
        assert_eq!(field(&scene.record(), "flags"), "0", "{name}");
    }
}

#[test]
fn closed_descriptors_are_said_and_stay_harmless() {
    let scene = Scene::new();
    let dx_py = env!("CARGO_BIN_EXE_dx-py");
    let mut shell = scene.launcher("echo");
    let (program, arguments) = ("/bin/sh", format!("exec {dx_py} test --no-daemon <&- >&- 2>&-"));
    let mut command = Command::new(program);
    command.args(["-c", &arguments]).current_dir(scene.project());
    for (name, value) in shell.stdin(Stdio::null()).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(5));
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b""[..], &b""[..]));
    assert_eq!(field(&scene.record(), "flags"), "14");
    assert_eq!(field(&scene.record(), "fds"), "3");
}

#[test]
fn a_daemon_inherits_no_other_descriptors_and_a_single_run_all() {
    let scene = Scene::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).unwrap();
    let inherited = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
    let pipe = fs::read_link(inherited).unwrap();
    let pipe = pipe.to_str().unwrap();

    run(&mut scene.test("echo"));
    assert!(!scene.record().contains(pipe));
    run(scene.test("echo").arg("--no-daemon"));
    assert!(scene.record().contains(pipe));

    drop(writer);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
}

#[test]
fn a_supervisor_that_ends_before_it_starts_a_run_is_an_error_with_its_fate() {
    let scene = Scene::new();
    for (name, fate) in [("die_unread", "exit status 7"), ("die_before", "exit status 9")] {
        let output = run(&mut scene.test(name));
        assert_eq!(output.status.code(), Some(3));
        let said = stderr(&output);
        assert!(said.contains(fate) && said.contains("closed the connection"), "{said}");
    }
}

#[test]
fn a_run_that_ends_without_reporting_is_an_error() {
    let scene = Scene::new();
    let output = run(&mut scene.test("die_after"));
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("ended without reporting"), "{}", stderr(&output));
}

#[test]
fn refusals_and_nonsense_from_a_new_supervisor_are_errors() {
    let scene = Scene::new();
    for (name, what) in [
        ("refuse", "refused the run (on strike)"),
        ("nonsense", "unknown type 47"),
        ("everybody", "sent 4294967295 as the id"),
    ] {
        let output = run(&mut scene.test(name));
        assert_eq!(output.status.code(), Some(3));
        assert!(stderr(&output).contains(what), "{}", stderr(&output));
    }
}

#[test]
fn a_python_that_cannot_be_started_is_an_error() {
    let scene = Scene::new();
    fs::write(scene.python(), "#!/nowhere/python\n").unwrap();
    for arguments in [&["test"][..], &["doctor"]] {
        let output = run(scene.launcher("echo").args(arguments));
        assert_eq!(output.status.code(), Some(3));
        assert!(stderr(&output).contains("cannot start"), "{}", stderr(&output));
    }
}

#[test]
fn text_reaches_a_slow_reader_whole_and_a_closed_one_does_not_matter() {
    let scene = Scene::new();
    let mut child = scene.test("flood").stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(300));
    let mut text = Vec::new();
    child.stderr.take().unwrap().read_to_end(&mut text).unwrap();
    assert_eq!(wait(&mut child).code(), Some(6));
    let other: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'x').collect();
    assert_eq!((text.len(), String::from_utf8_lossy(&other).as_ref()), (8 << 20, ""));

    let mut child = scene.test("flood").stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(wait(&mut child).code(), Some(6));
}

#[test]
fn a_reader_that_never_reads_does_not_make_the_launcher_deaf() {
    let scene = Scene::new();
    let mut child = scene.test("flood").stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(500));
    // Two that arrive together count as one, so it may take more than four.
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        signal(&child, libc::SIGINT);
        thread::sleep(Duration::from_millis(20));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "the launcher is deaf");
    };
    assert_eq!(status.signal(), Some(libc::SIGINT));
}

// Signals.

#[test]
fn the_first_interrupt_stops_the_run_the_second_interrupts_it_the_third_kills_it() {
    let scene = Scene::new();
    let mut child = scene.test("count_signals").stderr(Stdio::piped()).spawn().unwrap();
    scene.await_record("\"stop\": 0");
    signal(&child, libc::SIGINT);
    let record = scene.await_record("\"stop\": 1");
    assert_eq!(field(&record, "seen"), "[]");
    signal(&child, libc::SIGINT);
    scene.await_record("SIGINT");
    signal(&child, libc::SIGINT);
    assert_eq!(wait(&mut child).code(), Some(3));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("third interrupt"), "{said}");
}

#[test]
fn outside_the_tests_the_first_interrupt_interrupts() {
    let scene = Scene::new();
    let mut child = scene.test("count_signals").env("FAKE_PHASE", "1").spawn().unwrap();
    scene.await_record("\"stop\": 0");
    signal(&child, libc::SIGINT);
    assert_eq!(field(&scene.await_record("SIGINT"), "stop"), "0");
    signal(&child, libc::SIGTERM);
    assert_eq!(wait(&mut child).code(), Some(4));
}

#[test]
fn other_signals_are_passed_on() {
    let scene = Scene::new();
    let mut child = scene.test("count_signals").spawn().unwrap();
    scene.await_record("\"stop\": 0");
    for (number, name) in [
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGUSR1, "SIGUSR1"),
        (libc::SIGUSR2, "SIGUSR2"),
        (libc::SIGWINCH, "SIGWINCH"),
        (libc::SIGCONT, "SIGCONT"),
    ] {
        signal(&child, number);
        scene.await_record(name);
    }
    signal(&child, libc::SIGTERM);
    assert_eq!(wait(&mut child).code(), Some(4));
}

#[test]
fn a_run_that_dies_of_a_signal_passed_on_is_followed() {
    let scene = Scene::new();
    for number in [libc::SIGTERM, libc::SIGHUP] {
        let _ = fs::remove_file(scene.path("record"));
        let mut child = scene.test("default_signals").spawn().unwrap();
        scene.await_record("pid");
        signal(&child, number);
        assert_eq!(wait(&mut child).signal(), Some(number));
    }
}

#[test]
fn a_signal_before_the_run_ends_the_launcher_and_its_supervisor() {
    let scene = Scene::new();
    let mut child = scene.test("slow").spawn().unwrap();
    let pid = field(&scene.await_record("pid"), "pid");
    signal(&child, libc::SIGINT);
    assert_eq!(wait(&mut child).signal(), Some(libc::SIGINT));
    let deadline = Instant::now() + PATIENCE;
    while Path::new(&format!("/proc/{pid}")).exists() && state_of(&pid) != 'Z' {
        assert!(Instant::now() < deadline, "the supervisor is still there");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let scene = Scene::new();
    let mut command = scene.test("count_signals");
    // SAFETY: signal is safe to call between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        })
    };
    let mut child = command.spawn().unwrap();
    scene.await_record("\"stop\": 0");
    signal(&child, libc::SIGHUP);
    signal(&child, libc::SIGUSR1);
    assert_eq!(field(&scene.await_record("SIGUSR1"), "seen"), r#"["SIGUSR1"]"#);
    signal(&child, libc::SIGTERM);
    assert_eq!(wait(&mut child).code(), Some(4));
}

#[test]
fn a_stop_stops_the_run_and_then_the_launcher_and_both_go_on() {
    let scene = Scene::new();
    let mut child = scene.test("count_signals").process_group(0).spawn().unwrap();
    let run = field(&scene.await_record("\"stop\": 0"), "pid");
    let launcher = child.id().to_string();
    signal(&child, libc::SIGTSTP);
    await_state(&launcher, |state| state == 'T');
    await_state(&run, |state| state == 'T');
    signal(&child, libc::SIGCONT);
    await_state(&launcher, |state| state != 'T');
    await_state(&run, |state| state != 'T');
    signal(&child, libc::SIGTERM);
    assert_eq!(wait(&mut child).code(), Some(4));
}

#[test]
fn a_stop_that_nobody_could_end_stops_nothing() {
    let scene = Scene::new();
    let mut command = scene.test("count_signals");
    // SAFETY: setsid is safe to call between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        })
    };
    let mut child = command.spawn().unwrap();
    let run = field(&scene.await_record("\"stop\": 0"), "pid");
    signal(&child, libc::SIGTSTP);
    scene.await_record("SIGCONT");
    await_state(&run, |state| state != 'T');
    signal(&child, libc::SIGTERM);
    assert_eq!(wait(&mut child).code(), Some(4));
}

#[test]
fn a_run_is_succeeded_by_another_which_learns_of_the_interrupt() {
    let scene = Scene::new();
    let mut child = scene.test("heirs").spawn().unwrap();
    let record = scene.await_record("\"heir\": false");
    signal(&child, libc::SIGINT);
    thread::sleep(Duration::from_millis(100));
    let pid: libc::pid_t = field(&record, "pid").parse().unwrap();
    // SAFETY: a process of this test.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    assert_eq!(wait(&mut child).code(), Some(8));
}

// A daemon.

#[test]
fn a_daemon_is_used_and_no_python_is_started() {
    let scene = Scene::new();
    let daemon = scene.daemon(|mut daemon| {
        let (request, fds) = daemon.request();
        assert_eq!(request.argv, [b"test".to_vec(), b"-x".to_vec()]);
        assert!(!request.daemon);
        let mut read = String::new();
        File::from(fds[0].try_clone().unwrap()).read_to_string(&mut read).unwrap();
        File::from(fds[1].try_clone().unwrap()).write_all(read.to_uppercase().as_bytes()).unwrap();
        File::from(fds[2].try_clone().unwrap()).write_all(b"err").unwrap();
        daemon.say(&Frame::Exit(42));
    });
    let mut child = scene
        .test("die_unread")
        .arg("-x")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"shout").unwrap();
    let output = child.wait_with_output().unwrap();
    daemon.join().unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.as_slice(), stderr(&output).as_str()),
        (Some(42), &b"SHOUT"[..], "err")
    );
}

#[test]
fn a_daemon_gets_a_request_larger_than_a_socket_holds() {
    let scene = Scene::new();
    let long = "x".repeat(100_000);
    let expected = long.clone();
    let daemon = scene.daemon(move |mut daemon| {
        thread::sleep(Duration::from_millis(100));
        let (request, _fds) = daemon.request();
        assert_eq!(request.argv.len(), 11);
        assert!(request.argv[1..].iter().all(|arg| arg == expected.as_bytes()));
        daemon.say(&Frame::Exit(0));
    });
    let output = run(scene.test("die_unread").args((0..10).map(|_| &long)));
    daemon.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_daemon_that_refuses_is_followed_by_another_without_a_word() {
    let scene = Scene::new();
    let daemon = scene.daemon(|mut daemon| {
        daemon.request();
        daemon.say(&Frame::Refused(b"another build".to_vec()));
    });
    let output = run(&mut scene.test("echo"));
    daemon.join().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(!stderr(&output).contains("note"), "{}", stderr(&output));
    assert_eq!(field(&scene.record(), "flags"), "1", "the new supervisor takes its place");
}

#[test]
fn a_daemon_that_dies_or_talks_nonsense_is_done_without() {
    type Serve = fn(Daemon);
    let cases: [(Serve, &str); 3] = [
        (|daemon| drop(daemon.request()), "closed the connection"),
        (drop, "closed the connection"),
        (
            |mut daemon| {
                daemon.request();
                daemon.stream.write_all(b"220 smtp ready\r\n").unwrap();
            },
            "sent a frame of",
        ),
    ];
    for (serve, reason) in cases {
        let scene = Scene::new();
        let daemon = scene.daemon(serve);
        let output = run(&mut scene.test("echo"));
        daemon.join().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.starts_with("dx-py: note: the daemon at ") && said.contains(reason), "{said}");
        assert_eq!(said.lines().filter(|line| line.contains("note")).count(), 1);
        assert_eq!(field(&scene.record(), "flags"), "0", "the new supervisor does not stay");
    }
}

#[test]
fn a_silent_daemon_is_done_without_after_ten_seconds() {
    let scene = Scene::new();
    let (done, hold) = std::sync::mpsc::channel::<()>();
    let daemon = scene.daemon(move |daemon| {
        daemon.request();
        let _ = hold.recv();
    });
    let begin = Instant::now();
    let output = run(&mut scene.test("echo"));
    let waited = begin.elapsed();
    drop(done);
    daemon.join().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(stderr(&output).contains("did not answer within 10s"), "{}", stderr(&output));
    assert!(waited > Duration::from_secs(10) && waited < Duration::from_secs(20), "{waited:?}");
}

#[test]
fn frames_in_pieces_and_frames_in_one_piece_are_the_same() {
    let scene = Scene::new();
    let daemon = scene.daemon(|mut daemon| {
        daemon.request();
        let page = page();
        daemon.say_with(&Frame::Started(std::process::id()), &page);
        let mut bytes = Frame::Text(b"one ".to_vec()).encode();
        bytes.extend(Frame::Text(b"two ".to_vec()).encode());
        bytes.extend(Frame::Text(Vec::new()).encode());
        for byte in bytes {
            daemon.stream.write_all(&[byte]).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        let mut bytes = Frame::Text(b"three".to_vec()).encode();
        bytes.extend(Frame::Exit(7).encode());
        daemon.stream.write_all(&bytes).unwrap();
    });
    let output = run(&mut scene.test("die_unread"));
    daemon.join().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(7), "one two three"));
}

fn page() -> File {
    let page = tempfile::tempfile().unwrap();
    let mut bytes = vec![0; 4096];
    bytes[..4].copy_from_slice(b"DXST");
    bytes[8] = 2;
    (&page).write_all(&bytes).unwrap();
    page
}

#[test]
fn a_socket_left_behind_means_a_new_daemon() {
    let scene = Scene::new();
    fs::create_dir(scene.runtime_dir()).unwrap();
    drop(UnixListener::bind(scene.socket()).unwrap());
    let output = run(&mut scene.test("echo"));
    assert_eq!((output.status.code(), field(&scene.record(), "flags").as_str()), (Some(5), "1"));
}

#[test]
fn a_doubtful_runtime_directory_is_said_once_and_done_without() {
    let scene = Scene::new();
    let real = scene.path("elsewhere");
    fs::create_dir(&real).unwrap();
    symlink(&real, scene.runtime_dir()).unwrap();
    let output = run(&mut scene.test("echo"));
    let said = stderr(&output);
    assert_eq!((output.status.code(), field(&scene.record(), "flags").as_str()), (Some(5), "0"));
    assert!(said.starts_with("dx-py: note: ") && said.contains("symbolic link"), "{said}");

    let long = scene.path(&"x".repeat(120));
    let output = run(scene.test("echo").env("DX_PY_RUNTIME_DIR", long));
    assert!(stderr(&output).contains("107"), "{}", stderr(&output));
    assert_eq!((output.status.code(), field(&scene.record(), "flags").as_str()), (Some(5), "0"));
}

// Other verbs.

#[test]
fn other_verbs_become_python() {
    let scene = Scene::new();
    for arguments in [&["daemon", "status"][..], &["--version"], &[], &["tset", "-x"]] {
        let output = run(scene.launcher("").args(arguments));
        assert_eq!(output.status.code(), Some(17), "{}", stderr(&output));
        let record = scene.record();
        assert_eq!(field(&record, "verb"), format!("{arguments:?}"));
        assert_eq!(field(&record, "socket"), format!("{:?}", scene.socket()));
    }
    assert!(!scene.runtime_dir().exists(), "asking for help makes no directories");
}

#[test]
fn no_python_at_all_is_an_error_that_names_what_was_tried() {
    let scene = Scene::new();
    let output =
        run(scene.launcher("").arg("test").env_remove("DX_PY_PYTHON").env_remove("VIRTUAL_ENV").env("PATH", ""));
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("found no Python"), "{}", stderr(&output));
}
