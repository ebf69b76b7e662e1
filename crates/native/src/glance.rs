//! Whether everything that a silent test leaves alone still is as it was: one look instead of twenty.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::silence::Silence;

/// An identity under a name: that of a module's or an object's attribute, by its dictionary.
type Entry = (Py<PyDict>, Py<PyString>, Py<PyAny>);

/// A list under a name, and the two objects at its end.
type Tail = (Py<PyDict>, Py<PyString>, Py<PyAny>, Py<PyAny>);

/// What is compared, and nothing else: who asks decides what it means.
///
/// *same*: ``(names, name, value)``; ``names[name]`` must be that very object. *sizes*: ``(container, length)``.
/// *empty*: ``(names, name)``; the length of ``names[name]`` must be 0. *ends*: ``(names, name, before, last)``;
/// the list ``names[name]`` must end with these two objects. *open*: files that must not say that they are closed.
/// *silence* is asked last.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Glance {
    same: Vec<Entry>,
    sizes: Vec<(Py<PyAny>, usize)>,
    empty: Vec<(Py<PyDict>, Py<PyString>)>,
    ends: Vec<Tail>,
    open: Vec<Py<PyAny>>,
    silence: Py<Silence>,
}

#[pymethods]
impl Glance {
    #[new]
    #[pyo3(signature = (*, same, sizes, empty, ends, open, silence))]
    fn new(
        same: Vec<Entry>,
        sizes: Vec<(Py<PyAny>, usize)>,
        empty: Vec<(Py<PyDict>, Py<PyString>)>,
        ends: Vec<Tail>,
        open: Vec<Py<PyAny>>,
        silence: Py<Silence>,
    ) -> Self {
        Self { same, sizes, empty, ends, open, silence }
    }

    /// Whether all of it holds. What cannot be looked at does not.
    pub fn holds(&self, py: Python<'_>) -> bool {
        let closed = intern!(py, "closed");
        self.same.iter().all(|(names, name, value)| get(py, names, name) == value.as_ptr())
            && self.sizes.iter().all(|(container, size)| length(py, container.as_ptr()) == Some(*size))
            && self.empty.iter().all(|(names, name)| length(py, get(py, names, name)) == Some(0))
            && self.ends.iter().all(|(names, name, before, last)| {
                ends_with(py, get(py, names, name), [before.as_ptr(), last.as_ptr()])
            })
            && self.open.iter().all(|file| {
                file.bind(py).getattr(closed).is_ok_and(|closed| closed.is(pyo3::types::PyBool::new(py, false)))
            })
            && self.silence.get().holds()
    }
}

/// Whether each value of *loggers* (objects by name) passes on what it gets: no ``propagate`` of its own that is false.
///
/// :raises TypeError: not a dictionary.
#[pyfunction]
#[pyo3(signature = (loggers, /))]
pub fn all_propagate(py: Python<'_>, loggers: &Bound<'_, PyAny>) -> PyResult<bool> {
    let loggers = loggers.cast::<PyDict>().map_err(|_| PyTypeError::new_err("loggers are kept in a dictionary"))?;
    let name = intern!(py, "propagate");
    for logger in loggers.values() {
        // SAFETY: a strong reference, or null with an exception that is cleared.
        let names = unsafe {
            Bound::from_owned_ptr_or_opt(py, ffi::PyObject_GenericGetDict(logger.as_ptr(), std::ptr::null_mut()))
        };
        let Some(names) = names else {
            drop(PyErr::take(py));
            continue;
        };
        if let Ok(Some(value)) = names.cast::<PyDict>().map_or(Ok(None), |names| names.get_item(name)) {
            if !value.is_truthy()? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A borrowed reference, or null.
fn get(py: Python<'_>, names: &Py<PyDict>, name: &Py<PyString>) -> *mut ffi::PyObject {
    // SAFETY: both are what they are said to be, and live as long as the caller does.
    let found = unsafe { ffi::PyDict_GetItemWithError(names.as_ptr(), name.as_ptr()) };
    if found.is_null() {
        drop(PyErr::take(py));
    }
    found
}

fn length(py: Python<'_>, container: *mut ffi::PyObject) -> Option<usize> {
    if container.is_null() {
        return None;
    }
    // SAFETY: an object that its owner keeps meanwhile: asking built-in containers for their length runs no other code.
    let length = unsafe { ffi::PyObject_Size(container) };
    if length < 0 {
        drop(PyErr::take(py));
    }
    usize::try_from(length).ok()
}

fn ends_with(_py: Python<'_>, list: *mut ffi::PyObject, two: [*mut ffi::PyObject; 2]) -> bool {
    // SAFETY: the items are borrowed from a list that stays as it is while it is looked at, within its bounds.
    unsafe {
        if list.is_null() || ffi::PyList_Check(list) == 0 {
            return false;
        }
        let size = ffi::PyList_Size(list);
        size >= 2 && ffi::PyList_GetItem(list, size - 2) == two[0] && ffi::PyList_GetItem(list, size - 1) == two[1]
    }
}
