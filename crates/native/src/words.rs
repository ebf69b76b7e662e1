//! Numbers in memory that processes share.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A piece of memory, at least *words* words of 32 bits long, that a Python object keeps.
pub struct Words(PyBuffer<u8>);

impl Words {
    /// :raises ValueError: the memory cannot be written to, or is too small.
    pub fn of(memory: &Bound<'_, PyAny>, words: usize) -> PyResult<Self> {
        let memory = PyBuffer::<u8>::get(memory)?;
        if memory.readonly() || !memory.is_c_contiguous() || memory.buf_ptr().align_offset(8) != 0 {
            return Err(PyValueError::new_err("not memory that can be written to"));
        }
        if memory.len_bytes() < words * 4 {
            return Err(PyValueError::new_err("the memory is too small"));
        }
        Ok(Self(memory))
    }

    pub fn len(&self) -> usize {
        self.0.len_bytes()
    }

    pub fn start(&self) -> *mut u8 {
        self.0.buf_ptr().cast()
    }

    /// The word *index*, 0 if there is none.
    pub fn get(&self, index: usize) -> u32 {
        self.word(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Write the word *index*, if there is one.
    pub fn set(&self, index: usize, value: u32) {
        if let Some(word) = self.word(index) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn word(&self, index: usize) -> Option<&AtomicU32> {
        let inside = (index + 1) * 4 <= self.len();
        // SAFETY: inside the memory, which `self` keeps, and aligned, as its start is.
        inside.then(|| unsafe { AtomicU32::from_ptr(self.start().cast::<u32>().add(index)) })
    }

    /// The number *index*, counted in eight bytes; there must be one.
    pub fn number(&self, index: usize) -> &AtomicU64 {
        assert!((index + 1) * 8 <= self.len(), "a number behind the memory's end");
        // SAFETY: inside the memory, which `self` keeps, and aligned, as its start is.
        unsafe { AtomicU64::from_ptr(self.start().cast::<u64>().add(index)) }
    }
}
