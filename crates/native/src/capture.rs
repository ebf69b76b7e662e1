//! Assert statements, captured.

use dx_py_source::{capture, Decline, Locations, Options, Outcome};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

/// A module's text with its assert statements captured.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Captured {
    /// What to compile.
    #[pyo3(get)]
    text: String,
    /// Identifiers in it by which to call what no text can name.
    #[pyo3(get)]
    names: Py<PyDict>,
    locations: Locations,
}

#[pymethods]
impl Captured {
    /// Whether the text is the original one.
    #[getter]
    fn unchanged(&self) -> bool {
        self.locations.is_identity()
    }

    /// A code object's ``co_linetable`` with the places in the original text; ``None`` if it says them already.
    #[pyo3(signature = (table, first_line, /))]
    fn relocate<'py>(&self, py: Python<'py>, table: &[u8], first_line: u32) -> Option<Bound<'py, PyBytes>> {
        self.locations.relocate(table, first_line).map(|table| PyBytes::new(py, &table))
    }
}

/// Capture a module's assert statements as pytest's assertion rewriting would.
///
/// *text* is the module's, without a byte order mark; *walrus* says whether pytest leaves assignment expressions in assert
/// statements where they are. The result is a :class:`Captured`; ``None`` if pytest would leave the module as it is; or the
/// reason why its asserts cannot be captured, in one word.
#[pyfunction]
#[pyo3(signature = (text, /, *, walrus))]
pub fn capture_asserts(py: Python<'_>, text: &str, walrus: bool) -> PyResult<Py<PyAny>> {
    let options = Options { walrus, truth_at_condition: py.version_info() >= (3, 12) };
    match py.detach(|| capture(text, options)) {
        Outcome::Untouched => Ok(py.None()),
        Outcome::Declined(reason) => Ok(reason_word(reason).into_pyobject(py)?.into_any().unbind()),
        Outcome::Captured(found) => {
            let names = PyDict::new(py);
            for (identifier, name) in &found.names {
                names.set_item(identifier, name)?;
            }
            let captured = Captured { text: found.text, names: names.unbind(), locations: found.locations };
            Ok(Py::new(py, captured)?.into_any())
        }
    }
}

fn reason_word(reason: Decline) -> &'static str {
    match reason {
        Decline::Syntax => "syntax",
        Decline::Tuple => "tuple",
        Decline::Walrus => "walrus",
        Decline::Excessive => "excessive",
        Decline::Shape => "shape",
    }
}
