//! Which functions may keep what they find for whoever calls them next.
//!
//! A test that is given what another has read or computed depends on it, though it has not read it itself. In doubt a function keeps.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::mentions::aliases;
use super::tree::{Field, Id, Kind, Tree, LOAD, STORE};

/// Parts of the names of decorators that keep nothing.
#[rustfmt::skip]
const PLAIN: [&str; 20] = [
    "property", "staticmethod", "classmethod", "abstractmethod", "setter", "getter", "deleter", "override", "overload", "final", "contextmanager",
    "asynccontextmanager", "wraps", "fixture", "yield_fixture", "hookimpl", "hookspec", "mark", "given", "patch",
];

/// Methods that put something into what they are called on.
#[rustfmt::skip]
const PUTTING: [&str; 15] = [
    "append", "appendleft", "add", "update", "setdefault", "extend", "insert", "put", "set", "get_or_set", "push", "register", "store",
    "__setitem__", "__setattr__",
];

/// Functions that give something new; as does what begins with a capital letter.
const MAKERS: [&str; 11] =
    ["dict", "list", "set", "bytearray", "defaultdict", "deque", "sorted", "open", "copy", "deepcopy", "__new__"];

/// Those of them that give what was in something else.
const COPYING: [&str; 7] = ["dict", "list", "set", "defaultdict", "deque", "sorted", "copy"];

/// Methods whose first argument is new, or is one test's.
const STARTING: [&str; 5] = ["__init__", "__post_init__", "setUp", "asyncSetUp", "setup_method"];

/// Decorators of what is given no object of its class, and methods that are given none without one.
const OF_CLASS: [&str; 2] = ["staticmethod", "classmethod"];
pub(super) const OF_CLASS_ITSELF: [&str; 3] = ["__new__", "__init_subclass__", "__class_getitem__"];

/// Whether a method of this name puts something into what it is called on.
pub(super) fn puts_something(method: &str) -> bool {
    PUTTING.contains(&method)
}

/// Where a function may keep something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    #[default]
    Nowhere,
    /// In the object that it is a method of, and in what that alone has: no longer than the object is there.
    InObject,
    Anywhere,
}

/// The qualified names of the functions that may keep something, and of those among them that keep it in their object alone; sorted.
///
/// *own*: [`own_parts`].
pub(super) fn keepers<'a>(tree: &Tree<'a>, own: &HashMap<Id, HashSet<&'a str>>) -> (Vec<String>, Vec<String>) {
    let wrapped = wrapped(tree);
    let mut found: BTreeMap<&str, Kept> = BTreeMap::new();
    for one in &tree.functions {
        let kept = if wrapped.contains(tree.node(one.id).name()) || is_decorated(tree, one.id) {
            Kept::Anywhere
        } else {
            puts(tree, one.id, &one.qualname, own.get(&one.id))
        };
        // Functions of one name, as those of a property, are one to whoever only knows their names.
        let known = found.entry(&one.qualname).or_insert(Kept::Nowhere);
        *known = kept.max(*known);
    }
    let names = |wanted: fn(Kept) -> bool| -> Vec<String> {
        found.iter().filter(|(_, kept)| wanted(**kept)).map(|(name, _)| (*name).to_owned()).collect()
    };
    (names(|kept| kept != Kept::Nowhere), names(|kept| kept == Kept::InObject))
}

/// The names of what is given to somebody outside of functions.
pub(super) fn wrapped<'a>(tree: &Tree<'a>) -> HashSet<&'a str> {
    let mut wrapped = HashSet::new();
    for call in calls_outside(tree) {
        let arguments = tree.children_in(call, Field::Args).map(|argument| tree.node(argument));
        wrapped.extend(arguments.filter(|argument| argument.kind == Kind::Name).map(|argument| argument.name()));
    }
    wrapped
}

/// For each method, the attributes that only objects of its class have: set when one is made, never to anything but something new.
/// None at all where objects may share everything.
pub(super) fn own_parts<'a>(tree: &Tree<'a>) -> HashMap<Id, HashSet<&'a str>> {
    let mut shared = HashSet::new();
    let mut new_at = HashSet::new();
    let mut found = HashMap::new();
    for id in tree.within(0) {
        match tree.kind(id) {
            Kind::Assign | Kind::AnnAssign | Kind::AugAssign => {
                let value = tree.child(id, Field::Value);
                if tree.kind(id) == Kind::AugAssign || value.is_none_or(|value| is_new(tree, value)) {
                    new_at.extend(tree.children_in(id, Field::Target));
                }
            }
            Kind::Attribute if tree.node(id).flag == STORE && !new_at.contains(&id) => {
                shared.insert(tree.node(id).name());
            }
            Kind::ClassDef => shared.extend(names_in_class(tree, id)),
            _ => {}
        }
    }
    if shared.contains("__dict__") || new_at.iter().any(|&id| tree.node(id).name() == "__dict__") {
        return found;
    }
    for class in tree.within(0).filter(|&id| tree.kind(id) == Kind::ClassDef) {
        let methods: Vec<Id> = tree.children_in(class, Field::Body).filter(|&id| tree.kind(id).is_function()).collect();
        let mut parts: HashSet<&str> = HashSet::new();
        for &maker in methods.iter().filter(|&&id| tree.node(id).name() == "__init__") {
            let object = first_parameter(tree, maker);
            let set =
                tree.own_nodes(maker).filter(|&id| tree.kind(id) == Kind::Attribute && tree.node(id).flag == STORE);
            parts.extend(set.filter(|&id| object == name_of(tree, id + 1)).map(|id| tree.node(id).name()));
        }
        parts.retain(|name| !shared.contains(name));
        found.extend(methods.into_iter().map(|method| (method, parts.clone())));
    }
    found
}

/// The names that the body of a class binds, outside of functions.
fn names_in_class<'a>(tree: &Tree<'a>, class: Id) -> Vec<&'a str> {
    let bound = tree.own_nodes(class).map(|id| tree.node(id));
    bound
        .filter(|node| node.kind.is_scope() || (node.kind == Kind::Name && node.flag == STORE))
        .map(|node| node.name())
        .collect()
}

pub(super) fn first_parameter<'a>(tree: &Tree<'a>, function: Id) -> Option<&'a str> {
    [Field::PosOnly, Field::Positional]
        .into_iter()
        .find_map(|field| tree.child(function + 1, field))
        .map(|argument| tree.node(argument).name())
}

fn name_of<'a>(tree: &Tree<'a>, id: Id) -> Option<&'a str> {
    (tree.kind(id) == Kind::Name).then(|| tree.node(id).name())
}

/// The names, without those of modules and classes, of what is handed, outside of functions, to others that may keep what it gives
/// (`functools.cache(other.load)`); sorted.
pub(super) fn handed(tree: &Tree) -> Vec<String> {
    let mut names = HashMap::new();
    for id in tree.breadth_first(0, |kind| kind == Kind::ImportFrom) {
        names.extend(aliases(tree, id).filter_map(|(name, renamed)| Some((renamed?, name))));
    }
    let mut found = BTreeSet::new();
    for call in calls_outside(tree) {
        let keywords = tree.children_in(call, Field::Keywords).map(|keyword| keyword + 1);
        for argument in tree.children_in(call, Field::Args).chain(keywords) {
            let name = tree.last_name(argument);
            if !name.is_empty() {
                found.insert(*names.get(name).unwrap_or(&name));
            }
        }
    }
    found.into_iter().map(str::to_owned).collect()
}

/// What is taken from classes (names that begin with a capital letter), but for methods that are called with the object of the method around them:
/// perhaps it is a method, and is called with objects of other classes. As `C.name`; and `=C` for names that may stand for other classes than those
/// that are called so. Sorted.
pub(super) fn taken(tree: &Tree) -> Vec<String> {
    let mut found = BTreeSet::new();
    for id in tree.within(0) {
        let node = tree.node(id);
        match node.kind {
            Kind::Attribute if node.flag == LOAD && is_class_name(tree.last_name(id + 1)) => {
                let is_of_object = tree.kind(node.parent) == Kind::Call
                    && node.field == Field::Func
                    && tree.child(node.parent, Field::Args).is_some_and(|given| name_of(tree, given) == Some("self"));
                if !is_of_object {
                    found.insert(format!("{}.{}", tree.last_name(id + 1), node.name()));
                }
            }
            Kind::Name if node.flag == STORE && is_class_name(node.name()) && !is_bound_to_value(tree, id) => {
                found.insert(format!("={}", node.name()));
            }
            Kind::Import | Kind::ImportFrom => {
                let renamed =
                    aliases(tree, id).filter_map(|(name, renamed)| renamed.filter(|&renamed| renamed != name));
                found.extend(renamed.filter(|name| is_class_name(name)).map(|name| format!("={name}")));
            }
            _ => {}
        }
    }
    let given = tree.functions.iter().flat_map(|one| parameters(tree, one.id).1.into_keys());
    found.extend(given.filter(|name| is_class_name(name)).map(|name| format!("={name}")));
    found.into_iter().collect()
}

fn is_class_name(name: &str) -> bool {
    name.trim_start_matches('_').starts_with(char::is_uppercase)
}

/// Whether what is bound to a name is written there, and no class.
fn is_bound_to_value(tree: &Tree, id: Id) -> bool {
    let parent = tree.node(id).parent;
    let value = match tree.kind(parent) {
        Kind::Assign | Kind::AnnAssign => tree.child(parent, Field::Value),
        _ => return false,
    };
    value.is_none_or(|value| {
        matches!(
            tree.kind(value),
            Kind::Constant | Kind::JoinedStr | Kind::Dict | Kind::List | Kind::Set | Kind::Tuple | Kind::BinOp
        )
    })
}

/// Calls outside of functions.
fn calls_outside<'t>(tree: &'t Tree) -> impl Iterator<Item = Id> + 't {
    let mut id = 0;
    std::iter::from_fn(move || {
        while id < tree.node(0).end {
            let (at, node) = (id, tree.node(id));
            id = if node.kind.is_function() || node.kind == Kind::Lambda { node.end } else { id + 1 };
            if node.kind == Kind::Call {
                return Some(at);
            }
        }
        None
    })
}

/// Whether something unknown stands between the function and its callers.
fn is_decorated(tree: &Tree, function: Id) -> bool {
    unknown_decorators(tree, function).next().is_some()
}

/// The decorators of a function that may keep what it gives; a test has none.
pub(super) fn unknown_decorators<'t>(tree: &'t Tree, function: Id) -> impl Iterator<Item = Id> + 't {
    let is_test = tree.node(function).name().starts_with("test");
    let is_plain = |decorator: Id| {
        tree.within(decorator).any(|part| {
            matches!(tree.kind(part), Kind::Name | Kind::Attribute) && PLAIN.contains(&tree.node(part).name())
        })
    };
    tree.children_in(function, Field::Decorators).filter(move |&decorator| !is_test && !is_plain(decorator))
}

/// Where the function binds, or puts into, something that may be there after it has ended.
///
/// *parts*: attributes of its class that are no one else's; None if it is no method.
pub(super) fn puts(tree: &Tree, function: Id, qualname: &str, parts: Option<&HashSet<&str>>) -> Kept {
    if tree.own_nodes(function).any(|id| matches!(tree.kind(id), Kind::Global | Kind::Nonlocal)) {
        return Kept::Anywhere;
    }
    let mut new = None;
    let mut object = None;
    let mut kept = Kept::Nowhere;
    for (whole, mut place) in tree.own_nodes(function).filter_map(|id| place_of(tree, id)) {
        while matches!(tree.kind(place), Kind::Attribute | Kind::Subscript) {
            place += 1;
        }
        if tree.kind(place) == Kind::Constant {
            continue;
        }
        if tree.kind(place) == Kind::Name {
            let (new, holding) = new.get_or_insert_with(|| new_names(tree, function));
            let name = tree.node(place).name();
            // What is within it may be older than it is itself.
            if new.contains(name) && (place == whole || !holding.contains(name)) {
                continue;
            }
        }
        let object = object.get_or_insert_with(|| Object::of(tree, function, qualname, parts));
        if !object.as_ref().is_some_and(|object| object.has(tree, whole)) {
            return Kept::Anywhere;
        }
        kept = Kept::InObject;
    }
    kept
}

/// The parameters of a function that may stand in a row; and all, with whether what one is without an argument may be there for the
/// next call, too.
pub(super) fn parameters<'a>(tree: &Tree<'a>, function: Id) -> (Vec<&'a str>, HashMap<&'a str, bool>) {
    let all = function + 1;
    let named = |field: Field| tree.children_in(all, field).map(|one| tree.node(one).name()).collect::<Vec<_>>();
    let in_a_row = [named(Field::PosOnly), named(Field::Positional)].concat();
    let is_kept = |value: Id| !matches!(tree.kind(value), Kind::Constant | Kind::Absent);
    let mut found: HashMap<&str, bool> = in_a_row.iter().map(|&name| (name, false)).collect();
    let defaults: Vec<Id> = tree.children_in(all, Field::Defaults).collect();
    for (&name, &default) in in_a_row.iter().rev().zip(defaults.iter().rev()) {
        found.insert(name, is_kept(default));
    }
    let by_name = named(Field::KwOnly);
    let defaults: Vec<Id> = tree.children_in(all, Field::KwDefaults).collect();
    for (number, name) in by_name.into_iter().enumerate() {
        found.insert(name, defaults.get(number).is_some_and(|&default| is_kept(default)));
    }
    for name in named(Field::VarArg).into_iter().chain(named(Field::KwArg)) {
        found.insert(name, false);
    }
    (in_a_row, found)
}

/// The object that a method is called on.
pub(super) struct Object<'t> {
    name: &'t str,
    parts: HashSet<&'t str>,
    /// Local names of these parts.
    locals: HashSet<&'t str>,
}

impl<'t> Object<'t> {
    pub(super) fn of(tree: &Tree<'t>, function: Id, qualname: &str, parts: Option<&HashSet<&'t str>>) -> Option<Self> {
        let (parts, name) = (parts?, first_parameter(tree, function)?);
        let is_of_class = |decorator: Id| tree.within(decorator).any(|part| OF_CLASS.contains(&tree.last_name(part)));
        if qualname.contains("<locals>")
            || OF_CLASS_ITSELF.contains(&tree.node(function).name())
            || tree.children_in(function, Field::Decorators).any(is_of_class)
        {
            return None;
        }
        let mut bound: HashMap<&str, usize> = HashMap::new();
        for node in tree.own_nodes(function).map(|id| tree.node(id)) {
            if node.kind == Kind::Name && node.flag == STORE {
                *bound.entry(node.name()).or_default() += 1;
            }
        }
        if bound.contains_key(name) {
            return None;
        }
        let mut found = Self { name, parts: parts.clone(), locals: HashSet::new() };
        let assigned = tree.own_nodes(function).filter(|&id| tree.kind(id) == Kind::Assign);
        let locals =
            assigned.filter(|&id| tree.child(id, Field::Value).is_some_and(|value| found.is_part(tree, value)));
        let locals = locals.flat_map(|id| tree.children_in(id, Field::Target)).filter_map(|id| name_of(tree, id));
        let locals: Vec<&str> = locals.filter(|name| bound.get(name) == Some(&1)).collect();
        found.locals.extend(locals);
        Some(found)
    }

    /// Whether what is put into this is gone with the object.
    pub(super) fn has(&self, tree: &Tree<'t>, place: Id) -> bool {
        match tree.kind(place) {
            Kind::Name => tree.node(place).name() == self.name || self.locals.contains(tree.node(place).name()),
            Kind::Attribute => self.is_part(tree, place),
            _ => false,
        }
    }

    fn is_part(&self, tree: &Tree<'t>, id: Id) -> bool {
        let name = tree.node(id).name();
        tree.kind(id) == Kind::Attribute
            && name_of(tree, id + 1) == Some(self.name)
            && (name == "__dict__" || self.parts.contains(name))
    }
}

/// What a node of a function changes, if it is no name: that into which something is put, and where the search for its root begins.
pub(super) fn place_of(tree: &Tree, id: Id) -> Option<(Id, Id)> {
    let node = tree.node(id);
    match node.kind {
        Kind::Attribute | Kind::Subscript if node.flag == STORE => Some((id + 1, id)),
        Kind::Call => {
            let function = tree.node(id + 1);
            match function.kind {
                Kind::Attribute if puts_something(function.name()) => Some((id + 2, id + 2)),
                Kind::Name if function.name() == "setattr" => tree.child(id, Field::Args).map(|given| (given, given)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Local names of what was made in a function, and is nobody else's unless it is handed out; and those of rows and the like that may hold something
/// of others.
pub(super) fn new_names<'a>(tree: &Tree<'a>, function: Id) -> (HashSet<&'a str>, HashSet<&'a str>) {
    let name = tree.node(function).name();
    let of_test = name.starts_with("test");
    let (mut new, mut shared, mut holding) = (HashSet::new(), HashSet::new(), HashSet::new());
    let parameters = function + 1;
    let arguments = |field: Field| tree.children_in(parameters, field).map(|argument| tree.node(argument).name());
    new.extend(arguments(Field::VarArg).chain(arguments(Field::KwArg)));
    let mut named = [Field::PosOnly, Field::Positional, Field::KwOnly].into_iter().flat_map(arguments);
    if of_test {
        new.extend(named);
    } else if STARTING.contains(&name) {
        new.extend(named.next());
    }
    for id in tree.own_nodes(function) {
        let node = tree.node(id);
        if node.kind == Kind::Name && node.flag == STORE {
            new.insert(node.name());
        } else if !of_test {
            share(tree, id, &mut shared, &mut holding);
        }
    }
    new.retain(|name| !shared.contains(name));
    (new, holding)
}

/// The names that a node binds to something that was not made there, and to what may hold that.
fn share<'a>(tree: &Tree<'a>, id: Id, shared: &mut HashSet<&'a str>, holding: &mut HashSet<&'a str>) {
    let (targets, source, any_context) = match tree.kind(id) {
        Kind::Assign | Kind::AnnAssign | Kind::NamedExpr => (Field::Target, Field::Value, false),
        Kind::For | Kind::AsyncFor => (Field::Target, Field::Iter, true),
        Kind::WithItem => (Field::OptionalVars, Field::ContextExpr, true),
        _ => return,
    };
    let Some(source) = tree.child(id, source) else { return };
    let (is_new, is_whole) = (is_new(tree, source), is_new_within(tree, source));
    let is_loop = matches!(tree.kind(id), Kind::For | Kind::AsyncFor);
    for target in tree.children_in(id, targets) {
        let is_part = is_loop || matches!(tree.kind(target), Kind::Tuple | Kind::List);
        let names = tree.within(target).map(|part| tree.node(part)).filter(|part| part.kind == Kind::Name);
        let names = names.filter(|part| any_context || part.flag == STORE).map(|part| part.name());
        if !is_new || (is_part && !is_whole) {
            shared.extend(names);
        } else if !is_whole {
            holding.extend(names);
        }
    }
}

/// Whether what an expression gives was not there before, nor anything that it is made of. An object is taken to be made of new things.
fn is_new_within(tree: &Tree, value: Id) -> bool {
    let all_in = |field| tree.children_in(value, field).all(|part| is_new_within(tree, part));
    match tree.kind(value) {
        Kind::Constant | Kind::JoinedStr => true,
        Kind::Await => is_new_within(tree, value + 1),
        Kind::List | Kind::Tuple | Kind::Set => all_in(Field::Elts),
        Kind::Dict => all_in(Field::Values),
        Kind::ListComp | Kind::SetComp | Kind::GeneratorExp => all_in(Field::Elt),
        Kind::DictComp => all_in(Field::Value),
        Kind::BinOp => all_in(Field::Left) && all_in(Field::Right),
        Kind::Call => is_new(tree, value) && (!COPYING.contains(&tree.last_name(value + 1)) || all_in(Field::Args)),
        _ => false,
    }
}

/// Whether an expression gives something that was not there before.
pub(super) fn is_new(tree: &Tree, mut value: Id) -> bool {
    if tree.kind(value) == Kind::Await {
        value += 1;
    }
    match tree.kind(value) {
        Kind::Call => {
            let name = tree.last_name(value + 1);
            MAKERS.contains(&name) || is_class_name(name)
        }
        Kind::Constant
        | Kind::JoinedStr
        | Kind::Dict
        | Kind::List
        | Kind::Set
        | Kind::Tuple
        | Kind::ListComp
        | Kind::SetComp
        | Kind::DictComp
        | Kind::GeneratorExp
        | Kind::BinOp => true,
        _ => false,
    }
}
