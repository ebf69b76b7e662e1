//! What the file system says of many paths at once.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Paths that are asked about again and again, links followed.
///
/// :raises ValueError: there is a zero byte in one.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Paths {
    paths: Vec<CString>,
}

#[pymethods]
impl Paths {
    #[new]
    #[pyo3(signature = (paths, /))]
    fn new(paths: Vec<Vec<u8>>) -> PyResult<Self> {
        let paths = paths.into_iter().map(CString::new).collect::<Result<_, _>>();
        Ok(Self { paths: paths.map_err(|_| PyValueError::new_err("embedded null byte"))? })
    }

    /// Four native 64-bit numbers for each path, in order: size, time of modification and of change (nanoseconds), and
    /// inode; all ones where there is nothing.
    fn stamps<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let found = py.detach(|| self.paths.iter().flat_map(|path| stamp(path)).collect::<Vec<u8>>());
        PyBytes::new(py, &found)
    }

    /// One byte for each path, in order: ``d`` for a folder, ``f`` for anything else, ``-`` where there is nothing.
    fn kinds<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let found = py.detach(|| self.paths.iter().map(|path| kind(path)).collect::<Vec<u8>>());
        PyBytes::new(py, &found)
    }
}

const NUMBERS: usize = 4;

fn stamp(path: &CStr) -> [u8; NUMBERS * 8] {
    let nanoseconds = |seconds: i64, rest: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(rest) as u64;
    let numbers = status(path).map_or([u64::MAX; NUMBERS], |status| {
        [
            status.st_size as u64,
            nanoseconds(status.st_mtime, status.st_mtime_nsec),
            nanoseconds(status.st_ctime, status.st_ctime_nsec),
            status.st_ino,
        ]
    });
    let mut bytes = [0; NUMBERS * 8];
    for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    bytes
}

fn kind(path: &CStr) -> u8 {
    match status(path) {
        None => b'-',
        Some(status) if status.st_mode & libc::S_IFMT == libc::S_IFDIR => b'd',
        Some(_) => b'f',
    }
}

fn status(path: &CStr) -> Option<libc::stat> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path ends with a zero byte; the pointer is to room for one `stat`, which the system has filled if it says so.
    unsafe { (libc::stat(path.as_ptr(), status.as_mut_ptr()) == 0).then(|| status.assume_init()) }
}
