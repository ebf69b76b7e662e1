//! What is being executed. Asking frames in Python is an event of the interpreter for each of them.

use std::collections::HashMap;
use std::ffi::c_void;
use std::hash::BuildHasherDefault;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::living::Spread;

extern "C" {
    // None of these is part of the stable ABI; all are there since 3.9.
    static PyFrame_Type: c_void;
    fn PyFrame_GetBack(frame: *mut ffi::PyObject) -> *mut ffi::PyObject;
    fn PyFrame_GetCode(frame: *mut ffi::PyObject) -> *mut ffi::PyObject;
}

/// The code of a frame, without telling audit hooks that somebody has looked at it.
#[pyfunction]
#[pyo3(signature = (frame, /))]
pub fn code_of<'py>(frame: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the object is alive; of the class of frames only the address is of interest.
    let is_frame = unsafe { ffi::Py_TYPE(frame.as_ptr()).cast_const().cast() == &raw const PyFrame_Type };
    if !is_frame {
        return Err(PyTypeError::new_err("not a frame"));
    }
    Ok(code_in(frame))
}

/// *frame* is one.
fn code_in<'py>(frame: &Bound<'py, PyAny>) -> Bound<'py, PyAny> {
    // SAFETY: a frame always has a code, and gives a new reference to it.
    unsafe { Bound::from_owned_ptr(frame.py(), PyFrame_GetCode(frame.as_ptr())) }
}

/// Walks up the stack, and knows of each code what it stands for there.
///
/// :param classify: is asked once for each code: a number of 0 or more; :data:`OTHER` if it is passed over, :data:`ABOVE` if it is only where nothing
///     has been found yet; anything else, if nothing above it matters.
#[pyclass(module = "dx_py_test_runner._native")]
pub struct Stack {
    classify: Py<PyAny>,
    known: HashMap<usize, i64, BuildHasherDefault<Spread>>,
    /// A code's address is its name, so it must not be given to another one.
    held: Vec<Py<PyAny>>,
}

const OTHER: i64 = -1;
const ABOVE: i64 = -2;

/// The numbers of what was passed, each once; and what has ended the walk, with its code: None if that was the end of the stack.
type Walked<'py> = (Vec<i64>, Option<(i64, Bound<'py, PyAny>)>);

#[pymethods]
impl Stack {
    #[classattr]
    const OTHER: i64 = OTHER;
    #[classattr]
    const ABOVE: i64 = ABOVE;

    #[new]
    #[pyo3(signature = (classify, /))]
    fn new(classify: Py<PyAny>) -> Self {
        Self { classify, known: HashMap::default(), held: Vec::new() }
    }

    /// From *frame* on.
    #[pyo3(signature = (frame, /))]
    fn walk<'py>(slf: &Bound<'py, Self>, frame: Option<Bound<'py, PyAny>>) -> PyResult<Walked<'py>> {
        let mut found: Vec<i64> = Vec::new();
        let mut frame = frame;
        let mut is_above = true;
        if let Some(frame) = &frame {
            code_of(frame)?;
        }
        while let Some(one) = frame {
            let code = code_in(&one);
            match Self::place_of(slf, &code)? {
                OTHER => is_above = false,
                ABOVE if is_above => {}
                place if place >= 0 => {
                    is_above = false;
                    if !found.contains(&place) {
                        found.push(place);
                    }
                }
                place => return Ok((found, Some((place, code)))),
            }
            // SAFETY: it is a frame.
            frame = unsafe { Bound::from_owned_ptr_or_opt(slf.py(), PyFrame_GetBack(one.as_ptr())) };
        }
        Ok((found, None))
    }

    /// What a code stands for.
    #[pyo3(signature = (code, /))]
    fn place_of(slf: &Bound<'_, Self>, code: &Bound<'_, PyAny>) -> PyResult<i64> {
        let address = code.as_ptr() as usize;
        let known = slf.borrow().known.get(&address).copied();
        if let Some(place) = known {
            return Ok(place);
        }
        // Another thread may come here meanwhile: nothing is borrowed.
        let classify = slf.borrow().classify.clone_ref(slf.py());
        let place: i64 = classify.bind(slf.py()).call1((code,))?.extract()?;
        slf.borrow_mut().set(code, place);
        Ok(place)
    }

    /// From now on a code stands for *place*.
    #[pyo3(signature = (code, place, /))]
    fn set(&mut self, code: &Bound<'_, PyAny>, place: i64) {
        self.held.push(code.clone().unbind());
        self.known.insert(code.as_ptr() as usize, place);
    }
}
