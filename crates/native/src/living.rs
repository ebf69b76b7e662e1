//! Which classes have objects that somebody can still get at, without collecting garbage: that would show (finalizers, weak references).

use std::collections::{HashMap, HashSet};
use std::ffi::{c_int, c_void};
use std::hash::{BuildHasherDefault, Hasher};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyType};

/// The classes of *objects*, each once.
#[pyfunction]
#[pyo3(signature = (objects, /))]
pub fn kinds<'py>(objects: &Bound<'py, PyList>) -> Vec<Bound<'py, PyType>> {
    let mut seen = HashSet::new();
    objects.iter().map(|object| object.get_type()).filter(|class| seen.insert(class.as_ptr())).collect()
}

/// For each of *classes*, whether an object of it is among *objects* that is reachable from outside of them, be it by a weak reference.
///
/// An object of a subclass is none of the class. What is not among *objects* counts as being outside.
///
/// :param objects: of the collector (``gc.get_objects()``), each once, and nobody else's list.
/// :param limit: with more than this many objects to look at, all that have any are taken for reachable.
#[pyfunction]
#[pyo3(signature = (objects, classes, limit, /))]
pub fn living(objects: &Bound<'_, PyList>, classes: Vec<Bound<'_, PyType>>, limit: usize) -> Vec<bool> {
    let wanted: Places = classes.iter().enumerate().map(|(number, class)| (class.as_ptr(), number)).collect();
    let mut of_classes = Vec::new();
    for object in objects.iter() {
        if let Some(&number) = wanted.get(&object.get_type_ptr().cast()) {
            of_classes.push((object.as_ptr(), number));
        }
    }
    let mut found = vec![false; classes.len()];
    if of_classes.is_empty() {
        return found;
    }
    let young: Places = objects.iter().map(|object| (object.as_ptr(), NOT_SEEN)).collect();
    let starts: Vec<_> = of_classes.iter().map(|&(pointer, _)| pointer).collect();
    let mark = |found: &mut Vec<bool>, young: &Places, reached: Option<Vec<bool>>| {
        found.fill(false);
        for &(pointer, number) in &of_classes {
            let place = young.get(&pointer).copied().unwrap_or(NOT_SEEN);
            found[number] |= reached.as_ref().and_then(|reached| reached.get(place).copied()).unwrap_or(true);
        }
    };
    // What they refer to is little, as a rule; only if somebody else refers to them, all of it is of interest.
    let mut island = Island::new(young);
    let reached = island.grow(&starts, limit).then(|| island.reached(objects));
    mark(&mut found, &island.young, reached);
    if found.contains(&true) && objects.len() <= limit {
        let all: Vec<_> = objects.iter().map(|object| object.as_ptr()).collect();
        let reached = island.grow(&all, limit).then(|| island.reached(objects));
        mark(&mut found, &island.young, reached);
    }
    found
}

const NOT_SEEN: usize = usize::MAX;

type Places = HashMap<*mut ffi::PyObject, usize, BuildHasherDefault<Spread>>;

/// Addresses are different enough: one multiplication spreads them.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_usize(byte.into()));
    }

    fn write_usize(&mut self, number: usize) {
        self.0 = (self.0 ^ (number as u64 >> 4)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }
}

/// Objects that some objects refer to, directly or not.
struct Island {
    /// All objects that may be on it, and their places in the lists.
    young: Places,
    members: Vec<*mut ffi::PyObject>,
    /// The members that each refers to, as often as it does.
    references: Vec<Vec<usize>>,
}

impl Island {
    fn new(young: Places) -> Self {
        Self { young, members: Vec::new(), references: Vec::new() }
    }

    /// Take in *starts*, too, and what they refer to; false if that is more than *limit*.
    fn grow(&mut self, starts: &[*mut ffi::PyObject], limit: usize) -> bool {
        for &start in starts {
            self.place_of(start);
        }
        while let Some(&next) = self.members.get(self.references.len()) {
            if self.members.len() > limit {
                return false;
            }
            let places = referents(next).into_iter().filter_map(|object| self.place_of(object)).collect();
            self.references.push(places);
        }
        true
    }

    fn place_of(&mut self, object: *mut ffi::PyObject) -> Option<usize> {
        let place = self.young.get_mut(&object)?;
        if *place == NOT_SEEN {
            *place = self.members.len();
            self.members.push(object);
        }
        Some(*place)
    }

    /// Of each member, whether it is reachable from outside.
    fn reached(&self, objects: &Bound<'_, PyList>) -> Vec<bool> {
        // One reference is that of the list.
        let mut outside: Vec<isize> = self.members.iter().map(|&object| count(object) - 1).collect();
        for &place in self.references.iter().flatten() {
            outside[place] -= 1;
        }
        let mut weakly: HashMap<usize, usize> = HashMap::new();
        for object in objects.iter() {
            let Some(referent) = weak_referent(&object).and_then(|object| self.young.get(&object)).copied() else {
                continue;
            };
            match self.young.get(&object.as_ptr()).copied() {
                _ if referent == NOT_SEEN => {}
                Some(place) if place != NOT_SEEN => {
                    weakly.insert(place, referent);
                }
                _ => outside[referent] += 1,
            }
        }
        let mut reached = vec![false; self.members.len()];
        let mut waiting: Vec<usize> = (0..self.members.len()).filter(|&place| outside[place] > 0).collect();
        while let Some(place) = waiting.pop() {
            if !std::mem::replace(&mut reached[place], true) {
                waiting.extend(&self.references[place]);
                waiting.extend(weakly.get(&place));
            }
        }
        reached
    }
}

/// How many references there are to an object. (The upper half of the word has flags in some versions; one that is immortal has many.)
fn count(object: *mut ffi::PyObject) -> isize {
    // SAFETY: a list holds the object.
    let word = unsafe { ffi::Py_REFCNT(object) };
    word & 0xFFFF_FFFF
}

/// What an object refers to, as the collector sees it.
pub(crate) fn referents(object: *mut ffi::PyObject) -> Vec<*mut ffi::PyObject> {
    let mut found: Vec<*mut ffi::PyObject> = Vec::new();
    traverse(object, visit, (&raw mut found).cast());
    found
}

/// Have *visit* called with each object that *object* refers to, and with *given*.
pub(crate) fn traverse(object: *mut ffi::PyObject, visit: ffi::visitproc, given: *mut c_void) {
    // SAFETY: the object is alive and one of the collector's, so its type has this slot; visiting changes nothing.
    unsafe {
        let slot = ffi::PyType_GetSlot(ffi::Py_TYPE(object), ffi::Py_tp_traverse);
        if !slot.is_null() {
            let traverse: ffi::traverseproc = std::mem::transmute(slot);
            traverse(object, visit, given);
        }
    }
}

extern "C" fn visit(object: *mut ffi::PyObject, found: *mut c_void) -> c_int {
    // SAFETY: `referents` has handed this in, and waits.
    unsafe { (*found.cast::<Vec<*mut ffi::PyObject>>()).push(object) };
    0
}

/// What a weak reference leads to; None if the object is none, or leads nowhere.
pub(crate) fn weak_referent(object: &Bound<'_, PyAny>) -> Option<*mut ffi::PyObject> {
    // SAFETY: the object is alive; what is given is borrowed from it.
    unsafe {
        if ffi::PyWeakref_Check(object.as_ptr()) == 0 {
            return None;
        }
        let referent = ffi::PyWeakref_GetObject(object.as_ptr());
        (!referent.is_null() && referent != ffi::Py_None()).then_some(referent)
    }
}
