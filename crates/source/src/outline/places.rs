//! Into what a function puts something, by the names that it has there: what has not changed under any of them has not been kept by it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::keeping::{
    first_parameter, is_new, parameters, puts_something, unknown_decorators, wrapped, OF_CLASS_ITSELF,
};
use super::mentions::aliases;
use super::tree::{Field, Id, Kind, Tree, Value, LOAD, STORE};

/// An attribute, of whatever object, or an item of anything.
const ANY_ATTRIBUTE: &str = ".*";
const ANYTHING: &str = "*";

/// Behind the name of what something is within, once for each step, up to [`DEEP`].
const WITHIN: &str = "[]";
const DEEP: usize = 3;

/// How an item is put under a key that is a text: nobody puts it into a list in this way.
const UNDER_A_TEXT: &str = "[str]";

fn at_depth(name: &str, depth: usize) -> String {
    format!("{name}{}", WITHIN.repeat(depth.min(DEEP)))
}

/// Methods that give what is in what they are called on, or another view of it.
const INNER: [&str; 6] = ["get", "setdefault", "values", "items", "__getitem__", "pop"];

/// Functions that give the attributes of something as a dictionary.
const NAMESPACES: [&str; 3] = ["vars", "globals", "locals"];

/// Before the class: of the object that the method is one of. Alone: of its items, whatever the class.
const ITS_OBJECT: &str = "~";

/// Functions that see all names of the function that calls them.
const ALL_NAMES: [&str; 4] = ["locals", "vars", "eval", "exec"];

/// How many assignments a name is followed through.
const FAR: usize = 5;

/// For each function that puts something anywhere, or has something unknown around it, the places:
///
/// - `.name`: an attribute, or a variable of a module, of this name;
/// - `name`: items of what has this name, as an attribute or a variable;
/// - `~C`: items of the object that it is a method of, C being the class that it stands in (`~`: perhaps it is called with others); `~C.name`: an
///   attribute of that object;
/// - `.*`: attributes of whatever, and `~C.*` of that object; `*[]`, `*[str]`, `*append`, …: items of whatever, and how they are put there;
/// - `=a.b.c`, `#a.b`: the same, with the whole path, if it begins with a name that is none of the function's own;
/// - `name[]`, `name[][]`: the same, of what is within what has this name;
///   (`=!`, `#!`: with something that is imported in the function);
/// - `@a.b`: wherever the decorator of this name puts what it gives (`@?`: it has no name); `@*`: it is given to somebody.
pub(super) fn places(tree: &Tree, all: &HashMap<Id, Own>) -> Vec<(String, Vec<String>)> {
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let handed = wrapped(tree);
    for one in &tree.functions {
        let outer = tree.functions.iter().filter(|outer| outer.id < one.id && tree.node(outer.id).end > one.id);
        let names = outer.flat_map(|outer| all[&outer.id].names()).collect();
        let mut places = Places { own: &all[&one.id], around: names, found: BTreeSet::new() };
        places.read();
        for decorator in unknown_decorators(tree, one.id) {
            let called = tree.decorating(decorator);
            let path = places.path(called).unwrap_or_else(|| "?".to_owned());
            places.found.insert(format!("@{path}"));
        }
        if handed.contains(tree.node(one.id).name()) {
            places.found.insert("@*".to_owned());
        }
        found.entry(&one.qualname).or_default().append(&mut places.found);
    }
    let found = found.into_iter().filter(|(_, places)| !places.is_empty());
    found.map(|(name, places)| (name.to_owned(), places.into_iter().collect())).collect()
}

/// A function, with the names that are its own.
pub(super) struct Own<'t, 'a> {
    tree: &'t Tree<'a>,
    id: Id,
    parameters: HashMap<&'a str, bool>,
    /// What local names are bound to, and how far within it; None for what is not known.
    bound: HashMap<&'a str, Vec<Option<(Id, usize)>>>,
    /// Local names of what is imported here.
    imported: HashSet<&'a str>,
    /// The name of the object that it is a method of.
    object: Option<&'a str>,
    /// The class that it stands in, if it is sure to be called with objects of this one.
    class: Option<&'a str>,
}

/// All functions of a file, by their nodes.
pub(super) fn own_names<'t, 'a>(tree: &'t Tree<'a>) -> HashMap<Id, Own<'t, 'a>> {
    tree.functions.iter().map(|one| (one.id, Own::of(tree, one.id))).collect()
}

impl<'t, 'a> Own<'t, 'a> {
    fn of(tree: &'t Tree<'a>, id: Id) -> Self {
        let mut one = Self {
            tree,
            id,
            parameters: parameters(tree, id).1,
            bound: HashMap::new(),
            imported: HashSet::new(),
            object: first_parameter_of_method(tree, id),
            class: class_of_method(tree, id),
        };
        one.bind();
        one
    }

    fn has(&self, name: &str) -> bool {
        self.bound.contains_key(name) || self.parameters.contains_key(name)
    }

    /// Whether a name stands for what was made here, and for nothing else.
    fn is_new(&self, name: &str) -> bool {
        let is_new = |source: &Option<(Id, usize)>| matches!(source, &Some((source, 0)) if is_new(self.tree, source));
        !self.parameters.contains_key(name) && self.bound.get(name).is_some_and(|sources| sources.iter().all(is_new))
    }

    fn names(&self) -> impl Iterator<Item = &'a str> + use<'_, 't, 'a> {
        self.bound.keys().chain(self.parameters.keys()).copied()
    }

    fn bind(&mut self) {
        let tree = self.tree;
        let mut told = BTreeSet::new();
        for id in tree.own_nodes(self.id) {
            let (targets, source) = match tree.kind(id) {
                Kind::Assign | Kind::AnnAssign | Kind::NamedExpr => (Field::Target, Field::Value),
                Kind::For | Kind::AsyncFor => (Field::Target, Field::Iter),
                _ => continue,
            };
            let Some(source) = tree.child(id, source) else { continue };
            for target in tree.children_in(id, targets) {
                let is_loop = matches!(tree.kind(id), Kind::For | Kind::AsyncFor);
                // Parts of a row are within what the row is made from.
                for part in tree.within(target).filter(|&part| is_stored(tree, part)) {
                    told.insert(part);
                    let steps = steps_between(tree, part, target) + usize::from(is_loop);
                    self.bound.entry(tree.node(part).name()).or_default().push(Some((source, steps)));
                }
            }
        }
        for id in tree.own_nodes(self.id).filter(|&id| is_stored(tree, id) && !told.contains(&id)) {
            self.bound.entry(tree.node(id).name()).or_default().push(None);
        }
        for node in tree.own_nodes(self.id).map(|id| tree.node(id)) {
            let is_bound =
                matches!(node.kind, Kind::MatchAs | Kind::MatchStar | Kind::MatchMapping | Kind::ExceptHandler);
            if (is_bound || node.kind.is_scope()) && !node.name().is_empty() {
                self.bound.entry(node.name()).or_default().push(None);
            }
        }
        for id in tree.own_nodes(self.id).filter(|&id| tree.kind(id) == Kind::ImportFrom) {
            self.imported.extend(aliases(tree, id).map(|(name, renamed)| renamed.unwrap_or(name)));
        }
        for name in self.declared() {
            self.bound.remove(name);
        }
    }

    /// Names that the function says are not its own.
    fn declared(&self) -> Vec<&'a str> {
        let nodes = self.tree.own_nodes(self.id).map(|id| self.tree.node(id));
        let names = nodes.filter(|node| matches!(node.kind, Kind::Global | Kind::Nonlocal)).map(|node| node.value);
        names
            .flat_map(|value| match value {
                Value::Names(names) => names.iter().map(ruff_python_ast::Identifier::as_str).collect(),
                _ => Vec::new(),
            })
            .collect()
    }

    /// Where one of its names is read.
    fn uses(&self, name: &'t str) -> impl Iterator<Item = Id> + use<'t, 'a> {
        let tree = self.tree;
        let is_use = move |id: &Id| {
            let node = tree.node(*id);
            node.kind == Kind::Name && node.flag == LOAD && node.name() == name
        };
        tree.own_nodes(self.id).filter(is_use)
    }

    /// Whether an expression is the object that the function is a method of, and nothing else.
    fn is_its_object(&self, id: Id) -> bool {
        let node = self.tree.node(id);
        node.kind == Kind::Name && self.object == Some(node.name()) && !self.bound.contains_key(node.name())
    }
}

/// Finds the places of one function.
struct Places<'o, 't, 'a> {
    own: &'o Own<'t, 'a>,
    /// Names of the functions around it.
    around: HashSet<&'a str>,
    found: BTreeSet<String>,
}

impl<'a> Places<'_, '_, 'a> {
    fn read(&mut self) {
        let tree = self.own.tree;
        for name in self.own.declared() {
            self.found.extend([format!(".{name}"), name.to_owned()]);
        }
        for id in tree.own_nodes(self.own.id) {
            let node = tree.node(id);
            match node.kind {
                Kind::Attribute if node.flag == STORE => {
                    let its = self.own.class.filter(|_| self.own.is_its_object(id + 1));
                    let whose = its.map_or_else(String::new, |class| format!("{ITS_OBJECT}{class}"));
                    self.found.insert(format!("{whose}.{}", node.name()));
                    if let Some(path) = self.path(id) {
                        self.found.insert(format!("={path}"));
                    }
                }
                Kind::Subscript if node.flag == STORE => {
                    let is_text = tree.child(id, Field::Slice).is_some_and(|key| tree.text(key).is_some());
                    self.put_into(id + 1, if is_text { UNDER_A_TEXT } else { "[]" }, 0, 0);
                }
                Kind::Call => self.read_call(id),
                _ => {}
            }
        }
    }

    fn read_call(&mut self, id: Id) {
        let tree = self.own.tree;
        let called = tree.node(id + 1);
        let is_setting = match called.kind {
            Kind::Name => called.name() == "setattr",
            Kind::Attribute => called.name() == "__setattr__",
            _ => return,
        };
        if is_setting {
            // The name is given behind the object, if there is one.
            let given = tree.children_in(id, Field::Args).take(2);
            let word = given.filter_map(|given| tree.text(given)).last();
            match word {
                Some(word) => {
                    self.found.insert(format!(".{}", word.value));
                }
                None => {
                    let names_object = called.kind == Kind::Name || tree.last_name(id + 2) == "object";
                    self.any_attribute_of(tree.child(id, Field::Args).filter(|_| names_object));
                }
            }
        } else if called.kind == Kind::Attribute && puts_something(called.name()) {
            self.put_into(id + 2, called.name(), 0, 0);
        }
    }

    /// Something is put into what *id* gives, or, with a *depth*, into what is within that.
    fn put_into(&mut self, id: Id, how: &str, depth: usize, far: usize) {
        let tree = self.own.tree;
        if far == 0 {
            if let Some(path) = self.path(id) {
                self.found.insert(format!("#{path}"));
            }
        }
        let node = tree.node(id);
        match node.kind {
            _ if far > FAR => self.anything(how),
            Kind::Attribute if node.name() == "__dict__" => self.any_attribute_of(Some(id + 1)),
            Kind::Attribute => {
                self.found.insert(at_depth(node.name(), depth));
            }
            Kind::Subscript => self.put_into(id + 1, how, depth + 1, far + 1),
            Kind::Starred => self.put_into(id + 1, how, depth, far + 1),
            Kind::Name => self.put_into_name(node.name(), how, depth, far),
            _ if depth == 0 && is_new(tree, id) => {}
            Kind::Call => self.put_into_given(id, how, depth, far),
            Kind::Tuple | Kind::List | Kind::Set => {
                for part in tree.children_in(id, Field::Elts) {
                    self.put_into(part, how, depth - 1, far + 1);
                }
            }
            _ => self.anything(how),
        }
    }

    /// The same, into what a call gives.
    fn put_into_given(&mut self, id: Id, how: &str, depth: usize, far: usize) {
        let tree = self.own.tree;
        let called = tree.node(id + 1);
        match called.kind {
            Kind::Name if NAMESPACES.contains(&called.name()) => self.any_attribute_of(tree.child(id, Field::Args)),
            // A new row: of it itself, nobody else has anything.
            Kind::Name if COPYING.contains(&called.name()) => {
                for part in tree.children_in(id, Field::Args).filter(|_| depth > 0) {
                    self.put_into(part, how, depth, far + 1);
                }
            }
            Kind::Name if PAIRING.contains(&called.name()) => {
                for part in tree.children_in(id, Field::Args).filter(|_| depth > 1) {
                    self.put_into(part, how, depth - 1, far + 1);
                }
            }
            Kind::Attribute if INNER.contains(&called.name()) => {
                match called.name() {
                    "values" => self.put_into(id + 2, how, depth, far + 1),
                    "items" => self.put_into(id + 2, how, depth.saturating_sub(1), far + 1),
                    _ => self.put_into(id + 2, how, depth + 1, far + 1),
                }
                // It may be a method of the project's.
                self.anything(how);
            }
            _ => self.anything(how),
        }
    }

    fn put_into_name(&mut self, name: &'a str, how: &str, depth: usize, far: usize) {
        let is_given = self.own.parameters.contains_key(name);
        if is_given && self.own.object == Some(name) {
            self.found.insert(format!("{ITS_OBJECT}{}", self.own.class.unwrap_or_default()));
        } else if is_given {
            self.anything(how);
        }
        match self.own.bound.get(name) {
            Some(sources) => {
                for &source in sources {
                    match source {
                        Some((source, steps)) => self.put_into(source, how, depth + steps, far + 1),
                        None => self.anything(how),
                    }
                }
            }
            None if is_given => {}
            None => {
                self.found.insert(at_depth(name, depth));
            }
        }
    }

    /// Something becomes an attribute of what *id* gives, under a name that is not known; None: of whatever.
    fn any_attribute_of(&mut self, id: Option<Id>) {
        let name = id.filter(|&id| self.own.tree.kind(id) == Kind::Name).map(|id| self.own.tree.node(id).name());
        let its = id.filter(|&id| self.own.is_its_object(id)).and(self.own.class);
        if let Some(class) = its {
            self.found.insert(format!("{ITS_OBJECT}{class}{ANY_ATTRIBUTE}"));
        } else if !name.is_some_and(|name| self.own.is_new(name)) {
            self.found.insert(ANY_ATTRIBUTE.to_owned());
        }
    }

    fn anything(&mut self, how: &str) {
        self.found.insert(format!("{ANYTHING}{how}"));
    }

    /// The dotted path of an expression that begins with a name that is none of the function's own; up to where it is no path any more.
    fn path(&self, mut id: Id) -> Option<String> {
        let mut names = Vec::new();
        loop {
            let node = self.own.tree.node(id);
            match node.kind {
                Kind::Attribute => names.push(node.name()),
                Kind::Subscript => names.clear(),
                Kind::Name if self.own.imported.contains(node.name()) => return Some("!".to_owned()),
                Kind::Name if self.around.contains(node.name()) => return None,
                Kind::Name if self.own.has(node.name()) => return None,
                Kind::Name => {
                    names.push(node.name());
                    names.reverse();
                    return Some(names.join("."));
                }
                _ => return None,
            }
            id += 1;
        }
    }
}

fn first_parameter_of_method<'a>(tree: &Tree<'a>, function: Id) -> Option<&'a str> {
    let is_static = |decorator: Id| tree.last_name(decorator) == "staticmethod";
    let is_method = tree.kind(tree.node(function).parent) == Kind::ClassDef
        && !tree.children_in(function, Field::Decorators).any(is_static);
    is_method.then(|| first_parameter(tree, function)).flatten()
}

/// Decorators that leave a method one of its object.
const OF_OBJECTS: [&str; 9] = [
    "property",
    "setter",
    "getter",
    "deleter",
    "cached_property",
    "abstractmethod",
    "override",
    "final",
    "contextmanager",
];

/// The class that a method stands in; None if it may be called with something else than its objects.
fn class_of_method<'a>(tree: &Tree<'a>, function: Id) -> Option<&'a str> {
    first_parameter_of_method(tree, function)?;
    let is_known = |decorator: Id| OF_OBJECTS.contains(&tree.last_name(decorator));
    let is_sure = !OF_CLASS_ITSELF.contains(&tree.node(function).name())
        && tree.children_in(function, Field::Decorators).all(is_known);
    is_sure.then(|| tree.node(tree.node(function).parent).name())
}

/// The rows around a part of a target, from within: whether it is in the rest of each. A row of the rest is a new one, with parts of the one that it is within.
fn rows_around(tree: &Tree, mut part: Id, target: Id) -> Vec<bool> {
    let mut rows = Vec::new();
    while part != target {
        let is_rest = tree.kind(part) == Kind::Starred;
        part = tree.node(part).parent;
        if matches!(tree.kind(part), Kind::Tuple | Kind::List) {
            rows.push(is_rest);
        }
    }
    rows
}

/// How many steps a part of a target is within what is bound to the target.
fn steps_between(tree: &Tree, part: Id, target: Id) -> usize {
    rows_around(tree, part, target).into_iter().filter(|is_rest| !is_rest).count()
}

fn is_stored(tree: &Tree, id: Id) -> bool {
    tree.kind(id) == Kind::Name && tree.node(id).flag == STORE
}

/// Functions that give nothing of what they are given.
const ASKING: [&str; 15] = [
    "len",
    "isinstance",
    "issubclass",
    "hasattr",
    "callable",
    "repr",
    "str",
    "bool",
    "any",
    "all",
    "sum",
    "id",
    "hash",
    "type",
    "print",
];

/// For each function, and the module itself (`""`), the names of what it hands on: attributes and variables, none of them its own, that it gives to
/// others, returns, or puts anywhere, or of which it does so with a part, be it under a name of its own. Both sorted.
///
/// Where that is only a part, the name has `[]` behind it, once for each step. What is handed on by nobody is reached by its name alone.
pub(super) fn handing(tree: &Tree, all: &HashMap<Id, Own>) -> Vec<(String, Vec<String>)> {
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut functions: Vec<(Id, &str)> = tree.functions.iter().map(|one| (one.id, one.qualname.as_str())).collect();
    functions.sort_unstable();
    // The names of those that others stand in are not only theirs.
    let is_alone = |function: Id| {
        !tree.within(function).skip(1).any(|id| {
            tree.kind(id).is_scope() || (tree.kind(id) == Kind::Name && ALL_NAMES.contains(&tree.node(id).name()))
        })
    };
    let mut around: Vec<(Id, &str, Option<&Own>)> = Vec::new();
    let mut next = functions.into_iter().peekable();
    for id in tree.within(0) {
        while around.last().is_some_and(|one| tree.node(one.0).end <= id) {
            around.pop();
        }
        if let Some((function, name)) = next.next_if(|&(function, _)| function == id) {
            around.push((function, name, is_alone(function).then(|| &all[&function])));
        }
        let node = tree.node(id);
        if !matches!(node.kind, Kind::Attribute | Kind::Name) || node.flag != LOAD {
            continue;
        }
        let (name, own) = around.last().map_or(("", None), |&(_, name, own)| (name, own));
        let Some(depth) = handed_on(tree, id, own) else { continue };
        let is_own = own.is_some_and(|own| own.has(node.name()));
        if node.kind == Kind::Attribute || !is_own {
            let handed = found.entry(name).or_default();
            handed.extend((depth.min(DEEP)..=DEEP).map(|depth| at_depth(node.name(), depth)));
        }
    }
    found.into_iter().map(|(name, handed)| (name.to_owned(), handed.into_iter().collect())).collect()
}

/// Something within a thing, and the new rows that it is in.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Reach {
    /// How many steps it is within the thing; [`DEEP`] stands for more, too.
    within: usize,
    around: usize,
}

impl Reach {
    /// What is in it, by one step.
    fn part(self) -> Self {
        match self.around {
            0 => Self { within: (self.within + 1).min(DEEP), ..self },
            _ => Self { around: self.around - 1, ..self },
        }
    }

    /// It is in a new row.
    fn in_row(self) -> Self {
        Self { around: self.around + 1, ..self }
    }

    /// A new row has the parts that it has.
    fn copied(self) -> Self {
        self.part().in_row()
    }
}

/// Rows around rows, beyond which what is in them counts as handed on.
const ROWS: usize = 8;

/// Where what an expression gives goes.
enum Way {
    Nowhere,
    Away(Reach),
    /// To names, or wherever else this target says.
    Bound(Id, Reach),
}

/// Whether what an expression gives goes anywhere from where it stands, also by names of the function's own; how far within it what does is.
///
/// *own*: the function, if all of it is known that its names are used for.
fn handed_on(tree: &Tree, id: Id, own: Option<&Own>) -> Option<usize> {
    let mut least: Option<usize> = None;
    let mut hand = |reach: Reach| least = least.into_iter().chain([reach.within]).min();
    let mut seen: HashSet<(&str, Reach)> = HashSet::new();
    let mut waiting = vec![(id, Reach { within: 0, around: 0 })];
    while let Some((one, reach)) = waiting.pop() {
        let (target, reach) = match goes(tree, one, reach) {
            Way::Nowhere => continue,
            Way::Away(reach) => {
                hand(reach);
                continue;
            }
            Way::Bound(target, reach) => (target, reach),
        };
        let Some(own) = own.filter(|_| reach.around < ROWS) else {
            hand(reach);
            continue;
        };
        for part in tree.within(target) {
            let node = tree.node(part);
            match node.kind {
                Kind::Name if node.flag == STORE && own.bound.contains_key(node.name()) => {
                    let reach = reached_by(tree, part, target, reach);
                    let is_new = seen.insert((node.name(), reach));
                    waiting.extend(own.uses(node.name()).filter(|_| is_new).map(|id| (id, reach)));
                }
                // It is somebody else's, too, or kept.
                Kind::Name | Kind::Attribute | Kind::Subscript if node.flag == STORE => {
                    hand(reached_by(tree, part, target, reach));
                }
                _ => {}
            }
        }
    }
    least
}

/// What a part of a target is bound to, if *whole* is bound to the target.
fn reached_by(tree: &Tree, part: Id, target: Id, whole: Reach) -> Reach {
    let rows = rows_around(tree, part, target);
    rows.into_iter().rev().fold(whole, |reach, is_rest| if is_rest { reach.copied() } else { reach.part() })
}

/// Where what *id* gives goes from where that stands.
fn goes(tree: &Tree, mut id: Id, mut reach: Reach) -> Way {
    loop {
        let (field, above) = (tree.node(id).field, tree.node(id).parent);
        let node = tree.node(above);
        match node.kind {
            Kind::Attribute => {
                let call = node.parent;
                let is_called = tree.kind(call) == Kind::Call && node.field == Field::Func;
                if !is_called || !INNER.contains(&node.name()) {
                    return Way::Nowhere;
                }
                reach = match node.name() {
                    "values" => reach.copied(),
                    "items" => reach.copied().in_row(),
                    _ => reach.part(),
                };
                id = call;
            }
            // A key; and what something is put into, or taken from.
            Kind::Subscript if field != Field::Value || node.flag != LOAD => return Way::Nowhere,
            Kind::Call if field == Field::Func => return Way::Nowhere,
            Kind::Call => {
                let called = tree.node(above + 1);
                match called.kind {
                    Kind::Name if ASKING.contains(&called.name()) => return Way::Nowhere,
                    Kind::Name if COPYING.contains(&called.name()) => reach = reach.copied(),
                    Kind::Name if PAIRING.contains(&called.name()) => reach = reach.copied().in_row(),
                    // Of what is added, the parts are in two places from then on.
                    Kind::Attribute if matches!(called.name(), "update" | "extend") => return Way::Away(reach.part()),
                    Kind::Attribute | Kind::Name if is_deep_copy(tree, above) => reach = reach.copied(),
                    _ => return Way::Away(reach),
                }
                id = above;
            }
            Kind::Subscript => {
                reach = reach.part();
                id = above;
            }
            Kind::Assign | Kind::AnnAssign if field == Field::Value => {
                let mut targets = tree.children_in(above, Field::Target);
                return match (targets.next(), targets.next()) {
                    (Some(target), None) => Way::Bound(target, reach),
                    _ => Way::Away(reach),
                };
            }
            Kind::For | Kind::AsyncFor | Kind::Comprehension if field == Field::Iter => {
                return match tree.child(above, Field::Target) {
                    Some(target) => Way::Bound(target, reach.part()),
                    None => Way::Away(reach.part()),
                };
            }
            Kind::Tuple | Kind::List | Kind::Set => {
                reach = reach.in_row();
                id = above;
            }
            Kind::ListComp | Kind::SetComp | Kind::GeneratorExp if field == Field::Elt => {
                reach = reach.in_row();
                id = above;
            }
            Kind::Dict if field == Field::Values => {
                reach = reach.in_row();
                id = above;
            }
            Kind::BoolOp | Kind::Starred | Kind::Await | Kind::BinOp => id = above,
            Kind::IfExp if field != Field::Test => id = above,
            Kind::IfExp | Kind::Compare | Kind::UnaryOp | Kind::If | Kind::While | Kind::Assert => return Way::Nowhere,
            Kind::Expr | Kind::FormattedValue | Kind::Delete => return Way::Nowhere,
            Kind::Comprehension if field == Field::Ifs => return Way::Nowhere,
            _ => return Way::Away(reach),
        }
    }
}

/// Whether a call is one of the functions of `copy`, by its usual names.
fn is_deep_copy(tree: &Tree, call: Id) -> bool {
    let called = tree.node(call + 1);
    let is_of_module = called.kind == Kind::Attribute && tree.last_name(call + 2) == "copy";
    called.name() == "deepcopy" || (is_of_module && called.name() == "copy")
}

/// Functions that give a new row of the parts of what they are given, and those that give one of rows of these.
const COPYING: [&str; 6] = ["list", "tuple", "set", "sorted", "reversed", "iter"];
const PAIRING: [&str; 2] = ["enumerate", "zip"];
