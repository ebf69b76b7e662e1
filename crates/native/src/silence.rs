//! Whether anything was written to files that should have stayed empty.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// Descriptors that each must still be the same file, and empty.
///
/// *descriptors* are pairs: the one that is written to, and the one by which the same file will be read.
///
/// :raises OSError: one of the latter is not open.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Silence {
    files: Vec<([i32; 2], (libc::dev_t, libc::ino_t))>,
}

#[pymethods]
impl Silence {
    #[new]
    #[pyo3(signature = (descriptors, /))]
    fn new(descriptors: Vec<(i32, i32)>) -> PyResult<Self> {
        let identify = |(written, read)| match status(read) {
            Some(status) => Ok(([written, read], (status.st_dev, status.st_ino))),
            None => Err(PyOSError::new_err(format!("descriptor {read} is not open"))),
        };
        Ok(Self { files: descriptors.into_iter().map(identify).collect::<PyResult<_>>()? })
    }

    /// Whether all are the same files, and empty.
    fn holds(&self) -> bool {
        let is_empty = |descriptor, file| {
            status(descriptor).is_some_and(|status| status.st_size == 0 && (status.st_dev, status.st_ino) == file)
        };
        self.files.iter().all(|&(descriptors, file)| descriptors.iter().all(|&descriptor| is_empty(descriptor, file)))
    }
}

fn status(descriptor: i32) -> Option<libc::stat> {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the pointer is to room for one `stat`, which the system has filled if it says so.
    unsafe { (libc::fstat(descriptor, status.as_mut_ptr()) == 0).then(|| status.assume_init()) }
}
