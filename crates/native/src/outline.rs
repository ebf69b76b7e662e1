//! The outline of a file's text, as plain Python objects.

use dx_py_source::outline::{outline_of_bytes, outline_of_text, Digest, Gives, Outline, Reading, Root, Statement};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString, PyTuple};

/// What a file's content tells of what it needs and leaves, as :class:`dx_py_test_runner.select.outline.Outline` takes it; None if it is no Python;
/// the name of its encoding, if that is not known here.
///
/// :param decoded: it is UTF-8 whatever it says.
/// :raises ValueError: it was said to be UTF-8, and is not.
#[pyfunction]
#[pyo3(signature = (content, /, *, decoded = false))]
pub fn outline_of<'py>(py: Python<'py>, content: &[u8], decoded: bool) -> PyResult<Bound<'py, PyAny>> {
    let minor = py.version_info().minor;
    let read = if decoded {
        let text = std::str::from_utf8(content).map_err(|error| PyValueError::new_err(error.to_string()))?;
        py.detach(|| outline_of_text(text, minor))
    } else {
        py.detach(|| outline_of_bytes(content, minor))
    };
    match read {
        Reading::Outline(found) => Ok(plain(py, &found)?.into_any()),
        Reading::Encoded(name) => Ok(PyString::new(py, name).into_any()),
        Reading::NoPython => Ok(py.None().into_bound(py)),
    }
}

fn plain<'py>(py: Python<'py>, found: &Outline) -> PyResult<Bound<'py, PyTuple>> {
    let bodies = found.bodies.iter().map(|one| (&one.qualname, hexadecimal(&one.whole), hexadecimal(&one.signature)));
    let statements = found.touches.statements.iter().map(|one| statement(py, one)).collect::<PyResult<Vec<_>>>()?;
    let touches = (PyTuple::new(py, statements)?, PyTuple::new(py, &found.touches.registers)?, found.touches.derived);
    let parts = [
        imports(py, &found.imports)?.into_any(),
        PyTuple::new(py, &found.names)?.into_any(),
        PyBool::new(py, found.dynamic).to_owned().into_any(),
        PyString::new(py, &hexadecimal(&found.level)).into_any(),
        PyTuple::new(py, bodies.collect::<Vec<_>>())?.into_any(),
        PyTuple::new(py, &found.keepers)?.into_any(),
        PyTuple::new(py, &found.in_object)?.into_any(),
        PyTuple::new(py, &found.handed)?.into_any(),
        gives(py, &found.gives)?.into_any(),
        named(py, &found.derived)?.into_any(),
        named(py, &found.places)?.into_any(),
        named(py, &found.handing)?.into_any(),
        PyTuple::new(py, &found.taken)?.into_any(),
        imports(py, &found.loads)?.into_any(),
        touches.into_pyobject(py)?.into_any(),
        named(py, &found.dynamic_in)?.into_any(),
    ];
    PyTuple::new(py, parts)
}

fn named<'py>(py: Python<'py>, found: &[(String, Vec<String>)]) -> PyResult<Bound<'py, PyTuple>> {
    let rows = found.iter().map(|(name, words)| Ok((name, PyTuple::new(py, words)?)));
    PyTuple::new(py, rows.collect::<PyResult<Vec<_>>>()?)
}

fn gives<'py>(py: Python<'py>, found: &[Gives]) -> PyResult<Bound<'py, PyTuple>> {
    let rows = found.iter().map(|one| {
        let (fills, parameters) = (PyTuple::new(py, &one.fills)?, PyTuple::new(py, &one.parameters)?);
        let calls = one.calls.iter().map(|call| {
            let arguments = call.arguments.iter().map(|(place, root)| (place, root_word(root)));
            let arguments = PyTuple::new(py, arguments.collect::<Vec<_>>())?;
            Ok((&call.name, root_word(&call.receiver), call.carries, arguments))
        });
        let calls = PyTuple::new(py, calls.collect::<PyResult<Vec<_>>>()?)?;
        Ok((&one.qualname, one.puts as u8, one.keeps_given, one.fills_object, fills, parameters, calls))
    });
    PyTuple::new(py, rows.collect::<PyResult<Vec<_>>>()?)
}

/// As `Call.receiver` and `Call.arguments` have it.
fn root_word(root: &Root) -> &str {
    match root {
        Root::New => "",
        Root::Own => ".",
        Root::Other => "*",
        Root::Given(name) => name,
    }
}

fn imports<'py>(py: Python<'py>, found: &[(u32, String, Vec<String>)]) -> PyResult<Bound<'py, PyTuple>> {
    let rows = found.iter().map(|(level, module, names)| Ok((level, module, PyTuple::new(py, names)?)));
    PyTuple::new(py, rows.collect::<PyResult<Vec<_>>>()?)
}

fn statement<'py>(py: Python<'py>, one: &Statement) -> PyResult<Bound<'py, PyTuple>> {
    let touched = one.touched.iter().map(|(how, level, name)| (how.word(), level, name));
    let touched = PyTuple::new(py, touched.collect::<Vec<_>>())?;
    (touched, hexadecimal(&one.effect), PyTuple::new(py, &one.needs)?).into_pyobject(py)
}

fn hexadecimal(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
