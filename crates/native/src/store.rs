//! Blobs in a file, under keys.

use std::collections::HashSet;
use std::path::PathBuf;

use dx_py_store::Key;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::os_error;

/// A file of blobs, as it was when it was opened. Damaged blobs count as missing.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Pack(dx_py_store::Pack);

#[pymethods]
impl Pack {
    /// The pack at *path*; ``None`` if there is none that can be trusted: damaged, of another version, or writable by others.
    #[staticmethod]
    #[pyo3(signature = (path, /))]
    fn open(py: Python<'_>, path: PathBuf) -> Option<Self> {
        py.detach(|| dx_py_store::Pack::open(&path)).map(Self)
    }

    /// The blob under *key* (32 bytes), or ``None``.
    #[pyo3(signature = (key, /))]
    fn get<'py>(&self, py: Python<'py>, key: Key) -> Option<Bound<'py, PyBytes>> {
        self.0.get(&key).map(|blob| PyBytes::new(py, blob))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}

/// Add *blobs* to the pack at *path*, which is made if there is none, with its folder.
///
/// :param used: above *limit* bytes, blobs that are neither new nor under one of these keys are dropped.
/// :raises OSError: the folder or the file cannot be written; then all is as it was.
#[pyfunction]
#[pyo3(signature = (path, blobs, *, used, limit))]
pub fn add_to_pack(
    py: Python<'_>,
    path: PathBuf,
    blobs: Vec<(Key, Bound<'_, PyBytes>)>,
    used: HashSet<Key>,
    limit: u64,
) -> PyResult<()> {
    let blobs: Vec<(Key, &[u8])> = blobs.iter().map(|(key, blob)| (*key, blob.as_bytes())).collect();
    py.detach(|| dx_py_store::add(&path, &blobs, &used, limit)).map_err(|error| os_error(py, &error, path))
}
