//! Times of items that have passed, in memory that another process reads, too.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::words::Words;

/// When an item began by the clock on the wall, when its phases ended by that of durations.
pub type Times = [f64; 5];

/// Bytes of a record: the length of what follows, a letter, the item's index, its times.
pub const SIZE: usize = 4 + 1 + 4 + 5 * 8;

/// Records one behind the other in *memory*, which has a header of *header* bytes: its first number (64 bits, native) says how many
/// bytes follow it. A record counts as soon as that says so.
///
/// *end* is where the next one belongs. With *counting*, the header's second number grows by one with each record of
/// :class:`PlainRun`: how many of the last entries nobody has been shown.
///
/// :raises ValueError: the memory cannot be written to, or is too small.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Records {
    memory: Words,
    header: usize,
    counting: bool,
    end: AtomicUsize,
    closed: AtomicBool,
}

#[pymethods]
impl Records {
    #[new]
    #[pyo3(signature = (memory, header, end, *, counting = false))]
    fn new(memory: &Bound<'_, PyAny>, header: usize, end: usize, counting: bool) -> PyResult<Self> {
        let least = if counting { 16 } else { 8 };
        let memory = Words::of(memory, least / 4)?;
        if header < least || end < header || end > memory.len() {
            return Err(PyValueError::new_err("the header, or what is said to follow it, is not inside the memory"));
        }
        Ok(Self { memory, header, counting, end: AtomicUsize::new(end), closed: AtomicBool::new(false) })
    }

    /// Where the next record or other entry belongs.
    #[getter]
    fn end(&self) -> usize {
        self.end.load(Ordering::Relaxed)
    }

    /// Something else has been written up to *end*: it counts from now on.
    ///
    /// :raises ValueError: that is not inside the memory.
    #[pyo3(signature = (end, /))]
    fn advance(&self, end: usize) -> PyResult<()> {
        if end < self.header || end > self.memory.len() {
            return Err(PyValueError::new_err("not inside the memory"));
        }
        self.set_end(end);
        Ok(())
    }

    /// Write down that the item *index* has passed.
    ///
    /// :raises BufferError: there is no room left, or it is closed.
    #[pyo3(signature = (index, times, /))]
    fn append(&self, index: u32, times: Times) -> PyResult<()> {
        if self.write(index, &times) {
            Ok(())
        } else {
            Err(PyBufferError::new_err("no room for a record"))
        }
    }

    /// A copy of what has been written from *start* on.
    #[pyo3(signature = (start, /))]
    fn since<'py>(&self, py: Python<'py>, start: usize) -> PyResult<Bound<'py, PyBytes>> {
        let end = self.end();
        if start < self.header || start > end {
            return Err(PyValueError::new_err("nothing was written there"));
        }
        PyBytes::new_with(py, end - start, |copy| {
            // SAFETY: `end` is never behind the memory's, which `self` keeps; the copy is new and as long.
            unsafe { std::ptr::copy_nonoverlapping(self.place(start), copy.as_mut_ptr(), copy.len()) };
            Ok(())
        })
    }

    /// Write nothing there any more: another one is used from now on.
    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

impl Records {
    /// Whether it is the one to write to.
    pub fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }

    /// Whether a record fits behind the others.
    pub fn has_room(&self) -> bool {
        self.end() + SIZE <= self.memory.len()
    }

    /// As `append`, and counted if that was asked for; false if that is not possible.
    pub fn count(&self, index: u32, times: &Times) -> bool {
        let written = self.write(index, times);
        if written && self.counting {
            // One process writes at a time.
            let number = self.memory.number(1);
            number.store(number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        written
    }

    fn write(&self, index: u32, times: &Times) -> bool {
        if !self.is_open() || !self.has_room() {
            return false;
        }
        let mut record = [0; SIZE];
        record[..4].copy_from_slice(&u32::try_from(SIZE - 4).unwrap_or_default().to_ne_bytes());
        record[4] = b't';
        record[5..9].copy_from_slice(&index.to_ne_bytes());
        for (place, time) in record[9..].chunks_exact_mut(8).zip(times) {
            place.copy_from_slice(&time.to_ne_bytes());
        }
        let end = self.end();
        // SAFETY: there is room for it.
        unsafe { std::ptr::copy_nonoverlapping(record.as_ptr(), self.place(end), SIZE) };
        self.set_end(end + SIZE);
        true
    }

    fn set_end(&self, end: usize) {
        self.end.store(end, Ordering::Relaxed);
        self.memory.number(0).store((end - self.header) as u64, Ordering::Release);
    }

    fn place(&self, at: usize) -> *mut u8 {
        // SAFETY: callers stay inside the memory.
        unsafe { self.memory.start().add(at) }
    }
}
