//! One variable of the process's environment, set many times a second.

use std::ffi::{c_char, CString};
use std::sync::Mutex;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

/// A variable that is written in place, where ``os.putenv`` would leave each of its values behind in memory.
///
/// :raises ValueError: the name is empty or has a ``=`` or a zero byte in it.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Variable {
    name: CString,
    key: Py<PyBytes>,
    place: Mutex<Place>,
}

/// ``NAME=value`` and a zero byte, in memory that the environment may point to for as long as the process lives.
struct Place {
    text: &'static mut [u8],
}

#[pymethods]
impl Variable {
    #[new]
    #[pyo3(signature = (name, /))]
    fn new(py: Python<'_>, name: &[u8]) -> PyResult<Self> {
        let wrong = || PyValueError::new_err("not a variable's name");
        if name.is_empty() || name.contains(&b'=') {
            return Err(wrong());
        }
        let key = PyBytes::new(py, name).unbind();
        let name = CString::new(name).map_err(|_| wrong())?;
        Ok(Self { name, key, place: Mutex::new(Place { text: &mut [] }) })
    }

    /// Give it the value of *text* and, behind it, *more*, here and among the *known* variables of ``os.environ``.
    ///
    /// :returns: whether that was possible: not with zero bytes, nor with surrogates.
    #[pyo3(signature = (known, text, more, /))]
    fn set(&self, known: &Bound<'_, PyDict>, text: &Bound<'_, PyString>, more: &str) -> PyResult<bool> {
        self.tell(known, text, [more, "", ""])
    }
}

impl Variable {
    /// As `set`, with more pieces of text.
    pub fn tell(&self, known: &Bound<'_, PyDict>, text: &Bound<'_, PyString>, more: [&str; 3]) -> PyResult<bool> {
        let Ok(text) = text.to_str() else {
            return Ok(false);
        };
        let [first, second, third] = more.map(str::as_bytes);
        let value = [text.as_bytes(), first, second, third].concat();
        if value.contains(&0) {
            return Ok(false);
        }
        let name = self.key.bind(known.py());
        known.set_item(name, PyBytes::new(known.py(), &value))?;
        self.write(&value);
        Ok(true)
    }

    /// Change the process's environment. There must be no zero byte in *value*.
    fn write(&self, value: &[u8]) {
        let mut place = self.place.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let start = self.name.as_bytes().len() + 1;
        let needed = start + value.len() + 1;
        let fits = needed <= place.text.len();
        if !fits {
            place.text = Box::leak(vec![0; needed.next_power_of_two().max(ROOM)].into_boxed_slice());
            place.text[..start - 1].copy_from_slice(self.name.as_bytes());
            place.text[start - 1] = b'=';
        }
        let (written, rest) = place.text[start..].split_at_mut(value.len());
        written.copy_from_slice(value);
        // A longer value before this one must not show, and whoever reads meanwhile must find an end.
        rest[0] = 0;
        // SAFETY: the name ends with a zero byte; the text does, too, and is never freed. As for any change of the
        // environment, other threads must not read it at the same time.
        unsafe {
            let current: *const c_char = libc::getenv(self.name.as_ptr());
            if current.cast::<u8>() != place.text[start..].as_ptr() {
                libc::putenv(place.text.as_mut_ptr().cast());
            }
        }
    }
}

/// Bytes: more than most values need.
const ROOM: usize = 512;
