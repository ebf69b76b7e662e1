//! The tests that facts tell of, by pytest's rules.
//!
//! What depends on more than the files' texts is *provisional*. A test row without a name says that its file may hold tests that are not
//! among the others.

mod fixtures;
mod known;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use dx_py_source::facts::{Binding, Bound, Class, Collected, Decorators, Facts, Function, Mark, Marks};

use self::fixtures::Closure;
use self::known::{is_plain_path, is_transparent, is_unittest, FILLING, HARMLESS_HOOKS, PLAIN_CLASSES};
use crate::rows::{TestRow, EXACT, OPEN_WORDS};
use crate::settings::Settings;
use crate::threads::in_order;

/// Raised whenever the same facts give other tests than before.
pub const VERSION: u32 = 1;

/// A file as the resolution sees it.
pub struct Source<'a> {
    pub path: &'a Path,
    pub facts: &'a Facts,
}

/// All tests of the test modules among *files*, which are in pytest's order; `doubted` says that all are provisional.
pub fn resolve(settings: &Settings, doubted: bool, files: &[Source]) -> Vec<TestRow> {
    let project = Project::new(settings, files);
    in_order(files.len(), |numbers| numbers.flat_map(|number| tests_of(&project, number, doubted)).collect())
}

/// The tests of one file.
fn tests_of(project: &Project, number: usize, doubted: bool) -> Vec<TestRow> {
    let file = &project.files[number];
    let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    if project.settings.is_module(name) {
        return Module::new(project, number, doubted || project.wild_fixtures).tests();
    }
    // There may be others in the whole folder.
    let doubtful = name == "conftest.py" && is_doubtful_conftest(file.facts);
    doubtful.then(|| placeholder(number)).into_iter().collect()
}

/// A file, or the folder of a conftest, that may hold tests that are not known.
fn placeholder(file: usize) -> TestRow {
    TestRow { file: file as u32, line: 0, name: String::new(), words: String::new(), flags: 0 }
}

struct Project<'a> {
    settings: &'a Settings,
    files: &'a [Source<'a>],
    conftests: HashMap<&'a Path, usize>,
    /// Names of classes, of any module, that hold tests or inherit from one that does.
    classes_with_tests: HashSet<&'a str>,
    /// Names of functions of modules, and of modules.
    functions: HashSet<&'a str>,
    /// Whether a file that is neither conftest nor test module has parametrized fixtures that are used unasked.
    wild_fixtures: bool,
}

impl<'a> Project<'a> {
    fn new(settings: &'a Settings, files: &'a [Source<'a>]) -> Self {
        let conftests = files
            .iter()
            .enumerate()
            .filter(|(_, file)| file.path.ends_with("conftest.py"))
            .filter_map(|(number, file)| Some((file.path.parent()?, number)))
            .collect();
        let mut functions = HashSet::new();
        let mut wild_fixtures = false;
        for file in files {
            let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            let known = name == "conftest.py" || settings.is_module(name);
            for binding in file.facts.bindings.iter() {
                if let Bound::Function(function) = &binding.bound {
                    if binding.scope.is_none() && settings.is_function(&binding.name) {
                        functions.insert(&*binding.name);
                    }
                    let fixture = function.decorators.fixture.as_ref();
                    wild_fixtures |=
                        !known && fixture.is_some_and(|one| one.autouse != Some(false) && one.parameters.is_some());
                }
            }
        }
        Self { settings, files, conftests, classes_with_tests: classes_with_tests(files), functions, wild_fixtures }
    }

    /// The conftests that count for a folder, the nearest first.
    fn conftests_of(&self, folder: &Path) -> Vec<usize> {
        let above = folder.ancestors().take_while(|above| above.starts_with(&self.settings.root));
        above.filter_map(|folder| self.conftests.get(folder).copied()).collect()
    }
}

fn classes_with_tests<'a>(files: &'a [Source<'a>]) -> HashSet<&'a str> {
    let mut found = HashSet::new();
    let mut heirs: Vec<(&str, &[Box<str>])> = Vec::new();
    for file in files {
        let bindings = &file.facts.bindings;
        for binding in bindings {
            match (&binding.bound, binding.scope) {
                (_, Some(class)) if binding.name.starts_with("test") => {
                    found.insert(&*bindings[class as usize].name);
                }
                (Bound::Class(class), None) => heirs.push((&binding.name, &class.bases)),
                _ => {}
            }
        }
    }
    loop {
        let before = found.len();
        for (name, bases) in &heirs {
            if bases.iter().any(|base| found.contains(base.rsplit('.').next().unwrap_or(base))) {
                found.insert(name);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

// ---- one module

/// Where fixtures are looked for: a file, and a class in it.
type Layer = (usize, Option<u32>);

struct Module<'a> {
    project: &'a Project<'a>,
    number: usize,
    facts: &'a Facts,
    conftests: Vec<usize>,
    /// Whether all its tests are provisional.
    doubted: bool,
    /// Whether all its tests may have other marks.
    open_words: bool,
}

/// How a class is collected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Unittest,
    /// Its bases are not known.
    Unknown,
    /// It holds no tests.
    None,
}

impl<'a> Module<'a> {
    fn new(project: &'a Project<'a>, number: usize, doubted: bool) -> Self {
        let file = &project.files[number];
        let conftests = project.conftests_of(file.path.parent().unwrap_or(Path::new("")));
        let mut module = Self { project, number, facts: file.facts, conftests, doubted, open_words: false };
        module.open_words = module.is_doubtful();
        module.doubted |= module.open_words;
        module
    }

    /// Whether hooks may change what is collected here.
    fn is_doubtful(&self) -> bool {
        let facts = self.facts;
        let late = facts.dynamic_imports.iter().any(|call| &*call.callee == "importorskip" && !call.in_function);
        let own = !facts.is_whole() || facts.may_skip || late || facts.plugins.is_some() || facts.marks.computed;
        own || facts.collected == Collected::Computed
            || facts.hooks().any(|hook| hook == "pytest_generate_tests")
            || self.conftests.iter().any(|&number| is_doubtful_conftest(self.project.files[number].facts))
    }

    fn tests(&self) -> Vec<TestRow> {
        let mut rows = Vec::new();
        if self.facts.collected == Collected::No {
            return rows;
        }
        if self.is_incomplete() {
            rows.push(self.placeholder());
        }
        self.scope(None, "", &mut Vec::new(), &mut rows);
        rows
    }

    fn placeholder(&self) -> TestRow {
        placeholder(self.number)
    }

    /// Whether names of the module may be bound to tests that its text does not show.
    fn is_incomplete(&self) -> bool {
        let settings = self.project.settings;
        let facts = self.facts;
        !facts.is_whole()
            || facts.dynamic_names
            || facts.bindings.iter().filter(|one| one.scope.is_none()).any(|binding| match binding.bound {
                Bound::Import(number) => {
                    let Some(import) = facts.imports.get(number as usize) else { return true };
                    match import.name.as_deref() {
                        None => false,
                        Some("*") => true,
                        Some(name) => {
                            self.project.classes_with_tests.contains(name)
                                || settings.is_class(&binding.name) && !is_plain_path(&import.module)
                                || settings.is_function(&binding.name) && self.project.functions.contains(name)
                        }
                    }
                }
                Bound::Value => settings.is_class(&binding.name),
                _ => false,
            })
    }

    /// The names that are bound in a scope, each with its last binding and whether that is sure, in the order of the first ones.
    fn names(&self, scope: Option<u32>) -> Vec<(&'a Binding, u32, bool)> {
        let mut found: Vec<(&Binding, u32, bool)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (number, binding) in self.facts.bindings.iter().enumerate().filter(|(_, binding)| binding.scope == scope) {
            match places.get(&*binding.name) {
                Some(&place) => {
                    let sure = found[place].2 && !binding.conditional && binding.bound != Bound::Deleted;
                    found[place] = (binding, number as u32, sure);
                }
                None => {
                    places.insert(&binding.name, found.len());
                    found.push((binding, number as u32, !binding.conditional));
                }
            }
        }
        found
    }

    /// The tests of the module, or of a class whose enclosing ones, and itself, are `classes`.
    fn scope(&self, scope: Option<u32>, prefix: &str, classes: &mut Vec<u32>, rows: &mut Vec<TestRow>) {
        for (binding, number, sure) in self.names(scope) {
            match &binding.bound {
                Bound::Function(function) if self.project.settings.is_function(&binding.name) => {
                    self.function(binding, function, sure, prefix, classes, rows);
                }
                Bound::Class(class) => self.class(binding, number, class, sure, prefix, classes, rows),
                // It may be a function.
                Bound::Value if self.project.settings.is_function(&binding.name) => {
                    rows.push(open(self.row(binding, format!("{prefix}::{}", binding.name), "", false)));
                }
                _ => {}
            }
        }
    }

    fn row(&self, binding: &Binding, name: String, words: &str, exact: bool) -> TestRow {
        TestRow {
            file: self.number as u32,
            line: binding.line,
            name,
            words: words.to_owned(),
            flags: if exact && !self.doubted { EXACT } else { 0 } | if self.open_words { OPEN_WORDS } else { 0 },
        }
    }

    // ---- classes

    #[allow(clippy::too_many_arguments)]
    fn class(
        &self,
        binding: &Binding,
        number: u32,
        class: &'a Class,
        sure: bool,
        prefix: &str,
        classes: &mut Vec<u32>,
        rows: &mut Vec<TestRow>,
    ) {
        let named = self.project.settings.is_class(&binding.name);
        let Some(lineage) = self.lineage(number) else {
            // Who knows what it inherits.
            if named || self.may_hold_tests(class) {
                rows.push(self.placeholder());
            }
            return;
        };
        let kind = self.kind(&lineage, named);
        if kind == Kind::None || class.collected == Collected::No || classes.len() > 16 {
            return;
        }
        let facts_of = |number: &u32| match &self.facts.bindings[*number as usize].bound {
            Bound::Class(class) => Some(class),
            _ => None,
        };
        let doubtful = !sure
            || kind == Kind::Unknown
            || lineage.iter().filter_map(facts_of).any(|class| {
                class.keywords
                    || class.collected == Collected::Computed
                    || class.marks.computed
                    || !class.decorators.others.is_empty()
            });
        let made = lineage.iter().any(|&one| {
            self.names(Some(one)).iter().any(|(binding, ..)| matches!(&*binding.name, "__init__" | "__new__"))
        });
        if kind == Kind::Plain && made && !doubtful {
            return;
        }
        let before = rows.len();
        let own_prefix = format!("{prefix}::{}", binding.name);
        classes.push(number);
        self.members(&lineage, kind, &own_prefix, classes, rows);
        classes.pop();
        if doubtful {
            rows[before..].iter_mut().for_each(|row| row.flags = row.flags & !EXACT | OPEN_WORDS);
            rows.push(self.placeholder());
        }
    }

    /// What is collected from a class and those it inherits from; the first of its bases last, as pytest does.
    fn members(&self, lineage: &[u32], kind: Kind, prefix: &str, classes: &mut Vec<u32>, rows: &mut Vec<TestRow>) {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut parts: Vec<Vec<TestRow>> = Vec::new();
        for &owner in lineage {
            let mut part = Vec::new();
            for (binding, number, sure) in self.names(Some(owner)) {
                if !seen.insert(&binding.name) {
                    continue;
                }
                let is_function = if kind == Kind::Unittest {
                    binding.name.starts_with("test")
                } else {
                    self.project.settings.is_function(&binding.name)
                };
                match &binding.bound {
                    Bound::Function(function) if is_function && kind == Kind::Unittest => {
                        let exact = sure
                            && function.decorators.others.iter().all(|path| is_transparent(path))
                            && function.decorators.marks.marks.iter().all(|mark| mark.parameters.is_none());
                        let words = self.words(&function.decorators.marks, classes);
                        let row = self.row(binding, format!("{prefix}::{}", binding.name), &words, exact);
                        part.push(if may_be_marked(&function.decorators) { open(row) } else { row });
                    }
                    Bound::Function(function) if is_function => {
                        self.function(binding, function, sure, prefix, classes, &mut part)
                    }
                    Bound::Class(class) if kind != Kind::Unittest => {
                        self.class(binding, number, class, sure, prefix, classes, &mut part)
                    }
                    Bound::Value if is_function => {
                        part.push(open(self.row(binding, format!("{prefix}::{}", binding.name), "", false)))
                    }
                    _ => {}
                }
            }
            parts.push(part);
        }
        let mut all: Vec<TestRow> = parts.into_iter().rev().flatten().collect();
        if kind == Kind::Unittest {
            // By name, as unittest's loader gives them.
            all.sort_by(|one, two| one.name.cmp(&two.name));
        }
        rows.append(&mut all);
    }

    /// A class and those of this module that it inherits from, in order of resolution; `None` if a base is not known.
    fn lineage(&self, number: u32) -> Option<Vec<u32>> {
        let mut found = vec![number];
        let mut at = number;
        loop {
            let Bound::Class(class) = &self.facts.bindings[at as usize].bound else { return None };
            let mut next = None;
            for base in &class.bases {
                if let Some(local) = self.local_class(base) {
                    // The order of several is not followed.
                    if next.is_some() || found.contains(&local) {
                        return None;
                    }
                    next = Some(local);
                } else if !is_unittest(base) && !is_plain_path(base) && !PLAIN_CLASSES.contains(&&**base) {
                    return None;
                }
            }
            match next {
                Some(base) if class.bases.len() == 1 => {
                    found.push(base);
                    at = base;
                }
                Some(_) => return None,
                None => return Some(found),
            }
        }
    }

    fn local_class(&self, name: &str) -> Option<u32> {
        let mut found = self
            .facts
            .bindings
            .iter()
            .enumerate()
            .filter(|(_, binding)| binding.scope.is_none() && *binding.name == *name);
        match (found.next(), found.next()) {
            (Some((number, Binding { bound: Bound::Class(_), conditional: false, .. })), None) => Some(number as u32),
            _ => None,
        }
    }

    fn kind(&self, lineage: &[u32], named: bool) -> Kind {
        let Some(Bound::Class(last)) = lineage.last().map(|&last| &self.facts.bindings[last as usize].bound) else {
            return Kind::Unknown;
        };
        if last.bases.iter().any(|base| is_unittest(base)) {
            return Kind::Unittest;
        }
        let plain = last.bases.iter().all(|base| &**base == "object");
        match (named, plain) {
            (false, _) => Kind::None,
            (true, true) => Kind::Plain,
            (true, false) => Kind::Unknown,
        }
    }

    /// Of a class whose bases are not known and whose name is none of a test class.
    fn may_hold_tests(&self, class: &Class) -> bool {
        class.bases.iter().any(|base| {
            let name = base.rsplit('.').next().unwrap_or(base);
            base.is_empty()
                || name.contains("Test")
                || name.contains("Case")
                || self.project.classes_with_tests.contains(name)
                || !self.names_no_unittest()
        })
    }

    /// Whether the module imports nothing of which a base could be a unittest class.
    fn names_no_unittest(&self) -> bool {
        self.facts.imports.iter().all(|import| {
            let module = import.module.as_ref();
            is_plain_path(module) || matches!(module, "pytest" | "sys" | "re" | "time" | "math")
        })
    }

    // ---- functions

    fn function(
        &self,
        binding: &Binding,
        function: &'a Function,
        sure: bool,
        prefix: &str,
        classes: &[u32],
        rows: &mut Vec<TestRow>,
    ) {
        let decorators = &function.decorators;
        if decorators.fixture.is_some() {
            return;
        }
        let name = format!("{prefix}::{}", binding.name);
        let words = self.words(&decorators.marks, classes);
        let exact = sure
            && !decorators.marks.computed
            && decorators.others.iter().all(|path| is_transparent(path))
            && !words.split(' ').any(|word| matches!(word, "anyio" | "trio" | "parametrize_with_cases" | "repeat"));
        let before = rows.len();
        match self.ids(function, classes) {
            Ids::Unknown { parametrized } => {
                let name = if parametrized { name + "[...]" } else { name };
                rows.push(self.row(binding, name, &words, false));
            }
            Ids::None => rows.push(self.row(binding, name, &words, exact)),
            Ids::Known(ids) => {
                rows.extend(ids.iter().map(|id| self.row(binding, format!("{name}[{id}]"), &words, exact)))
            }
        }
        if may_be_marked(decorators) {
            rows[before..].iter_mut().for_each(|row| row.flags |= OPEN_WORDS);
        }
    }

    /// The marks of a test, from the function out.
    fn all_marks(&self, own: &'a Marks, classes: &[u32]) -> Vec<&'a Mark> {
        let mut found: Vec<&Mark> = own.marks.iter().collect();
        for &class in classes.iter().rev() {
            if let Bound::Class(class) = &self.facts.bindings[class as usize].bound {
                found.extend(class.decorators.marks.marks.iter().chain(&class.marks.marks));
            }
        }
        found.extend(&self.facts.marks.marks);
        found
    }

    fn words(&self, own: &'a Marks, classes: &[u32]) -> String {
        let mut words = String::new();
        for mark in self.all_marks(own, classes) {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(&mark.name);
        }
        words
    }

    fn ids(&self, function: &'a Function, classes: &[u32]) -> Ids {
        let marks = self.all_marks(&function.decorators.marks, classes);
        let sets: Vec<_> = marks.iter().filter_map(|mark| mark.parameters.as_ref()).collect();
        let direct: HashSet<&str> = sets.iter().flat_map(|set| set.names.iter().map(|name| &**name)).collect();
        let used = marks.iter().filter_map(|mark| mark.fixtures.as_ref());
        let computed = used.clone().any(|fixtures| fixtures.computed);
        let mut closure = Closure::new(self, classes, &direct);
        used.flat_map(|fixtures| &fixtures.literal).for_each(|name| closure.add(name, 0, false));
        closure.add_autouse();
        let filled = function.decorators.others.iter().any(|path| FILLING.contains(&&**path));
        let is_static = function.decorators.others.iter().any(|path| &**path == "staticmethod");
        let skipped = usize::from(!classes.is_empty() && !is_static);
        function.parameters.iter().skip(skipped).for_each(|name| closure.add(name, 0, filled));
        let Closure { parameters, unknown, .. } = closure;
        if filled && !parameters.is_empty() {
            // Who gives it the argument, the decorator or the fixture of that name?
            return Ids::Unknown { parametrized: false };
        }
        let unknown = unknown || computed;
        match (sets.as_slice(), parameters.as_slice(), unknown) {
            ([], [], false) => Ids::None,
            ([], [], true) => Ids::Unknown { parametrized: false },
            ([], [Some(ids)], false) => Ids::Known(ids.to_vec()),
            (sets, [], false) => match sets.iter().map(|set| set.ids.as_deref()).collect::<Option<Vec<_>>>() {
                Some(all) => Ids::Known(combined(&all)),
                None => Ids::Unknown { parametrized: true },
            },
            _ => Ids::Unknown { parametrized: true },
        }
    }
}

/// Whether decorators may have given marks that the text does not show.
fn may_be_marked(decorators: &Decorators) -> bool {
    decorators.marks.computed || !decorators.others.iter().all(|path| is_transparent(path))
}

/// The row of something that may have any marks.
fn open(mut row: TestRow) -> TestRow {
    row.flags |= OPEN_WORDS;
    row
}

enum Ids {
    None,
    Known(Vec<String>),
    Unknown { parametrized: bool },
}

/// Every id of the first with every one of the second, and so on.
fn combined(sets: &[&[String]]) -> Vec<String> {
    let Some((first, rest)) = sets.split_first() else { return Vec::new() };
    let mut found = first.to_vec();
    for set in rest {
        found = found.iter().flat_map(|before| set.iter().map(move |id| format!("{before}-{id}"))).collect();
    }
    found
}

/// Whether a conftest may change what is collected.
fn is_doubtful_conftest(facts: &Facts) -> bool {
    let names = || facts.bindings.iter().filter(|binding| binding.scope.is_none());
    !facts.is_whole()
        || facts.may_skip
        || facts.dynamic_names
        || facts.plugins.is_some()
        || facts.hooks().any(|hook| !HARMLESS_HOOKS.contains(&hook))
        || names().any(|binding| matches!(&*binding.name, "collect_ignore" | "collect_ignore_glob" | "*"))
}

#[cfg(test)]
mod tests;
