//! One run, from its Request to its exit code: the conversation of `docs/design/control-protocol.md`.
//!
//! A single loop waits for whatever comes first — a frame, a signal, room on the user's stderr, the end of the run's
//! process, a deadline — and never blocks on one of them while another has something to say.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use libc::c_int;
use rustix::cmsg_space;
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{
    recvmsg, sendmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use rustix::process::Signal;
use rustix::stdio::{stderr, stdin, stdout};

use crate::frame::{Decoder, Frame};
use crate::run::Run;
use crate::signals::{self, Signals};

/// No frame of the protocol carries more.
const MAX_FDS: usize = 4;
/// What a pipe that polls as writable takes without blocking.
const WRITE: usize = 4096;

/// How a conversation ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// With the run's exit code.
    Exit(u8),
    /// By a signal that the launcher has to die of, too.
    DieBy(c_int),
    /// No run was started, because the supervisor said that it will not. Says why.
    Refused(String),
    /// No run was started. Says why, as what the supervisor did: "closed the connection".
    NotStarted(String),
    /// A run was started and nobody will say how it ended. A whole sentence.
    Lost(String),
}

/// How much silence is borne.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the Request to the first frame.
    pub answer: Option<Duration>,
    /// From the end of the run's process to the frame that says what follows.
    pub successor: Duration,
    /// Whether a first interrupt waits for the end of a test, wherever the run is.
    pub polite: bool,
}

impl Patience {
    /// A daemon has nothing to do but to answer.
    pub fn with_daemon() -> Self {
        Patience { answer: Some(Duration::from_secs(10)), ..Self::with_child() }
    }

    /// A new interpreter on a cold disk takes as long as it takes, and its death is seen at once.
    pub fn with_child() -> Self {
        Patience { answer: None, successor: Duration::from_secs(30), polite: false }
    }
}

/// Sends a Request frame with the standard descriptors over `socket` and sees the run through to its end.
pub fn converse(socket: &OwnedFd, request: &[u8], signals: &Signals, patience: Patience) -> End {
    let mut session = Session {
        socket,
        signals,
        request,
        sent: 0,
        decoder: Decoder::default(),
        fds: VecDeque::new(),
        text: VecDeque::new(),
        end_of_file: false,
        run: None,
        run_ended: false,
        interrupts: 0,
        polite: patience.polite,
        fatal: None,
        successor: patience.successor,
        silence: patience.answer,
        since: Instant::now(),
    };
    loop {
        if let Some(end) = session.step() {
            return end;
        }
    }
}

struct Session<'a> {
    socket: &'a OwnedFd,
    signals: &'a Signals,
    request: &'a [u8],
    /// How much of the request has been sent, or all of it if there is nobody to send it to.
    sent: usize,
    decoder: Decoder,
    /// Descriptors received and not yet claimed by a frame.
    fds: VecDeque<OwnedFd>,
    /// For the user's stderr. While there is any, no frame is read: an exit must not overtake what was said before it.
    text: VecDeque<u8>,
    end_of_file: bool,
    run: Option<Run>,
    run_ended: bool,
    interrupts: u32,
    /// Whether a first interrupt only asks the run to stop between two tests.
    polite: bool,
    /// The last signal passed on that ends a process unless the process handles it.
    fatal: Option<c_int>,
    successor: Duration,
    /// How long the present silence is borne, if there is a limit, and since when it has lasted.
    silence: Option<Duration>,
    since: Instant,
}

/// What can happen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Signals,
    Socket,
    Stderr,
    RunEnd,
}

impl Session<'_> {
    /// Waits for something to happen and deals with it.
    fn step(&mut self) -> Option<End> {
        let happened = match self.wait() {
            Ok(happened) => happened,
            Err(Errno::INTR) => return None,
            Err(error) => {
                return Some(End::Lost(format!("cannot wait for the run ({}).", std::io::Error::from(error))));
            }
        };
        if happened.is_empty() {
            return Some(self.silent());
        }
        if happened.contains(&Source::Stderr) {
            self.write_text();
        }
        if happened.contains(&Source::Socket) {
            self.send();
            self.receive();
        }
        // Frames before signals: an exit code that is already here counts for more than a late ^C.
        if let Some(end) = self.take_frames() {
            return Some(end);
        }
        if happened.contains(&Source::RunEnd) {
            self.run_ended = true;
            self.silence = Some(self.successor);
            self.since = Instant::now();
        }
        if happened.contains(&Source::Signals) {
            while let Some(signal) = self.signals.next() {
                if let Some(end) = self.take_signal(signal) {
                    return Some(end);
                }
            }
        }
        None
    }

    /// Nothing, if the silence has lasted too long.
    fn wait(&self) -> Result<Vec<Source>, Errno> {
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::IN, self.text.is_empty() && !self.end_of_file);
        interest.set(PollFlags::OUT, self.sent < self.request.len());
        let error_stream = stderr();
        let run_end = self.run.as_ref().filter(|_| !self.run_ended).and_then(Run::end);

        // What is of no interest is left out: poll reports a closed connection whether asked or not.
        let mut sources = vec![Source::Signals];
        let mut fds = vec![PollFd::new(self.signals, PollFlags::IN)];
        if !interest.is_empty() {
            sources.push(Source::Socket);
            fds.push(PollFd::new(self.socket, interest));
        }
        if !self.text.is_empty() {
            sources.push(Source::Stderr);
            fds.push(PollFd::new(&error_stream, PollFlags::OUT));
        }
        if let Some(end) = &run_end {
            sources.push(Source::RunEnd);
            fds.push(PollFd::new(end, PollFlags::IN));
        }

        // While the user's stderr takes nothing, the silence is ours.
        let left = self.silence.filter(|_| self.text.is_empty()).map(|most| most.saturating_sub(self.since.elapsed()));
        let left = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
        poll(&mut fds, left.as_ref())?;
        Ok(sources.into_iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|(source, _)| source).collect())
    }

    fn send(&mut self) {
        let standard = [stdin(), stdout(), stderr()];
        while self.sent < self.request.len() {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(3))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if self.sent == 0 {
                let fits = control.push(SendAncillaryMessage::ScmRights(&standard));
                debug_assert!(fits);
            }
            let rest = [IoSlice::new(&self.request[self.sent..])];
            match sendmsg(self.socket, &rest, &mut control, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => self.sent += count,
                Err(Errno::AGAIN | Errno::INTR) => return,
                // Nobody reads any more. What they said before may still be there to read, and ends with end of file.
                Err(_) => self.sent = self.request.len(),
            }
        }
    }

    fn receive(&mut self) {
        while self.text.is_empty() && !self.end_of_file {
            let mut bytes = [0u8; 16 << 10];
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            match recvmsg(self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags) {
                Ok(received) => {
                    let fds = control.drain().filter_map(|message| match message {
                        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                        _ => None,
                    });
                    self.fds.extend(fds.flatten());
                    self.fds.truncate(MAX_FDS);
                    self.end_of_file = received.bytes == 0;
                    self.decoder.push(&bytes[..received.bytes]);
                    // One piece at a time: a flood of text has to pass through stderr before more of it is read.
                    return;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.end_of_file = true,
            }
        }
    }

    fn write_text(&mut self) {
        let (next, _) = self.text.as_slices();
        match rustix::io::write(stderr(), &next[..next.len().min(WRITE)]) {
            Ok(count) => drop(self.text.drain(..count)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Closed by its reader. That is no reason to end the run.
            Err(_) => self.text.clear(),
        }
    }

    fn take_frames(&mut self) -> Option<End> {
        while self.text.is_empty() {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => {
                    self.silence = None;
                    if let Some(end) = self.take_frame(frame) {
                        return Some(end);
                    }
                }
                Ok(None) if self.end_of_file => return Some(self.closed()),
                Ok(None) => return None,
                Err(malformed) => return Some(self.broken(&format!("sent {}", malformed.0))),
            }
        }
        None
    }

    fn take_frame(&mut self, frame: Frame) -> Option<End> {
        match frame {
            Frame::Started(pid) => {
                let Some(run) = Run::new(pid, self.fds.pop_front()) else {
                    return Some(self.broken(&format!("sent {pid} as the id of a run's process")));
                };
                // One that takes over from a run that was told to stop has to be told as well.
                if self.interrupts > 2 {
                    run.end_by(Signal::KILL);
                } else if let Some(signal) = self.fatal.and_then(Signal::from_named_raw) {
                    run.end_by(signal);
                } else if self.interrupts == 1 && self.polite {
                    run.ask_to_stop_later();
                } else if self.interrupts > 0 && !run.ask_to_stop() {
                    run.send(Signal::INT);
                }
                self.run = Some(run);
                self.run_ended = false;
            }
            Frame::Exit(code) => return Some(End::Exit(code)),
            Frame::Text(bytes) => self.text.extend(bytes),
            Frame::Refused(reason) => {
                let reason = format!("refused the run ({})", String::from_utf8_lossy(&reason).trim());
                return Some(if self.run.is_none() { End::Refused(reason) } else { self.broken(&reason) });
            }
        }
        None
    }

    fn take_signal(&mut self, signal: c_int) -> Option<End> {
        if matches!(signal, libc::SIGCONT | libc::SIGTSTP) {
            self.stop_or_go_on(signal);
            return None;
        }
        let ends = matches!(signal, libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT);
        let there = match (&self.run, signal) {
            (None, libc::SIGINT) if self.polite && self.interrupts == 0 => {
                self.interrupts = 1;
                true
            }
            (None, _) => false,
            (Some(run), libc::SIGINT) => {
                self.interrupts += 1;
                match self.interrupts {
                    1 if self.polite => run.ask_to_stop_later(),
                    1 => run.ask_to_stop() || run.send(Signal::INT),
                    2 => run.send(Signal::INT),
                    3 => run.end_by(Signal::KILL),
                    // Killed, and still somebody holds the connection and says nothing.
                    _ => false,
                }
            }
            (Some(run), _) => {
                let known = Signal::from_named_raw(signal);
                if ends {
                    self.fatal = Some(signal);
                    known.is_none_or(|signal| run.end_by(signal))
                } else {
                    known.is_none_or(|signal| run.send(signal))
                }
            }
        };
        // With no run to pass it on to, the signal is meant for us.
        (ends && !there).then_some(End::DieBy(signal))
    }

    fn stop_or_go_on(&mut self, signal: c_int) {
        let to_group = |signal| self.run.iter().for_each(|run| run.send_to_tree(signal));
        if signal == libc::SIGCONT {
            to_group(Signal::CONT);
        } else {
            to_group(Signal::STOP);
            // A SIGCONT that ended the stop is taken next.
            if !signals::stop_here() {
                to_group(Signal::CONT);
            }
        }
        // Time that we were stopped is nobody's silence.
        self.since = Instant::now();
    }

    /// End of file without an exit code.
    fn closed(&self) -> End {
        match (&self.run, self.fatal) {
            (None, _) => End::NotStarted("closed the connection".to_owned()),
            // As pytest would have: by the signal that ended it.
            (Some(_), Some(signal)) => End::DieBy(signal),
            (Some(run), None) => self.unreported(run),
        }
    }

    fn silent(&self) -> End {
        match &self.run {
            None => End::NotStarted(format!("did not answer within {:?}", self.silence.unwrap_or_default())),
            Some(run) => self.unreported(run),
        }
    }

    /// The other side no longer speaks the protocol.
    fn broken(&self, what: &str) -> End {
        match &self.run {
            None => End::NotStarted(what.to_owned()),
            Some(run) => End::Lost(format!(
                "the run's process ({}) {what} after it had started, and cannot be followed any further.",
                run.pid()
            )),
        }
    }

    fn unreported(&self, run: &Run) -> End {
        let how = if self.interrupts > 2 { "was killed at the third interrupt" } else { "ended without reporting" };
        End::Lost(format!(
            "the run's process ({}) {how}: this run has no result. Tests that it had not reported did not pass.",
            run.pid()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command};

    const MOMENT: Duration = Duration::from_millis(50);
    const HASTE: Patience = Patience { answer: Some(MOMENT), successor: MOMENT, polite: false };

    /// A conversation with a supervisor that says `frames` and then holds the connection open.
    fn conversation(frames: &[Frame], patience: Patience) -> End {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        for frame in frames {
            theirs.write_all(&frame.encode()).unwrap();
        }
        let signals = Signals::take().unwrap();
        converse(&ours.into(), b"request", &signals, patience)
    }

    fn process() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    /// A process that has ended. Its id stays its own, since nobody waits for it.
    fn ended() -> u32 {
        let id = Command::new("true").spawn().unwrap().id();
        let stat = format!("/proc/{id}/stat");
        while !std::fs::read_to_string(&stat).unwrap().contains(") Z") {
            std::thread::sleep(Duration::from_millis(1));
        }
        id
    }

    #[test]
    fn silence_before_the_run_means_that_none_was_started() {
        let end = conversation(&[], HASTE);
        assert_eq!(end, End::NotStarted("did not answer within 50ms".to_owned()));
    }

    #[test]
    fn silence_during_a_run_is_borne() {
        let mut child = process();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&Frame::Started(child.id()).encode()).unwrap();
        let supervisor = std::thread::spawn(move || {
            std::thread::sleep(4 * MOMENT);
            theirs.write_all(&Frame::Exit(1).encode()).unwrap();
        });
        let end = converse(&ours.into(), b"request", &Signals::take().unwrap(), HASTE);
        supervisor.join().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(end, End::Exit(1));
    }

    #[test]
    fn a_run_whose_end_is_held_back_is_given_up() {
        let end = conversation(&[Frame::Started(ended())], HASTE);
        assert!(matches!(&end, End::Lost(sentence) if sentence.contains("ended without reporting")), "{end:?}");
    }

    #[test]
    fn what_a_run_said_before_it_ended_counts() {
        assert_eq!(conversation(&[Frame::Started(ended()), Frame::Exit(2)], HASTE), End::Exit(2));
        let mut child = process();
        let frames = [Frame::Started(ended()), Frame::Started(child.id()), Frame::Exit(1)];
        assert_eq!(conversation(&frames, HASTE), End::Exit(1));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
