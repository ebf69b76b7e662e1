//! Memory that two processes share, behind a descriptor that need not stay open.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use pyo3::exceptions::{PyIndexError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

const WORD: usize = size_of::<u64>();

/// The first *size* bytes of the file behind *descriptor*, shared with all who have mapped it. Needs no descriptor afterwards.
///
/// The file must never become shorter. Numbers are written whole; what was written before a number is there for whoever has read it.
///
/// :raises ValueError: the file is shorter than that.
/// :raises OSError: it cannot be mapped.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Mapping(MmapRaw);

#[pymethods]
impl Mapping {
    #[new]
    #[pyo3(signature = (descriptor, size, /))]
    fn new(descriptor: i32, size: usize) -> PyResult<Self> {
        if descriptor < 0 {
            return Err(PyValueError::new_err("not a descriptor"));
        }
        // SAFETY: it is not negative. It is the caller's: never closed here.
        let file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
        let length = file.metadata().map_err(|error| PyOSError::new_err(error.to_string()))?.len();
        if length < size as u64 {
            return Err(PyValueError::new_err(format!("the file has {length} bytes, not {size}")));
        }
        let mapped = MmapOptions::new().len(size).map_raw(&*file);
        Ok(Self(mapped.map_err(|error| PyOSError::new_err(error.to_string()))?))
    }

    /// The number at *index*, counted in eight bytes.
    #[pyo3(signature = (index, /))]
    fn load(&self, index: usize) -> PyResult<u64> {
        Ok(self.word(index)?.load(Ordering::Acquire))
    }

    /// Write the number at *index*.
    #[pyo3(signature = (index, value, /))]
    fn store(&self, index: usize, value: u64) -> PyResult<()> {
        self.word(index)?.store(value, Ordering::Release);
        Ok(())
    }

    /// *length* bytes from *start* on: a copy.
    #[pyo3(signature = (start, length, /))]
    fn read<'py>(&self, py: Python<'py>, start: usize, length: usize) -> PyResult<Bound<'py, PyBytes>> {
        let from = self.place(start, length)?;
        PyBytes::new_with(py, length, |copy| {
            // SAFETY: `place` has checked that the bytes are inside the mapping; the copy is new and as long. Should another
            // process write there meanwhile, the copy holds some of each: plain bytes in any case.
            unsafe { std::ptr::copy_nonoverlapping(from, copy.as_mut_ptr(), length) };
            Ok(())
        })
    }

    /// Write *content* from *start* on.
    #[pyo3(signature = (start, content, /))]
    fn write(&self, start: usize, content: &[u8]) -> PyResult<()> {
        let to = self.place(start, content.len())?;
        // SAFETY: `place` has checked that there is room for it inside the mapping, which `content` is no part of.
        unsafe { std::ptr::copy_nonoverlapping(content.as_ptr(), to, content.len()) };
        Ok(())
    }
}

impl Mapping {
    fn word(&self, index: usize) -> PyResult<&AtomicU64> {
        let start = index.checked_mul(WORD).ok_or_else(outside)?;
        let place = self.place(start, WORD)?;
        // SAFETY: inside the mapping, which lives as long as `self`, and aligned, as the mapping begins with a page.
        Ok(unsafe { AtomicU64::from_ptr(place.cast()) })
    }

    fn place(&self, start: usize, length: usize) -> PyResult<*mut u8> {
        let end = start.checked_add(length).ok_or_else(outside)?;
        if end > self.0.len() {
            return Err(outside());
        }
        // SAFETY: not behind the mapping's end.
        Ok(unsafe { self.0.as_mut_ptr().add(start) })
    }
}

fn outside() -> PyErr {
    PyIndexError::new_err("outside of the mapping")
}
