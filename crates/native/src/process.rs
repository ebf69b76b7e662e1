//! What a process asks of the kernel for itself, without loading `ctypes`, which takes longer than a fork.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use rustix::process::{set_parent_process_death_signal, Signal};

/// Have this process killed when the thread that has forked it ends. It may have ended before: compare ``os.getppid()``.
///
/// :raises OSError: the kernel refuses.
#[pyfunction]
pub fn end_with_parent() -> PyResult<()> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| PyOSError::new_err((error.raw_os_error(), error.to_string())))
}
