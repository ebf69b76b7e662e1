//! What the garbage collector calls. In Rust, as a function in Python would show up in what a test traces.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;

const OLDEST_GENERATION: u32 = 2;

/// A callback for ``gc.callbacks``: calls *unfreeze* when a full collection starts, unless that is switched off.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Thaw {
    unfreeze: Py<PyAny>,
    on: AtomicBool,
}

#[pymethods]
impl Thaw {
    #[new]
    #[pyo3(signature = (unfreeze, /))]
    fn new(unfreeze: Py<PyAny>) -> Self {
        Self { unfreeze, on: AtomicBool::new(true) }
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
        let generation = info.get_item("generation")?;
        if generation
            .is_some_and(|generation| generation.extract::<u32>().is_ok_and(|number| number == OLDEST_GENERATION))
        {
            self.unfreeze.call0(py)?;
        }
        Ok(())
    }
}
