//! The facts of a file's text, as plain Python objects.

use dx_py_source::facts::{self, Binding, Bound as Meaning, Facts, Marks, Mentions, Place, ProblemKind, FACTS_VERSION};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

/// Raised whenever the same content gives other facts or other hashes than before.
#[pyfunction]
pub fn facts_version() -> u32 {
    FACTS_VERSION
}

/// The facts of a Python file's content, as :class:`dx_py_test_runner.inputs.facts.Facts` takes them. Never fails.
#[pyfunction]
#[pyo3(signature = (content, /))]
pub fn facts_of<'py>(py: Python<'py>, content: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let found = py.detach(|| facts::facts_of_bytes(content));
    let dict = PyDict::new(py);
    dict.set_item("imports", imports(py, &found)?)?;
    let dynamic = found.dynamic_imports.iter().map(|one| (&*one.callee, one.module.as_deref(), one.line));
    dict.set_item("dynamic_imports", dynamic.collect::<Vec<_>>())?;
    dict.set_item("plugins", found.plugins.as_ref().map(|found| (plain(&found.literal), found.computed)))?;
    dict.set_item("hooks", found.hooks().collect::<Vec<_>>())?;
    dict.set_item("asserts", found.asserts)?;
    dict.set_item("mentions", mentions(found.mentions))?;
    dict.set_item("marks", marks(&found.marks))?;
    let problems = found.problems.iter().map(|one| (problem_word(one.kind), one.line, &*one.words));
    dict.set_item("problems", problems.collect::<Vec<_>>())?;
    let bindings: PyResult<Vec<_>> = found.bindings.iter().map(|one| binding(py, one)).collect();
    dict.set_item("bindings", bindings?)?;
    dict.set_item("whole", PyBytes::new(py, &found.whole))?;
    Ok(dict)
}

fn imports<'py>(py: Python<'py>, found: &Facts) -> PyResult<Bound<'py, PyList>> {
    let rows = found.imports.iter().map(|one| {
        let Place { in_function, conditional, type_checking, in_try } = one.place;
        (one.level, &*one.module, one.name.as_deref(), one.line, in_function, conditional, type_checking, in_try)
    });
    PyList::new(py, rows.collect::<Vec<_>>())
}

fn binding<'py>(py: Python<'py>, one: &Binding) -> PyResult<Bound<'py, PyAny>> {
    let (kind, own, names) = match &one.bound {
        Meaning::Function(function) if function.decorators.fixture.is_some() => {
            ("fixture", marks(&function.decorators.marks), plain(&function.parameters))
        }
        Meaning::Function(function) => ("function", marks(&function.decorators.marks), plain(&function.parameters)),
        Meaning::Class(class) => {
            let mut all = marks(&class.decorators.marks);
            all.extend(marks(&class.marks));
            ("class", all, plain(&class.bases))
        }
        Meaning::Import(_) => ("import", Vec::new(), Vec::new()),
        Meaning::Marks(found) => ("marks", marks(found), Vec::new()),
        Meaning::Value => ("value", Vec::new(), Vec::new()),
        Meaning::Deleted => ("deleted", Vec::new(), Vec::new()),
    };
    Ok((&*one.name, one.scope, one.line, one.conditional, kind, own, names).into_pyobject(py)?.into_any())
}

/// A mark: its name, and of `parametrize` the parameters' names and ids.
type MarkRow<'a> = (&'a str, Vec<&'a str>, Option<&'a [String]>);

/// A name that is empty stands for marks that are computed.
fn marks(found: &Marks) -> Vec<MarkRow<'_>> {
    let mut rows: Vec<MarkRow> = Vec::new();
    for mark in &found.marks {
        let parameters = mark.parameters.as_ref();
        let names = parameters.map_or(Vec::new(), |parameters| plain(&parameters.names));
        rows.push((&mark.name, names, parameters.and_then(|parameters| parameters.ids.as_deref())));
    }
    rows.extend(found.computed.then_some(("", Vec::new(), None)));
    rows
}

fn plain(words: &[Box<str>]) -> Vec<&str> {
    words.iter().map(|word| &**word).collect()
}

/// Bits: 1 docstrings, 2 source, 4 code and lines.
fn mentions(found: Mentions) -> u8 {
    u8::from(found.docs) | u8::from(found.source) << 1 | u8::from(found.code) << 2
}

fn problem_word(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Syntax => "syntax",
        ProblemKind::Excessive => "excessive",
        ProblemKind::Encoding => "encoding",
    }
}
