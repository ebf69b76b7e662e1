//! Which functions may keep what they find for whoever calls them next.
//!
//! A test that is given what another has read or computed depends on it, though it has not read it itself. In doubt a function keeps.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::mentions::aliases;
use super::tree::{Field, Id, Kind, Tree, STORE};

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
const MAKERS: [&str; 10] =
    ["dict", "list", "set", "bytearray", "defaultdict", "deque", "sorted", "open", "copy", "deepcopy"];

/// Methods whose first argument is new, or is one test's.
const STARTING: [&str; 6] = ["__init__", "__new__", "__post_init__", "setUp", "asyncSetUp", "setup_method"];

/// Whether a method of this name puts something into what it is called on.
pub(super) fn puts_something(method: &str) -> bool {
    PUTTING.contains(&method)
}

/// The qualified names of the functions that may keep something; sorted.
pub(super) fn keepers(tree: &Tree) -> Vec<String> {
    let mut wrapped = HashSet::new();
    for call in calls_outside(tree) {
        let arguments = tree.children_in(call, Field::Args).map(|argument| tree.node(argument));
        wrapped.extend(arguments.filter(|argument| argument.kind == Kind::Name).map(|argument| argument.name()));
    }
    let keeps = |id: Id| wrapped.contains(tree.node(id).name()) || is_decorated(tree, id) || puts(tree, id);
    let found: BTreeSet<&str> =
        tree.functions.iter().filter(|one| keeps(one.id)).map(|one| one.qualname.as_str()).collect();
    found.into_iter().map(str::to_owned).collect()
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
    let is_plain = |decorator: Id| {
        tree.within(decorator).any(|part| {
            matches!(tree.kind(part), Kind::Name | Kind::Attribute) && PLAIN.contains(&tree.node(part).name())
        })
    };
    !tree.node(function).name().starts_with("test") && !tree.children_in(function, Field::Decorators).all(is_plain)
}

/// Whether the function binds, or puts into, something that may be there after it has ended.
fn puts(tree: &Tree, function: Id) -> bool {
    if tree.own_nodes(function).any(|id| matches!(tree.kind(id), Kind::Global | Kind::Nonlocal)) {
        return true;
    }
    let mut new = None;
    let mut places = tree.own_nodes(function).filter_map(|id| place_of(tree, id));
    places.any(|mut place| {
        while matches!(tree.kind(place), Kind::Attribute | Kind::Subscript) {
            place += 1;
        }
        match tree.kind(place) {
            Kind::Constant => false,
            Kind::Name => !new.get_or_insert_with(|| new_names(tree, function)).contains(tree.node(place).name()),
            _ => true,
        }
    })
}

/// What a node of a function changes, if it is no name.
fn place_of(tree: &Tree, id: Id) -> Option<Id> {
    let node = tree.node(id);
    match node.kind {
        Kind::Attribute | Kind::Subscript if node.flag == STORE => Some(id),
        Kind::Call => {
            let function = tree.node(id + 1);
            match function.kind {
                Kind::Attribute if puts_something(function.name()) => Some(id + 2),
                Kind::Name if function.name() == "setattr" => tree.child(id, Field::Args),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Local names of what was made in a function, and is nobody else's unless it is handed out.
fn new_names<'a>(tree: &Tree<'a>, function: Id) -> HashSet<&'a str> {
    let name = tree.node(function).name();
    let of_test = name.starts_with("test");
    let (mut new, mut shared) = (HashSet::new(), HashSet::new());
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
            share(tree, id, &mut shared);
        }
    }
    new.retain(|name| !shared.contains(name));
    new
}

/// The names that a node binds to something that was not made there.
fn share<'a>(tree: &Tree<'a>, id: Id, shared: &mut HashSet<&'a str>) {
    let (targets, source, any_context) = match tree.kind(id) {
        Kind::Assign | Kind::AnnAssign | Kind::NamedExpr => (Field::Target, Field::Value, false),
        Kind::For | Kind::AsyncFor => (Field::Target, Field::Iter, true),
        Kind::WithItem => (Field::OptionalVars, Field::ContextExpr, true),
        _ => return,
    };
    if tree.child(id, source).is_none_or(|source| is_new(tree, source)) {
        return;
    }
    for target in tree.children_in(id, targets) {
        let names = tree.within(target).map(|part| tree.node(part)).filter(|part| part.kind == Kind::Name);
        shared.extend(names.filter(|part| any_context || part.flag == STORE).map(|part| part.name()));
    }
}

/// Whether an expression gives something that was not there before.
fn is_new(tree: &Tree, mut value: Id) -> bool {
    if tree.kind(value) == Kind::Await {
        value += 1;
    }
    match tree.kind(value) {
        Kind::Call => {
            let name = tree.last_name(value + 1);
            MAKERS.contains(&name) || name.trim_start_matches('_').starts_with(char::is_uppercase)
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
