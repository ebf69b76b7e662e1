//! Pages of memory that a fork shares until it writes to them: each costs it a fault, in the middle of its work.

use std::io::Read;
use std::os::unix::fs::FileExt;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Bits of an entry of `/proc/self/pagemap`.
const PRESENT: u64 = 1 << 63;
const OF_A_FILE: u64 = 1 << 61;
const OURS_ALONE: u64 = 1 << 56;

/// The ranges of memory that this process shares with no other (start and length, native 64-bit numbers), or ``None`` if the
/// system does not tell or they are more than *most* pages or *ranges* ranges. After a fork: what has been written to.
#[pyfunction]
#[pyo3(signature = (most, ranges, /))]
pub fn own_pages(py: Python<'_>, most: usize, ranges: usize) -> Option<Bound<'_, PyBytes>> {
    let found = py.detach(|| own(most, ranges))?;
    let bytes: Vec<u8> =
        found.iter().flat_map(|(start, length)| [*start, *length]).flat_map(u64::to_ne_bytes).collect();
    Some(PyBytes::new(py, &bytes))
}

/// Have a copy made of each page in *ranges* (as from :func:`own_pages`), as if something had been written to it. What cannot be
/// copied stays as it is.
#[pyfunction]
#[pyo3(signature = (ranges, /))]
pub fn copy_pages(py: Python<'_>, ranges: &[u8]) {
    let numbers: Vec<u64> =
        ranges.chunks_exact(8).map(|one| u64::from_ne_bytes(one.try_into().unwrap_or_default())).collect();
    py.detach(|| {
        for range in numbers.chunks_exact(2) {
            // SAFETY: no content changes by this call, and the system refuses addresses that are not ours.
            unsafe { libc::madvise(range[0] as *mut libc::c_void, range[1] as usize, libc::MADV_POPULATE_WRITE) };
        }
    });
}

fn own(most: usize, ranges: usize) -> Option<Vec<(u64, u64)>> {
    // SAFETY: asks for a constant of the system.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let mut maps = String::new();
    std::fs::File::open("/proc/self/maps").ok()?.read_to_string(&mut maps).ok()?;
    let pagemap = std::fs::File::open("/proc/self/pagemap").ok()?;
    let mut found: Vec<(u64, u64)> = Vec::new();
    let mut count = 0;
    for (start, end) in maps.lines().filter_map(writable) {
        let mut entries = vec![0; usize::try_from((end - start) / page * 8).ok()?];
        pagemap.read_exact_at(&mut entries, start / page * 8).ok()?;
        for (at, entry) in (start..end).step_by(usize::try_from(page).ok()?).zip(entries.chunks_exact(8)) {
            let entry = u64::from_ne_bytes(entry.try_into().ok()?);
            if entry & (PRESENT | OF_A_FILE | OURS_ALONE) != PRESENT | OURS_ALONE {
                continue;
            }
            count += 1;
            match found.last_mut() {
                Some((start, length)) if *start + *length == at => *length += page,
                _ => found.push((at, page)),
            }
            if count > most || found.len() > ranges {
                return None;
            }
        }
    }
    Some(found)
}

/// Start and end of a private mapping that may be written to, of a line of `/proc/self/maps`.
fn writable(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-').filter(|_| rest.starts_with("rw-p"))?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    // A mapping that takes up gigabytes is no heap of an interpreter's; asking about each of its pages would take long.
    number(start).zip(number(end)).filter(|(start, end)| end - start <= 1 << 30)
}
