//! What an index holds, as plain data.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// Short hashes: of settings, of tables, of facts.
pub type Short = [u8; 16];

pub fn short_hash(content: &[u8]) -> Short {
    shortened(blake3::hash(content))
}

fn shortened(hash: blake3::Hash) -> Short {
    let mut short = Short::default();
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}

/// What has to be as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The stamp of what is at the path; that of nothing is all zeros.
    Stamp = 0,
    /// That there is nothing.
    Nothing = 1,
    /// That there is something other than a folder.
    File = 2,
    Folder = 3,
    /// Where a link leads: a hash of that in the place of size and mtime.
    Link = 4,
}

impl What {
    pub(crate) fn of(number: u32) -> Option<Self> {
        [Self::Stamp, Self::Nothing, Self::File, Self::Folder, Self::Link].get(number as usize).copied()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    pub path: Vec<u8>,
    pub what: What,
    pub stamp: Stamp,
}

/// Of a test: it is what pytest collects.
pub const EXACT: u32 = 1;
/// It may have other marks and words than those.
pub const OPEN_WORDS: u32 = 2;
/// It was there and was not collected: it is a test only if it is asked for by name.
pub const LEFT_OUT: u32 = 4;
/// It is exact only if exactly the places of the corrections are asked for.
pub const AS_WHOLE: u32 = 8;
/// It is exact only without other expressions than those of the settings.
pub const UNFILTERED: u32 = 16;
/// A run has collected it.
pub const FROM_RUN: u32 = 32;

/// Of a file: there are tests of it.
pub const HAS_TESTS: u32 = 1;
/// It was, when it was looked at last, as the run that is number N of the corrections has collected it.
pub const HELD: [u32; 2] = [2, 4];

#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileRow {
    pub path: Vec<u8>,
    pub stamp: Stamp,
    pub content: [u8; 32],
    /// As [`crate::format::encode`] writes them.
    pub facts: Vec<u8>,
    pub flags: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRow {
    /// The file's place.
    pub file: u32,
    pub line: u32,
    /// Behind the file's path: `::TestA::test_b[1]`. Empty if it is only known that there may be some.
    pub name: String,
    /// Names of marks, parted by spaces; behind a line feed, other words for `-k`.
    pub words: String,
    pub flags: u32,
}

impl TestRow {
    pub fn is_exact(&self) -> bool {
        self.flags & EXACT != 0
    }
}

/// How many of what there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub ids: usize,
    pub provisional: usize,
    /// Files that may hold others.
    pub open: usize,
    /// Tests that are listed, or exact, only if the right places are asked for.
    pub special: usize,
}

/// Which variables of the environment were read, and what they were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Variables {
    /// Sorted.
    pub names: Vec<String>,
    /// Names of others, by their beginning: what is read where nobody sees it.
    pub beginnings: Vec<String>,
    /// All were read but these.
    pub all_but: Option<Vec<String>>,
    pub values: Short,
}

impl Variables {
    /// A hash of those of `environment` that count.
    pub fn hash(&self, environment: &[(OsString, OsString)]) -> Short {
        let counts = |name: &[u8]| {
            self.names.binary_search_by(|known| known.as_bytes().cmp(name)).is_ok()
                || self.beginnings.iter().any(|beginning| name.starts_with(beginning.as_bytes()))
                || self.all_but.as_ref().is_some_and(|but| !but.iter().any(|known| known.as_bytes() == name))
        };
        let mut found: Vec<(&[u8], &[u8])> =
            environment.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        found.retain(|(name, _)| counts(name));
        found.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        for part in found.iter().flat_map(|(name, value)| [name, value]) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        shortened(hasher.finalize())
    }
}

/// What the tests of an index depend on besides files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Corrections {
    /// Hashes of the collections that hold: of the whole, of a part.
    pub held: [Option<Short>; 2],
    /// What was looked at of the environment, each with the hash of the values that there were.
    pub variables: Vec<(Variables, Short)>,
    /// The places of the collection that decides about the order, and about what is left out.
    pub places: Vec<String>,
    /// Whether all that is below these places is known from it.
    pub whole: bool,
}
