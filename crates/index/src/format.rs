//! The file of an index, `.dxti`.
//!
//! ```text
//! magic "DXTI" | version u16 | flags u16 | facts version u32 | folders u32 | files u32 | tests u32
//! pool length u64 | text length u64 | facts length u64 | key [16] | checksum of all of this, of the tables, the pool and the text [16]
//! folders × ( path u32, u32 | stamp 4 × u64 )                                             in the order of the walk
//! files   × ( path u32, u32 | stamp 4 × u64 | content hash [32] | facts u64, u32 | hash of the facts [16] | path hash u64 )
//!                                                                                         in pytest's order
//! by hash: files × ( path hash u64 | file u32 )                                           sorted
//! tests   × ( file u32 | line u32 | name u32, u32 | words u32, u32 | flags u32 )          in pytest's order
//! pool: bytes that paths are places in (offset, length)
//! text: UTF-8 that names and words are places in
//! facts: each file's, encoded
//! ```
//!
//! Numbers are little-endian, hashes are BLAKE3. Opening checks every place against the file's length; what is not exactly so is
//! treated as if it were not there. The facts are not read on opening: each file's are checked when they are asked for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use dx_py_source::facts::{Facts, FACTS_VERSION};
use memmap2::Mmap;

use crate::stamp::Stamp;

const MAGIC: &[u8; 4] = b"DXTI";
const VERSION: u16 = 1;
const HEADER: usize = 80;
const FOLDER: usize = 40;
const FILE: usize = 108;
const BY_HASH: usize = 12;
const TEST: usize = 28;
/// Larger files are nobody's index.
const LONGEST: u64 = 1 << 32;

/// Short hashes: of settings, of tables, of facts.
pub type Short = [u8; 16];

pub fn short_hash(content: &[u8]) -> Short {
    let mut short = Short::default();
    short.copy_from_slice(&blake3::hash(content).as_bytes()[..16]);
    short
}

#[derive(Clone, Debug, PartialEq)]
pub struct Folder {
    pub path: Vec<u8>,
    pub stamp: Stamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FileRow {
    pub path: Vec<u8>,
    pub stamp: Stamp,
    pub content: [u8; 32],
    /// As [`encode`] writes them.
    pub facts: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRow {
    /// The file's place.
    pub file: u32,
    pub line: u32,
    /// Behind the file's path: `::TestA::test_b[1]`. Empty if it is only known that there may be some.
    pub name: String,
    /// Names of marks, parted by spaces.
    pub words: String,
    pub exact: bool,
}

/// What an index holds, to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    pub key: Short,
    pub folders: Vec<Folder>,
    pub files: Vec<FileRow>,
    pub tests: Vec<TestRow>,
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
        let (mut tables, mut pool, mut text, mut facts) = (Vec::new(), Pool::default(), Pool::default(), Vec::new());
        for folder in &self.folders {
            pool.add(&folder.path, &mut tables);
            put_stamp(&mut tables, folder.stamp);
        }
        let mut by_hash = Vec::with_capacity(self.files.len());
        for (number, file) in self.files.iter().enumerate() {
            let hash = path_hash(&file.path);
            by_hash.push((hash, number));
            pool.add(&file.path, &mut tables);
            put_stamp(&mut tables, file.stamp);
            tables.extend_from_slice(&file.content);
            tables.extend_from_slice(&(facts.len() as u64).to_le_bytes());
            put_u32(&mut tables, file.facts.len());
            tables.extend_from_slice(&short_hash(&file.facts));
            tables.extend_from_slice(&hash.to_le_bytes());
            facts.extend_from_slice(&file.facts);
        }
        by_hash.sort_unstable();
        for (hash, number) in by_hash {
            tables.extend_from_slice(&hash.to_le_bytes());
            put_u32(&mut tables, number);
        }
        for test in &self.tests {
            put_u32(&mut tables, test.file as usize);
            put_u32(&mut tables, test.line as usize);
            text.add(test.name.as_bytes(), &mut tables);
            text.add_words(test.words.as_bytes(), &mut tables);
            put_u32(&mut tables, usize::from(test.exact));
        }
        self.assemble([&tables, &pool.bytes, &text.bytes, &facts])
    }

    fn assemble(&self, [tables, pool, text, facts]: [&[u8]; 4]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + tables.len() + pool.len() + text.len() + facts.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&FACTS_VERSION.to_le_bytes());
        for count in [self.folders.len(), self.files.len(), self.tests.len()] {
            put_u32(&mut out, count);
        }
        for part in [pool, text, facts] {
            out.extend_from_slice(&(part.len() as u64).to_le_bytes());
        }
        out.extend_from_slice(&self.key);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&out).update(tables).update(pool).update(text);
        out.extend_from_slice(&hasher.finalize().as_bytes()[..16]);
        out.extend_from_slice(tables);
        out.extend_from_slice(pool);
        out.extend_from_slice(text);
        out.extend_from_slice(facts);
        out
    }
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
    /// Known to be UTF-8.
    text: Range<usize>,
    facts: Range<usize>,
}

impl Index<Mmap> {
    /// The index at `path`; `None` if there is none that can be believed.
    pub fn open(path: &Path) -> Option<Self> {
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).ok()?;
        if !is_own(&file) {
            return None;
        }
        // SAFETY: nobody else may write the file, and those who may replace it by another instead of writing into it.
        Self::check(unsafe { Mmap::map(&file) }.ok()?)
    }
}

/// A regular file of this user's that nobody else may write.
fn is_own(file: &File) -> bool {
    file.metadata().is_ok_and(|status| {
        let own = status.uid() == rustix::process::geteuid().as_raw() && status.mode() & 0o022 == 0;
        status.is_file() && own && status.len() <= LONGEST
    })
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
        let [folders, files, tests] = counts;
        let behind = |start: usize, count: usize, size: usize| count.checked_mul(size)?.checked_add(start);
        let files_start = behind(HEADER, folders, FOLDER)?;
        let by_hash = behind(files_start, files, FILE)?;
        let tests_start = behind(by_hash, files, BY_HASH)?;
        let pool_start = behind(tests_start, tests, TEST)?;
        let pool_end = pool_start.checked_add(usize::try_from(u64_at(header, 24)?).ok()?)?;
        let text_end = pool_end.checked_add(usize::try_from(u64_at(header, 32)?).ok()?)?;
        let facts_end = text_end.checked_add(usize::try_from(u64_at(header, 40)?).ok()?)?;
        if facts_end != bytes.len() {
            return None;
        }
        let mut hasher = blake3::Hasher::new();
        std::str::from_utf8(bytes.get(pool_end..text_end)?).ok()?;
        hasher.update(header.get(..HEADER - 16)?).update(bytes.get(HEADER..text_end)?);
        if hasher.finalize().as_bytes()[..16] != header[HEADER - 16..] {
            return None;
        }
        let tables = Tables {
            files: files_start,
            by_hash,
            tests: tests_start,
            pool: pool_start..pool_end,
            text: pool_end..text_end,
            facts: text_end..facts_end,
        };
        let index = Self { bytes, counts, tables };
        index.is_sound().then_some(index)
    }

    /// Whether all places lie where they may.
    fn is_sound(&self) -> bool {
        let [folders, files, tests] = self.counts;
        let bytes = &*self.bytes;
        (0..folders).all(|number| self.words(HEADER + number * FOLDER).is_some())
            && (0..files).all(|number| {
                let row = self.tables.files + number * FILE;
                self.words(row).is_some() && self.facts_range(row).is_some()
            })
            && (0..files).all(|number| {
                let row = self.tables.by_hash + number * BY_HASH;
                u32_at(bytes, row + 8).is_some_and(|file| (file as usize) < files)
            })
            && {
                let text = self.all_text();
                let rows = bytes.get(self.tables.tests..self.tables.pool.start).unwrap_or(&[]);
                rows.len() == tests * TEST
                    && rows.chunks_exact(TEST).all(|row| {
                        let of_file = u32_at(row, 0).is_some_and(|file| (file as usize) < files);
                        of_file && text_at(text, row, 8).is_some() && text_at(text, row, 16).is_some()
                    })
            }
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

    fn all_text(&self) -> &str {
        let bytes = self.bytes.get(self.tables.text.clone()).unwrap_or(&[]);
        // SAFETY: `check` has looked at these very bytes, which nobody changes: see `open`.
        unsafe { std::str::from_utf8_unchecked(bytes) }
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
        &self.bytes[48..64]
    }

    pub fn folders(&self) -> impl ExactSizeIterator<Item = (&[u8], Stamp)> {
        (0..self.counts[0]).map(|number| {
            let row = HEADER + number * FOLDER;
            (self.words(row).unwrap_or(&[]), self.stamp(row + 8))
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
        let text = self.all_text();
        let rows = self.bytes.get(self.tables.tests..self.tables.pool.start).unwrap_or(&[]);
        rows.chunks_exact(TEST).map(move |row| StoredTest {
            file: u32_at(row, 0).unwrap_or(0),
            line: u32_at(row, 4).unwrap_or(0),
            name: text_at(text, row, 8).unwrap_or(""),
            words: text_at(text, row, 16).unwrap_or(""),
            exact: u32_at(row, 24) == Some(1),
        })
    }
}

fn text_at<'a>(text: &'a str, row: &[u8], at: usize) -> Option<&'a str> {
    let start = u32_at(row, at)? as usize;
    text.get(start..start.checked_add(u32_at(row, at + 4)? as usize)?)
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

    /// The encoded facts, if they are whole.
    pub fn encoded(&self) -> Option<&'a [u8]> {
        let facts = self.index.bytes.get(self.index.facts_range(self.row)?)?;
        (self.index.bytes.get(self.row + 84..self.row + 100)? == short_hash(facts)).then_some(facts)
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
    pub name: &'a str,
    pub words: &'a str,
    pub exact: bool,
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
    let (Some(pool), Some(text)) = (u64_at(bytes, 24), u64_at(bytes, 32)) else { return };
    let count = |at| u32_at(bytes, at).unwrap_or(0) as u64;
    let tables = count(12) * FOLDER as u64 + count(16) * (FILE + BY_HASH) as u64 + count(20) * TEST as u64;
    let end = (HEADER as u64).saturating_add(tables).saturating_add(pool).saturating_add(text).min(bytes.len() as u64)
        as usize;
    if end < HEADER {
        return;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..HEADER - 16]).update(&bytes[HEADER..end]);
    let checksum = hasher.finalize();
    bytes[HEADER - 16..HEADER].copy_from_slice(&checksum.as_bytes()[..16]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content() -> Content {
        let stamp = Stamp { size: 1, mtime: 2, ctime: 3, inode: 4 };
        let file = |path: &str, text: &str| FileRow {
            path: path.as_bytes().to_vec(),
            stamp,
            content: *blake3::hash(text.as_bytes()).as_bytes(),
            facts: encode(&dx_py_source::facts::facts(text)),
        };
        let test =
            |file, name: &str, exact| TestRow { file, line: 7, name: name.to_owned(), words: "slow".to_owned(), exact };
        Content {
            key: [9; 16],
            folders: vec![Folder { path: b"/p".to_vec(), stamp }],
            files: vec![file("/p/a.py", "import b\n@d\ndef f(x): yield\n"), file("/p/b\u{e9}.py", "class A: pass")],
            tests: vec![test(0, "::f", true), test(1, "::A::g", false)],
        }
    }

    /// All that can be read.
    fn all<B: std::ops::Deref<Target = [u8]>>(index: &Index<B>) -> Content {
        let files = index.files().map(|file| FileRow {
            path: file.path().to_vec(),
            stamp: file.stamp(),
            content: file.content(),
            facts: file.facts().map(|facts| encode(&facts)).unwrap_or_default(),
        });
        let tests = index.tests().map(|test| TestRow {
            file: test.file,
            line: test.line,
            name: test.name.to_owned(),
            words: test.words.to_owned(),
            exact: test.exact,
        });
        let folders = index.folders().map(|(path, stamp)| Folder { path: path.to_vec(), stamp });
        let mut key = Short::default();
        key.copy_from_slice(index.key());
        Content { key, folders: folders.collect(), files: files.collect(), tests: tests.collect() }
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
        assert_eq!(all(&Index::check(empty.as_slice()).unwrap()), Content::default());
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
        for (at, value) in [(4, 0), (4, 2), (6, 1), (8, 0), (8, 200)] {
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
