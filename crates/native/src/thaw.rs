//! What the garbage collector calls. In Rust, as a function in Python would show up in what a test traces.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;

const OLDEST_GENERATION: u32 = 2;

/// A callback for ``gc.callbacks``: calls *unfreeze* when somebody starts a full collection, unless that is switched off.
///
/// One that starts by itself is told by its reason: more new objects than the threshold allows, which anywhere else have
/// been looked at before. *count* and *threshold* are ``gc.get_count`` and ``gc.get_threshold``.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Thaw {
    unfreeze: Py<PyAny>,
    count: Py<PyAny>,
    threshold: Py<PyAny>,
    on: AtomicBool,
}

#[pymethods]
impl Thaw {
    #[new]
    #[pyo3(signature = (unfreeze, count, threshold, /))]
    fn new(unfreeze: Py<PyAny>, count: Py<PyAny>, threshold: Py<PyAny>) -> Self {
        Self { unfreeze, count, threshold, on: AtomicBool::new(true) }
    }

    /// Whether full collections thaw, from now on.
    #[pyo3(signature = (on, /))]
    fn switch(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    #[pyo3(signature = (phase, info, /))]
    fn __call__(&self, py: Python<'_>, phase: &str, info: &Bound<'_, PyDict>) -> PyResult<()> {
        if phase != "start" || !self.on.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some(generation) = info.get_item("generation")? else {
            return Ok(());
        };
        if generation.extract::<u32>()? == OLDEST_GENERATION && !self.began_by_itself(py)? {
            self.unfreeze.call0(py)?;
        }
        Ok(())
    }
}

impl Thaw {
    fn began_by_itself(&self, py: Python<'_>) -> PyResult<bool> {
        let (count, _, _) = self.count.call0(py)?.extract::<(u64, u64, u64)>(py)?;
        let (threshold, _, _) = self.threshold.call0(py)?.extract::<(u64, u64, u64)>(py)?;
        Ok(threshold > 0 && count > threshold)
    }
}
