//! What a run has collected: the ids of its tests, and everything that collecting depended on.
//!
//! A run writes one such file if it was one of the whole project, and another if it was asked for less ([`Slot`]). They are read when an index is
//! brought up to date, and the tests in them take the place of those that the texts tell of, as long as what they depended on is as
//! it was ([`crate::correct`]). The file is `DXTC`, a version, a checksum of the rest, a name that no other has, and the rest as postcard
//! writes it. A file that is not exactly so is treated as if it were not there.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::format;
use crate::rows::{Short, Variables};
use crate::stamp::Stamp;

const MAGIC: &[u8; 4] = b"DXTC";
const VERSION: u32 = 1;
const HEADER: usize = 40;
const BODY_HASH: std::ops::Range<usize> = 8..24;
/// Larger files are nobody's tests.
const LONGEST: u64 = 1 << 30;

/// How a folder was looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reader {
    /// By importlib.
    Import,
    /// For installed distributions.
    Metadata,
    /// By pytest, for what it collects.
    Visible,
    /// By anybody else.
    All,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Nothing,
    File,
    Folder,
}

impl Kind {
    pub fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Err(_) => Self::Nothing,
            Ok(status) if status.is_dir() => Self::Folder,
            Ok(_) => Self::File,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    pub reader: Reader,
    pub folder: String,
    /// Sorted; folders seen by [`Reader::Visible`] and [`Reader::All`] end with a slash. `None` if there was no such folder.
    pub names: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The place of its file among the modules.
    pub module: u32,
    /// The node id behind the file's path.
    pub name: String,
    /// Names of marks, parted by spaces; behind a line feed, other words for `-k`.
    pub words: String,
}

/// One collection. Paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Collected {
    /// The version of the runner.
    pub build: String,
    /// pytest's root folder.
    pub root: String,
    /// Where the command was given.
    pub folder: String,
    pub python: String,
    /// The command line as it was given.
    pub arguments: Vec<String>,
    /// Whether the project looks at options.
    pub options_matter: bool,
    /// The files and folders that were collected.
    pub places: Vec<String>,
    pub deselected: Vec<String>,
    /// Whether `-k` and `-m` choose from these tests as they would have in the run.
    pub expressions_commute: bool,
    /// Whether a run of some of the files collects of them what this one has.
    pub places_commute: bool,
    /// Whether nobody but pytest decides which files are collected.
    pub plain_walk: bool,
    pub variables: Variables,
    /// What was read, with its stamp; that of nothing is all zeros.
    pub files: Vec<(String, Stamp)>,
    /// Files of which somebody has read the text: what others gave may depend on it.
    pub texts: Vec<String>,
    pub kinds: Vec<(String, Kind)>,
    pub links: Vec<(String, Option<String>)>,
    pub listings: Vec<Listing>,
    /// The files that were collected, also those without tests.
    pub modules: Vec<String>,
    /// In pytest's order.
    pub tests: Vec<Known>,
}

/// Which of a project's two collections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Of everything that is collected when nothing is named, and no option is given that may change what that is.
    Whole,
    /// Of the last run with anything that restricts: names, `--deselect`, `--ignore`, plugins, settings, another folder.
    Part,
}

/// Where a collection of the project at `root` is kept.
pub fn place(cache: &Path, root: &Path, slot: Slot) -> PathBuf {
    let mut hasher = blake3::Hasher::new();
    hasher.update(root.as_os_str().as_bytes()).update(&[0]);
    let end = if slot == Slot::Whole { "" } else { "-part" };
    cache.join(format!("{}{end}.dxtc", &hasher.finalize().to_hex()[..32]))
}

impl Collected {
    /// *name* tells this collection from others, for those who have written it.
    pub fn to_bytes(&self, name: Short) -> Vec<u8> {
        let body = postcard::to_allocvec(self).unwrap_or_default();
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&hash_of(&name, &body));
        bytes.extend_from_slice(&name);
        bytes.extend_from_slice(&body);
        bytes
    }

    /// What these bytes say, if they are whole and all places in them lie within.
    pub fn check(bytes: &[u8]) -> Option<Self> {
        let body = bytes.get(HEADER..)?;
        if bytes[..4] != *MAGIC
            || bytes[4..8] != VERSION.to_le_bytes()
            || bytes[BODY_HASH] != hash_of(&bytes[BODY_HASH.end..HEADER], body)
        {
            return None;
        }
        let (found, rest): (Self, _) = postcard::take_from_bytes(body).ok()?;
        let within = found.tests.iter().all(|test| (test.module as usize) < found.modules.len());
        let sorted = found.variables.names.is_sorted();
        let distinct = found.modules.iter().collect::<HashSet<_>>().len() == found.modules.len();
        (rest.is_empty() && within && sorted && distinct).then_some(found)
    }

    /// The collection in the file at `path`, and a hash of it; `None` if there is none that can be believed.
    pub fn open(path: &Path) -> Option<(Self, Short)> {
        let mut bytes = Vec::new();
        format::open_own(path, LONGEST)?.take(LONGEST).read_to_end(&mut bytes).ok()?;
        let found = Self::check(&bytes)?;
        let mut id = Short::default();
        id.copy_from_slice(&bytes[BODY_HASH]);
        Some((found, id))
    }

    /// Replace the file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be written; then all is as it was.
    pub fn write(&self, path: &Path, name: Short) -> io::Result<()> {
        format::write(path, &self.to_bytes(name))
    }
}

fn hash_of(name: &[u8], body: &[u8]) -> Short {
    let mut hasher = blake3::Hasher::new();
    hasher.update(name).update(body);
    let mut short = Short::default();
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

/// The name of the collection in the file at `path`, if that is one.
pub fn name_at(path: &Path) -> Option<Short> {
    let mut header = [0; HEADER];
    format::open_own(path, LONGEST)?.read_exact(&mut header).ok()?;
    (header[..4] == *MAGIC).then(|| header[BODY_HASH.end..].try_into().ok()).flatten()
}

/// Give changed bytes the checksum that they should have, for tests.
#[doc(hidden)]
pub fn reseal(bytes: &mut [u8]) {
    if bytes.len() >= HEADER {
        let hash = hash_of(&bytes[BODY_HASH.end..HEADER], &bytes[HEADER..]);
        bytes[BODY_HASH].copy_from_slice(&hash);
    }
}

/// The names that a reader sees in a folder, sorted; `None` if there is no such folder.
pub fn names_in(reader: Reader, folder: &Path) -> Option<Vec<OsString>> {
    let mut found: Vec<OsString> = Vec::new();
    for entry in fs::read_dir(folder).ok()?.filter_map(Result::ok) {
        let mut name = entry.file_name();
        let bytes = name.as_bytes();
        let seen = match reader {
            Reader::Import => {
                let loaded = [&b".py"[..], b".so", b".pyc", b".pth", b".pyd"].iter().any(|end| bytes.ends_with(end));
                loaded || !bytes.contains(&b'.') && bytes != b"__pycache__"
            }
            Reader::Metadata => {
                let lower = bytes.to_ascii_lowercase();
                [&b".dist-info"[..], b".egg-info", b".egg"].iter().any(|end| lower.ends_with(end))
            }
            Reader::Visible => bytes != b"__pycache__" && !bytes.starts_with(b"."),
            Reader::All => bytes != b"__pycache__",
        };
        if !seen {
            continue;
        }
        if matches!(reader, Reader::Visible | Reader::All) && is_folder(&entry) {
            let mut with_slash = name.into_vec();
            with_slash.push(b'/');
            name = OsString::from_vec(with_slash);
        }
        found.push(name);
    }
    found.sort_unstable();
    Some(found)
}

fn is_folder(entry: &fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink() && entry.path().is_dir())
}

/// Where the link at `path` leads; `None` if it is none.
pub fn link_target(path: &Path) -> Option<String> {
    fs::read_link(path).ok()?.into_os_string().into_string().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> Collected {
        Collected {
            build: "1".to_owned(),
            root: "/p".to_owned(),
            places: vec!["/p".to_owned()],
            variables: Variables { names: vec!["A".to_owned(), "B".to_owned()], ..Variables::default() },
            files: vec![("/p/a.py".to_owned(), Stamp { size: 1, mtime: 2, ctime: 3, inode: 4 })],
            kinds: vec![("/p/x".to_owned(), Kind::Nothing)],
            links: vec![("/p/l".to_owned(), Some("a.py".to_owned()))],
            listings: vec![Listing {
                reader: Reader::Visible,
                folder: "/p".to_owned(),
                names: Some(vec!["a.py".to_owned()]),
            }],
            modules: vec!["/p/a.py".to_owned()],
            tests: vec![Known { module: 0, name: "::test_a[1]".to_owned(), words: "slow\nword".to_owned() }],
            ..Collected::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = place(folder.path(), Path::new("/p"), Slot::Part);
        example().write(&path, [7; 16]).unwrap();
        assert_eq!(Collected::open(&path).unwrap().0, example());
        assert_eq!(name_at(&path), Some([7; 16]));
        assert!(Collected::open(&place(folder.path(), Path::new("/p"), Slot::Whole)).is_none());
    }

    #[test]
    fn every_change_of_a_bit_is_noticed_and_every_cut() {
        let whole = example().to_bytes([7; 16]);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(Collected::check(&damaged).is_none(), "{at}");
            assert!(Collected::check(&whole[..at]).is_none(), "{at}");
        }
        let mut longer = whole;
        longer.push(0);
        assert!(Collected::check(&longer).is_none());
        reseal(&mut longer);
        assert!(Collected::check(&longer).is_none());
    }

    #[test]
    fn variables_count_by_name_by_beginning_or_all() {
        let pairs = |words: &[(&str, &str)]| -> Vec<(OsString, OsString)> {
            words.iter().map(|(name, value)| (name.into(), value.into())).collect()
        };
        let one = pairs(&[("A", "1"), ("PY_X", "2"), ("SHLVL", "3"), ("Z", "4")]);
        let by_name =
            Variables { names: vec!["A".to_owned()], beginnings: vec!["PY".to_owned()], ..Variables::default() };
        let all = Variables { all_but: Some(vec!["SHLVL".to_owned()]), ..Variables::default() };
        let cases = [("A", true, true), ("PY_X", true, true), ("SHLVL", false, false), ("Z", false, true)];
        for (name, named, any) in cases {
            let mut other = one.clone();
            other.iter_mut().filter(|(known, _)| known == name).for_each(|(_, value)| *value = "9".into());
            assert_eq!(by_name.hash(&one) != by_name.hash(&other), named, "{name}");
            assert_eq!(all.hash(&one) != all.hash(&other), any, "{name}");
            other.retain(|(known, _)| known != name);
            assert_eq!(by_name.hash(&one) != by_name.hash(&other), named, "{name}");
        }
    }

    proptest! {
        #[test]
        fn damage_under_a_right_checksum_does_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut bytes = example().to_bytes([7; 16]);
            for (at, value) in changes {
                let at = HEADER + at.index(bytes.len() - HEADER);
                bytes[at] = value;
            }
            reseal(&mut bytes);
            if let Some(found) = Collected::check(&bytes) {
                prop_assert!(found.tests.iter().all(|test| (test.module as usize) < found.modules.len()));
            }
        }
    }
}
