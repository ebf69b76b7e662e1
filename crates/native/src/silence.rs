//! Whether anything was written to files that should have stayed empty.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// Descriptors that each must still be the same file, and empty.
///
/// *written* are pairs: one that tests write to, and one that shows now which file that must be. *kept* are others that must still be the same files: each is given a position
/// of its own, which nobody else may use, as asking for a position takes less time than asking which file it is.
///
/// :raises OSError: one of them is not open, or one of the latter has no position.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Silence {
    written: Vec<(i32, File)>,
    kept: Vec<i32>,
}

type File = (libc::dev_t, libc::ino_t);

/// A position far behind what any file has.
const POSITION: libc::off_t = 0x6478_7079_6b65_7074;

#[pymethods]
impl Silence {
    #[new]
    #[pyo3(signature = (written, kept = Vec::new(), /))]
    fn new(written: Vec<(i32, i32)>, kept: Vec<i32>) -> PyResult<Self> {
        let identify = |(written, shown)| match status(shown) {
            Some(status) => Ok((written, (status.st_dev, status.st_ino))),
            None => Err(PyOSError::new_err(format!("descriptor {shown} is not open"))),
        };
        for &descriptor in &kept {
            // SAFETY: no memory is involved.
            if unsafe { libc::lseek(descriptor, POSITION, libc::SEEK_SET) } != POSITION {
                return Err(PyOSError::new_err(format!("descriptor {descriptor} has no position")));
            }
        }
        Ok(Self { written: written.into_iter().map(identify).collect::<PyResult<_>>()?, kept })
    }

    /// Whether all are the same files, and those that were to stay empty are.
    pub fn holds(&self) -> bool {
        let is_empty = |&(descriptor, file): &(i32, File)| {
            status(descriptor).is_some_and(|status| status.st_size == 0 && (status.st_dev, status.st_ino) == file)
        };
        // SAFETY: no memory is involved.
        let is_kept = |&descriptor: &i32| unsafe { libc::lseek(descriptor, 0, libc::SEEK_CUR) } == POSITION;
        self.kept.iter().all(is_kept) && self.written.iter().all(is_empty)
    }
}

fn status(descriptor: i32) -> Option<libc::stat> {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the pointer is to room for one `stat`, which the system has filled if it says so.
    unsafe { (libc::fstat(descriptor, status.as_mut_ptr()) == 0).then(|| status.assume_init()) }
}
