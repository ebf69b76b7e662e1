//! The file of an index, `.dxti`.
//!
//! ```text
//! magic "DXTI" | version u16 | flags u16 | facts version u32 | guards u32 | files u32 | tests u32
//! ids u32 | provisional ids u32 | open places u32 | tests that depend on what is asked for u32
//! pool length u64 | corrections length u64 | text length u64 | facts length u64 | key [16]
//! checksum of all of this, and of everything but the facts, [32]
//! guards  × ( path u32, u32 | what u32 | stamp 4 × u64 )                                  what has to be as it was, besides the files
//! files   × ( path u32, u32 | stamp 4 × u64 | content hash [32] | facts u64, u32 | checksum of the facts [16] | path hash u64 | flags u32 )
//!                                                                                         in pytest's order
//! by hash: files × ( path hash u64 | file u32 )                                           sorted
//! tests   × ( file u32 | line u32 | id u32, u32 | length of the path in it u32 | words u32, u32 | flags u32 )   in pytest's order
//! pool: bytes that paths and words are places in (offset, length)
//! corrections: what the tests depend on that a run has collected, encoded
//! text: the ids, each in a line of its own, as they are printed
//! facts: each file's, encoded
//! ```
//!
//! Numbers are little-endian, hashes are BLAKE3, checksums are [`crate::checksum`]. Opening checks the places of all tables; what is
//! not exactly so is treated as if it were not there. The facts are not read on opening: each file's are checked when they are asked for.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use dx_py_source::facts::{Facts, FACTS_VERSION};
use memmap2::Mmap;

use crate::checksum::{checksum, short_checksum, CHECKSUM};
use crate::rows::{Corrections, FileRow, Guard, Short, Sum, TestRow, What, AS_WHOLE, HAS_TESTS, LEFT_OUT};
use crate::stamp::Stamp;

const MAGIC: &[u8; 4] = b"DXTI";
const VERSION: u16 = 3;
const HEADER: usize = 88 + CHECKSUM;
const GUARD: usize = 44;
const FILE: usize = 112;
const BY_HASH: usize = 12;
const TEST: usize = 32;
/// Larger files are nobody's index.
const LONGEST: u64 = 1 << 32;

/// What an index holds, to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    pub key: Short,
    /// What ids are told from.
    pub root: PathBuf,
    pub guards: Vec<Guard>,
    pub files: Vec<FileRow>,
    pub tests: Vec<TestRow>,
    pub corrections: Corrections,
}

pub fn encode(facts: &Facts) -> Vec<u8> {
    postcard::to_allocvec(facts).unwrap_or_default()
}

// ---- writing

#[derive(Default)]
struct Pool {
    bytes: Vec<u8>,
    /// The words that were added last: tests that follow each other often have the same.
    words: Range<usize>,
}

impl Pool {
    fn add(&mut self, text: &[u8], out: &mut Vec<u8>) {
        put_u32(out, self.bytes.len());
        put_u32(out, text.len());
        self.bytes.extend_from_slice(text);
    }

    fn add_words(&mut self, words: &[u8], out: &mut Vec<u8>) {
        if self.bytes[self.words.clone()] == *words {
            put_u32(out, self.words.start);
            put_u32(out, words.len());
        } else {
            self.words = self.bytes.len()..self.bytes.len() + words.len();
            self.add(words, out);
        }
    }
}

fn put_u32(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_stamp(out: &mut Vec<u8>, stamp: Stamp) {
    for number in [stamp.size, stamp.mtime, stamp.ctime, stamp.inode] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn path_hash(path: &[u8]) -> u64 {
    u64::from_le_bytes(*blake3::hash(path).as_bytes().first_chunk().unwrap_or(&[0; 8]))
}

impl Content {
    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (mut tables, mut pool) = (Vec::with_capacity(self.files.len() * (FILE + BY_HASH)), Pool::default());
        for guard in &self.guards {
            pool.add(&guard.path, &mut tables);
            put_u32(&mut tables, guard.what as usize);
            put_stamp(&mut tables, guard.stamp);
        }
        let mut has_tests = vec![0; self.files.len()];
        for test in &self.tests {
            if let Some(has) = has_tests.get_mut(test.file as usize) {
                *has = HAS_TESTS;
            }
        }
        let mut facts_length = 0u64;
        let mut by_hash = Vec::with_capacity(self.files.len());
        for (number, file) in self.files.iter().enumerate() {
            let hash = path_hash(&file.path);
            by_hash.push((hash, number));
            pool.add(&file.path, &mut tables);
            put_stamp(&mut tables, file.stamp);
            tables.extend_from_slice(&file.content);
            tables.extend_from_slice(&facts_length.to_le_bytes());
            put_u32(&mut tables, file.facts.len());
            tables.extend_from_slice(&short_checksum(&file.facts));
            tables.extend_from_slice(&hash.to_le_bytes());
            put_u32(&mut tables, (file.flags & !HAS_TESTS | has_tests[number]) as usize);
            facts_length += file.facts.len() as u64;
        }
        by_hash.sort_unstable();
        for (hash, number) in by_hash {
            tables.extend_from_slice(&hash.to_le_bytes());
            put_u32(&mut tables, number);
        }
        let (text, sum) = self.put_tests(&mut tables, &mut pool);
        let corrections = postcard::to_allocvec(&self.corrections).unwrap_or_default();
        let mut out = Vec::with_capacity(
            HEADER + tables.len() + pool.bytes.len() + corrections.len() + text.len() + facts_length as usize,
        );
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&FACTS_VERSION.to_le_bytes());
        for count in
            [self.guards.len(), self.files.len(), self.tests.len(), sum.ids, sum.provisional, sum.open, sum.special]
        {
            put_u32(&mut out, count);
        }
        for length in [pool.bytes.len(), corrections.len(), text.len(), facts_length as usize] {
            out.extend_from_slice(&(length as u64).to_le_bytes());
        }
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&[0; CHECKSUM]);
        for part in [&tables, &pool.bytes, &corrections, &text] {
            out.extend_from_slice(part);
        }
        seal(&mut out);
        self.files.iter().for_each(|file| out.extend_from_slice(&file.facts));
        out
    }

    /// The rows of the tests; gives their ids, each in a line, and how many there are.
    fn put_tests(&self, tables: &mut Vec<u8>, pool: &mut Pool) -> (Vec<u8>, Sum) {
        let (mut text, mut sum) = (Vec::with_capacity(self.tests.len() * 48), Sum::default());
        let mut last: (u32, &[u8]) = (u32::MAX, b"");
        for test in &self.tests {
            if last.0 != test.file {
                last =
                    (test.file, self.files.get(test.file as usize).map_or(b"?", |file| shown(&self.root, &file.path)));
            }
            let start = text.len();
            if test.name.is_empty() {
                sum.open += 1;
            } else {
                text.extend_from_slice(last.1);
                text.extend_from_slice(test.name.as_bytes());
                sum.ids += 1;
                sum.special += usize::from(test.flags & (LEFT_OUT | AS_WHOLE) != 0);
                sum.provisional += usize::from(!test.is_exact());
            }
            for number in [test.file as usize, test.line as usize, start, text.len() - start] {
                put_u32(tables, number);
            }
            put_u32(tables, last.1.len());
            pool.add_words(test.words.as_bytes(), tables);
            put_u32(tables, test.flags as usize);
            if !test.name.is_empty() {
                text.push(b'\n');
            }
        }
        (text, sum)
    }
}

/// A file's path as ids begin with it.
pub fn shown<'a>(root: &Path, path: &'a [u8]) -> &'a [u8] {
    let relative =
        Path::new(OsStr::from_bytes(path)).strip_prefix(root).map_or(path, |path| path.as_os_str().as_bytes());
    if std::str::from_utf8(relative).is_ok() {
        relative
    } else {
        b"?"
    }
}

/// Put the checksum of all that follows, and of the header, into the header.
fn seal(bytes: &mut [u8]) {
    let sum = checksum([&bytes[..HEADER - CHECKSUM], &bytes[HEADER..]]);
    bytes[HEADER - CHECKSUM..HEADER].copy_from_slice(&sum);
}

/// Replace the file at `path` by one of these bytes, with its folder if there is none.
///
/// # Errors
///
/// It cannot be written; then all is as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let temporary = temporary_beside(path)?;
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(name))
}

// ---- reading

/// An index that has been checked.
pub struct Index<B = Mmap> {
    bytes: B,
    counts: [usize; 3],
    tables: Tables,
}

struct Tables {
    files: usize,
    by_hash: usize,
    tests: usize,
    pool: Range<usize>,
    corrections: Range<usize>,
    text: Range<usize>,
    facts: Range<usize>,
}

impl Index<Mmap> {
    /// The index at `path`; `None` if there is none that can be believed.
    pub fn open(path: &Path) -> Option<Self> {
        let file = open_own(path, LONGEST)?;
        // SAFETY: nobody else may write the file, and those who may replace it by another instead of writing into it.
        Self::check(unsafe { memmap2::MmapOptions::new().populate().map(&file) }.ok()?)
    }
}

/// A regular file of this user's that nobody else may write, and that is not longer than that.
pub(crate) fn open_own(path: &Path, longest: u64) -> Option<File> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).ok()?;
    let status = file.metadata().ok()?;
    let own = status.uid() == rustix::process::geteuid().as_raw() && status.mode() & 0o022 == 0;
    (status.is_file() && own && status.len() <= longest).then_some(file)
}

impl<B: std::ops::Deref<Target = [u8]>> Index<B> {
    /// The index that these bytes are, if they are one.
    pub fn check(bytes: B) -> Option<Self> {
        let header = bytes.get(..HEADER)?;
        if &header[..4] != MAGIC || header[4..6] != VERSION.to_le_bytes() || header[6..8] != [0, 0] {
            return None;
        }
        if u32_at(header, 8)? != FACTS_VERSION {
            return None;
        }
        let count = |at| u32_at(header, at).map(|count| count as usize);
        let counts = [count(12)?, count(16)?, count(20)?];
        let [guards, files, tests] = counts;
        let behind = |start: usize, count: usize, size: usize| count.checked_mul(size)?.checked_add(start);
        let files_start = behind(HEADER, guards, GUARD)?;
        let by_hash = behind(files_start, files, FILE)?;
        let tests_start = behind(by_hash, files, BY_HASH)?;
        let pool_start = behind(tests_start, tests, TEST)?;
        let end = |start: usize, at: usize| start.checked_add(usize::try_from(u64_at(header, at)?).ok()?);
        let pool_end = end(pool_start, 40)?;
        let corrections_end = end(pool_end, 48)?;
        let text_end = end(corrections_end, 56)?;
        let facts_end = end(text_end, 64)?;
        if facts_end != bytes.len() {
            return None;
        }
        if checksum([&header[..HEADER - CHECKSUM], &bytes[HEADER..text_end]]) != header[HEADER - CHECKSUM..] {
            return None;
        }
        let tables = Tables {
            files: files_start,
            by_hash,
            tests: tests_start,
            pool: pool_start..pool_end,
            corrections: pool_end..corrections_end,
            text: corrections_end..text_end,
            facts: text_end..facts_end,
        };
        let index = Self { bytes, counts, tables };
        index.is_sound().then_some(index)
    }

    /// Whether all places lie where they may. Those of the tests are looked at when they are asked for.
    fn is_sound(&self) -> bool {
        let [guards, files, _] = self.counts;
        let bytes = &*self.bytes;
        (0..guards).all(|number| {
            let row = HEADER + number * GUARD;
            self.words(row).is_some() && u32_at(bytes, row + 8).and_then(What::of).is_some()
        }) && (0..files).all(|number| {
            let row = self.tables.files + number * FILE;
            self.words(row).is_some() && self.facts_range(row).is_some()
        }) && (0..files).all(|number| {
            let row = self.tables.by_hash + number * BY_HASH;
            u32_at(bytes, row + 8).is_some_and(|file| (file as usize) < files)
        })
    }

    /// The same over other bytes, which have to be equal.
    pub fn map<C>(self, into: impl FnOnce(B) -> C) -> Index<C> {
        Index { bytes: into(self.bytes), counts: self.counts, tables: self.tables }
    }

    fn words(&self, at: usize) -> Option<&[u8]> {
        let start = u32_at(&self.bytes, at)? as usize;
        let end = start.checked_add(u32_at(&self.bytes, at + 4)? as usize)?;
        self.bytes.get(self.tables.pool.clone())?.get(start..end)
    }

    /// All ids, each in a line.
    pub fn text(&self) -> &[u8] {
        self.bytes.get(self.tables.text.clone()).unwrap_or(&[])
    }

    /// How many ids are in [`Self::text`], and how many places may hold others.
    pub fn sum(&self) -> Sum {
        let count = |at| u32_at(&self.bytes, at).unwrap_or(0) as usize;
        Sum { ids: count(24), provisional: count(28), open: count(32), special: count(36) }
    }

    /// What the tests depend on besides; `None` if it is not what a run has written.
    pub fn corrections(&self) -> Option<Corrections> {
        postcard::from_bytes(self.bytes.get(self.tables.corrections.clone())?).ok()
    }

    fn facts_range(&self, row: usize) -> Option<Range<usize>> {
        let start = usize::try_from(u64_at(&self.bytes, row + 72)?).ok()?;
        let end = start.checked_add(u32_at(&self.bytes, row + 80)? as usize)?;
        (end <= self.tables.facts.len()).then(|| self.tables.facts.start + start..self.tables.facts.start + end)
    }

    fn stamp(&self, at: usize) -> Stamp {
        let number = |place: usize| u64_at(&self.bytes, at + 8 * place).unwrap_or(0);
        Stamp { size: number(0), mtime: number(1), ctime: number(2), inode: number(3) }
    }

    /// What the settings and the environment were, as a hash.
    pub fn key(&self) -> &[u8] {
        &self.bytes[72..88]
    }

    pub fn guards(&self) -> impl ExactSizeIterator<Item = (&[u8], What, Stamp)> {
        (0..self.counts[0]).map(|number| {
            let row = HEADER + number * GUARD;
            let what = u32_at(&self.bytes, row + 8).and_then(What::of).unwrap_or(What::Stamp);
            (self.words(row).unwrap_or(&[]), what, self.stamp(row + 12))
        })
    }

    pub fn files(&self) -> impl ExactSizeIterator<Item = StoredFile<'_, B>> {
        (0..self.counts[1]).map(|number| StoredFile { index: self, row: self.tables.files + number * FILE })
    }

    /// The file of that path.
    pub fn find(&self, path: &[u8]) -> Option<StoredFile<'_, B>> {
        let wanted = path_hash(path);
        let row = |number: usize| self.tables.by_hash + number * BY_HASH;
        let hash = |number: usize| u64_at(&self.bytes, row(number)).unwrap_or(u64::MAX);
        let (mut low, mut high) = (0, self.counts[1]);
        while low < high {
            let middle = low + (high - low) / 2;
            if hash(middle) < wanted {
                low = middle + 1
            } else {
                high = middle
            }
        }
        (low..self.counts[1]).take_while(|&number| hash(number) == wanted).find_map(|number| {
            let file = u32_at(&self.bytes, row(number) + 8)? as usize;
            let found = StoredFile { index: self, row: self.tables.files + file * FILE };
            (found.path() == path).then_some(found)
        })
    }

    pub fn tests(&self) -> impl ExactSizeIterator<Item = StoredTest<'_>> {
        let (files, text) = (self.counts[1], self.text());
        let pool = self.bytes.get(self.tables.pool.clone()).unwrap_or(&[]);
        let rows = self.bytes.get(self.tables.tests..self.tables.pool.start).unwrap_or(&[]);
        rows.chunks_exact(TEST).map(move |row| {
            let number = |at| u32_at(row, at).unwrap_or(0);
            let id = text_at(text, row, 8);
            let (path, name) = id.split_at_checked(number(16) as usize).unwrap_or(("", ""));
            StoredTest {
                file: number(0).min((files as u32).saturating_sub(1)),
                line: number(4),
                path: if id.is_empty() { "" } else { path },
                name: if id.is_empty() { "" } else { name },
                words: text_at(pool, row, 20),
                flags: number(28),
            }
        })
    }
}

/// Empty if there is no text at the place that the row says.
fn text_at<'a>(bytes: &'a [u8], row: &[u8], at: usize) -> &'a str {
    let found = || {
        let start = u32_at(row, at)? as usize;
        std::str::from_utf8(bytes.get(start..start.checked_add(u32_at(row, at + 4)? as usize)?)?).ok()
    };
    found().unwrap_or("")
}

pub struct StoredFile<'a, B> {
    index: &'a Index<B>,
    row: usize,
}

impl<'a, B: std::ops::Deref<Target = [u8]>> StoredFile<'a, B> {
    pub fn path(&self) -> &'a [u8] {
        self.index.words(self.row).unwrap_or(&[])
    }

    pub fn stamp(&self) -> Stamp {
        self.index.stamp(self.row + 8)
    }

    pub fn content(&self) -> [u8; 32] {
        let hash = self.index.bytes.get(self.row + 40..self.row + 72).and_then(<[u8]>::first_chunk);
        hash.copied().unwrap_or_default()
    }

    pub fn flags(&self) -> u32 {
        u32_at(&self.index.bytes, self.row + 108).unwrap_or(0)
    }

    /// The encoded facts, if they are whole.
    pub fn encoded(&self) -> Option<&'a [u8]> {
        let facts = self.index.bytes.get(self.index.facts_range(self.row)?)?;
        (self.index.bytes.get(self.row + 84..self.row + 100)? == short_checksum(facts)).then_some(facts)
    }

    /// The facts, if they are whole.
    pub fn facts(&self) -> Option<Facts> {
        postcard::from_bytes(self.encoded()?).ok()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredTest<'a> {
    pub file: u32,
    pub line: u32,
    /// From the root; empty if the test has no name.
    pub path: &'a str,
    pub name: &'a str,
    pub words: &'a str,
    pub flags: u32,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Give changed bytes the checksum that they should have: what tests damage is then looked at, and not refused at once.
#[doc(hidden)]
pub fn reseal(bytes: &mut [u8]) {
    if bytes.len() < HEADER {
        return;
    }
    let count = |at| u64::from(u32_at(bytes, at).unwrap_or(0));
    let tables = count(12) * GUARD as u64 + count(16) * (FILE + BY_HASH) as u64 + count(20) * TEST as u64;
    let lengths = [40, 48, 56].map(|at| u64_at(bytes, at).unwrap_or(0));
    let end = lengths.iter().fold(HEADER as u64 + tables, |sum, length| sum.saturating_add(*length));
    let end = (end.min(bytes.len() as u64)) as usize;
    seal(&mut bytes[..end]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::{EXACT, HELD, OPEN_WORDS};

    fn content() -> Content {
        let stamp = Stamp { size: 1, mtime: 2, ctime: 3, inode: 4 };
        let file = |path: &str, text: &str| FileRow {
            path: path.as_bytes().to_vec(),
            stamp,
            content: *blake3::hash(text.as_bytes()).as_bytes(),
            facts: encode(&dx_py_source::facts::facts(text)),
            flags: HELD[0] | HAS_TESTS,
        };
        let test =
            |file, name: &str, flags| TestRow { file, line: 7, name: name.to_owned(), words: "slow".to_owned(), flags };
        Content {
            key: [9; 16],
            root: "/p".into(),
            guards: vec![
                Guard { path: b"/p".to_vec(), what: What::Stamp, stamp },
                Guard { path: b"/p/x".to_vec(), what: What::Nothing, stamp: Stamp::default() },
            ],
            files: vec![file("/p/a.py", "import b\n@d\ndef f(x): yield\n"), file("/p/b\u{e9}.py", "class A: pass")],
            tests: vec![test(0, "::f", EXACT), test(1, "", 0), test(1, "::A::g", OPEN_WORDS)],
            corrections: Corrections { places: vec!["/p".to_owned()], ..Corrections::default() },
        }
    }

    /// All that can be read.
    fn all<B: std::ops::Deref<Target = [u8]>>(index: &Index<B>) -> Content {
        let files = index.files().map(|file| FileRow {
            path: file.path().to_vec(),
            stamp: file.stamp(),
            content: file.content(),
            facts: file.facts().map(|facts| encode(&facts)).unwrap_or_default(),
            flags: file.flags(),
        });
        let tests = index.tests().map(|test| TestRow {
            file: test.file,
            line: test.line,
            name: test.name.to_owned(),
            words: test.words.to_owned(),
            flags: test.flags,
        });
        let guards = index.guards().map(|(path, what, stamp)| Guard { path: path.to_vec(), what, stamp });
        let mut key = Short::default();
        key.copy_from_slice(index.key());
        Content {
            key,
            root: "/p".into(),
            guards: guards.collect(),
            files: files.collect(),
            tests: tests.collect(),
            corrections: index.corrections().unwrap_or_default(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/index.dxti");
        write(&path, &content().to_bytes()).unwrap();
        write(&path, &content().to_bytes()).unwrap();
        let index = Index::open(&path).unwrap();
        assert_eq!(all(&index), content());
        assert_eq!(index.find("/p/b\u{e9}.py".as_bytes()).unwrap().facts().unwrap().bindings.len(), 1);
        assert!(index.find(b"/p/c.py").is_none());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        let empty = Content::default().to_bytes();
        assert_eq!(all(&Index::check(empty.as_slice()).unwrap()).tests, []);
        assert_eq!(index.text(), "a.py::f\nb\u{e9}.py::A::g\n".as_bytes());
        assert_eq!(index.sum(), Sum { ids: 2, provisional: 1, open: 1, special: 0 });
    }

    #[test]
    fn what_others_may_write_is_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        write(&path, &content().to_bytes()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(Index::open(&path).is_none());
        assert!(Index::open(folder.path()).is_none());
    }

    #[test]
    fn every_change_of_a_bit_is_noticed_and_every_cut() {
        let whole = content().to_bytes();
        let facts_start = whole.len() - content().files.iter().map(|file| file.facts.len()).sum::<usize>();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            match Index::check(damaged.as_slice()) {
                None => assert!(at < facts_start, "{at}"),
                // Damaged facts are not there; all else is.
                Some(index) => {
                    assert!(at >= facts_start, "{at}");
                    assert_eq!(index.files().filter(|file| file.facts().is_none()).count(), 1, "{at}");
                }
            }
            assert!(Index::check(&whole[..at]).is_none(), "{at}");
        }
        let mut longer = whole;
        longer.push(0);
        assert!(Index::check(longer.as_slice()).is_none());
    }

    #[test]
    fn other_versions_are_not_believed() {
        for (at, value) in [(4, 0), (4, 1), (4, 2), (4, 4), (6, 1), (8, 0), (8, 200)] {
            let mut other = content().to_bytes();
            other[at] = value;
            reseal(&mut other);
            assert!(Index::check(other.as_slice()).is_none(), "{at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(Index::check(bytes.as_slice()).is_none());
        }

        /// With a right checksum: what is then read lies in the file, whatever the places say.
        #[test]
        fn damage_under_a_right_checksum_does_no_harm(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in prop::option::of(any::<prop::sample::Index>())
        ) {
            let mut bytes = content().to_bytes();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if bytes.len() >= HEADER {
                reseal(&mut bytes);
            }
            if let Some(index) = Index::check(bytes.as_slice()) {
                all(&index);
                index.find(b"/p/a.py");
            }
        }
    }
}
