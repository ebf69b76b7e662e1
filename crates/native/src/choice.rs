//! Which items can be run in one step.

use std::sync::Mutex;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PyString, PyType};

use crate::recipe::{Parameters, Recipe};

/// What an item has to be: of the type *item*, its function of the type *function* or, bound, of the type *method*, without code that
/// is asynchronous (*asynchronous*: flags of code), without attributes but marks, and without a mark whose name is in *telling*.
///
/// *plan_for* is called with an item that has fixtures; it returns a :class:`Recipe`, or None. *narrow* is the scope of what ends with an item.
#[derive(FromPyObject)]
struct Terms {
    item: Py<PyType>,
    function: Py<PyType>,
    method: Py<PyType>,
    asynchronous: u32,
    telling: Py<PyFrozenSet>,
    plan_for: Py<PyAny>,
    narrow: Py<PyAny>,
}

/// Tells plain items from others. *terms* is an object with the attributes of that name.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Choice {
    terms: Terms,
    known: Mutex<Option<Known>>,
}

/// The recipe that was found last, and for whom.
struct Known {
    info: Py<PyAny>,
    arguments: Py<PyAny>,
    closure: Py<PyList>,
    definitions: Py<PyDict>,
    parameters: Option<usize>,
    recipe: Option<Py<Recipe>>,
}

/// An item that can be run in one step.
pub struct Chosen<'py> {
    pub function: Bound<'py, PyAny>,
    pub names: Bound<'py, PyDict>,
    pub recipe: Option<Py<Recipe>>,
}

#[pymethods]
impl Choice {
    #[new]
    #[pyo3(signature = (terms, /))]
    fn new(terms: Terms) -> Self {
        Self { terms, known: Mutex::new(None) }
    }

    /// Whether *item* can be run in one step. With *quiet*, also if it has fixtures.
    #[pyo3(signature = (item, quiet, /))]
    fn accepts(&self, item: &Bound<'_, PyAny>, quiet: bool) -> PyResult<bool> {
        Ok(self.look(item, quiet)?.is_some())
    }
}

impl Choice {
    /// What is needed to run *item*, if it can be run in one step.
    pub fn look<'py>(&self, item: &Bound<'py, PyAny>, quiet: bool) -> PyResult<Option<Chosen<'py>>> {
        let py = item.py();
        if !item.get_type().is(&self.terms.item) {
            return Ok(None);
        }
        let names = attributes(item)?;
        let Some(function) = names.get_item(intern!(py, "_obj"))? else {
            return Ok(None);
        };
        if !self.is_plain(&function)? || !self.is_unmarked(&names)? {
            return Ok(None);
        }
        let wanted = names.get_item(intern!(py, "fixturenames"))?;
        let recipe = match wanted {
            None => return Ok(None),
            Some(wanted) if wanted.len()? == 0 => None,
            Some(_) => {
                let parameters = Parameters::of(&names)?;
                let known = quiet.then(|| self.recipe_for(item, &names, parameters.as_ref()));
                let Some(recipe) = known.transpose()?.flatten() else {
                    return Ok(None);
                };
                if !recipe.get().stands(py, parameters.as_ref(), &self.terms.narrow)? {
                    return Ok(None);
                }
                Some(recipe)
            }
        };
        Ok(Some(Chosen { function, names, recipe }))
    }

    fn is_plain(&self, function: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = function.py();
        let kind = function.get_type();
        let plain =
            if kind.is(&self.terms.method) { function.getattr(intern!(py, "__func__"))? } else { function.clone() };
        if !plain.get_type().is(&self.terms.function) {
            return Ok(false);
        }
        let flags: u32 = plain.getattr(intern!(py, "__code__"))?.getattr(intern!(py, "co_flags"))?.extract()?;
        if flags & self.terms.asynchronous != 0 {
            return Ok(false);
        }
        let own = attributes(&plain)?;
        Ok(match own.len() {
            0 => true,
            1 => own.contains(intern!(py, "pytestmark"))?,
            _ => false,
        })
    }

    fn is_unmarked(&self, names: &Bound<'_, PyDict>) -> PyResult<bool> {
        let py = names.py();
        let Some(marks) = names.get_item(intern!(py, "own_markers"))? else {
            return Ok(true);
        };
        for mark in marks.try_iter()? {
            if self.terms.telling.bind(py).contains(mark?.getattr(intern!(py, "name"))?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The recipe for an item with fixtures. Items one after the other mostly share one.
    fn recipe_for(
        &self,
        item: &Bound<'_, PyAny>,
        names: &Bound<'_, PyDict>,
        parameters: Option<&Parameters<'_>>,
    ) -> PyResult<Option<Py<Recipe>>> {
        let py = item.py();
        let Some(info) = names.get_item(intern!(py, "_fixtureinfo"))? else {
            return Ok(None);
        };
        let parameters = parameters.map(|parameters| parameters.values.len());
        // Taken out meanwhile: comparing may run code that comes by here again.
        let last = self.lock().take();
        if let Some(known) = last {
            if known.parameters == parameters && known.is_for(&info)? {
                let recipe = known.recipe.as_ref().map(|recipe| recipe.clone_ref(py));
                *self.lock() = Some(known);
                return Ok(recipe);
            }
        }
        let recipe: Option<Py<Recipe>> = self.terms.plan_for.bind(py).call1((item,))?.extract()?;
        let known = Known {
            arguments: info.getattr(intern!(py, "argnames"))?.unbind(),
            closure: info
                .getattr(intern!(py, "names_closure"))?
                .try_iter()?
                .collect::<PyResult<Vec<_>>>()
                .and_then(|names| Ok(PyList::new(py, names)?.unbind()))?,
            definitions: info.getattr(intern!(py, "name2fixturedefs"))?.cast::<PyDict>()?.copy()?.unbind(),
            info: info.unbind(),
            parameters,
            recipe: recipe.as_ref().map(|recipe| recipe.clone_ref(py)),
        };
        *self.lock() = Some(known);
        Ok(recipe)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Known {
    /// Whether *info* says the same of an item's fixtures. Items of one function with parameters share it; others have one of their own.
    fn is_for(&self, info: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = info.py();
        if self.parameters.is_some() {
            return Ok(info.is(&self.info));
        }
        Ok(info.getattr(intern!(py, "argnames"))?.eq(&self.arguments)?
            && info.getattr(intern!(py, "names_closure"))?.eq(&self.closure)?
            && info.getattr(intern!(py, "name2fixturedefs"))?.eq(&self.definitions)?)
    }
}

/// The dictionary of an object's own attributes.
pub fn attributes<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let py = object.py();
    // SAFETY: an object that is alive; a strong reference comes back, or null with an exception.
    let names = unsafe {
        Bound::from_owned_ptr_or_err(py, pyo3::ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut()))
    }?;
    Ok(names.cast_into::<PyDict>()?)
}

/// The node id of *item* as text; whoever has asked for it before has left it with the id.
pub fn nodeid_of<'py>(item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let py = item.py();
    if let Ok(Some(text)) = item.getattr_opt(intern!(py, "_id")).map(|id| {
        id.and_then(|id| id.getattr(intern!(py, "_str_cache")).ok()).and_then(|text| text.cast_into::<PyString>().ok())
    }) {
        return Ok(text);
    }
    Ok(item.getattr(intern!(py, "nodeid"))?.cast_into::<PyString>()?)
}
