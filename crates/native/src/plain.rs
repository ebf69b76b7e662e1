//! Items run in one step: what pytest's protocol comes to for tests that pass and leave everything as it was.
//!
//! Nothing is decided here about items that do anything else. With the first surprise the loop ends, and says how far it has come:
//! ``engine/lean/plain.py`` goes on from there, through pytest's own objects.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use crate::choice::{nodeid_of, Choice, Chosen};
use crate::environment::Variable;
use crate::glance::{all_propagate, Glance};
use crate::recipe::{Furniture, Helpers, Recipe};
use crate::records::{Records, Times};
use crate::words::Words;

/// Where the loop ended, and why.
mod code {
    /// Nothing is under way.
    pub const PAUSE: u8 = 0;
    /// The next item cannot be run in one step.
    pub const OTHER: u8 = 1;
    /// As `PAUSE`; the last item has given warnings.
    pub const WARNED: u8 = 2;
    /// A fixture has raised something.
    pub const SETUP_RAISED: u8 = 3;
    /// The fixtures are there, and there is something to tell.
    pub const SETUP_TOLD: u8 = 4;
    /// The test has raised something.
    pub const RAISED: u8 = 5;
    /// The test has returned, and there is something to tell, or more to be torn down than is known here.
    pub const RETURNED: u8 = 6;
    /// The fixtures have ended, or one has raised something at its end, and there is something to tell.
    pub const TORN_DOWN: u8 = 7;
}

/// What the loop sees and changes. Each is what ``plain.py`` says of the attribute of this name.
#[derive(FromPyObject)]
struct Surroundings {
    choice: Py<Choice>,
    glance: Py<Glance>,
    buffers: Vec<Py<PyAny>>,
    stack: Py<PyDict>,
    protocol: Py<PyDict>,
    assertions: Py<PyDict>,
    compare: Py<PyAny>,
    config: Py<PyAny>,
    warnings: Py<PyDict>,
    filters: Py<PyList>,
    filters_mutated: Py<PyAny>,
    renew_warnings: Py<PyAny>,
    given_warnings: Py<PyList>,
    loggers: Option<Py<PyAny>>,
    heed_loggers: Py<PyAny>,
    sys: Py<PyDict>,
    modules: Py<PyDict>,
    forget_last_exception: Py<PyAny>,
    os: Py<PyDict>,
    environ: Py<PyType>,
    variable: Option<Py<Variable>>,
    tell_environment: Py<PyAny>,
    may_leave: Py<PyAny>,
    leave: Py<PyAny>,
    elaborate: Py<PyAny>,
    yields_nothing: Py<PyAny>,
    yields_again: Py<PyAny>,
    page: Py<PyAny>,
    stop_page: Py<PyAny>,
    limit: Option<Py<PyAny>>,
    between: Option<Py<PyAny>>,
}

/// Words of the status page.
const STOP: usize = 3;
const ITEM: usize = 4;
const SILENT: usize = 5;

/// Runs items one after the other. *surroundings* is an object with the attributes that ``plain.py`` describes.
///
/// :raises ValueError: one of the pages is too small.
#[pyclass(frozen, module = "dx_py_test_runner._native")]
pub struct PlainLoop {
    around: Surroundings,
    helpers: Helpers,
    page: Words,
    stop_page: Words,
    limit: Option<Words>,
    listens: AtomicBool,
    position: AtomicUsize,
}

/// An item under way.
struct Running<'py> {
    item: Bound<'py, PyAny>,
    next: Bound<'py, PyAny>,
    chosen: Chosen<'py>,
    furniture: Furniture,
    finalizers: Bound<'py, PyList>,
    times: Vec<f64>,
}

/// What one call of the loop was given.
struct Stretch<'a, 'py> {
    parent: Bound<'py, PyAny>,
    quiet: bool,
    records: &'a Records,
    /// Seconds from the clock of durations to that on the wall.
    wall: f64,
}

impl Stretch<'_, '_> {
    /// Whether *item*, which may be None, is a child of the same parent.
    fn is_above(&self, item: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(!item.is_none() && item.getattr(intern!(item.py(), "parent"))?.is(&self.parent))
    }
}

type Answer = PyResult<Option<(u8, Py<PyAny>)>>;

#[pymethods]
impl PlainLoop {
    #[new]
    #[pyo3(signature = (surroundings, /))]
    fn new(py: Python<'_>, surroundings: Surroundings) -> PyResult<Self> {
        let helpers = Helpers {
            elaborate: surroundings.elaborate.clone_ref(py),
            yields_nothing: surroundings.yields_nothing.clone_ref(py),
            yields_again: surroundings.yields_again.clone_ref(py),
        };
        let page = Words::of(surroundings.page.bind(py), SILENT + 1)?;
        let stop_page = Words::of(surroundings.stop_page.bind(py), STOP + 1)?;
        let limit = surroundings.limit.as_ref().map(|limit| Words::of(limit.bind(py), 1)).transpose()?;
        let (listens, position) = (AtomicBool::new(true), AtomicUsize::new(0));
        Ok(Self { around: surroundings, helpers, page, stop_page, limit, listens, position })
    }

    /// The first item that has not been run to its end.
    #[getter]
    fn position(&self) -> usize {
        self.position.load(Ordering::Relaxed)
    }

    /// Run *items* from *start* to before *stop*, as long as they are children of a parent that is set up, no more than *until* by the
    /// clock of durations has passed, and nobody wants them to stop. What passes is written to *records*.
    ///
    /// *following* comes behind the last of them, or is None. *place* is the parent, and whether items with fixtures may be run.
    ///
    /// :returns: a code, and what is known of the item under way, which is that at *position*.
    #[pyo3(signature = (items, part, following, place, records, until, /))]
    fn run<'py>(
        &self,
        items: &Bound<'py, PyList>,
        part: (usize, usize),
        following: &Bound<'py, PyAny>,
        place: (Bound<'py, PyAny>, bool),
        records: &Bound<'py, Records>,
        until: f64,
    ) -> PyResult<(u8, Py<PyAny>)> {
        let py = items.py();
        let (start, stop) = part;
        let wall = seconds(libc::CLOCK_REALTIME) - now();
        let stretch = Stretch { parent: place.0, quiet: place.1, records: records.get(), wall };
        self.listens.store(true, Ordering::Relaxed);
        self.position.store(start, Ordering::Relaxed);
        for position in start..stop {
            py.check_signals()?;
            if self.must_stop(position) || !stretch.records.has_room() {
                break;
            }
            let item = items.get_item(position)?;
            let next = if position + 1 < stop { items.get_item(position + 1)? } else { following.clone() };
            if !item.getattr(intern!(py, "parent"))?.is(&stretch.parent) {
                break;
            }
            self.begin(position);
            if let Some(between) = &self.around.between {
                between.bind(py).call0()?;
            }
            let chosen = match self.is_entered(&stretch.parent)? {
                true => self.around.choice.get().look(&item, stretch.quiet)?,
                false => None,
            };
            let Some(chosen) = chosen.filter(|_| self.has_told_hypothesis(py)) else {
                return Ok((code::OTHER, py.None()));
            };
            if let Some(answer) = self.run_item(&stretch, position, item, next, chosen)? {
                return Ok(answer);
            }
            if self.around.given_warnings.bind(py).len() > 0 {
                return Ok((code::WARNED, py.None()));
            }
            if now() > until {
                break;
            }
        }
        Ok((code::PAUSE, py.None()))
    }
}

impl PlainLoop {
    /// Run one item; what is to be said of it if it has not just passed.
    fn run_item<'py>(
        &self,
        stretch: &Stretch<'_, 'py>,
        position: usize,
        item: Bound<'py, PyAny>,
        next: Bound<'py, PyAny>,
        chosen: Chosen<'py>,
    ) -> Answer {
        let py = item.py();
        self.prepare(&item)?;
        let start = now();
        let times = vec![start + stretch.wall, start];
        let finalizers = PyList::new(py, [item.getattr(intern!(py, "teardown"))?])?;
        self.around.stack.bind(py).set_item(&item, (&finalizers, py.None()))?;
        let mut running = Running { item, next, chosen, furniture: Furniture::default(), finalizers, times };
        let recipe = running.chosen.recipe.as_ref().map(|recipe| recipe.clone_ref(py));
        if let Some(answer) = self.set_up(stretch, &mut running, recipe.as_ref())? {
            return Ok(Some(answer));
        }
        if let Some(answer) = self.call(stretch, &mut running, recipe.as_ref())? {
            return Ok(Some(answer));
        }
        if let Some(recipe) = recipe.as_ref().filter(|_| !running.furniture.is_still()) {
            if let Some(answer) = self.tear_down(stretch, &mut running, recipe)? {
                return Ok(Some(answer));
            }
        }
        self.end(stretch, position, running)?;
        Ok(None)
    }

    fn set_up(&self, stretch: &Stretch<'_, '_>, running: &mut Running<'_>, recipe: Option<&Py<Recipe>>) -> Answer {
        let py = running.item.py();
        let Some(recipe) = recipe.map(Py::get) else {
            return Ok(None);
        };
        if recipe.calls {
            self.tell_environment(&running.item, "setup")?;
            self.mark(0);
        }
        let made = recipe.set_up(&running.item, &running.chosen.names, &self.helpers, &mut running.furniture);
        if let Err(error) = made {
            return self.answer(py, code::SETUP_RAISED, running, error.into_value(py).into_any());
        }
        if recipe.calls {
            if !self.is_silent(py, stretch)? {
                running.times.push(now());
                return self.answer(py, code::SETUP_TOLD, running, py.None());
            }
            self.heed_loggers(py)?;
        }
        Ok(None)
    }

    fn call(&self, stretch: &Stretch<'_, '_>, running: &mut Running<'_>, recipe: Option<&Py<Recipe>>) -> Answer {
        let py = running.item.py();
        self.forget_last_exception(py)?;
        self.tell_environment(&running.item, "call")?;
        self.mark(1);
        running.times.push(now());
        let result = match recipe {
            None => running.chosen.function.call0(),
            Some(recipe) => recipe.get().call(&running.chosen.function, &running.furniture),
        };
        let result = match result {
            Ok(result) => result,
            Err(error) => return self.answer(py, code::RAISED, running, error.into_value(py).into_any()),
        };
        running.times.push(now());
        if result.is_none()
            && running.finalizers.len() == 1
            && self.is_silent(py, stretch)?
            && self.may_end(stretch, running)?
        {
            return Ok(None);
        }
        self.answer(py, code::RETURNED, running, result.unbind())
    }

    fn tear_down(&self, stretch: &Stretch<'_, '_>, running: &mut Running<'_>, recipe: &Py<Recipe>) -> Answer {
        let py = running.item.py();
        self.tell_environment(&running.item, "teardown")?;
        self.mark(2);
        let failed = recipe.get().tear_down(py, &self.helpers, &mut running.furniture);
        if failed.is_none() && self.is_silent(py, stretch)? {
            return Ok(None);
        }
        let details = match failed {
            None => (py.None(), 0),
            Some((error, below)) => (error.into_value(py).into_any(), below),
        };
        self.answer(py, code::TORN_DOWN, running, details.into_pyobject(py)?.into_any().unbind())
    }

    /// An item has passed: what it leaves is what pytest leaves.
    fn end(&self, stretch: &Stretch<'_, '_>, position: usize, running: Running<'_>) -> PyResult<()> {
        let py = running.item.py();
        if stretch.is_above(&running.next)? {
            self.around.stack.bind(py).call_method0(intern!(py, "popitem"))?;
        } else {
            self.around.leave.bind(py).call1((&running.next,))?;
        }
        running.chosen.names.set_item(intern!(py, "_request"), false)?;
        running.chosen.names.set_item(intern!(py, "funcargs"), py.None())?;
        let times: Times = match running.times[..] {
            [began, start, called, done] => [began, start, called, done, now()],
            _ => return Err(PyValueError::new_err("an item that ends before it was called")),
        };
        self.position.store(position + 1, Ordering::Relaxed);
        if !stretch.records.count(u32::try_from(position).unwrap_or(u32::MAX), &times) {
            return Err(PyValueError::new_err("no room for a record"));
        }
        Ok(())
    }

    fn answer(&self, py: Python<'_>, code: u8, running: &Running<'_>, more: Py<PyAny>) -> Answer {
        let times = PyTuple::new(py, &running.times)?;
        let (values, generators) = match &running.chosen.recipe {
            None => (PyDict::new(py), Vec::new()),
            Some(recipe) => {
                let recipe = recipe.get();
                (recipe.values(py, &running.furniture)?, recipe.generators(py, &running.furniture))
            }
        };
        let details = (times, running.chosen.recipe.as_ref(), values, generators, more);
        Ok(Some((code, details.into_pyobject(py)?.into_any().unbind())))
    }

    // ---- what an item finds

    fn prepare(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, around) = (item.py(), &self.around);
        around.protocol.bind(py).set_item(intern!(py, "_item"), item)?;
        let filters = around.warnings.bind(py).get_item(intern!(py, "filters"))?;
        if filters.map_or(Ok(false), |filters| filters.eq(&around.filters))? {
            around.filters_mutated.bind(py).call0()?;
        } else {
            around.renew_warnings.bind(py).call0()?;
        }
        let assertions = around.assertions.bind(py);
        assertions.set_item(intern!(py, "_reprcompare"), &around.compare)?;
        assertions.set_item(intern!(py, "_config"), &around.config)?;
        self.heed_loggers(py)
    }

    fn heed_loggers(&self, py: Python<'_>) -> PyResult<()> {
        let Some(manager) = &self.around.loggers else {
            return Ok(());
        };
        let loggers = manager.bind(py).getattr(intern!(py, "loggerDict"))?;
        if self.listens.load(Ordering::Relaxed) || !all_propagate(py, &loggers).unwrap_or(false) {
            let listens = self.around.heed_loggers.bind(py).call0()?.is_truthy()?;
            self.listens.store(listens, Ordering::Relaxed);
        }
        Ok(())
    }

    fn forget_last_exception(&self, py: Python<'_>) -> PyResult<()> {
        let names = self.around.sys.bind(py);
        if names.contains(intern!(py, "last_type"))? || names.contains(intern!(py, "last_exc"))? {
            self.around.forget_last_exception.bind(py).call0()?;
        }
        Ok(())
    }

    fn tell_environment(&self, item: &Bound<'_, PyAny>, when: &str) -> PyResult<()> {
        let (py, around) = (item.py(), &self.around);
        let nodeid = nodeid_of(item)?;
        if let Some(variable) = &around.variable {
            if let Some(environ) = around.os.bind(py).get_item(intern!(py, "environ"))? {
                if environ.get_type().is(&around.environ) {
                    let known = environ.getattr(intern!(py, "_data"))?.cast_into::<PyDict>()?;
                    if variable.get().tell(&known, &nodeid, [" (", when, ")"])? {
                        return Ok(());
                    }
                }
            }
        }
        around.tell_environment.bind(py).call1((nodeid, when)).map(drop)
    }

    /// Whether the plugin of hypothesis knows where it is, if both are loaded.
    fn has_told_hypothesis(&self, py: Python<'_>) -> bool {
        let told = || self.around.protocol.bind(py).get_item(intern!(py, "_told_hypothesis")).ok()??.is_truthy().ok();
        told() == Some(true) || !self.around.modules.bind(py).contains(intern!(py, "hypothesis")).unwrap_or(true)
    }

    /// Whether *parent* is what was set up last, and without a failure.
    fn is_entered(&self, parent: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = parent.py();
        let Some((node, state)) = self.around.stack.bind(py).iter().last() else {
            return Ok(false);
        };
        Ok(node.is(parent) && state.get_item(1)?.is_none())
    }

    // ---- what it leaves

    /// Whether a phase has left nothing to be told, and everything as it was; this process is still the one that was meant.
    fn is_silent(&self, py: Python<'_>, stretch: &Stretch<'_, '_>) -> PyResult<bool> {
        if !stretch.records.is_open() || !self.around.glance.get().holds(py) {
            return Ok(false);
        }
        for buffer in &self.around.buffers {
            if buffer.bind(py).call_method0(intern!(py, "tell"))?.is_truthy()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether all that the next item does not share can be left without anything happening.
    fn may_end(&self, stretch: &Stretch<'_, '_>, running: &Running<'_>) -> PyResult<bool> {
        let py = running.item.py();
        if stretch.is_above(&running.next)? {
            return Ok(true);
        }
        self.around.may_leave.bind(py).call1((&stretch.parent, &running.next))?.is_truthy()
    }

    // ---- the pages

    fn must_stop(&self, position: usize) -> bool {
        self.stop_page.get(STOP) & 1 != 0 || self.limit.as_ref().is_some_and(|limit| position > limit.get(0) as usize)
    }

    fn begin(&self, position: usize) {
        self.page.set(SILENT, 0);
        self.page.set(ITEM, u32::try_from(position).unwrap_or(u32::MAX));
    }

    /// How many phases have passed without having been reported.
    fn mark(&self, phases: u32) {
        self.page.set(SILENT, phases);
    }
}

fn now() -> f64 {
    seconds(libc::CLOCK_MONOTONIC)
}

/// As Python's clocks tell it.
#[allow(clippy::cast_precision_loss)]
fn seconds(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to room for one `timespec`.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
