//! The frames of `docs/design/control-protocol.md`, as bytes. Pure: no sockets, no descriptors.
//!
//! A frame is `u32 payload length, u8 type, payload`, little-endian. Nothing is allocated for a length before the
//! length has been compared with its bound.

/// The version this side speaks.
pub const PROTOCOL: u16 = 1;
/// Bytes before the payload.
pub const HEADER: usize = 5;
/// The longest payload of a Request.
pub const REQUEST_LIMIT: usize = 16 << 20;
/// The longest payload of anything else.
pub const FRAME_LIMIT: usize = 1 << 20;

/// Frame type, launcher to supervisor.
pub const REQUEST: u8 = 1;

/// Frame types, supervisor or run to launcher.
pub const STARTED: u8 = 1;
pub const EXIT: u8 = 2;
pub const TEXT: u8 = 3;
pub const REFUSED: u8 = 4;

/// Why bytes are not the control protocol. Reads after "the supervisor sent".
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

/// A Request whose payload would have this many bytes, more than [`REQUEST_LIMIT`].
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong(pub usize);

/// A resource limit; all ones means infinity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rlimit {
    pub resource: u32,
    pub soft: u64,
    pub hard: u64,
}

/// What a caller wants, and the circumstances that its run must reproduce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The new supervisor is to listen on `socket` and stay.
    pub daemon: bool,
    /// The caller's descriptors 0, 1, 2 that are closed.
    pub closed: [bool; 3],
    pub build: Vec<u8>,
    pub cwd: Vec<u8>,
    pub umask: u32,
    pub argv: Vec<Vec<u8>>,
    pub env: Vec<Vec<u8>>,
    pub rlimits: Vec<Rlimit>,
    /// The signals that the caller ignores: bit `n - 1` for signal n.
    pub ignored: u64,
    pub socket: Vec<u8>,
}

impl Request {
    /// The whole frame.
    pub fn encode(&self) -> Result<Vec<u8>, TooLong> {
        // Measured first: no length in the frame can then be larger than its field.
        let length = self.payload_length();
        if length > REQUEST_LIMIT {
            return Err(TooLong(length));
        }
        let closed = (0..).zip(self.closed).map(|(fd, closed)| u16::from(closed) << (fd + 1)).sum::<u16>();
        let mut writer = Writer(Vec::with_capacity(HEADER + length));
        writer.u32(length as u32);
        writer.0.push(REQUEST);
        writer.u16(PROTOCOL);
        writer.u16(u16::from(self.daemon) | closed);
        writer.text(&self.build);
        writer.text(&self.cwd);
        writer.u32(self.umask);
        writer.texts(&self.argv);
        writer.texts(&self.env);
        writer.u32(self.rlimits.len() as u32);
        for limit in &self.rlimits {
            writer.u32(limit.resource);
            writer.0.extend_from_slice(&limit.soft.to_le_bytes());
            writer.0.extend_from_slice(&limit.hard.to_le_bytes());
        }
        writer.0.extend_from_slice(&self.ignored.to_le_bytes());
        writer.text(&self.socket);
        debug_assert_eq!(writer.0.len(), HEADER + length);
        Ok(writer.0)
    }

    fn payload_length(&self) -> usize {
        let texts = |texts: &[Vec<u8>]| 4 + texts.iter().map(|text| 4 + text.len()).sum::<usize>();
        let fixed = 2 + 2 + 4 + 4 + 4 + 4 + 8 + 4;
        let single = self.build.len() + self.cwd.len() + self.socket.len();
        fixed + single + texts(&self.argv) + texts(&self.env) + self.rlimits.len() * Rlimit::SIZE
    }

    /// The request in a payload. Only supervisors read requests; this is theirs as far as the tests play one.
    pub fn decode(payload: &[u8]) -> Result<Request, Malformed> {
        let mut reader = Reader(payload);
        let protocol = reader.u16()?;
        if protocol != PROTOCOL {
            return Err(Malformed(format!("protocol {protocol} instead of {PROTOCOL}")));
        }
        let flags = reader.u16()?;
        let request = Request {
            daemon: flags & 1 != 0,
            closed: [1, 2, 3].map(|bit| flags & (1 << bit) != 0),
            build: reader.text()?,
            cwd: reader.text()?,
            umask: reader.u32()?,
            argv: reader.list(4, Reader::text)?,
            env: reader.list(4, Reader::text)?,
            rlimits: reader.list(Rlimit::SIZE, Reader::rlimit)?,
            ignored: reader.u64()?,
            socket: reader.text()?,
        };
        if !reader.0.is_empty() {
            return Err(Malformed(format!("{} bytes behind the end of a request", reader.0.len())));
        }
        Ok(request)
    }
}

impl Rlimit {
    const SIZE: usize = 20;
}

/// What a supervisor or a run says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The process with this id now runs. A status page comes along as a descriptor.
    Started(u32),
    /// The last frame: the exit code.
    Exit(u8),
    /// For the user's stderr.
    Text(Vec<u8>),
    /// Why this daemon will not serve the request.
    Refused(Vec<u8>),
}

impl Frame {
    /// The whole frame. Only supervisors send these; see [`Request::decode`].
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = Writer(Vec::new());
        let kind = match self {
            Frame::Started(pid) => {
                payload.u32(*pid);
                STARTED
            }
            Frame::Exit(code) => {
                payload.0.push(*code);
                EXIT
            }
            Frame::Text(bytes) => {
                payload.0.extend_from_slice(bytes);
                TEXT
            }
            Frame::Refused(reason) => {
                payload.text(reason);
                REFUSED
            }
        };
        let mut frame = (payload.0.len() as u32).to_le_bytes().to_vec();
        frame.push(kind);
        frame.extend_from_slice(&payload.0);
        frame
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Frame, Malformed> {
        let mut reader = Reader(payload);
        let frame = match kind {
            STARTED => Frame::Started(reader.u32()?),
            EXIT => Frame::Exit(reader.array::<1>()?[0]),
            TEXT => Frame::Text(std::mem::take(&mut reader.0).to_vec()),
            REFUSED => Frame::Refused(reader.text()?),
            _ => return Err(unknown(kind)),
        };
        if !reader.0.is_empty() {
            return Err(Malformed(format!("a frame of type {kind} that is {} bytes too long", reader.0.len())));
        }
        Ok(frame)
    }
}

fn unknown(kind: u8) -> Malformed {
    Malformed(format!("a frame of the unknown type {kind}"))
}

/// Cuts a stream of bytes, in whatever pieces they come, into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Where the next frame begins.
    at: usize,
}

impl Decoder {
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// The next frame, if it is there whole. After an error the stream has no meaning any more.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Malformed> {
        let rest = &self.bytes[self.at..];
        let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [a, b, c, d, kind] = *header;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        // Told apart before its end is waited for: a foreign peer's bytes need not form a whole frame ever.
        if !(STARTED..=REFUSED).contains(&kind) {
            return Err(unknown(kind));
        }
        if length > FRAME_LIMIT {
            return Err(Malformed(format!("a frame of {length} bytes where {FRAME_LIMIT} are the most")));
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame = Frame::decode(kind, payload)?;
        self.at += HEADER + length;
        Ok(Some(frame))
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.u32(text.len() as u32);
        self.0.extend_from_slice(text);
    }

    fn texts(&mut self, texts: &[Vec<u8>]) {
        self.u32(texts.len() as u32);
        for text in texts {
            self.text(text);
        }
    }
}

/// Walks a payload and refuses to go beyond its end.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], Malformed> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            return Err(Malformed(format!("a frame that ends {} bytes early", count - self.0.len())));
        };
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were asked for"))
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<Vec<u8>, Malformed> {
        let length = self.u32()? as usize;
        self.take(length).map(<[u8]>::to_vec)
    }

    fn rlimit(&mut self) -> Result<Rlimit, Malformed> {
        Ok(Rlimit { resource: self.u32()?, soft: self.u64()?, hard: self.u64()? })
    }

    fn list<T>(
        &mut self,
        smallest: usize,
        element: fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.u32()? as usize;
        if count > self.0.len() / smallest {
            return Err(Malformed(format!("a list of {count} elements in {} bytes", self.0.len())));
        }
        (0..count).map(|_| element(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames() -> impl Strategy<Value = Frame> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
        prop_oneof![
            any::<u32>().prop_map(Frame::Started),
            any::<u8>().prop_map(Frame::Exit),
            bytes().prop_map(Frame::Text),
            bytes().prop_map(Frame::Refused),
        ]
    }

    fn requests() -> impl Strategy<Value = Request> {
        let text = || proptest::collection::vec(any::<u8>(), 0..40);
        let texts = || proptest::collection::vec(text(), 0..6);
        let limit = (any::<u32>(), any::<u64>(), any::<u64>()).prop_map(|(resource, soft, hard)| Rlimit {
            resource,
            soft,
            hard,
        });
        let limits = proptest::collection::vec(limit, 0..5);
        (
            (any::<bool>(), any::<[bool; 3]>(), any::<u32>()),
            (text(), text(), text()),
            texts(),
            texts(),
            (limits, any::<u64>()),
        )
            .prop_map(|((daemon, closed, umask), (build, cwd, socket), argv, env, (rlimits, ignored))| {
                Request { daemon, closed, build, cwd, umask, argv, env, rlimits, ignored, socket }
            })
    }

    fn decode_all(pieces: impl Iterator<Item = Vec<u8>>) -> Result<Vec<Frame>, Malformed> {
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for piece in pieces {
            decoder.push(&piece);
            while let Some(frame) = decoder.next_frame()? {
                found.push(frame);
            }
        }
        Ok(found)
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(sent in proptest::collection::vec(frames(), 0..8), size in 1usize..64) {
            let bytes: Vec<u8> = sent.iter().flat_map(Frame::encode).collect();
            prop_assert_eq!(decode_all(bytes.chunks(size).map(<[u8]>::to_vec)), Ok(sent));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_all(std::iter::once(bytes));
        }

        /// Random bytes seldom get past the header; a damaged frame does.
        #[test]
        fn a_damaged_frame_is_decoded_or_refused(
            sent in frames(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = sent.encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode_all(std::iter::once(bytes));
        }

        #[test]
        fn a_cut_frame_is_waited_for(sent in frames(), cut in any::<prop::sample::Index>()) {
            let mut bytes = sent.encode();
            bytes.truncate(cut.index(bytes.len()));
            prop_assert_eq!(decode_all(std::iter::once(bytes)), Ok(vec![]));
        }

        #[test]
        fn requests_come_back(request in requests()) {
            let frame = request.encode().unwrap();
            prop_assert_eq!(frame.len() - HEADER, u32::from_le_bytes(frame[..4].try_into().unwrap()) as usize);
            prop_assert_eq!(frame[4], REQUEST);
            prop_assert_eq!(Request::decode(&frame[HEADER..]), Ok(request));
        }

        #[test]
        fn a_cut_request_is_refused(request in requests(), cut in any::<prop::sample::Index>()) {
            let frame = request.encode().unwrap();
            let payload = &frame[HEADER..];
            prop_assert!(Request::decode(&payload[..cut.index(payload.len())]).is_err());
        }

        #[test]
        fn a_damaged_request_is_decoded_or_refused(
            request in requests(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut frame = request.encode().unwrap();
            let at = HEADER + at.index(frame.len() - HEADER);
            frame[at] = byte;
            let _ = Request::decode(&frame[HEADER..]);
        }
    }

    fn raw(kind: u8, length: u32, payload: &[u8]) -> Result<Vec<Frame>, Malformed> {
        decode_all(std::iter::once([&length.to_le_bytes()[..], &[kind], payload].concat()))
    }

    #[test]
    fn the_bytes_are_the_documents() {
        assert_eq!(Frame::Started(0x0102).encode(), [4, 0, 0, 0, 1, 2, 1, 0, 0]);
        assert_eq!(Frame::Exit(5).encode(), [1, 0, 0, 0, 2, 5]);
        assert_eq!(Frame::Text(b"hi".to_vec()).encode(), [2, 0, 0, 0, 3, b'h', b'i']);
        assert_eq!(Frame::Refused(b"no".to_vec()).encode(), [6, 0, 0, 0, 4, 2, 0, 0, 0, b'n', b'o']);

        let request = Request {
            daemon: true,
            closed: [true, false, true],
            build: b"b".to_vec(),
            cwd: b"/".to_vec(),
            umask: 0o22,
            argv: vec![b"test".to_vec()],
            env: vec![],
            rlimits: vec![Rlimit { resource: 7, soft: 1, hard: u64::MAX }],
            ignored: 1 << 33,
            socket: vec![],
        };
        let expected = [
            &[70, 0, 0, 0, 1][..],
            &[1, 0, 0b1011, 0],
            &[1, 0, 0, 0, b'b', 1, 0, 0, 0, b'/', 0o22, 0, 0, 0],
            &[1, 0, 0, 0, 4, 0, 0, 0, b't', b'e', b's', b't'],
            &[0; 4],
            &[1, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0, 0, 0, 0, 2, 0, 0, 0],
            &[0; 4],
        ]
        .concat();
        assert_eq!(request.encode().unwrap(), expected);
    }

    #[test]
    fn a_frame_may_be_as_long_as_its_bound_and_no_longer() {
        let text = Frame::Text(vec![b'x'; FRAME_LIMIT]);
        assert_eq!(decode_all(std::iter::once(text.encode())), Ok(vec![text]));
        // Refused on its header, with no payload there.
        assert!(raw(TEXT, FRAME_LIMIT as u32 + 1, &[]).is_err());
        assert!(raw(TEXT, u32::MAX, &[]).is_err());
    }

    #[test]
    fn a_request_may_be_as_long_as_its_bound_and_no_longer() {
        let mut request = Request::default();
        request.argv.push(vec![b'x'; REQUEST_LIMIT - request.payload_length() - 4]);
        assert_eq!(request.encode().map(|frame| frame.len()), Ok(HEADER + REQUEST_LIMIT));
        request.cwd.push(b'/');
        assert_eq!(request.encode(), Err(TooLong(REQUEST_LIMIT + 1)));
    }

    #[test]
    fn unknown_types_and_wrong_lengths_are_refused() {
        for (kind, length, payload) in [
            (0, 0, &[][..]),
            (5, 0, &[]),
            (255, 1 << 20, &[]),
            (STARTED, 3, &[1, 0, 0]),
            (STARTED, 5, &[1, 0, 0, 0, 0]),
            (EXIT, 0, &[]),
            (EXIT, 2, &[0, 0]),
            (REFUSED, 4, &[1, 0, 0, 0]),
            (REFUSED, 4, &[255, 255, 255, 255]),
            (REFUSED, 6, &[1, 0, 0, 0, b'x', b'y']),
        ] {
            assert!(raw(kind, length, payload).is_err(), "type {kind}, {length} bytes");
        }
    }

    #[test]
    fn a_list_longer_than_its_frame_is_refused_before_it_is_made() {
        let mut frame = Request::default().encode().unwrap();
        let argv = HEADER + 2 + 2 + 4 + 4 + 4;
        frame[argv..argv + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Request::decode(&frame[HEADER..]).is_err());
    }
}
