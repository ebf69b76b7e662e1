//! Items of plain test functions, made by the thousand.

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PySet, PyString, PyTuple, PyType};

use crate::choice::attributes;

/// What the items of one collector have in common, as ``engine/lean/items.py`` says it.
#[derive(FromPyObject)]
struct Common {
    item: Py<PyType>,
    info: Py<PyType>,
    node_id: Option<Py<PyType>>,
    parent: Py<PyAny>,
    config: Py<PyAny>,
    session: Py<PyAny>,
    path: Py<PyAny>,
    /// Path and names of the parent's id; of an older pytest, its id as text and None.
    id_path: Py<PyAny>,
    id_names: Option<Py<PyTuple>>,
    /// Whether each item has an instance of its class.
    bind: bool,
    marks_of: Py<PyAny>,
}

/// What makes the items of one collector. *common* is an object with the attributes that ``engine/lean/items.py`` describes.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct ItemMaker {
    common: Common,
}

/// Which functions become items without another look, as ``engine/lean/collection.py`` says it.
#[derive(FromPyObject)]
struct Selection<'py> {
    function: Bound<'py, PyType>,
    /// What the names of tests begin with.
    prefixes: Vec<String>,
    ignored: Bound<'py, PyFrozenSet>,
    not_plain: u32,
    /// For the arguments of a function, its fixtures.
    closures: Bound<'py, PyDict>,
    /// Told of all others: ``(name, value, nodes)``.
    other: Bound<'py, PyAny>,
}

#[pymethods]
impl ItemMaker {
    #[new]
    #[pyo3(signature = (common, /))]
    fn new(common: Common) -> Self {
        Self { common }
    }

    /// The item of the plain function *function*, whose fixtures are *closure*: it shares no list or dictionary with it.
    #[pyo3(signature = (name, function, closure, /))]
    fn make<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
        closure: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let item = self.start(self.common.item.bind(name.py()), name, name, function, None, true)?;
        self.furnish(&item, closure)?;
        Ok(item)
    }

    /// An item of *kind*, without its fixtures: *name*, of the function *function*, which is *original* to its collector.
    ///
    /// *callspec* is one set of its parameters, or None. With *bound* it has an instance of its class, if the collector is one.
    #[pyo3(signature = (kind, name, original, function, callspec, bound, /))]
    fn start<'py>(
        &self,
        kind: &Bound<'py, PyType>,
        name: &Bound<'py, PyAny>,
        original: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
        callspec: Option<&Bound<'py, PyAny>>,
        bound: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, common) = (name.py(), &self.common);
        let item = new_object(kind)?;
        set(&item, intern!(py, "name"), name)?;
        set(&item, intern!(py, "originalname"), original)?;
        set(&item, intern!(py, "parent"), common.parent.bind(py))?;
        set(&item, intern!(py, "config"), common.config.bind(py))?;
        set(&item, intern!(py, "session"), common.session.bind(py))?;
        set(&item, intern!(py, "path"), common.path.bind(py))?;
        self.identify(&item, name, original, callspec)?;
        if bound && common.bind {
            let instance = common.parent.bind(py).call_method0(intern!(py, "newinstance"))?;
            let method = instance.getattr(original.cast::<PyString>()?)?;
            set(&item, intern!(py, "_instance"), &instance)?;
            set(&item, intern!(py, "_obj"), &method)?;
        } else {
            set(&item, intern!(py, "_instance"), &py.None().into_bound(py))?;
            set(&item, intern!(py, "_obj"), function)?;
        }
        if let Some(callspec) = callspec {
            set(&item, intern!(py, "callspec"), callspec)?;
        }
        self.mark(&item, function, callspec)?;
        Ok(item)
    }

    /// Append to *nodes* the items of those of *names* that are plain test functions, and leave the rest to ``selection.other``: in
    /// order, without those that are *seen*.
    #[pyo3(signature = (names, seen, nodes, selection, /))]
    fn collect<'py>(
        &self,
        names: &Bound<'py, PyAny>,
        seen: &Bound<'py, PySet>,
        nodes: &Bound<'py, PyList>,
        selection: Selection<'py>,
    ) -> PyResult<()> {
        let py = names.py();
        for entry in names.call_method0(intern!(py, "items"))?.try_iter()?.collect::<PyResult<Vec<_>>>()? {
            let (name, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = entry.extract()?;
            if selection.ignored.contains(&name)? || seen.contains(&name)? {
                continue;
            }
            seen.add(&name)?;
            match selection.closure_for(&name, &value)? {
                Some(closure) => nodes.append(self.make(&name, &value, &closure)?)?,
                None => drop(selection.other.call1((name, value, nodes))?),
            }
        }
        Ok(())
    }
}

impl ItemMaker {
    /// Give it the marks of its function and of its parameters, if there are any.
    fn mark(
        &self,
        item: &Bound<'_, PyAny>,
        function: &Bound<'_, PyAny>,
        callspec: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = item.py();
        if callspec.is_none() && attributes(function)?.is_empty() {
            return Ok(());
        }
        let marks = self.common.marks_of.bind(py).call1((item.getattr(intern!(py, "_obj"))?, callspec))?;
        if marks.is_truthy()? {
            set(item, intern!(py, "own_markers"), &marks)?;
        }
        Ok(())
    }

    fn identify(
        &self,
        item: &Bound<'_, PyAny>,
        name: &Bound<'_, PyAny>,
        original: &Bound<'_, PyAny>,
        callspec: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (py, common) = (item.py(), &self.common);
        let (Some(kind), Some(above)) = (&common.node_id, &common.id_names) else {
            let text = format!("{}::{name}", common.id_path.bind(py));
            return set(item, intern!(py, "_nodeid"), PyString::new(py, &text).as_any());
        };
        let id = new_object(kind.bind(py))?;
        let none = py.None().into_bound(py);
        let mut names: Vec<Bound<'_, PyAny>> = above.bind(py).iter().collect();
        names.push(original.clone());
        let params = match callspec {
            Some(callspec) if callspec.getattr(intern!(py, "_idlist"))?.is_truthy()? => {
                callspec.getattr(intern!(py, "id"))?
            }
            _ => none.clone(),
        };
        set(&id, intern!(py, "path"), common.id_path.bind(py))?;
        set(&id, intern!(py, "names"), PyTuple::new(py, names)?.as_any())?;
        set(&id, intern!(py, "params"), &params)?;
        set(&id, intern!(py, "_str_cache"), &none)?;
        set(item, intern!(py, "_id"), &id)
    }

    fn furnish(&self, item: &Bound<'_, PyAny>, closure: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = item.py();
        let info = new_object(self.common.info.bind(py))?;
        for name in [intern!(py, "argnames"), intern!(py, "initialnames")] {
            set(&info, name, &closure.getattr(name)?)?;
        }
        let names = closure.getattr(intern!(py, "names_closure"))?.cast_into::<PyList>()?;
        let names = names.get_slice(0, names.len());
        let definitions = closure.getattr(intern!(py, "name2fixturedefs"))?.cast_into::<PyDict>()?.copy()?;
        set(&info, intern!(py, "names_closure"), names.as_any())?;
        set(&info, intern!(py, "name2fixturedefs"), definitions.as_any())?;
        set(item, intern!(py, "_fixtureinfo"), &info)?;
        set(item, intern!(py, "fixturenames"), names.as_any())
    }
}

impl<'py> Selection<'py> {
    /// The fixtures of a function that becomes an item without another look.
    fn closure_for(&self, name: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = name.py();
        let is_test = |name: &str| self.prefixes.iter().any(|prefix| name.starts_with(prefix));
        if !value.get_type().is(&self.function)
            || !name.cast::<PyString>().is_ok_and(|name| name.to_str().is_ok_and(is_test))
            || !attributes(value)?.is_empty()
            || !value.getattr(intern!(py, "__defaults__"))?.is_none()
        {
            return Ok(None);
        }
        let code = value.getattr(intern!(py, "__code__"))?;
        let number = |name: &Bound<'py, PyString>| -> PyResult<u32> { code.getattr(name)?.extract() };
        if number(intern!(py, "co_flags"))? & self.not_plain != 0
            || number(intern!(py, "co_posonlyargcount"))? != 0
            || number(intern!(py, "co_kwonlyargcount"))? != 0
        {
            return Ok(None);
        }
        let arguments = match number(intern!(py, "co_argcount"))? {
            0 => PyTuple::empty(py),
            count => code.getattr(intern!(py, "co_varnames"))?.cast_into::<PyTuple>()?.get_slice(0, count as usize),
        };
        Ok(self.closures.get_item(arguments)?.filter(|closure| !closure.is_none()))
    }
}

/// ``object.__new__`` of a class that is written in Python, without the call's checks.
fn new_object<'py>(kind: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    let py = kind.py();
    // SAFETY: the slot of ``object`` is a ``newfunc``; it is given a class that is alive and an empty tuple, and returns a
    // new reference, or null with an exception set. An allocation alone would leave out what some versions prepare for
    // an object's attributes.
    unsafe {
        let object = (&raw mut ffi::PyBaseObject_Type).cast();
        let new: ffi::newfunc = std::mem::transmute(ffi::PyType_GetSlot(object, ffi::Py_tp_new));
        let arguments = PyTuple::empty(py);
        Bound::from_owned_ptr_or_err(py, new(kind.as_ptr().cast(), arguments.as_ptr(), std::ptr::null_mut()))
    }
}

/// As ``object.__setattr__``: also for objects that are frozen once they are made.
fn set<'py>(object: &Bound<'py, PyAny>, name: &Bound<'py, PyString>, value: &Bound<'py, PyAny>) -> PyResult<()> {
    // SAFETY: three objects that are alive.
    if unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), value.as_ptr()) } == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(object.py()))
    }
}
