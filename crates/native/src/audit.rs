//! Events of the interpreter (`sys.addaudithook`). There are tens of thousands of them in a run, and hardly any that somebody wants.

use std::collections::HashSet;
use std::ffi::{c_char, c_int, c_void, CStr};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

type Hook = extern "C" fn(*const c_char, *mut ffi::PyObject, *mut c_void) -> c_int;

extern "C" {
    // None of these is part of the stable ABI; all are there in every version since 3.11.
    fn PySys_AddAuditHook(hook: Hook, data: *mut c_void) -> c_int;
    fn PyThreadState_EnterTracing(state: *mut ffi::PyThreadState);
    fn PyThreadState_LeaveTracing(state: *mut ffi::PyThreadState);
}

/// The event of reading certain attributes: there is one for each step along the stack.
const LOOKS: &[u8] = b"object.__getattr__";

/// Who wants to know of what.
struct Listener {
    hook: Py<PyAny>,
    wanted: HashSet<Vec<u8>>,
    attributes: HashSet<String>,
    interpreter: usize,
}

/// Have *hook* called with the name and the arguments of each event that is one of *wanted*, or tells that one of *attributes* is read
/// (``object.__getattr__``), for as long as the process lives. As with :func:`sys.addaudithook`, whatever it raises is raised there, and nobody traces it.
///
/// :raises RuntimeError: somebody else's hook does not allow it.
#[pyfunction]
#[pyo3(signature = (hook, wanted, attributes=HashSet::new(), /))]
pub fn listen(hook: Py<PyAny>, wanted: HashSet<String>, attributes: HashSet<String>) -> PyResult<()> {
    let wanted = wanted.into_iter().map(String::into_bytes).collect();
    // SAFETY: the caller holds the interpreter.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() } as usize;
    let listener = Box::new(Listener { hook, wanted, attributes, interpreter });
    // SAFETY: hooks are never taken away, so it must live for as long.
    match unsafe { PySys_AddAuditHook(on_event, Box::into_raw(listener).cast()) } {
        0 => Ok(()),
        _ => Err(PyRuntimeError::new_err("an audit hook does not allow another one")),
    }
}

extern "C" fn on_event(event: *const c_char, args: *mut ffi::PyObject, data: *mut c_void) -> c_int {
    // SAFETY: the interpreter gives a text, and what `listen` has handed in.
    let (event, listener) = unsafe { (CStr::from_ptr(event), &*data.cast::<Listener>()) };
    let is_wanted = if event.to_bytes() == LOOKS {
        // SAFETY: events are told by threads that hold the interpreter, but for those at its end, and none of these is wanted.
        !listener.attributes.is_empty() && listener.looks(unsafe { Python::assume_attached() }, args)
    } else {
        listener.wanted.contains(event.to_bytes())
    };
    // SAFETY: as above.
    if !is_wanted || unsafe { ffi::PyInterpreterState_Get() } as usize != listener.interpreter {
        return 0;
    }
    // SAFETY: as above.
    let py = unsafe { Python::assume_attached() };
    let Ok(name) = event.to_str() else { return 0 };
    // SAFETY: the state is this thread's own.
    let state = unsafe { ffi::PyThreadState_Get() };
    // SAFETY: as above; what is called in between is not traced, as if the interpreter had called it.
    unsafe { PyThreadState_EnterTracing(state) };
    // SAFETY: the arguments live as long as the event.
    let called = unsafe { Bound::from_borrowed_ptr_or_opt(py, args) }
        .map_or(Ok(()), |args| listener.hook.bind(py).call1((PyString::intern(py, name), args)).map(drop));
    // SAFETY: as above.
    unsafe { PyThreadState_LeaveTracing(state) };
    match called {
        Ok(()) => 0,
        Err(error) => {
            error.restore(py);
            -1
        }
    }
}

impl Listener {
    /// Whether it is one of the attributes that is read.
    fn looks(&self, py: Python<'_>, args: *mut ffi::PyObject) -> bool {
        // SAFETY: the arguments live as long as the event.
        let args = unsafe { Bound::from_borrowed_ptr_or_opt(py, args) };
        let name = args.as_ref().and_then(|args| args.cast::<PyTuple>().ok()).and_then(|args| args.get_item(1).ok());
        name.is_some_and(|name| {
            let name = name.cast::<PyString>().ok().and_then(|name| name.to_str().ok());
            name.is_some_and(|name| self.attributes.contains(name))
        })
    }
}
