//! A file of blobs under 32-byte keys: mapped, checked before use, and replaced whole.
//!
//! ```text
//! magic "DXBC" | version u16 | zero u16 | count u32
//! count × ( key [32] | offset u64 | length u64 | hash of the blob [16] )       sorted by key
//! hash of all before [32]
//! blobs
//! ```
//!
//! Numbers are little-endian, offsets count from the start of the file, hashes are BLAKE3. Whatever is not exactly that
//! is treated as if it were not there.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use memmap2::Mmap;

/// What a blob is found under.
pub type Key = [u8; 32];

const MAGIC: &[u8; 4] = b"DXBC";
const VERSION: u16 = 1;
const HEADER: usize = 12;
const BLOB_HASH: usize = 16;
const ENTRY: usize = 32 + 8 + 8 + BLOB_HASH;
const CHECKSUM: usize = 32;

/// A file of blobs, open for reading. Whoever replaces the file leaves this one as it is.
pub struct Pack {
    content: Mmap,
    count: usize,
}

impl Pack {
    /// The pack at `path`; `None` if there is none that can be trusted: damaged, of another version, or writable by others.
    pub fn open(path: &Path) -> Option<Self> {
        let file = OpenOptions::new().read(true).custom_flags(nonblocking()).open(path).ok()?;
        if !is_own(&file) {
            return None;
        }
        // SAFETY: nobody else may write the file, and those who may replace it by another instead of writing into it.
        let content = unsafe { Mmap::map(&file) }.ok()?;
        let count = checked_count(&content)?;
        Some(Self { content, count })
    }

    /// The blob under `key`, if it is there and whole.
    pub fn get(&self, key: &Key) -> Option<&[u8]> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entry(middle)?;
            match entry.key.cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.blob(&entry),
            }
        }
        None
    }

    /// How many blobs there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no blob.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn entry(&self, number: usize) -> Option<Entry<'_>> {
        entry(&self.content, number)
    }

    fn blob(&self, entry: &Entry<'_>) -> Option<&[u8]> {
        let blob = self.content.get(entry.start..entry.end)?;
        (hash(blob)[..BLOB_HASH] == *entry.hash).then_some(blob)
    }

    /// All that are whole.
    fn entries(&self) -> impl Iterator<Item = (Key, &[u8])> {
        (0..self.count).filter_map(|number| {
            let entry = self.entry(number)?;
            Some((*entry.key, self.blob(&entry)?))
        })
    }
}

struct Entry<'a> {
    key: &'a Key,
    start: usize,
    end: usize,
    hash: &'a [u8],
}

fn entry(content: &[u8], number: usize) -> Option<Entry<'_>> {
    let start = number.checked_mul(ENTRY)?.checked_add(HEADER)?;
    let bytes = content.get(start..start.checked_add(ENTRY)?)?;
    let offset = usize::try_from(u64_at(bytes, 32)?).ok()?;
    let length = usize::try_from(u64_at(bytes, 40)?).ok()?;
    Some(Entry {
        key: bytes.first_chunk()?,
        start: offset,
        end: offset.checked_add(length)?,
        hash: &bytes[ENTRY - BLOB_HASH..],
    })
}

/// How many entries a file has, if its header, index and checksum agree with its length and with each other.
fn checked_count(content: &[u8]) -> Option<usize> {
    let header = content.get(..HEADER)?;
    if &header[..4] != MAGIC || header[4..6] != VERSION.to_le_bytes() || header[6..8] != [0, 0] {
        return None;
    }
    let count = usize::try_from(u32::from_le_bytes(*header.last_chunk()?)).ok()?;
    let index_end = count.checked_mul(ENTRY)?.checked_add(HEADER)?;
    let blobs = index_end.checked_add(CHECKSUM)?;
    if content.get(index_end..blobs)? != hash(content.get(..index_end)?) {
        return None;
    }
    let mut before: Option<&Key> = None;
    for number in 0..count {
        let entry = entry(content, number)?;
        let sorted = before.is_none_or(|before| before < entry.key);
        if !sorted || entry.start < blobs || entry.end > content.len() {
            return None;
        }
        before = Some(entry.key);
    }
    Some(count)
}

fn u64_at(bytes: &[u8], start: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(start..)?.first_chunk()?))
}

fn hash(content: &[u8]) -> [u8; 32] {
    *blake3::hash(content).as_bytes()
}

/// A regular file of this user's that nobody else may write: its blobs will be run.
fn is_own(file: &File) -> bool {
    file.metadata().is_ok_and(|status| {
        status.is_file() && status.uid() == rustix::process::geteuid().as_raw() && status.mode() & 0o022 == 0
    })
}

/// Or else opening a named pipe would wait for somebody to write to it.
fn nonblocking() -> i32 {
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0)
}

/// Add blobs to the pack at `path`, which is made if there is none, with its folder.
///
/// If all together have more than `limit` bytes, only those stay that are new or among `used`, as far as they fit.
/// Of two that write at once, one wins; what the other wanted to add has to be added another time.
///
/// # Errors
///
/// The folder or the file cannot be written; then all is as it was.
pub fn add(path: &Path, new: &[(Key, &[u8])], used: &HashSet<Key>, limit: u64) -> io::Result<()> {
    let before = Pack::open(path);
    let mut blobs: BTreeMap<Key, &[u8]> = BTreeMap::new();
    if let Some(before) = &before {
        blobs.extend(before.entries());
    }
    if new.iter().all(|(key, blob)| blobs.get(key) == Some(blob)) {
        return Ok(());
    }
    blobs.extend(new.iter().copied());
    if size(&blobs) > limit {
        let added: HashSet<Key> = new.iter().map(|(key, _)| *key).collect();
        blobs.retain(|key, _| added.contains(key) || used.contains(key));
        let mut room = limit;
        blobs.retain(|_, blob| {
            let left = room.checked_sub((ENTRY + blob.len()) as u64);
            room = left.unwrap_or(room);
            left.is_some()
        });
    }
    replace(path, &blobs)
}

fn size(blobs: &BTreeMap<Key, &[u8]>) -> u64 {
    blobs.values().map(|blob| (ENTRY + blob.len()) as u64).sum()
}

fn replace(path: &Path, blobs: &BTreeMap<Key, &[u8]>) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (file, temporary) = create_beside(path)?;
    let written = write(file, blobs).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    let temporary = path.with_file_name(name);
    let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
    let file = create().or_else(|error| {
        if error.kind() != io::ErrorKind::AlreadyExists {
            return Err(error);
        }
        // Left by a process of the same number that was killed.
        fs::remove_file(&temporary)?;
        create()
    })?;
    Ok((file, temporary))
}

fn write(file: File, blobs: &BTreeMap<Key, &[u8]>) -> io::Result<()> {
    let count = u32::try_from(blobs.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut head = Vec::with_capacity(HEADER + blobs.len() * ENTRY + CHECKSUM);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&[0, 0]);
    head.extend_from_slice(&count.to_le_bytes());
    let mut offset = (HEADER + blobs.len() * ENTRY + CHECKSUM) as u64;
    for (key, blob) in blobs {
        let length = blob.len() as u64;
        head.extend_from_slice(key);
        head.extend_from_slice(&offset.to_le_bytes());
        head.extend_from_slice(&length.to_le_bytes());
        head.extend_from_slice(&hash(blob)[..BLOB_HASH]);
        offset += length;
    }
    let checksum = hash(&head);
    head.extend_from_slice(&checksum);
    let mut out = BufWriter::with_capacity(1 << 18, file);
    out.write_all(&head)?;
    for blob in blobs.values() {
        out.write_all(blob)?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(())
}

#[cfg(test)]
mod tests;
