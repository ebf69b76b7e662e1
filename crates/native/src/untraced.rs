//! Functions that leave no trace of themselves in what they raise.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// A function whose own frames are not in the traceback of what it raises: the trace goes from the caller to what was called last.
///
/// *files* are the names of the files whose frames are dropped, as many as follow the caller's.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Untraced {
    function: Py<PyAny>,
    files: Vec<String>,
}

#[pymethods]
impl Untraced {
    #[new]
    #[pyo3(signature = (function, files, /))]
    fn new(function: Py<PyAny>, files: Vec<String>) -> Self {
        Self { function, files }
    }

    #[pyo3(signature = (*args, **named))]
    fn __call__<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let function = self.function.bind(args.py());
        function.call(args, named).map_err(|error| {
            let value = error.into_value(args.py()).into_bound(args.py()).into_any();
            match self.without_own(&value) {
                Ok(()) => PyErr::from_value(value),
                Err(error) => error,
            }
        })
    }
}

impl Untraced {
    fn without_own(&self, error: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut entry = error.getattr("__traceback__")?;
        while !entry.is_none() {
            let file = entry.getattr("tb_frame")?.getattr("f_code")?.getattr("co_filename")?;
            if !file.extract::<String>().is_ok_and(|file| self.files.contains(&file)) {
                break;
            }
            entry = entry.getattr("tb_next")?;
        }
        error.setattr("__traceback__", entry)
    }
}
