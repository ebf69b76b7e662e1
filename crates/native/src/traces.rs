//! Whether what a project's modules lead to is as it was when it was looked at last. Nothing is made or called for that, and
//! nothing is held from one look to the next.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};
use std::ffi::{c_int, c_ulong, c_void};
use std::hash::BuildHasherDefault;
use std::ptr::null_mut;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyType};

use crate::living::{referents, traverse, weak_referent, Spread};

/// An object, by its address: it may be gone when this is looked at again.
type Address = usize;

type By<T> = HashMap<Address, T, BuildHasherDefault<Spread>>;

/// What was found to be otherwise: an object; the keys that are, if it is a dictionary whose keys are texts; and, if it is an object of a class of the
/// project, what it refers to in the places that are. And whether it is a root that was none.
type Change<'py> = (Bound<'py, PyAny>, Option<Vec<String>>, Option<Vec<Bound<'py, PyAny>>>, bool);

/// What is known of the objects that can be reached from some roots, between two looks.
///
/// Of each object that can be changed, a hash of what it refers to: texts and numbers by their values, others by their addresses. An address
/// that has been given to another object since tells nothing wrong, as that one's hash is compared, too.
///
/// Not followed, and known by their addresses alone: modules and classes of others than the project, and their functions, but for those that
/// were made for one of the project's; objects of *packages*; objects of *plain* classes. What is kept in a dictionary under a weak reference to
/// an object that is not found here, and is none of *standing*, is not looked at: nobody else can ask for it.
///
/// :param plain: classes of which no object can be changed, or of which it does not matter.
/// :param packages: names of packages whose objects are not followed.
/// :param standing: objects that are always there.
/// :param left: attributes of classes and modules that tell nothing.
/// :param function: the class of functions.
/// :param cache: the class of what ``functools.lru_cache`` gives.
/// :param local: the class of what threads have each for themselves.
#[pyclass(module = "dx_py_test_runner._native")]
pub struct Traces {
    plain: HashSet<Address>,
    packages: Vec<String>,
    standing: HashSet<Address>,
    left: HashSet<String>,
    function: Address,
    cache: Address,
    local: Address,
    /// What ``sys.modules`` held when it was looked at.
    modules: Vec<(Address, Address)>,
    /// The names of the project's modules.
    own: HashSet<String>,
    /// Modules and their namespaces: whether they are the project's.
    namespaces: By<bool>,
    kinds: By<(Kind, u32)>,
    classes: By<bool>,
    /// Namespaces of classes of the project.
    class_names: By<()>,
    roots: Vec<Address>,
    /// What was reached, in the order in which it was: whatever refers to an object first is before it.
    entries: Vec<Entry>,
    known: By<usize>,
    /// Of dictionaries whose keys are texts: these, and what stands for their values.
    keys: By<Vec<(String, u64)>>,
    /// Of objects of the project's classes: what stands for all that they refer to.
    parts: By<Vec<u64>>,
    round: u32,
    referents: usize,
    /// How many entries stand for nothing any more.
    gone: usize,
    /// What :meth:`hold` keeps alive.
    held: Vec<Py<PyAny>>,
    /// While that is so: of each entry, the entries that refer to it.
    holders: Holders,
}

#[derive(Clone, Copy)]
struct Entry {
    /// 0: nothing any more.
    object: Address,
    class: Address,
    kind: Kind,
    /// Of all that it refers to, without looking closely.
    raw: u64,
    hash: u64,
    /// Whether something that it refers to has to be looked at closely each time.
    closely: bool,
    /// The entry by which it was reached; as long as that one is as it was, it refers to this one.
    reached_by: u32,
}

/// Those that stand for something, with their numbers.
fn there(entries: &[Entry]) -> impl Iterator<Item = (usize, &Entry)> {
    entries.iter().enumerate().filter(|(_, entry)| entry.object != 0)
}

/// In place of an entry: one of the roots, and none.
const ROOT: u32 = u32::MAX;
const NOBODY: u32 = u32::MAX - 1;

/// How objects of a class are looked at.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// By its value.
    Value,
    /// By its address.
    Plain,
    /// By its bytes between these places.
    Bytes(usize, usize),
    Weak,
    Dict,
    Function,
    Cache,
    Class,
    Module,
    /// A thread's own, of which only what it has for this thread matters: that is a root.
    Local,
    /// Whatever else refers to objects. With keys, if it is a kind of dictionary.
    Container {
        is_dict: bool,
    },
}

#[pymethods]
impl Traces {
    #[new]
    #[pyo3(signature = (*, plain, packages, standing, left, function, cache, local))]
    fn new(
        plain: Vec<Bound<'_, PyType>>,
        packages: Vec<String>,
        standing: Vec<Bound<'_, PyAny>>,
        left: HashSet<String>,
        function: &Bound<'_, PyType>,
        cache: &Bound<'_, PyType>,
        local: &Bound<'_, PyType>,
    ) -> Self {
        Self {
            plain: plain.iter().map(|class| class.as_ptr() as Address).collect(),
            packages,
            standing: standing.iter().map(|object| object.as_ptr() as Address).collect(),
            left,
            function: function.as_ptr() as Address,
            cache: cache.as_ptr() as Address,
            local: local.as_ptr() as Address,
            modules: Vec::new(),
            own: HashSet::new(),
            namespaces: By::default(),
            kinds: By::default(),
            classes: By::default(),
            class_names: By::default(),
            roots: Vec::new(),
            entries: Vec::new(),
            known: By::default(),
            keys: By::default(),
            parts: By::default(),
            round: 0,
            referents: 0,
            gone: 0,
            held: Vec::new(),
            holders: Holders::default(),
        }
    }

    /// Whether *modules* (``sys.modules``) is as it was when :meth:`know` was told of it.
    fn knows(&self, modules: &Bound<'_, PyDict>) -> bool {
        let mut all = modules.iter().zip(&self.modules);
        modules.len() == self.modules.len()
            && all.all(|((name, module), known)| (name.as_ptr() as Address, module.as_ptr() as Address) == *known)
    }

    /// Take down what ``sys.modules`` holds, and which names of it are the project's.
    fn know(&mut self, modules: &Bound<'_, PyDict>, own: HashSet<String>) {
        self.modules.clear();
        self.namespaces.clear();
        for (name, module) in modules.iter() {
            self.modules.push((name.as_ptr() as Address, module.as_ptr() as Address));
            let is_own = name.cast::<PyString>().is_ok_and(|name| name.to_str().is_ok_and(|name| own.contains(name)));
            // SAFETY: the module is alive, and is one.
            let namespace = unsafe {
                match ffi::PyModule_Check(module.as_ptr()) {
                    0 => null_mut(),
                    _ => ffi::PyModule_GetDict(module.as_ptr()),
                }
            };
            for address in [module.as_ptr() as Address, namespace as Address] {
                // A module may be there under several names.
                *self.namespaces.entry(address).or_insert(false) |= is_own;
            }
        }
        self.namespaces.remove(&0);
        self.own = own;
        // What is the project's may be otherwise now.
        self.roots.clear();
    }

    /// Look at all that can be reached from *roots*; what was there before and is otherwise now, and the roots that are new.
    ///
    /// None if there is too much of it: then nothing is known the next time.
    fn look<'py>(&mut self, py: Python<'py>, roots: &Bound<'py, PyList>) -> Option<Vec<Change<'py>>> {
        self.round += 1;
        self.classes.clear();
        let addresses: Vec<Address> = roots.iter().map(|root| root.as_ptr() as Address).collect();
        let is_first = self.known.is_empty();
        let found = match self.renew(py, &addresses) {
            Some(found) => found,
            None => self.walk(py, &addresses)?,
        };
        let mut changed = self.changes(py, &found.otherwise, &addresses);
        if is_first {
            // Nothing was known.
            changed.clear();
        }
        for address in found.gone {
            self.keys.remove(&address);
            self.parts.remove(&address);
            self.class_names.remove(&address);
        }
        self.roots = addresses;
        Some(changed)
    }

    /// Whether *object* was reached in the last look, and all that it refers to was.
    fn has(&self, object: &Bound<'_, PyAny>) -> bool {
        self.known.contains_key(&(object.as_ptr() as Address))
    }

    /// Keep all that was reached in the last look alive until :meth:`release`, and find out what refers to what.
    ///
    /// False, and nothing is kept, if something is otherwise already: another thread may have run since.
    fn hold(&mut self, py: Python<'_>) -> bool {
        if !self.is_unchanged(py) {
            return false;
        }
        // SAFETY: all is as it was, so it is alive.
        let alive =
            |entry: &Entry| unsafe { Bound::from_borrowed_ptr(py, entry.object as *mut ffi::PyObject) }.unbind();
        self.held.extend(there(&self.entries).map(|(_, entry)| alive(entry)));
        let mut found = References { known: &self.known, holder: 0, pairs: Vec::with_capacity(4 * self.entries.len()) };
        for (number, entry) in there(&self.entries) {
            found.holder = number;
            traverse(entry.object as *mut ffi::PyObject, add_reference, (&raw mut found).cast());
        }
        let pairs = found.pairs;
        self.holders = Holders::of(&pairs, self.entries.len());
        true
    }

    /// What :meth:`hold` has found out matters no more.
    fn release(&mut self) {
        self.holders = Holders::default();
        self.held.clear();
    }

    /// For each of *objects*, what was reached in the last look and refers to it. To be asked while all that is held.
    fn holders<'py>(&self, py: Python<'py>, objects: Vec<Bound<'py, PyAny>>) -> Vec<Vec<Bound<'py, PyAny>>> {
        let alive = |holder: Address| {
            // SAFETY: it is held.
            unsafe { Bound::from_borrowed_ptr(py, holder as *mut ffi::PyObject) }
        };
        let of = |object: Bound<'py, PyAny>| self.holders_of(object.as_ptr() as Address).map(alive);
        objects.into_iter().map(|object| of(object).collect()).collect()
    }

    /// For each of *objects*, the addresses of the roots that lead to it, without those that lead to it by the namespace of another module.
    /// To be asked as :meth:`holders`.
    fn origins(&self, objects: Vec<Bound<'_, PyAny>>) -> Vec<Vec<Address>> {
        let roots: By<()> = self.roots.iter().map(|&root| (root, ())).collect();
        let origins_of = |object: &Bound<'_, PyAny>| {
            let mut found = Vec::new();
            let mut seen: By<()> = By::default();
            let mut waiting = vec![object.as_ptr() as Address];
            while let Some(one) = waiting.pop() {
                if seen.insert(one, ()).is_some() {
                    continue;
                }
                if roots.contains_key(&one) {
                    found.push(one);
                }
                if self.namespaces.get(&one) != Some(&true) {
                    waiting.extend(self.holders_of(one));
                }
            }
            found
        };
        objects.iter().map(origins_of).collect()
    }

    /// The objects of a class, and of none below it, that were reached in the last look.
    fn of_class<'py>(&mut self, class: &Bound<'py, PyType>) -> Vec<Bound<'py, PyAny>> {
        if !self.is_unchanged(class.py()) {
            return Vec::new();
        }
        let found =
            there(&self.entries).map(|(_, entry)| entry).filter(|entry| entry.class == class.as_ptr() as Address);
        // SAFETY: all is as it was, so it is alive.
        found.map(|entry| unsafe { Bound::from_borrowed_ptr(class.py(), entry.object as *mut ffi::PyObject) }).collect()
    }
}

impl Traces {
    /// What refers to an object, once each.
    fn holders_of(&self, object: Address) -> impl Iterator<Item = Address> + use<'_> {
        let holders = self.known.get(&object).map_or(&[][..], |&number| self.holders.of_entry(number));
        holders.iter().map(|&holder| self.entries[holder].object)
    }

    /// Whether all that was reached in the last look is as it was. False may be said of what is only not exactly the same.
    fn is_unchanged(&mut self, py: Python<'_>) -> bool {
        for number in 0..self.entries.len() {
            let entry = self.entries[number];
            if entry.object == 0 {
                continue;
            }
            let object = entry.object as *mut ffi::PyObject;
            // SAFETY: what refers to it is as it was, so it is alive; it may be another one at the same place.
            if unsafe { ffi::Py_TYPE(object) } as Address != entry.class {
                return false;
            }
            let is_same = if entry.closely {
                self.hash_of(py, object, entry.kind, &mut None) == entry.hash
            } else {
                raw_hash(object, entry.kind) == entry.raw
            };
            if !is_same {
                return false;
            }
        }
        true
    }

    /// Reach all that there is; None if that is too much.
    fn walk(&mut self, py: Python<'_>, roots: &[Address]) -> Option<Found> {
        let before = std::mem::take(&mut self.entries);
        self.referents = 0;
        self.gone = 0;
        self.class_names.clear();
        // What is kept under weak references is told by what was known before, until all is.
        let mut walk = Some(Walk::of(Vec::new(), Some(By::default())));
        for &root in roots {
            self.token(py, root as *mut ffi::PyObject, &mut walk);
        }
        let mut number = 0;
        while walk.as_ref().is_some_and(|walk| number < walk.entries.len()) {
            self.see(py, number, &mut walk);
            number += 1;
            if self.referents > LIMIT {
                self.known.clear();
                self.roots.clear();
                self.keys.clear();
                self.parts.clear();
                return None;
            }
        }
        let Walk { known, entries, .. } = walk.expect("it is there");
        self.entries = entries;
        let known_before = std::mem::replace(&mut self.known, known.expect("it is there"));
        self.look_closely(py);
        let was = |entry: &Entry| known_before.get(&entry.object).map(|&place| before[place].hash);
        let all = self.entries.iter().enumerate().map(|(number, entry)| (number, was(entry), entry.hash));
        let otherwise = all.filter(|&(_, was, is)| was != Some(is)).map(|(number, was, _)| (number, was)).collect();
        let is_gone = |(address, _): &(&Address, &usize)| !self.known.contains_key(*address);
        let gone = known_before.iter().filter(is_gone).map(|(&address, _)| address).collect();
        Some(Found { otherwise, gone })
    }

    /// The same, by looking again at what is otherwise alone. None if all has to be reached anew; then nothing has happened.
    ///
    /// In the order of the entries: what has been reached by one that is as it was is referred to, and so it is alive. What has lost that one is
    /// searched for among what the others refer to.
    fn renew(&mut self, py: Python<'_>, roots: &[Address]) -> Option<Found> {
        let count = self.entries.len();
        if self.roots.is_empty() || self.gone > count / 2 {
            return None;
        }
        let mut walk = Some(Walk::of(std::mem::take(&mut self.entries), None));
        let mut before = Vec::new();
        let is_done = self.renew_all(py, roots, &mut walk, &mut before);
        self.entries = walk.expect("it is there").entries;
        if !is_done {
            for entry in self.entries.drain(count..) {
                self.known.remove(&entry.object);
            }
            for (number, entry) in before.into_iter().rev() {
                self.known.insert(entry.object, number);
                self.entries[number] = entry;
            }
            return None;
        }
        self.look_closely(py);
        let was: By<u64> = before.iter().map(|(_, entry)| (entry.object, entry.hash)).collect();
        let seen = before.iter().map(|&(number, _)| number).filter(|&number| self.entries[number].object != 0);
        let mut otherwise = Vec::new();
        for number in seen.chain(count..self.entries.len()) {
            let entry = &self.entries[number];
            let was = was.get(&entry.object).copied();
            if was != Some(entry.hash) {
                otherwise.push((number, was));
            }
        }
        self.gone += before.iter().filter(|&&(number, _)| self.entries[number].object == 0).count();
        let gone = was.into_keys().filter(|address| !self.known.contains_key(address)).collect();
        Some(Found { otherwise, gone })
    }

    /// Whether that was possible.
    ///
    /// :param before: what entries were that are otherwise now, by their numbers.
    fn renew_all(
        &mut self,
        py: Python<'_>,
        roots: &[Address],
        walk: &mut Option<Walk>,
        before: &mut Vec<(usize, Entry)>,
    ) -> bool {
        for &root in roots {
            self.token(py, root as *mut ffi::PyObject, walk);
        }
        let count = walk.as_ref().map_or(0, |walk| walk.count);
        let mut is_kept = vec![false; count];
        let mut lost: By<usize> = By::default();
        for number in 0..count {
            let known = walk.as_mut().expect("it is there");
            let entry = known.entries[number];
            if entry.object == 0 {
                continue;
            }
            if !is_kept.get(entry.reached_by as usize).is_some_and(|&is_kept| is_kept) {
                if known.reached[number] == NOBODY {
                    lost.insert(entry.object, number);
                    continue;
                }
                known.entries[number].reached_by = known.reached[number];
            }
            let object = entry.object as *mut ffi::PyObject;
            // SAFETY: what it has been reached by refers to it.
            if unsafe { ffi::Py_TYPE(object) } as Address != entry.class {
                return false;
            }
            is_kept[number] = !entry.closely && raw_hash(object, entry.kind) == entry.raw;
            if !is_kept[number] {
                before.push((number, entry));
                self.see(py, number, walk);
            }
        }
        if !lost.is_empty() {
            self.find_lost(py, &lost, &is_kept, walk);
        }
        let mut number = count;
        loop {
            let known = walk.as_mut().expect("it is there");
            for place in std::mem::take(&mut known.found) {
                let entry = known.entries[place];
                if lost.get(&entry.object) != Some(&place) {
                    continue;
                }
                // SAFETY: what it has been reached by refers to it.
                if unsafe { ffi::Py_TYPE(entry.object as *mut ffi::PyObject) } as Address != entry.class {
                    return false;
                }
                // Behind what it has been reached by.
                before.push((place, entry));
                self.known.insert(entry.object, known.entries.len());
                known.moved.insert(entry.object, ());
                known.entries[place].object = 0;
                known.entries.push(Entry { reached_by: known.reached[place], ..entry });
                known.reached.push(ROOT);
            }
            if number == known.entries.len() {
                break;
            }
            self.see(py, number, walk);
            number += 1;
            if self.referents > LIMIT {
                return false;
            }
        }
        let known = walk.as_mut().expect("it is there");
        for (address, number) in lost {
            if known.entries[number].object != 0 {
                before.push((number, known.entries[number]));
                known.entries[number].object = 0;
                self.known.remove(&address);
            }
        }
        true
    }

    /// Look at those again that are as they were and refer to something that is *lost*.
    fn find_lost(&mut self, py: Python<'_>, lost: &By<usize>, is_kept: &[bool], walk: &mut Option<Walk>) {
        for number in (0..is_kept.len()).filter(|&number| is_kept[number]) {
            let known = walk.as_mut().expect("it is there");
            let entry = known.entries[number];
            known.by = u32::try_from(number).unwrap_or(NOBODY);
            let mut search = Search { lost, is_found: false };
            traverse(entry.object as *mut ffi::PyObject, search_lost, (&raw mut search).cast());
            if search.is_found {
                self.hash_of(py, entry.object as *mut ffi::PyObject, entry.kind, walk);
            }
        }
        if let Some(walk) = walk {
            walk.is_close = false;
        }
    }

    /// Take down what the object of an entry is like, and reach what it refers to.
    fn see(&mut self, py: Python<'_>, number: usize, walk: &mut Option<Walk>) {
        let known = walk.as_mut().expect("it is there");
        known.by = u32::try_from(number).unwrap_or(NOBODY);
        let (object, kind) = (known.entries[number].object as *mut ffi::PyObject, known.entries[number].kind);
        let hash = self.hash_of(py, object, kind, walk);
        let known = walk.as_mut().expect("it is there");
        let closely = std::mem::take(&mut known.is_close);
        let entry = &mut known.entries[number];
        (entry.raw, entry.hash, entry.closely) = (raw_hash(object, kind), hash, closely);
    }

    /// When all is known, what is kept under weak references is, too.
    fn look_closely(&mut self, py: Python<'_>) {
        for number in 0..self.entries.len() {
            let entry = self.entries[number];
            if entry.closely && entry.object != 0 {
                self.entries[number].hash = self.hash_of(py, entry.object as *mut ffi::PyObject, entry.kind, &mut None);
            }
        }
    }

    /// Of entries that are otherwise, what is to be told.
    fn changes<'py>(
        &mut self,
        py: Python<'py>,
        otherwise: &[(usize, Option<u64>)],
        roots: &[Address],
    ) -> Vec<Change<'py>> {
        let mut changed: Vec<Change<'py>> = Vec::new();
        let mut annotations: HashSet<Address> = HashSet::new();
        let roots: By<()> = roots.iter().map(|&root| (root, ())).collect();
        for &(number, was) in otherwise {
            let entry = self.entries[number];
            let (keys, is_only_empty) = self.compare_keys(py, entry);
            let (parts, is_only_asked) = self.compare_parts(py, entry);
            if is_only_asked {
                annotations.extend(parts.iter().flatten().map(|part| part.as_ptr() as Address));
            }
            let is_empty_and_new = was.is_none() && is_empty(entry.object as *mut ffi::PyObject);
            if !is_only_empty && !is_only_asked && !is_empty_and_new {
                // SAFETY: it has just been reached, and nothing has been executed since.
                let object = unsafe { Bound::from_borrowed_ptr(py, entry.object as *mut ffi::PyObject) };
                changed.push((object, keys, parts, was.is_none() && roots.contains_key(&entry.object)));
            }
        }
        changed.retain(|(object, ..)| !annotations.contains(&(object.as_ptr() as Address)));
        changed
    }

    /// What stands for *object* where something refers to it; in a walk, it is looked at later, if it can be changed.
    fn token(&mut self, py: Python<'_>, object: *mut ffi::PyObject, walk: &mut Option<Walk>) -> u64 {
        // SAFETY: somebody refers to the object.
        let class = unsafe { ffi::Py_TYPE(object) };
        let kind = self.kind_of(py, class);
        match kind {
            Kind::Plain => return object as u64,
            Kind::Weak => {
                if let Some(walk) = walk {
                    walk.is_close = true;
                }
                // SAFETY: somebody refers to it.
                let reference = unsafe { Bound::from_borrowed_ptr(py, object) };
                return match weak_referent(&reference) {
                    // As long as it is there, it can be got at.
                    Some(referent) => self.token(py, referent, walk),
                    None => 0,
                };
            }
            // SAFETY: it is one of the interpreter's own, whose hash calls nothing and does not fail.
            Kind::Value => return unsafe { ffi::PyObject_Hash(object) } as u64,
            Kind::Bytes(from, until) => {
                if let Some(walk) = walk {
                    walk.is_close = true;
                }
                return bytes_of(object, from, until);
            }
            Kind::Class if !self.is_own(py, object.cast()) => return object as u64,
            Kind::Module if self.namespaces.get(&(object as Address)) != Some(&true) => return object as u64,
            Kind::Dict if self.namespaces.get(&(object as Address)) == Some(&false) => return object as u64,
            _ => {}
        }
        if let Some(walk) = walk {
            self.referents += 1;
            match walk.known.as_mut().unwrap_or(&mut self.known).entry(object as Address) {
                Slot::Occupied(slot) => {
                    let number = *slot.get();
                    if walk.reached[number] == NOBODY {
                        walk.reached[number] = walk.by;
                        walk.found.push(number);
                    }
                }
                Slot::Vacant(slot) => {
                    slot.insert(walk.entries.len());
                    let (object, class, reached_by) = (object as Address, class as Address, walk.by);
                    walk.entries.push(Entry { object, class, kind, raw: 0, hash: 0, closely: false, reached_by });
                    walk.reached.push(reached_by);
                }
            }
        }
        object as u64
    }

    fn hash_of(&mut self, py: Python<'_>, object: *mut ffi::PyObject, kind: Kind, walk: &mut Option<Walk>) -> u64 {
        // SAFETY: the object is alive.
        let mut hash = mix(SEED, unsafe { ffi::Py_TYPE(object) } as u64);
        let has_keys = matches!(kind, Kind::Dict | Kind::Container { is_dict: true });
        if has_keys {
            let is_of_class = self.class_names.contains_key(&(object as Address));
            let is_names = is_of_class || self.namespaces.contains_key(&(object as Address));
            for (key, value) in pairs(object) {
                if self.is_forgotten(py, key, walk) {
                    continue;
                }
                let name = if is_names { text(key) } else { None };
                if name.is_some_and(|name| self.left.contains(name)) {
                    continue;
                }
                hash = mix(hash, self.token(py, key, walk));
                // Of a test's function nobody else sees what is put into it.
                // SAFETY: the dictionary refers to it.
                let is_test = name.is_some_and(|name| name.starts_with("test"))
                    && unsafe { ffi::Py_TYPE(value) } as Address == self.function;
                hash = mix(hash, if is_test { value as u64 } else { self.token(py, value, walk) });
            }
        }
        if matches!(kind, Kind::Dict | Kind::Local) {
            return hash;
        }
        let mut found = referents(object);
        if kind == Kind::Function {
            // An empty dictionary is made for whoever asks for it.
            let count = found.len();
            found.retain(|&part| !is_empty_dict(part));
            if let (Some(walk), true) = (walk.as_mut(), found.len() < count) {
                // It may be filled where it is.
                walk.is_close = true;
            }
        }
        if matches!(kind, Kind::Function | Kind::Cache) && self.is_of_others(py, object, kind, &found) {
            return hash;
        }
        let mut is_first = kind == Kind::Class;
        for one in found {
            let is_namespace = is_dict(one);
            if is_first && is_namespace {
                self.class_names.insert(one as Address, ());
                is_first = false;
            }
            if has_keys && !is_namespace {
                continue;
            }
            let token = self.token(py, one, walk);
            hash = if kind == Kind::Cache { in_any_order(hash, token) } else { mix(hash, token) };
        }
        hash
    }

    /// Whether the key of a dictionary is a weak reference to what nobody is known to have.
    fn is_forgotten(&mut self, py: Python<'_>, object: *mut ffi::PyObject, walk: &mut Option<Walk>) -> bool {
        // SAFETY: somebody refers to it.
        if self.kind_of(py, unsafe { ffi::Py_TYPE(object) }) != Kind::Weak {
            return false;
        }
        if let Some(walk) = walk {
            walk.is_close = true;
        }
        // SAFETY: as above.
        let reference = unsafe { Bound::from_borrowed_ptr(py, object) };
        let Some(referent) = weak_referent(&reference) else { return true };
        let address = referent as Address;
        // In a walk, what was known before it is asked for, so that it does not matter what is looked at first.
        let was_there = |&number: &usize| {
            walk.as_ref()
                .is_none_or(|walk| walk.known.is_some() || number < walk.count || walk.moved.contains_key(&address))
        };
        if self.known.get(&address).is_some_and(was_there) || self.standing.contains(&address) {
            return false;
        }
        // SAFETY: it is alive.
        let kind = self.kind_of(py, unsafe { ffi::Py_TYPE(referent) });
        !matches!(kind, Kind::Class | Kind::Module | Kind::Function | Kind::Plain)
    }

    /// Whether a function, or a cache of one, was not made by the project, and for nothing of it.
    fn is_of_others(
        &self,
        py: Python<'_>,
        object: *mut ffi::PyObject,
        kind: Kind,
        found: &[*mut ffi::PyObject],
    ) -> bool {
        let is_others = |part: &*mut ffi::PyObject| self.namespaces.get(&(*part as Address)) == Some(&false);
        if kind == Kind::Function && !found.iter().any(is_others) {
            return false;
        }
        // SAFETY: it is alive.
        let object = unsafe { Bound::from_borrowed_ptr(py, object) };
        !object.getattr(intern!(py, "__module__")).is_ok_and(|name| self.is_name_of_own(&name))
    }

    fn is_name_of_own(&self, name: &Bound<'_, PyAny>) -> bool {
        name.cast_exact::<PyString>().is_ok_and(|name| name.to_str().is_ok_and(|name| self.own.contains(name)))
    }

    fn is_own(&mut self, py: Python<'_>, class: *mut ffi::PyTypeObject) -> bool {
        let address = class as Address;
        if let Some(&is_own) = self.classes.get(&address) {
            return is_own;
        }
        let is_heap = flags(class) & ffi::Py_TPFLAGS_HEAPTYPE != 0;
        let is_own = is_heap && module_of(py, class).is_some_and(|name| self.is_name_of_own(&name));
        self.classes.insert(address, is_own);
        is_own
    }

    /// The keys of a dictionary that are otherwise than when it was seen last; None if there are others than texts. And whether nothing has changed
    /// but that something empty is there now.
    fn compare_keys(&mut self, py: Python<'_>, entry: Entry) -> (Option<Vec<String>>, bool) {
        if entry.kind != Kind::Dict {
            return (None, false);
        }
        let (mut now, mut empty) = (Vec::new(), HashSet::new());
        for (key, value) in pairs(entry.object as *mut ffi::PyObject) {
            let Some(key) = text(key) else { return (None, false) };
            now.push((key.to_owned(), self.token(py, value, &mut None)));
            if is_empty(value) {
                empty.insert(key.to_owned());
            }
        }
        let before = self.keys.insert(entry.object, now.clone()).unwrap_or_default();
        let (was, is): (HashMap<_, _>, HashMap<_, _>) = (before.into_iter().collect(), now.into_iter().collect());
        let mut found: Vec<String> =
            is.iter().filter(|(key, value)| was.get(*key) != Some(*value)).map(|(key, _)| key.clone()).collect();
        let count = found.len();
        found.retain(|key| was.contains_key(key) || !empty.contains(key));
        let is_only_empty = found.is_empty() && count > 0;
        let gone: Vec<String> = was.into_keys().filter(|key| !is.contains_key(key)).collect();
        let is_only_empty = is_only_empty && gone.is_empty();
        found.extend(gone);
        (Some(found), is_only_empty)
    }

    /// What an object of a class of the project refers to, in the places where that is otherwise than when it was seen last. And whether nothing has
    /// changed but that a function's annotations have been asked for.
    fn compare_parts<'py>(&mut self, py: Python<'py>, entry: Entry) -> (Option<Vec<Bound<'py, PyAny>>>, bool) {
        let is_object = entry.kind == (Kind::Container { is_dict: false })
            && self.is_own(py, entry.class as *mut ffi::PyTypeObject);
        if !is_object && entry.kind != Kind::Function {
            return (None, false);
        }
        let parts = referents(entry.object as *mut ffi::PyObject);
        let now: Vec<u64> = parts.iter().map(|&part| self.token(py, part, &mut None)).collect();
        let before = self.parts.insert(entry.object, now.clone()).unwrap_or_default();
        let changed: Vec<_> = (0..parts.len())
            .filter(|&place| before.get(place) != Some(&now[place]))
            .map(|place| parts[place])
            .collect();
        // They are a row until then, and a dictionary from then on.
        let is_only_asked = !is_object && before.len() == now.len() && matches!(changed[..], [one] if is_dict(one));
        // SAFETY: the object refers to them.
        let changed = changed.into_iter().map(|part| unsafe { Bound::from_borrowed_ptr(py, part) }).collect();
        (Some(changed), is_only_asked)
    }

    fn kind_of(&mut self, py: Python<'_>, class: *mut ffi::PyTypeObject) -> Kind {
        match self.kinds.get(&(class as Address)) {
            Some(&(kind, round)) if round >= self.round => kind,
            _ => {
                let kind = self.find_kind(py, class);
                // One of the heap may be gone the next time, and another be there.
                let until = if flags(class) & ffi::Py_TPFLAGS_HEAPTYPE == 0 { u32::MAX } else { self.round };
                self.kinds.insert(class as Address, (kind, until));
                kind
            }
        }
    }

    fn find_kind(&self, py: Python<'_>, class: *mut ffi::PyTypeObject) -> Kind {
        let (address, flags) = (class as Address, flags(class));
        if is_value(class) {
            return Kind::Value;
        }
        if self.plain.contains(&address) {
            return Kind::Plain;
        }
        if flags & ffi::Py_TPFLAGS_TYPE_SUBCLASS != 0 {
            return Kind::Class;
        }
        match class {
            _ if address == self.function => return Kind::Function,
            _ if address == self.cache => return Kind::Cache,
            _ if address == self.local => return Kind::Local,
            _ if class == &raw mut ffi::PyDict_Type => return Kind::Dict,
            _ if class == &raw mut ffi::PyModule_Type => return Kind::Module,
            _ => {}
        }
        // SAFETY: both classes are alive.
        if unsafe { ffi::PyType_IsSubtype(class, &raw mut ffi::_PyWeakref_RefType) } != 0 {
            return Kind::Weak;
        }
        let package = module_of(py, class);
        let package =
            package.as_ref().and_then(|name| name.cast::<PyString>().ok()).and_then(|name| name.to_str().ok());
        let is_within = |package: &str, known: &str| {
            package.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if package.is_some_and(|package| self.packages.iter().any(|known| is_within(package, known))) {
            return Kind::Plain;
        }
        if flags & ffi::Py_TPFLAGS_HAVE_GC != 0 {
            return Kind::Container { is_dict: flags & ffi::Py_TPFLAGS_DICT_SUBCLASS != 0 };
        }
        // SAFETY: the class is alive.
        let class = unsafe { Bound::from_borrowed_ptr(py, class.cast::<ffi::PyObject>()) };
        let size = class.getattr(intern!(py, "__basicsize__")).and_then(|size| size.extract()).unwrap_or(0);
        let is_link = class.getattr(intern!(py, "__name__")).is_ok_and(|name| text(name.as_ptr()) == Some(LINK));
        Kind::Bytes(if is_link { HEAD + 2 * size_of::<Address>() } else { HEAD }, size)
    }
}

/// For each of some entries, by their numbers, those that refer to it.
#[derive(Default)]
struct Holders {
    /// Where its part of *all* begins, and where it ends.
    parts: Vec<(usize, usize)>,
    all: Vec<usize>,
}

impl Holders {
    /// From pairs of an entry and one that refers to it, in the order of the latter.
    fn of(pairs: &[(usize, usize)], count: usize) -> Self {
        let mut parts = vec![(0, 0); count];
        for &(referent, _) in pairs {
            parts[referent].1 += 1;
        }
        let mut start = 0;
        for part in &mut parts {
            let size = part.1;
            *part = (start, start);
            start += size;
        }
        let mut all = vec![0; start];
        for &(referent, holder) in pairs {
            let (start, end) = &mut parts[referent];
            if *start == *end || all[*end - 1] != holder {
                all[*end] = holder;
                *end += 1;
            }
        }
        Self { parts, all }
    }

    fn of_entry(&self, number: usize) -> &[usize] {
        self.parts.get(number).map_or(&[], |&(start, end)| &self.all[start..end])
    }
}

/// References that are being found.
struct References<'a> {
    known: &'a By<usize>,
    holder: usize,
    pairs: Vec<(usize, usize)>,
}

extern "C" fn add_reference(object: *mut ffi::PyObject, found: *mut c_void) -> c_int {
    // SAFETY: `Traces::hold` has handed this in, and waits.
    let found = unsafe { &mut *found.cast::<References>() };
    if let Some(&number) = found.known.get(&(object as Address)) {
        found.pairs.push((number, found.holder));
    }
    0
}

/// What a look has found.
struct Found {
    /// The numbers of entries that are otherwise, and their hashes before; None: they are new.
    otherwise: Vec<(usize, Option<u64>)>,
    /// What is not reached any more.
    gone: Vec<Address>,
}

/// What a walk has reached by now.
struct Walk {
    entries: Vec<Entry>,
    /// How many there were before.
    count: usize,
    /// Where they are; None: where they are known to be already.
    known: Option<By<usize>>,
    /// Of each, by which it was reached in this walk first.
    reached: Vec<u32>,
    /// What was reached that was there before.
    found: Vec<usize>,
    /// Of that, what has another number now.
    moved: By<()>,
    /// Which is being looked at.
    by: u32,
    /// Whether it has to be looked at closely.
    is_close: bool,
}

impl Walk {
    fn of(entries: Vec<Entry>, known: Option<By<usize>>) -> Self {
        let count = entries.len();
        let reached = vec![NOBODY; count];
        Self { entries, count, known, reached, found: Vec::new(), moved: By::default(), by: ROOT, is_close: false }
    }
}

/// Something that is searched for.
struct Search<'a> {
    lost: &'a By<usize>,
    is_found: bool,
}

extern "C" fn search_lost(object: *mut ffi::PyObject, search: *mut c_void) -> c_int {
    // SAFETY: `Traces::find_lost` has handed this in, and waits.
    let search = unsafe { &mut *search.cast::<Search>() };
    search.is_found |= search.lost.contains_key(&(object as Address));
    0
}

const SEED: u64 = 0x51_7C_C1_B7_27_22_0A_95;

fn mix(hash: u64, value: u64) -> u64 {
    (hash.rotate_left(5) ^ value).wrapping_mul(SEED)
}

fn in_any_order(hash: u64, value: u64) -> u64 {
    hash.wrapping_add(mix(SEED, value))
}

fn flags(class: *mut ffi::PyTypeObject) -> c_ulong {
    // SAFETY: a class that is alive.
    unsafe { ffi::PyType_GetFlags(class) }
}

/// Whether objects of a class are what their values are.
fn is_value(class: *mut ffi::PyTypeObject) -> bool {
    class == &raw mut ffi::PyUnicode_Type
        || class == &raw mut ffi::PyLong_Type
        || class == &raw mut ffi::PyFloat_Type
        || class == &raw mut ffi::PyBytes_Type
}

fn raw_token(object: *mut ffi::PyObject) -> u64 {
    // SAFETY: somebody refers to the object; values have hashes that call nothing and do not fail.
    unsafe {
        if is_value(ffi::Py_TYPE(object)) {
            ffi::PyObject_Hash(object) as u64
        } else {
            object as u64
        }
    }
}

/// A hash of all that an object refers to; of functions and classes, by their addresses alone.
fn raw_hash(object: *mut ffi::PyObject, kind: Kind) -> u64 {
    let mut hash = SEED;
    if matches!(kind, Kind::Dict | Kind::Container { is_dict: true }) {
        for (key, value) in pairs(object) {
            hash = mix(mix(hash, key as u64), raw_token(value));
        }
    }
    if !matches!(kind, Kind::Dict | Kind::Local) {
        let visit = match kind {
            Kind::Function | Kind::Class => add_address,
            Kind::Cache => add_in_any_order,
            _ => add_token,
        };
        traverse(object, visit, (&raw mut hash).cast());
    }
    hash
}

extern "C" fn add_address(object: *mut ffi::PyObject, hash: *mut c_void) -> c_int {
    // SAFETY: `raw_hash` has handed this in, and waits.
    unsafe { *hash.cast::<u64>() = mix(*hash.cast::<u64>(), object as u64) };
    0
}

extern "C" fn add_token(object: *mut ffi::PyObject, hash: *mut c_void) -> c_int {
    // SAFETY: as above.
    unsafe { *hash.cast::<u64>() = mix(*hash.cast::<u64>(), raw_token(object)) };
    0
}

extern "C" fn add_in_any_order(object: *mut ffi::PyObject, hash: *mut c_void) -> c_int {
    // SAFETY: as above.
    unsafe { *hash.cast::<u64>() = in_any_order(*hash.cast::<u64>(), raw_token(object)) };
    0
}

/// The items of a dictionary. Nothing may be executed that could change it.
fn pairs(object: *mut ffi::PyObject) -> impl Iterator<Item = (*mut ffi::PyObject, *mut ffi::PyObject)> {
    let mut place = 0;
    std::iter::from_fn(move || {
        let (mut key, mut value) = (null_mut(), null_mut());
        // SAFETY: it is a dictionary.
        (unsafe { ffi::PyDict_Next(object, &raw mut place, &raw mut key, &raw mut value) } != 0).then_some((key, value))
    })
}

fn is_empty_dict(object: *mut ffi::PyObject) -> bool {
    is_dict(object) && is_empty(object)
}

fn is_dict(object: *mut ffi::PyObject) -> bool {
    // SAFETY: somebody refers to the object.
    unsafe { ffi::Py_TYPE(object) == &raw mut ffi::PyDict_Type }
}

/// Whether it is a collection with nothing in it: that tells no more than that somebody was there.
fn is_empty(object: *mut ffi::PyObject) -> bool {
    // SAFETY: somebody refers to the object.
    unsafe {
        let class = ffi::Py_TYPE(object);
        if class == &raw mut ffi::PyDict_Type {
            ffi::PyDict_Size(object) == 0
        } else if class == &raw mut ffi::PyList_Type {
            ffi::PyList_Size(object) == 0
        } else {
            class == &raw mut ffi::PySet_Type && ffi::PySet_Size(object) == 0
        }
    }
}

/// A text's content, as long as the text is there.
fn text<'a>(object: *mut ffi::PyObject) -> Option<&'a str> {
    // SAFETY: the content belongs to the text; one that cannot be written as UTF-8 is none, and its error is taken back.
    unsafe {
        if ffi::Py_TYPE(object) != &raw mut ffi::PyUnicode_Type {
            return None;
        }
        let mut size = 0;
        let content = ffi::PyUnicode_AsUTF8AndSize(object, &raw mut size);
        if content.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        let bytes = std::slice::from_raw_parts(content.cast::<u8>(), usize::try_from(size).unwrap_or(0));
        Some(std::str::from_utf8_unchecked(bytes))
    }
}

/// What a class says of its module, without asking its own class.
fn module_of<'py>(py: Python<'py>, class: *mut ffi::PyTypeObject) -> Option<Bound<'py, PyAny>> {
    // SAFETY: classes are looked at as `type` does it, which is there in all versions; an error is taken back.
    unsafe {
        let slot = ffi::PyType_GetSlot(&raw mut ffi::PyType_Type, ffi::Py_tp_getattro);
        let get: ffi::getattrofunc = std::mem::transmute(slot);
        let found = get(class.cast(), intern!(py, "__module__").as_ptr());
        if found.is_null() {
            ffi::PyErr_Clear();
        }
        Bound::from_owned_ptr_or_opt(py, found)
    }
}

/// How many references are followed at most in one look.
const LIMIT: usize = 2_000_000;

/// What holds an entry of what ``functools.lru_cache`` gives: first, the ones before and behind it. In which order they were used says nothing of them.
const LINK: &str = "_lru_list_elem";

const HEAD: usize = size_of::<ffi::PyObject>();
const MOST: usize = 512;

/// What an object that refers to no other has in it: where nobody tells, that says whether it is as it was.
fn bytes_of(object: *mut ffi::PyObject, from: usize, until: usize) -> u64 {
    let mut hash = SEED;
    for place in (from..until.min(MOST)).step_by(8) {
        if place + 8 <= until {
            // SAFETY: objects of its class are that big.
            hash = mix(hash, unsafe { object.cast::<u8>().add(place).cast::<u64>().read_unaligned() });
        }
    }
    mix(hash, object as u64)
}
