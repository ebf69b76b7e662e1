//! The fixtures of an item that are of the simple kinds: set up in order, and ended in the opposite one.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

/// What setting up a fixture takes, as ``engine/lean/fixtures.py`` names it.
enum Kind {
    /// Of a wider scope, and there already.
    Standing,
    Parameter,
    Function,
    Generator,
    /// A method, or one that looks at its parameter: Python knows how.
    Elaborate,
}

/// A name, and which of the steps makes the value that it stands for.
type Argument = (Py<PyString>, usize);

struct Step {
    kind: Kind,
    name: Py<PyString>,
    definition: Py<PyAny>,
    function: Py<PyAny>,
    arguments: Vec<Argument>,
    step: Py<PyAny>,
}

/// A plan of ``engine/lean/fixtures.py``, as it is carried out.
///
/// *steps*: each with its kind, name, definition, function, the names that it needs (of earlier steps), and itself. *arguments*: the names
/// that the test is called with. *calls*: whether any step calls a function.
///
/// :raises ValueError: an unknown kind, or a name that no earlier step makes.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct Recipe {
    steps: Vec<Step>,
    arguments: Vec<Argument>,
    pub calls: bool,
    #[pyo3(get)]
    plan: Py<PyAny>,
}

type GivenStep = (String, Py<PyString>, Py<PyAny>, Py<PyAny>, Vec<Py<PyString>>, Py<PyAny>);

#[pymethods]
impl Recipe {
    #[new]
    #[pyo3(signature = (plan, steps, arguments, *, calls))]
    fn new(
        py: Python<'_>,
        plan: Py<PyAny>,
        steps: Vec<GivenStep>,
        arguments: Vec<Py<PyString>>,
        calls: bool,
    ) -> PyResult<Self> {
        let mut made: Vec<Step> = Vec::new();
        for (kind, name, definition, function, needed, step) in steps {
            let arguments = places(py, &made, needed)?;
            made.push(Step { kind: kind_of(&kind)?, name, definition, function, arguments, step });
        }
        let arguments = places(py, &made, arguments)?;
        Ok(Self { steps: made, arguments, calls, plan })
    }
}

fn kind_of(name: &str) -> PyResult<Kind> {
    Ok(match name {
        "standing" => Kind::Standing,
        "parameter" => Kind::Parameter,
        "function" => Kind::Function,
        "generator" => Kind::Generator,
        "call" => Kind::Elaborate,
        _ => return Err(PyValueError::new_err(format!("no kind of step: {name}"))),
    })
}

fn places(py: Python<'_>, steps: &[Step], names: Vec<Py<PyString>>) -> PyResult<Vec<Argument>> {
    let place = |name: Py<PyString>| -> PyResult<Argument> {
        for (number, step) in steps.iter().enumerate() {
            if step.name.bind(py).as_any().eq(&name)? {
                return Ok((name, number));
            }
        }
        Err(PyValueError::new_err(format!("no earlier step makes {name}")))
    };
    names.into_iter().map(place).collect()
}

/// What has been set up for one item: a value for each of the first steps, and the generators that have to be ended.
#[derive(Default)]
pub struct Furniture {
    values: Vec<Py<PyAny>>,
    generators: Vec<(usize, Py<PyAny>)>,
}

impl Furniture {
    /// Whether nothing has to be ended.
    pub fn is_still(&self) -> bool {
        self.generators.is_empty()
    }
}

/// What only Python does.
pub struct Helpers {
    /// ``(step, item, values by name) -> (value, generator or None)``
    pub elaborate: Py<PyAny>,
    /// ``(step, item)``; raises what a fixture's generator earns that yields nothing.
    pub yields_nothing: Py<PyAny>,
    /// ``(function,)``; raises what it earns when it yields once more.
    pub yields_again: Py<PyAny>,
}

impl Recipe {
    /// Whether the fixtures of a wider scope are there, with the *parameters* of an item, and all others end with it.
    ///
    /// *narrow* is the scope of a function.
    pub fn stands(&self, py: Python<'_>, parameters: Option<&Parameters<'_>>, narrow: &Py<PyAny>) -> PyResult<bool> {
        for step in self.steps.iter().filter(|step| matches!(step.kind, Kind::Standing)) {
            let result = step.definition.bind(py).getattr(intern!(py, "cached_result"))?;
            let Ok(result) = result.cast::<PyTuple>() else {
                return Ok(false);
            };
            let given = match parameters {
                Some(parameters) => parameters.values.get_item(&step.name)?,
                None => None,
            };
            let known = result.get_item(1)?;
            let is_same = given.map_or_else(|| known.is_none(), |given| known.is(&given));
            if !is_same || !result.get_item(2)?.is_none() {
                return Ok(false);
            }
        }
        let Some(parameters) = parameters else {
            return Ok(true);
        };
        for (name, scope) in &parameters.scopes {
            let is_standing = |step: &Step| -> PyResult<bool> {
                Ok(matches!(step.kind, Kind::Standing) && step.name.bind(py).as_any().eq(&name)?)
            };
            if !scope.is(narrow) && !self.steps.iter().map(is_standing).any(|is| is.unwrap_or(false)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Carry out the steps for *item*, whose attributes are *names*. What is in *furniture* when that fails has been set up.
    pub fn set_up(
        &self,
        item: &Bound<'_, PyAny>,
        names: &Bound<'_, PyDict>,
        helpers: &Helpers,
        furniture: &mut Furniture,
    ) -> PyResult<()> {
        let py = item.py();
        for (number, step) in self.steps.iter().enumerate() {
            let value = match step.kind {
                Kind::Standing => step.definition.bind(py).getattr(intern!(py, "cached_result"))?.get_item(0)?,
                Kind::Parameter => Parameters::of(names)?
                    .and_then(|parameters| parameters.values.get_item(&step.name).transpose())
                    .ok_or_else(|| PyValueError::new_err("an item without the parameter that it is said to have"))??,
                Kind::Function => call(py, &step.function, &step.arguments, furniture)?,
                Kind::Generator => {
                    let generator = call(py, &step.function, &step.arguments, furniture)?;
                    let value = match next(&generator)? {
                        Some(value) => value,
                        None => helpers.yields_nothing.bind(py).call1((&step.step, item))?,
                    };
                    furniture.generators.push((number, generator.unbind()));
                    value
                }
                Kind::Elaborate => {
                    let made = helpers.elaborate.bind(py).call1((&step.step, item, self.values(py, furniture)?))?;
                    let (value, generator): (Bound<'_, PyAny>, Bound<'_, PyAny>) = made.extract()?;
                    if !generator.is_none() {
                        furniture.generators.push((number, generator.unbind()));
                    }
                    value
                }
            };
            furniture.values.push(value.unbind());
        }
        Ok(())
    }

    /// Call the test.
    pub fn call<'py>(&self, function: &Bound<'py, PyAny>, furniture: &Furniture) -> PyResult<Bound<'py, PyAny>> {
        call(function.py(), function.as_unbound(), &self.arguments, furniture)
    }

    /// End the generators, the last one first, until one fails: then the error, and how many steps stand below it.
    pub fn tear_down(&self, py: Python<'_>, helpers: &Helpers, furniture: &mut Furniture) -> Option<(PyErr, usize)> {
        while let Some((number, generator)) = furniture.generators.pop() {
            let ended = next(generator.bind(py)).and_then(|value| match value {
                None => Ok(()),
                Some(_) => helpers.yields_again.bind(py).call1((&self.steps[number].function,)).map(drop),
            });
            if let Err(error) = ended {
                return Some((error, number));
            }
        }
        None
    }

    /// The values that are there, by name.
    pub fn values<'py>(&self, py: Python<'py>, furniture: &Furniture) -> PyResult<Bound<'py, PyDict>> {
        let values = PyDict::new(py);
        for (step, value) in self.steps.iter().zip(&furniture.values) {
            values.set_item(&step.name, value)?;
        }
        Ok(values)
    }

    /// The generators that wait, each with its step.
    pub fn generators(&self, py: Python<'_>, furniture: &Furniture) -> Vec<(Py<PyAny>, Py<PyAny>)> {
        let pair = |(number, generator): &(usize, Py<PyAny>)| {
            (self.steps[*number].step.clone_ref(py), generator.clone_ref(py))
        };
        furniture.generators.iter().map(pair).collect()
    }
}

/// The parameters of an item, by name, and the scopes of each.
pub struct Parameters<'py> {
    pub values: Bound<'py, PyDict>,
    scopes: Bound<'py, PyDict>,
}

impl<'py> Parameters<'py> {
    /// Those of an item, whose attributes are *names*, if it has any.
    pub fn of(names: &Bound<'py, PyDict>) -> PyResult<Option<Self>> {
        let py = names.py();
        let Some(callspec) = names.get_item(intern!(py, "callspec"))? else {
            return Ok(None);
        };
        let values = callspec.getattr(intern!(py, "params"))?.cast_into::<PyDict>()?;
        let scopes = callspec.getattr(intern!(py, "_arg2scope"))?.cast_into::<PyDict>()?;
        Ok(Some(Self { values, scopes }))
    }
}

fn call<'py>(
    py: Python<'py>,
    function: &Py<PyAny>,
    arguments: &[Argument],
    furniture: &Furniture,
) -> PyResult<Bound<'py, PyAny>> {
    if arguments.is_empty() {
        return function.bind(py).call0();
    }
    let given = PyDict::new(py);
    for (name, number) in arguments {
        given.set_item(name, &furniture.values[*number])?;
    }
    function.bind(py).call((), Some(&given))
}

/// What *generator* yields next, or None at its end.
fn next<'py>(generator: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = generator.py();
    // SAFETY: an object that is alive.
    if unsafe { ffi::PyIter_Check(generator.as_ptr()) } == 0 {
        return Err(PyTypeError::new_err("a fixture that yields is no iterator"));
    }
    // SAFETY: an iterator. A strong reference comes back, or null: with an exception, or at the end without one.
    let value = unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyIter_Next(generator.as_ptr())) };
    match value {
        Some(value) => Ok(Some(value)),
        None => PyErr::take(py).map_or(Ok(None), Err),
    }
}
