//! `dx_py_test_runner._native`: Python's way to what is done by the megabyte. It converts arguments and results and
//! decides nothing. Nothing here holds the interpreter while it reads or hashes.

mod audit;
mod capture;
mod changes;
mod choice;
mod collected;
mod content;
mod environment;
mod facts;
mod glance;
mod living;
mod making;
mod mapping;
mod outline;
mod pages;
mod plain;
mod process;
mod recipe;
mod records;
mod silence;
mod stack;
mod stats;
mod store;
mod thaw;
mod traces;
mod untraced;
mod words;

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// What :mod:`dx_py_test_runner` does in Rust.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::audit::listen;
    #[pymodule_export]
    use super::capture::{capture_asserts, Captured};
    #[pymodule_export]
    use super::changes::Changes;
    #[pymodule_export]
    use super::choice::Choice;
    #[pymodule_export]
    use super::collected::{collection_name, collection_place, write_collection};
    #[pymodule_export]
    use super::environment::Variable;
    #[pymodule_export]
    use super::facts::{facts_of, facts_version};
    #[pymodule_export]
    use super::glance::{all_propagate, Glance};
    #[pymodule_export]
    use super::living::{kinds, living};
    #[pymodule_export]
    use super::making::ItemMaker;
    #[pymodule_export]
    use super::mapping::Mapping;
    #[pymodule_export]
    use super::outline::outline_of;
    #[pymodule_export]
    use super::pages::{copy_pages, own_pages};
    #[pymodule_export]
    use super::plain::PlainLoop;
    #[pymodule_export]
    use super::process::end_with_parent;
    #[pymodule_export]
    use super::recipe::Recipe;
    #[pymodule_export]
    use super::records::Records;
    #[pymodule_export]
    use super::silence::Silence;
    #[pymodule_export]
    use super::stack::{code_of, Stack};
    #[pymodule_export]
    use super::stats::Paths;
    #[pymodule_export]
    use super::store::{add_to_pack, Pack};
    #[pymodule_export]
    use super::thaw::Thaw;
    #[pymodule_export]
    use super::traces::Traces;
    #[pymodule_export]
    use super::untraced::Untraced;
    #[pymodule_export]
    use super::{content_hash, content_hashes, hash_bytes};
}

/// The BLAKE3 hash (32 bytes) of a file's content.
///
/// :raises OSError: the file cannot be read, or is not a regular file.
#[pyfunction]
#[pyo3(signature = (path, /))]
fn content_hash(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyBytes>> {
    match py.detach(|| content::hash_file(&path)) {
        Ok(hash) => Ok(PyBytes::new(py, &hash)),
        Err(error) => Err(os_error(py, &error, path)),
    }
}

/// The hashes of many files' contents, in order; ``None`` for each that :func:`content_hash` would refuse.
#[pyfunction]
#[pyo3(signature = (paths, /))]
fn content_hashes(py: Python<'_>, paths: Vec<PathBuf>) -> Vec<Option<Bound<'_, PyBytes>>> {
    let hashes = py.detach(|| content::hash_files(&paths));
    hashes.into_iter().map(|hash| hash.map(|hash| PyBytes::new(py, &hash))).collect()
}

/// The BLAKE3 hash (32 bytes) of some bytes.
#[pyfunction]
#[pyo3(signature = (content, /))]
fn hash_bytes<'py>(py: Python<'py>, content: &[u8]) -> Bound<'py, PyBytes> {
    let hash = py.detach(|| *blake3::hash(content).as_bytes());
    PyBytes::new(py, &hash)
}

/// As Python would raise it: of the subclass that belongs to its number, and with the file's name.
fn os_error(py: Python<'_>, error: &std::io::Error, path: PathBuf) -> PyErr {
    use pyo3::exceptions::PyOSError;
    let Some(number) = error.raw_os_error() else {
        return PyOSError::new_err(format!("{}: {error}", path.display()));
    };
    let raised = || -> PyResult<PyErr> {
        let words = py.import("os")?.call_method1("strerror", (number,))?;
        Ok(PyErr::from_value(py.get_type::<PyOSError>().call1((number, words, path.as_os_str()))?))
    };
    raised().unwrap_or_else(|error| error)
}
